// safetensors.h: named tensors in a file that other programs read too.
//
// A safetensors file is the header's length (8 bytes, little endian), the header (JSON: for each
// tensor its type, its shape and where its bytes are; "__metadata__", strings) and the tensors'
// bytes. Source: the safetensors format, version 0.4.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

/// Refuses what is wrong with the file `name`.
struct Refusal {
    std::string name;

    [[noreturn]] void operator()(const std::string& expected, const std::string& found,
                                 const std::string& advice =
                                     "the file is damaged, or of another kind: give one that "
                                     "./main --save or safetensors wrote") const {
        refuse(name, expected, found, advice);
    }
};

inline std::string in_quotes(std::string_view text) { return "\"" + harmless(text) + "\""; }

struct Tensor {
    std::string name;
    std::uint64_t width = 0;  ///< bytes of an element: 4, F32; or 8, F64
    std::vector<std::uint64_t> shape;
    std::uint64_t begin = 0, end = 0;  ///< its bytes, counted from the header's end
};

/// What a file says. Tensors are in the order of their bytes, which they cover once.
struct Safetensors {
    std::map<std::string, std::string> metadata;
    std::vector<Tensor> tensors;
    std::span<const std::uint8_t> data;  ///< what is behind the header
};

/// Bytes of the longest header that is read. Read, a header takes some twenty times its size. 16
/// MiB leave room for the history of 100,000 epochs, and a file that is something else altogether
/// is refused by it almost surely.
inline constexpr std::uint64_t longest_header = std::uint64_t{1} << 24;
inline constexpr std::size_t length_bytes = 8;  ///< of the header's length, before it

/// The header's length, by the file's first bytes (8 are enough), held against the file's size.
std::uint64_t header_length(std::span<const std::uint8_t> bytes, std::uint64_t file_size,
                            const Refusal& refuse);
/// Reads a whole file. Everything is held against the file itself before it is used: lengths
/// against its size, offsets against each other and the shapes.
Safetensors parse_safetensors(std::span<const std::uint8_t> bytes, const Refusal& refuse);

/// Whether `text`, a string of the metadata, is a JSON object, or array, of at most 8 levels with
/// each name once. Where it is no such JSON at all it is refused; `what` is for messages.
bool is_json_object(const std::string& text, const std::string& what, const Refusal& refuse);
bool is_json_array(const std::string& text, const std::string& what, const Refusal& refuse);

/// A file's beginning: the length and the header, with spaces behind it so that the data begins at
/// a multiple of 8 bytes. What is not UTF-8 in a string is replaced.
std::string safetensors_header(const std::vector<std::pair<std::string, std::string>>& metadata,
                               const std::vector<Tensor>& tensors);
