// model_file.cpp: safetensors, written plainly and read with distrust.
//
// Nothing that a file says is used before it was held against the file itself: lengths against its
// size, offsets against each other and the shapes, shapes against the layers before. So a file that
// lies makes no allocation larger than it is itself. Numbers in the metadata are written so that
// they come back to the bit.
#include "model/model_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/real.h"
#include "base/whole_file.h"

static_assert(std::endian::native == std::endian::little, "the format's numbers are little endian");

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// Read, a header takes some twenty times its size. 16 MiB leave room for the history of 100,000
/// epochs, and a file that is something else altogether is refused by it almost surely.
constexpr std::uint64_t longest_header = std::uint64_t{1} << 24;
constexpr std::size_t length_bytes = 8;
constexpr std::string_view metadata_key = "__metadata__";

constexpr const char* get_again =
    "the file is damaged, or of another kind: give one that ./main --save or safetensors wrote";

/// Refuses what is wrong with the file `name`.
struct Refusal {
    std::string name;

    [[noreturn]] void operator()(const std::string& expected, const std::string& found,
                                 const std::string& advice = get_again) const {
        refuse(name, expected, found, advice);
    }
};

std::string in_quotes(std::string_view text) { return "\"" + harmless(text) + "\""; }

// ---- the header ---------------------------------------------------------------------------------

/// The header's length, by the file's first bytes, held against the file's size.
std::uint64_t header_length(std::span<const std::uint8_t> bytes, std::uint64_t file_size,
                            const Refusal& refuse) {
    if (bytes.size() >= 2 && bytes[0] == 'P' && bytes[1] == 'K')
        refuse("a safetensors file", "a zip archive, as torch.save() writes",
               "write it by safetensors.torch.save_file(model.state_dict(), FILE) instead");
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

/// JSON of at most `deepest` levels, no key twice in an object. `what` is for messages. Of a key
/// that comes twice the library would keep one, and which of them is not the same for all readers.
json parse_json(std::string_view text, int deepest, const std::string& what,
                const Refusal& refuse) {
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int depth, json::parse_event_t event, json& value) {
        if (depth > deepest)
            refuse(what + " of at most " + std::to_string(deepest) + " levels", "more");
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        if (event == json::parse_event_t::object_end) keys.pop_back();
        if (event == json::parse_event_t::key &&
            !keys.back().insert(value.get<std::string>()).second)
            refuse(what + " with each name once", in_quotes(value.get<std::string>()) + " twice");
        return true;
    };
    try {
        return json::parse(text, watch);
    } catch (const json::parse_error& error) {
        refuse(what + " in JSON", "something else at its byte " + std::to_string(error.byte));
    } catch (const json::out_of_range&) {
        refuse(what + " in JSON", "a number too large for any type");
    }
}

/// What the header says of a tensor, checked by itself.
struct Tensor {
    std::string name;
    std::uint64_t width = 0;  ///< bytes of an element: 4, F32; or 8, F64
    std::vector<std::uint64_t> shape;
    std::uint64_t begin = 0, end = 0;  ///< its bytes, counted from the header's end
};

std::vector<std::uint64_t> whole_numbers(const json& entry, const char* key, const std::string& of,
                                         const Refusal& refuse) {
    const auto found = entry.find(key);
    std::vector<std::uint64_t> numbers;
    bool right = found != entry.end() && found->is_array();
    if (right)
        for (const auto& item : *found) {
            right = right && item.is_number_unsigned();
            if (right) numbers.push_back(item.get<std::uint64_t>());
        }
    if (!right) refuse("\"" + std::string(key) + "\" of " + of + ", whole numbers", "none");
    return numbers;
}

