// safetensors.cpp: writes the header, and reads it without trusting it.
//
// A length or an offset is used only after a check against the file's size. So a wrong file causes
// no allocation that is larger than the file.
#include "model/safetensors.h"

#include <algorithm>
#include <cstring>

#include "base/json.h"

namespace {

constexpr std::string_view metadata_key = "__metadata__";

/// Parses JSON of at most `deepest` levels, without a name twice in an object. `what` is for
/// messages.
Json parse_json(std::string_view text, int deepest, const std::string& what,
                const Refusal& refuse) {
    try {
        return Json::parse(text, deepest);
    } catch (const JsonError& error) {
        refuse(what + (error.expected.empty() ? " in JSON" : error.expected), error.found);
    }
}

std::vector<std::uint64_t> whole_numbers(const Json& entry, const char* key, const std::string& of,
                                         const Refusal& refuse) {
    const Json& found = entry[key];
    std::vector<std::uint64_t> numbers;
    bool right = found.is_array();
    if (right)
        for (const Json& item : found.items()) {
            right = right && item.is_whole();
            if (right) numbers.push_back(item.whole());
        }
    if (!right) refuse("\"" + std::string(key) + "\" of " + of + ", whole numbers", "none");
    return numbers;
}

/// The number of the tensor's bytes by its shape; refuses more than `most`.
std::uint64_t size_of(const Tensor& tensor, std::uint64_t most, const Refusal& refuse) {
    std::uint64_t size = width_of(tensor.type);
    for (const std::uint64_t extent : tensor.shape) {
        if (extent == 0)
            refuse("no empty tensor", in_quotes(tensor.name) + " with a dimension of 0");
        if (size > most / extent)
            refuse("tensors that fit in the file's " + std::to_string(most) + " bytes of data",
                   in_quotes(tensor.name) + " with a larger shape");
        size *= extent;
    }
    return size;
}

StoredType float_type(const std::string& name, const std::string& of, const Refusal& refuse) {
    using enum StoredType;
    for (const StoredType type : {f32, f64, f16, bf16})
        if (name == type_name(type)) return type;
    refuse(of + " of type F32, F64, F16 or BF16", in_quotes(name),
           "convert it before it is saved; in PyTorch: model.float()");
}

Tensor read_tensor(const std::string& name, const Json& entry, std::uint64_t data_size,
                   const Refusal& refuse) {
    const std::string of = "tensor " + in_quotes(name);
    if (!entry.is_object()) refuse(of + " as a JSON object", "something else");
    const Json& type = entry["dtype"];
    if (!type.is_text()) refuse("\"dtype\" of " + of, "none");
    Tensor tensor;
    tensor.name = name;
    tensor.type = float_type(type.text(), of, refuse);
    tensor.shape = whole_numbers(entry, "shape", of, refuse);
    const auto offsets = whole_numbers(entry, "data_offsets", of, refuse);
    if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data_size)
        refuse("offsets of " + of + " that lie, in order, in the file's " +
                   std::to_string(data_size) + " bytes of data",
               "others");
    tensor.begin = offsets[0];
    tensor.end = offsets[1];
    const std::uint64_t size = size_of(tensor, data_size, refuse);
    if (size != tensor.end - tensor.begin)
        refuse(std::to_string(size) + " bytes for " + of + ", as its shape says",
               std::to_string(tensor.end - tensor.begin));
    return tensor;
}

/// Reads all tensors, which must cover the data exactly once.
std::vector<Tensor> read_tensors(const Json& header, std::uint64_t data_size,
                                 const Refusal& refuse) {
    std::vector<Tensor> tensors;
    for (const auto& [name, entry] : header.members())
        if (name != metadata_key) tensors.push_back(read_tensor(name, entry, data_size, refuse));
    std::sort(tensors.begin(), tensors.end(),
              [](const Tensor& a, const Tensor& b) { return a.begin < b.begin; });
    std::uint64_t covered = 0;
    for (const Tensor& tensor : tensors) {
        if (tensor.begin != covered)
            refuse("tensors one behind the other",
                   (tensor.begin < covered ? "an overlap" : "a gap") + std::string(" before ") +
                       in_quotes(tensor.name));
        covered = tensor.end;
    }
    if (covered != data_size)
        refuse(std::to_string(covered) + " bytes of data, as the tensors take",
               std::to_string(data_size));
    return tensors;
}

std::map<std::string, std::string> read_metadata(const Json& header, const Refusal& refuse) {
    std::map<std::string, std::string> metadata;
    const Json* const found = header.find(metadata_key);
    if (found == nullptr) return metadata;
    if (!found->is_object()) refuse("metadata as a JSON object", "something else");
    for (const auto& [key, value] : found->members()) {
        if (!value.is_text()) refuse("metadata of strings", in_quotes(key) + " of another type");
        metadata.emplace(key, value.text());
    }
    return metadata;
}

constexpr int deepest_in_metadata = 8;

}  // namespace

bool is_safetensors(std::span<const std::uint8_t> bytes) {
    if (bytes.size() <= length_bytes) return false;
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), length_bytes);
    return length <= longest_header && bytes[length_bytes] == '{';
}

std::uint64_t header_length(std::span<const std::uint8_t> bytes, std::uint64_t file_size,
                            const Refusal& refuse) {
    if (bytes.size() < length_bytes)
        refuse("a safetensors file", "only " + std::to_string(file_size) + " bytes");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), length_bytes);
    if (length > longest_header)
        refuse("a safetensors header of at most " + std::to_string(longest_header) + " bytes",
               "a length of " + std::to_string(length));
    if (length > file_size - length_bytes)
        refuse("a header of " + std::to_string(length) + " bytes, as the first 8 bytes say",
               "only " + std::to_string(file_size - length_bytes) + " bytes behind them");
    return length;
}

TensorFile parse_safetensors(std::span<const std::uint8_t> bytes, const Refusal& refuse) {
    const std::uint64_t length = header_length(bytes, bytes.size(), refuse);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + length_bytes, length);
    if (!text.starts_with('{')) refuse("a safetensors header, which begins with {", "none");
    constexpr int deepest = 3;  // the header, a tensor, its shape, a number
    const Json header = parse_json(text, deepest, "a header", refuse);
    const auto data = bytes.subspan(length_bytes + length);
    return {read_metadata(header, refuse), read_tensors(header, data.size(), refuse), data};
}

bool is_json_object(const std::string& text, const std::string& what, const Refusal& refuse) {
    return parse_json(text, deepest_in_metadata, what, refuse).is_object();
}
bool is_json_array(const std::string& text, const std::string& what, const Refusal& refuse) {
    return parse_json(text, deepest_in_metadata, what, refuse).is_array();
}

std::string safetensors_header(const std::vector<std::pair<std::string, std::string>>& metadata,
                               const std::vector<Tensor>& tensors) {
    Json strings = Json::object();
    for (const auto& [key, value] : metadata) strings.add(key, value);
    Json header = Json::object();
    if (!metadata.empty()) header.add(std::string(metadata_key), std::move(strings));
    for (const Tensor& tensor : tensors)
        header.add(tensor.name,
                   Json::object({{"dtype", std::string(type_name(tensor.type))},
                                 {"shape", tensor.shape},
                                 {"data_offsets", Json::array({tensor.begin, tensor.end})}}));
    std::string text = header.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    const std::uint64_t length = text.size();
    std::string bytes(length_bytes, '\0');
    std::memcpy(bytes.data(), &length, length_bytes);
    return bytes + text;
}
