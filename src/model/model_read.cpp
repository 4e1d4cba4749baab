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
#include "model/checksum.h"
#include "model/foreign.h"
#include "model/model_file.h"
#include "model/safetensors.h"

namespace {

/// Number `index` of a tensor; refuses one that is not finite in nn_real.
double element(std::span<const std::uint8_t> data, const Tensor& tensor, std::size_t index,
               const Refusal& refuse) {
    const double value = number_at(data.subspan(tensor.begin), tensor.type, index);
    if (!(std::abs(value) <= std::numeric_limits<nn_real>::max()))  // true for NaN, too
        refuse("finite numbers (of type " + std::string(nn_real_name) + ")",
               (std::isnan(value)   ? "NaN"
                : std::isinf(value) ? "infinity"
                                    : "a larger one") +
                   std::string(" in ") + in_quotes(tensor.name) + " at index " +
                   std::to_string(index),
               "its training has failed, or the file is damaged: give another file");
    return value;
}

/// A layer's weights as outputs x inputs, column-major, and its bias, as they are in the file.
struct LayerValues {
    std::vector<double> weights, bias;
};
LayerValues read_layer(const TensorFile& file, const Layer& layer, bool in_out,
                       const Refusal& refuse) {
    const Tensor& weight = *layer.weight;
    const std::size_t rows = weight.shape[0], cols = weight.shape[1];
    LayerValues values{std::vector<double>(rows * cols), std::vector<double>(in_out ? cols : rows)};
    for (std::size_t r = 0; r < rows; ++r)
        for (std::size_t c = 0; c < cols; ++c)
            values.weights[in_out ? r * cols + c : c * rows + r] =
                element(file.data, weight, weight.first_index_fastest ? c * rows + r : r * cols + c,
                        refuse);
    for (std::size_t i = 0; i < values.bias.size(); ++i)
        values.bias[i] = element(file.data, *layer.bias, i, refuse);
    return values;
}

/// Rounds to nn_real; refuses what folding made too large for it.
void round_to(std::span<nn_real> rounded, const std::vector<double>& values,
              const Refusal& refuse) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        rounded[i] = static_cast<nn_real>(values[i]);
        if (!std::isfinite(rounded[i]))
            refuse("a first layer of finite numbers", "a larger one",
                   "--input-std is too small for it: give the right one");
    }
}

void read_parameters(const TensorFile& file, const Layers& found, const InputMap& map,
                     const Refusal& refuse, Parameters<nn_real>& parameters) {
    for (int l = 1; l <= parameters.layout.layers(); ++l) {
        const Layer& layer = found.layers[static_cast<std::size_t>(l) - 1];
        LayerValues values = read_layer(file, layer, found.in_out, refuse);
        if (l == 1) fold(map, values.weights, values.bias);
        round_to(parameters.weights(l), values.weights, refuse);
        round_to(parameters.bias(l), values.bias, refuse);
    }
}

