// tensor_file.cpp: finds out which format a file of tensors has, and reads .npz archives.
#include "model/tensor_file.h"

#include <algorithm>

#include "base/npz.h"
#include "model/other_formats.h"
#include "model/safetensors.h"

namespace {

TensorFile read_npz(std::span<const std::uint8_t> bytes, const Refusal& refuse) {
    const Npz archive(bytes, refuse.name);
    TensorFile file;
    for (const std::string& name : archive.names()) {
        NpyArray array = archive.read(name);
        if (array.header.elements == 0)
            refuse("no empty tensor", in_quotes(name) + " with a dimension of 0");
        const std::uint64_t begin = file.unpacked.size();
        file.unpacked.insert(file.unpacked.end(), array.data.begin(), array.data.end());
        file.tensors.push_back({name, array.header.type, std::move(array.header.shape), begin,
                                file.unpacked.size(), array.header.first_index_fastest});
    }
    file.data = file.unpacked;
    return file;
}

}  // namespace

std::string_view type_name(StoredType type) {
    constexpr std::string_view names[] = {"U8",  "U16", "U32", "U64",  "I8",  "I16",
                                          "I32", "I64", "F16", "BF16", "F32", "F64"};
    return names[static_cast<std::size_t>(type)];
}

TensorFile parse_tensor_file(std::span<const std::uint8_t> bytes, const Refusal& refuse) {
    if (is_safetensors(bytes)) return parse_safetensors(bytes, refuse);
    refuse_other_format(bytes, refuse);
    return is_zip(bytes) ? read_npz(bytes, refuse) : parse_safetensors(bytes, refuse);
}

void check_tensor_file_start(std::span<const std::uint8_t> first, std::uint64_t file_size,
                             const Refusal& refuse) {
    if (!is_safetensors(first)) {
        if (is_zip(first)) return;  // its kind is told by the names in its directory, at its end
        refuse_other_format(first, refuse);
    }
    header_length(first, file_size, refuse);
}
