// model_read.cpp: makes layers of a file's tensors, and reads its metadata.
//
// It checks each shape against the layers before, and each value of the metadata against the values
// that are allowed. safetensors.cpp has checked the file's structure before.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "base/names.h"
#include "base/real.h"
#include "base/whole_file.h"
#include "model/model_file.h"
#include "model/safetensors.h"

namespace {

struct Layer {
    const Tensor *weight = nullptr, *bias = nullptr;
};

/// The parts of a tensor's name: W2 is the weight of "W" 2; fc.2.bias is the bias of "fc.." 2.
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

/// Element `index` of a tensor, rounded to nn_real; refuses a value that is not finite in nn_real.
template <class Stored>
nn_real element(std::span<const std::uint8_t> data, const Tensor& tensor, std::size_t index,
                const Refusal& refuse) {
    Stored value;
    std::memcpy(&value, data.data() + tensor.begin + index * sizeof value, sizeof value);
    if (!(std::abs(value) <= std::numeric_limits<nn_real>::max()))  // true for NaN, too
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

Parameters<nn_real> read_parameters(const Safetensors& file, const Refusal& refuse) {
    const auto layers = find_layers(file.tensors, refuse);
    Parameters<nn_real> parameters(layout_of(layers, refuse));
    const auto read = [&](const Tensor& tensor, std::span<nn_real> values) {
        tensor.width == 4 ? read_values<float>(file.data, tensor, values, refuse)
                          : read_values<double>(file.data, tensor, values, refuse);
    };
    for (int l = 1; l <= parameters.layout.layers(); ++l) {
        const Layer& layer = layers[static_cast<std::size_t>(l) - 1];
        read(*layer.weight, parameters.weights(l));
        read(*layer.bias, parameters.bias(l));
    }
    return parameters;
}

/// The file's metadata, by name. A value that is missing leaves its variable as it was.
class Metadata {
  public:
    Metadata(const std::map<std::string, std::string>& entries, const Refusal& refuse)
        : entries_(entries), refuse_(refuse) {}

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
    template <HasNames Name>
    void read(const char* key, Name& value) const {
        const auto* text = find(key);
        if (!text) return;
        const auto named = value_named<Name>(*text);
        if (!named) refuse(key, "a name of this program", *text);
        value = *named;
    }
    /// A string that must be JSON itself, an object or an array.
    template <class IsRight>
    void read_json(const char* key, IsRight is_right, const std::string& kind,
                   std::string& value) const {
        const auto* text = find(key);
        if (!text) return;
        if (!is_right(*text, "metadata \"" + std::string(key) + "\"", refuse_))
            refuse(key, "a JSON " + kind, *text);
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

    const std::map<std::string, std::string>& entries_;
    const Refusal& refuse_;
};

/// A name for each output, each another; none where the file has none.
std::vector<std::string> class_names_of(const Metadata& metadata, int outputs) {
    constexpr const char* key = "class_names";
    std::string text = "[]";
    metadata.read_json(key, is_json_array, "array", text);
    std::vector<std::string> names;
    const Json list = Json::parse(text);
    for (const Json& name : list.items()) {
        if (!name.is_text() || std::ranges::find(names, name.text()) != names.end())
            metadata.refuse(key, "different texts", name.dump());
        names.push_back(name.text());
    }
    if (!names.empty() && names.size() != static_cast<std::size_t>(outputs))
        metadata.refuse(key, "a name for each output, " + std::to_string(outputs) + " in all",
                        text);
    return names;
}

ModelFacts read_facts(const Metadata& metadata, const Layout& layout, const Refusal& refuse) {
    ModelFacts facts;
    std::string sizes = sizes_text(layout);
    metadata.read("sizes", sizes);
    if (sizes != sizes_text(layout)) metadata.refuse("sizes", sizes_text(layout), sizes);
    metadata.read("activation", facts.activation);
    metadata.read("output", facts.objective.output);
    metadata.read("loss", facts.objective.loss);
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
    metadata.read_json("settings", is_json_object, "object", facts.settings);
    metadata.read_json("history", is_json_array, "array", facts.history);
    metadata.read_json("columns", is_json_object, "object", facts.columns);
    facts.class_names = class_names_of(metadata, layout.classes());
    metadata.read("version", facts.version);
    return facts;
}

}  // namespace

std::vector<std::uint8_t> read_model_bytes(const std::filesystem::path& file) {
    // A file that is no model may be huge, so its first bytes are checked first.
    const Refusal refuse{file.string()};
    const auto first = read_whole_file(file, "a model file", length_bytes);
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(file, error);
    header_length(first, error ? first.size() : size, refuse);
    return read_whole_file(file, "a model file");
}

Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name) {
    const Refusal refuse{name};
    const Safetensors file = parse_safetensors(bytes, refuse);
    Parameters<nn_real> parameters = read_parameters(file, refuse);
    ModelFacts facts = read_facts({file.metadata, refuse}, parameters.layout, refuse);
    return {std::move(parameters), std::move(facts)};
}

Model load_model(const std::filesystem::path& file) {
    return parse_model(read_model_bytes(file), file.string());
}