/// Refuses a file whose content is not that of its checksum. A file without one is older, or of
/// another program.
void check_checksum(const TensorFile& file, const std::vector<Layers>& arrays,
                    const Refusal& refuse) {
    const auto kept = file.metadata.find(checksum_key);
    if (kept == file.metadata.end()) return;
    std::vector<std::span<const std::uint8_t>> bytes;
    for (const Layers& found : arrays)
        for (const Layer& layer : found.layers)
            for (const Tensor* tensor : {layer.weight, layer.bias})
                bytes.push_back(file.data.subspan(tensor->begin, tensor->end - tensor->begin));
    const std::string seen = checksum_of_model(file.metadata, bytes);
    if (seen != kept->second)
        refuse("content of the checksum " + in_quotes(kept->second), in_quotes(seen),
               "the file was changed or damaged after it was written: take another copy, or an "
               "older checkpoint");
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

/// The names of the moments that a checkpoint has.
std::vector<std::string> moment_names_of(const Metadata& metadata) {
    constexpr const char* key = "moments";
    std::string text = "[]";
    metadata.read_json(key, is_json_array, "array", text);
    std::vector<std::string> names;
    const Json list = Json::parse(text);
    for (const Json& name : list.items()) {
        if (!name.is_text() || name.text().empty() ||
            std::ranges::find(names, name.text()) != names.end())
            metadata.refuse(key, "different names", text);
        names.push_back(name.text());
    }
    return names;
}

/// Takes the tensors of moment `name` out of `tensors`, with names without that of the moment.
std::vector<Tensor> take_moment(const std::string& name, std::vector<Tensor>& tensors) {
    std::vector<Tensor> taken;
    const std::string prefix = name + ".";
    std::erase_if(tensors, [&](Tensor& tensor) {
        if (!tensor.name.starts_with(prefix)) return false;
        taken.push_back(tensor);
        taken.back().name.erase(0, prefix.size());
        return true;
    });
    return taken;
}

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

/// Of a checkpoint with --precision fp16: the scale, its good steps, and those without an update.
LossScaleState loss_scale_of(const Metadata& metadata) {
    constexpr const char* key = "loss_scale";
    std::string text = "[]";
    metadata.read_json(key, is_json_array, "array", text);
    if (text == "[]") return {};
    LossScaleState state;
    try {
        const Json list = Json::parse(text);
        state = {list.items().at(0).number(), static_cast<int>(list.items().at(1).whole()),
                 static_cast<int>(list.items().at(2).whole())};
    } catch (const std::exception&) {
        metadata.refuse(key, "a power of two and two counts", text);
    }
    int exponent = 0;
    if (!(state.scale >= 1 && std::frexp(state.scale, &exponent) == 0.5) || state.good < 0 ||
        state.skipped < 0)
        metadata.refuse(key, "a power of two and two counts", text);
    return state;
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
    facts.state.loss_scale = loss_scale_of(metadata);
    metadata.read_json("settings", is_json_object, "object", facts.settings);
    metadata.read_json("history", is_json_array, "array", facts.history);
    metadata.read_json("columns", is_json_object, "object", facts.columns);
    facts.class_names = class_names_of(metadata, layout.classes());
    metadata.read("version", facts.version);
    std::string pictures;
    metadata.read("pictures", pictures);
    facts.pictures_as_is = pictures == "as_is";
    std::string scaling;
    metadata.read("scaling", scaling);
    facts.scaling_assumed = scaling == "assumed";
    return facts;
}

}  // namespace

std::vector<std::uint8_t> read_model_bytes(const std::filesystem::path& file) {
    // A file that is no model may be huge, so its first bytes are checked first.
    const Refusal refuse{file.string()};
    constexpr std::size_t enough = 64;
    const auto first = read_whole_file(file, "a model file", enough);
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(file, error);
    check_tensor_file_start(first, error ? first.size() : size, refuse);
    return read_whole_file(file, "a model file");
}

Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name) {
    return parse_model(bytes, name, {});
}

Model parse_model(std::span<const std::uint8_t> bytes, const std::string& name,
                  const ForeignFacts& said) {
    const Refusal refuse{name};
    const TensorFile file = parse_tensor_file(bytes, refuse);
    const auto version = file.metadata.find("version");
    const bool own = version != file.metadata.end() && !version->second.empty();
    const std::vector<std::string> moments =
        own ? moment_names_of({file.metadata, refuse}) : std::vector<std::string>{};
    // Array 0 has the parameters, the others their moments. Layers points into `tensors`.
    std::vector<std::vector<Tensor>> tensors{file.tensors};
    for (const std::string& moment : moments)
        tensors.push_back(take_moment(moment, tensors.front()));
    std::vector<Layers> arrays;
    arrays.reserve(tensors.size());
    for (const std::vector<Tensor>& some : tensors)
        arrays.push_back(find_layers(
            some, own && said.kernels == Kernels::told ? Kernels::out_in : said.kernels, refuse));
    check_checksum(file, arrays, refuse);
    const Layers& found = arrays.front();
    Model model{Parameters<nn_real>(found.layout),
                read_facts({file.metadata, refuse}, found.layout, refuse)};
    const InputMap map = complete_facts(model, file.metadata, said, refuse);
    read_parameters(file, found, map, refuse, model.parameters);
    for (std::size_t m = 0; m < moments.size(); ++m) {
        const Layers& array = arrays[1 + m];
        if (sizes_text(array.layout) != sizes_text(found.layout))
            refuse("moments " + in_quotes(moments[m]) + " of " + sizes_text(found.layout),
                   sizes_text(array.layout));
        model.moments.push_back({moments[m], Parameters<nn_real>(found.layout)});
        read_parameters(file, array, {}, refuse, model.moments.back().values);
    }
    for (const Layer& layer : found.layers)
        for (const Tensor* tensor : {layer.weight, layer.bias})
            model.tensors.push_back({tensor->name, std::string(type_name(tensor->type))});
    return model;
}

Model load_model(const std::filesystem::path& file) {
    return parse_model(read_model_bytes(file), file.string());
}
