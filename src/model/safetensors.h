// safetensors.h: named tensors in a file that other programs read too.
//
// A safetensors file is the header's length (8 bytes, little endian), the header (JSON: for each
// tensor its type, its shape and where its bytes are; "__metadata__", strings) and the tensors'
// bytes. Source: the safetensors format, version 0.4.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/tensor_file.h"

/// The longest header that is read, in bytes. Once read, a header takes about twenty times its size
/// in memory. 16 MiB leave room for the history of 100,000 epochs. The limit also refuses almost
/// every file that is no safetensors file.
inline constexpr std::uint64_t longest_header = std::uint64_t{1} << 24;
inline constexpr std::size_t length_bytes = 8;  ///< of the header's length, before it

/// True if the bytes begin as a safetensors file does: a length that may be, and a brace. A length
/// alone may look like the beginning of any other format.
bool is_safetensors(std::span<const std::uint8_t> bytes);

/// The header's length, from the file's first bytes (8 are enough), checked against the file's
/// size.
std::uint64_t header_length(std::span<const std::uint8_t> bytes, std::uint64_t file_size,
                            const Refusal& refuse);
/// Reads a whole file. It checks everything before it uses it: lengths against the file's size,
/// offsets against each other and against the shapes.
TensorFile parse_safetensors(std::span<const std::uint8_t> bytes, const Refusal& refuse);

/// True if `text`, a string of the metadata, is a JSON object (is_json_array: a JSON array).
/// Refuses a text that is not JSON of at most 8 levels with each name once; `what` is for messages.
bool is_json_object(const std::string& text, const std::string& what, const Refusal& refuse);
bool is_json_array(const std::string& text, const std::string& what, const Refusal& refuse);

/// A file's beginning: the length and the header, with spaces behind it so that the data begin at a
/// multiple of 8 bytes. Bytes that are not UTF-8 in a string are replaced.
std::string safetensors_header(const std::vector<std::pair<std::string, std::string>>& metadata,
                               const std::vector<Tensor>& tensors);