/// The tensor's bytes by its shape; refuses more than `most`.
std::uint64_t size_of(const Tensor& tensor, std::uint64_t most, const Refusal& refuse) {
    std::uint64_t size = tensor.width;
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

Tensor read_tensor(const std::string& name, const json& entry, std::uint64_t data_size,
                   const Refusal& refuse) {
    const std::string of = "tensor " + in_quotes(name);
    if (!entry.is_object()) refuse(of + " as a JSON object", "something else");
    const auto type = entry.find("dtype");
    if (type == entry.end() || !type->is_string()) refuse("\"dtype\" of " + of, "none");
    if (*type != "F32" && *type != "F64")
        refuse(of + " of type F32 or F64", in_quotes(type->get<std::string>()),
               "convert it before it is saved; in PyTorch: model.float()");
    Tensor tensor;
    tensor.name = name;
    tensor.width = *type == "F32" ? 4 : 8;
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

/// All tensors, which must cover the data once.
std::vector<Tensor> read_tensors(const json& header, std::uint64_t data_size,
                                 const Refusal& refuse) {
    std::vector<Tensor> tensors;
    for (const auto& [name, entry] : header.items())
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

// ---- from tensors to layers ---------------------------------------------------------------------

struct Layer {
    const Tensor *weight = nullptr, *bias = nullptr;
};

/// A tensor's name in its parts: W2 is the weight of "W" 2; fc.2.bias is the bias of "fc.." 2.
struct NameParts {
    std::string stem;
    std::uint32_t number;
    bool is_weight;
};

/// Cuts the number from the end of `name`.
std::optional<std::uint32_t> cut_number(std::string_view& name) {
    const std::size_t digits = name.find_last_not_of("0123456789") + 1;  // npos + 1 is 0
    std::uint32_t number = 0;
    const auto [stop, error] =
        std::from_chars(name.data() + digits, name.data() + name.size(), number);
    if (error != std::errc{}) return {};
    name.remove_suffix(name.size() - digits);
    return number;
}

std::optional<NameParts> parts_of(std::string_view name) {
    constexpr std::string_view weight = ".weight", bias = ".bias";
    const bool is_weight = name.ends_with(weight), of_torch = is_weight || name.ends_with(bias);
    if (of_torch) name.remove_suffix(is_weight ? weight.size() : bias.size());
    const auto number = cut_number(name);
    if (number && of_torch) return NameParts{std::string(name) + ".", *number, is_weight};
    if (number && (name == "W" || name == "b")) return NameParts{"W", *number, name == "W"};
    return {};
}

std::vector<Layer> find_layers(const std::vector<Tensor>& tensors, const Refusal& refuse) {
    std::map<std::uint32_t, Layer> numbered;
    std::string stem;
    for (const Tensor& tensor : tensors) {
        const auto parts = parts_of(tensor.name);
        if (!parts || (&tensor != &tensors.front() && parts->stem != stem))
            refuse("tensors W1, b1, W2, ..., or 0.weight, 0.bias, 2.weight, ... alone",
                   in_quotes(tensor.name), "only fully connected layers with biases can be used");
        stem = parts->stem;
        Layer& layer = numbered[parts->number];
        const Tensor*& place = parts->is_weight ? layer.weight : layer.bias;
        if (place)
            refuse("one tensor of each layer",
                   in_quotes(place->name) + " and " + in_quotes(tensor.name));
        place = &tensor;
    }
    std::vector<Layer> layers;
    for (const auto& [number, layer] : numbered) {
        layers.push_back(layer);
        if (!layer.weight || !layer.bias)
            refuse("a weight and a bias of each layer",
                   "only " + in_quotes((layer.weight ? layer.weight : layer.bias)->name),
                   "only fully connected layers with biases can be used");
        if (stem == "W" && number != layers.size())
            refuse("W" + std::to_string(layers.size()), in_quotes(layer.weight->name));
    }
    if (layers.empty()) refuse("tensors W1, b1, ...", "none");
    return layers;
}

std::string shape_text(const std::vector<std::uint64_t>& shape) {
    std::string text;
    for (const auto extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
    return "[" + harmless(text) + "]";
}

Layout layout_of(const std::vector<Layer>& layers, const Refusal& refuse) {
    constexpr std::uint64_t most = std::numeric_limits<int>::max();
    std::vector<int> sizes;
    for (const auto& [weight, bias] : layers) {
        const auto& shape = weight->shape;
        if (shape.size() != 2 || shape[0] > most || shape[1] > most)
            refuse(
                "two dimensions of " + in_quotes(weight->name) + " (outputs, inputs), below 2^31",
                shape_text(shape));
        if (sizes.empty()) sizes.push_back(static_cast<int>(shape[1]));
        if (shape[1] != static_cast<std::uint64_t>(sizes.back()))
            refuse(std::to_string(sizes.back()) + " inputs of " + in_quotes(weight->name) +
                       ", the outputs of the layer before",
                   shape_text(shape));
        if (bias->shape != std::vector{shape[0]})
            refuse("shape " + shape_text({shape[0]}) + " of " + in_quotes(bias->name),
                   shape_text(bias->shape));
        sizes.push_back(static_cast<int>(shape[0]));
    }
    return Layout(sizes);
}

/// Element `index` of a tensor, rounded to nn_real; refuses what is not finite there.
template <class Stored>
nn_real element(std::span<const std::uint8_t> data, const Tensor& tensor, std::size_t index,
                const Refusal& refuse) {
    Stored value;
    std::memcpy(&value, data.data() + tensor.begin + index * sizeof value, sizeof value);
    if (!(std::abs(value) <= std::numeric_limits<nn_real>::max()))  // of NaN, too
        refuse("finite numbers (of type " + std::string(nn_real_name) + ")",
               (std::isnan(value)   ? "NaN"
                : std::isinf(value) ? "infinity"
                                    : "a larger one") +
                   std::string(" in ") + in_quotes(tensor.name) + " at index " +
                   std::to_string(index),
               "its training has failed, or the file is damaged: give another file");
    return static_cast<nn_real>(value);
}

/// values(i, j) of a rows x cols tensor, row-major there, column-major here. A bias is one column.
template <class Stored>
void read_values(std::span<const std::uint8_t> data, const Tensor& tensor,
                 std::span<nn_real> values, const Refusal& refuse) {
    const std::size_t rows = tensor.shape[0], cols = values.size() / rows;
    for (std::size_t i = 0; i < rows; ++i)
        for (std::size_t j = 0; j < cols; ++j)
            values[j * rows + i] = element<Stored>(data, tensor, i * cols + j, refuse);
}

Parameters<nn_real> read_parameters(std::span<const std::uint8_t> data,
                                    const std::vector<Tensor>& tensors, const Refusal& refuse) {
    const auto layers = find_layers(tensors, refuse);
    Parameters<nn_real> parameters(layout_of(layers, refuse));
    const auto read = [&](const Tensor& tensor, std::span<nn_real> values) {
        tensor.width == 4 ? read_values<float>(data, tensor, values, refuse)
                          : read_values<double>(data, tensor, values, refuse);
    };
    for (int l = 1; l <= parameters.layout.layers(); ++l) {
        const Layer& layer = layers[static_cast<std::size_t>(l) - 1];
        read(*layer.weight, parameters.weights(l));
        read(*layer.bias, parameters.bias(l));
    }
    return parameters;
}

// ---- the metadata -------------------------------------------------------------------------------

/// The file's metadata, by name. What is missing stays as it was.
class Metadata {
  public:
    Metadata(const json& header, const Refusal& refuse) : refuse_(refuse) {
        const auto found = header.find(metadata_key);
        if (found == header.end()) return;
        if (!found->is_object()) refuse_("metadata as a JSON object", "something else");
        for (const auto& [key, value] : found->items()) {
            if (!value.is_string())
                refuse_("metadata of strings", in_quotes(key) + " of another type");
            entries_.emplace(key, value.get<std::string>());
        }
    }

    void read(const char* key, std::string& value) const {
        if (const auto* text = find(key)) value = *text;
    }
    template <class Number>
    void read(const char* key, Number least, Number& value) const {
        const auto* text = find(key);
        if (!text) return;
        const char* const end = text->data() + text->size();
        const auto [stop, error] = std::from_chars(text->data(), end, value);
        const bool right = error == std::errc{} && stop == end && value >= least &&
                           value <= std::numeric_limits<Number>::max();
        if (!right) refuse(key, "a number", *text);
    }
    template <class Name>
    void read(const char* key, std::initializer_list<Name> names, Name& value) const {
        const auto* text = find(key);
        if (!text) return;
        const auto named = std::find_if(names.begin(), names.end(),
                                        [&](Name name) { return *text == name_of(name); });
        if (named == names.end()) refuse(key, "a name of this program", *text);
        value = *named;
    }
    void read_json(const char* key, json::value_t type, std::string& value) const {
        constexpr int deepest = 8;
        const auto* text = find(key);
        if (!text) return;
        const std::string what = "metadata \"" + std::string(key) + "\"";
        if (parse_json(*text, deepest, what, refuse_).type() != type)
            refuse(key, type == json::value_t::object ? "a JSON object" : "a JSON array", *text);
        value = *text;
    }
    [[noreturn]] void refuse(const char* key, const std::string& expected,
                             const std::string& found) const {
        refuse_("metadata \"" + std::string(key) + "\" to be " + expected, in_quotes(found));
    }

  private:
    const std::string* find(const char* key) const {
        const auto found = entries_.find(key);
        return found == entries_.end() ? nullptr : &found->second;
    }

    const Refusal& refuse_;
    std::map<std::string, std::string> entries_;
};

ModelFacts read_facts(const json& header, const Layout& layout, const Refusal& refuse) {
    const Metadata metadata(header, refuse);
    ModelFacts facts;
    std::string sizes = sizes_text(layout);
    metadata.read("sizes", sizes);
    if (sizes != sizes_text(layout)) metadata.refuse("sizes", sizes_text(layout), sizes);
    metadata.read("output", {OutputLayer::softmax, OutputLayer::sigmoid}, facts.objective.output);
    metadata.read("loss", {LossFunction::cross_entropy, LossFunction::mse}, facts.objective.loss);
    metadata.read("rows", 0, facts.rows);
    metadata.read("cols", 0, facts.cols);
    const std::uint64_t pixels =
        static_cast<std::uint64_t>(facts.rows) * static_cast<std::uint64_t>(facts.cols);
    if ((facts.rows != 0 || facts.cols != 0) &&
        pixels != static_cast<std::uint64_t>(layout.inputs()))
        refuse(
            "rows x cols of the metadata to be the " + std::to_string(layout.inputs()) + " inputs",
            std::to_string(facts.rows) + " x " + std::to_string(facts.cols));
    metadata.read("pixel_scale", std::numeric_limits<double>::min(), facts.pixel_scale);
    metadata.read("seed", std::uint64_t{0}, facts.seed);
    metadata.read("epoch", 0, facts.state.epoch);
    metadata.read("step", 0, facts.state.step);
    metadata.read("epoch_loss", std::numeric_limits<double>::lowest(), facts.state.loss);
    metadata.read_json("settings", json::value_t::object, facts.settings);
    metadata.read_json("history", json::value_t::array, facts.history);
    metadata.read("version", facts.version);
    return facts;
}

ordered_json metadata_of(const Model& model) {
    const ModelFacts& facts = model.facts;
    return {{"format", "pt"},
            {"version", facts.version},
            {"type", nn_real_name},
            {"sizes", sizes_text(model.parameters.layout)},
            {"output", name_of(facts.objective.output)},
            {"loss", name_of(facts.objective.loss)},
            {"rows", std::to_string(facts.rows)},
            {"cols", std::to_string(facts.cols)},
            {"pixel_scale", json(facts.pixel_scale).dump()},
            {"seed", std::to_string(facts.seed)},
            {"epoch", std::to_string(facts.state.epoch)},
            {"step", std::to_string(facts.state.step)},
            {"epoch_loss", json(facts.state.loss).dump()},
            {"settings", facts.settings},
            {"history", facts.history}};
}

// ---- writing ------------------------------------------------------------------------------------

/// The tensors' part of the header.
void describe_tensors(const Layout& layout, ordered_json& header) {
    std::uint64_t begin = 0;
    const auto describe = [&](const std::string& name, const std::vector<int>& shape) {
        std::uint64_t size = sizeof(nn_real);
        for (const int extent : shape) size *= static_cast<std::uint64_t>(extent);
        header[name] = {{"dtype", sizeof(nn_real) == 4 ? "F32" : "F64"},
                        {"shape", shape},
                        {"data_offsets", {begin, begin + size}}};
        begin += size;
    };
    for (int l = 1; l <= layout.layers(); ++l) {
        describe("W" + std::to_string(l), {layout.size(l), layout.size(l - 1)});
        describe("b" + std::to_string(l), {layout.size(l)});
    }
}

/// The header, with spaces behind it so that the data begins at a multiple of 8 bytes.
std::string header_of(const Model& model) {
    ordered_json header;
    header[std::string(metadata_key)] = metadata_of(model);
    describe_tensors(model.parameters.layout, header);
    const auto text = [&] {  // what is not UTF-8 in a user's words must not cost the model
        std::string bytes = header.dump(-1, ' ', false, json::error_handler_t::replace);
        return bytes.append((8 - bytes.size() % 8) % 8, ' ');
    };
    std::string bytes = text();
    if (bytes.size() > longest_header) {
        header[std::string(metadata_key)]["history"] = "[]";
        bytes = text();
    }
    return bytes;
}

void require_finite(const Model& model) {
    const auto finite = [](double value) { return std::isfinite(value); };
    if (!std::all_of(model.parameters.values.begin(), model.parameters.values.end(), finite) ||
        !finite(model.facts.state.loss))
        throw Diverged(
            "a parameter is not a finite number: this model is not saved; lower the "
            "learning rate (-l)");
}

}  // namespace

std::vector<std::uint8_t> format_model(const Model& model) {
    require_finite(model);
    const std::string header = header_of(model);
    const std::uint64_t length = header.size();
    const Layout& layout = model.parameters.layout;
    std::vector<std::uint8_t> bytes(length_bytes + header.size() +
                                    layout.total() * sizeof(nn_real));
    std::memcpy(bytes.data(), &length, length_bytes);
    std::memcpy(bytes.data() + length_bytes, header.data(), header.size());
    std::uint8_t* out = bytes.data() + length_bytes + header.size();
    const auto write = [&](nn_real value) {
        std::memcpy(out, &value, sizeof value);
        out += sizeof value;
    };
    for (int l = 1; l <= layout.layers(); ++l) {
        const auto weights = model.parameters.weights(l);
        const auto rows = static_cast<std::size_t>(layout.size(l));
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t at = i; at < weights.size(); at += rows) write(weights[at]);
        for (const nn_real value : model.parameters.bias(l)) write(value);
    }
    return bytes;
}

void save_model(const std::filesystem::path& file, const Model& model) {
    write_whole_file(file, format_model(model));
}

std::vector<std::uint8_t> read_model_bytes(const std::filesystem::path& file) {
    // What is no model may be huge: it is refused by its first bytes.
    const Refusal refuse{file.string()};
    const auto first = read_whole_file(file, "a model file", length_bytes);
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(file, error);
    header_length(first, error ? first.size() : size, refuse);
    return read_whole_file(file, "a model file");
}

Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name) {
    const Refusal refuse{name};
    const std::uint64_t length = header_length(bytes, bytes.size(), refuse);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + length_bytes, length);
    if (!text.starts_with('{')) refuse("a safetensors header, which begins with {", "none");
    constexpr int deepest = 3;  // the header, a tensor, its shape, a number
    const json header = parse_json(text, deepest, "a header", refuse);
    const auto data = bytes.subspan(length_bytes + length);
    const auto tensors = read_tensors(header, data.size(), refuse);
    Parameters<nn_real> parameters = read_parameters(data, tensors, refuse);
    ModelFacts facts = read_facts(header, parameters.layout, refuse);
    return {std::move(parameters), std::move(facts)};
}

Model load_model(const std::filesystem::path& file) {
    return parse_model(read_model_bytes(file), file.string());
}
