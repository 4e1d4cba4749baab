// tensor_file.h: named tensors in a file, whatever its format: safetensors, or NumPy's .npz.
//
// Both readers end in the same value. What the tensors mean is found out in layers.h.
#pragma once
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/stored_type.h"

/// Throws InputError about the file `name`.
struct Refusal {
    std::string name;

    [[noreturn]] void operator()(const std::string& expected, const std::string& found,
                                 const std::string& advice =
                                     "the file is damaged, or of another kind: give one that "
                                     "./main --save, safetensors or numpy.savez wrote") const {
        refuse(name, expected, found, advice);
    }
};

inline std::string in_quotes(std::string_view text) { return "\"" + harmless(text) + "\""; }

struct Tensor {
    std::string name;
    StoredType type = StoredType::f32;
    std::vector<std::uint64_t> shape;
    std::uint64_t begin = 0, end = 0;  ///< its bytes in TensorFile::data
    bool first_index_fastest = false;  ///< Fortran's order; otherwise row-major
};

/// The content of a file. Tensors are in the order of their bytes. Together they cover all bytes
/// exactly once.
struct TensorFile {
    std::map<std::string, std::string> metadata;
    std::vector<Tensor> tensors;
    std::span<const std::uint8_t> data;
    std::vector<std::uint8_t> unpacked =
        {};  ///< what `data` shows, if it is not in the file itself
};

/// "F32", "BF16", "U8": the names of safetensors.
std::string_view type_name(StoredType type);

/// Reads a safetensors or a .npz file from its bytes, which must outlive the result. Throws
/// InputError; a file of another known kind is named, with the lines of Python that convert it.
TensorFile parse_tensor_file(std::span<const std::uint8_t> bytes, const Refusal& refuse);

/// Refuses a file of another kind by its first bytes, of which 64 are enough, before more is read.
void check_tensor_file_start(std::span<const std::uint8_t> first, std::uint64_t file_size,
                             const Refusal& refuse);
