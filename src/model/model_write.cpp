// model_write.cpp: a model as a safetensors file.
//
// Numbers in the metadata are written with so many digits that a reader gets the same bits.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/json.h"
#include "base/real.h"
#include "base/whole_file.h"
#include "model/checksum.h"
#include "model/model_file.h"
#include "model/safetensors.h"

namespace {

using Entries = std::vector<std::pair<std::string, std::string>>;

std::string number_text(double value) { return Json(value).dump(); }

Entries metadata_of(const Model& model) {
    const ModelFacts& facts = model.facts;
    Entries entries = {{"format", "pt"},
                       {"version", facts.version},
                       {"type", nn_real_name},
                       {"sizes", sizes_text(model.parameters.layout)},
                       {"activation", name_of(facts.activation)},
                       {"output", name_of(facts.objective.output)},
                       {"loss", name_of(facts.objective.loss)},
                       {"rows", std::to_string(facts.rows)},
                       {"cols", std::to_string(facts.cols)},
                       {"pixel_scale", number_text(facts.pixel_scale)},
                       {"seed", std::to_string(facts.seed)},
                       {"epoch", std::to_string(facts.state.epoch)},
                       {"step", std::to_string(facts.state.step)},
                       {"epoch_loss", number_text(facts.state.loss)},
                       {"settings", facts.settings},
                       {"history", facts.history}};
    if (const LossScaleState& scale = facts.state.loss_scale; scale.scale > 0)
        entries.emplace_back("loss_scale",
                             Json::array({scale.scale, scale.good, scale.skipped}).dump());
    if (!facts.class_names.empty())
        entries.emplace_back("class_names", Json(facts.class_names).dump());
    if (facts.columns != "{}") entries.emplace_back("columns", facts.columns);
    if (facts.pictures_as_is) entries.emplace_back("pictures", "as_is");
    if (facts.scaling_assumed) entries.emplace_back("scaling", "assumed");
    std::vector<std::string> moments;
    for (const NamedMoment& moment : model.moments) moments.push_back(moment.name);
    if (!moments.empty()) entries.emplace_back("moments", Json(moments).dump());
    entries.emplace_back(checksum_key, "00000000");
    return entries;
}

std::vector<Tensor> tensors_of(const Model& model) {
    const Layout& layout = model.parameters.layout;
    std::vector<Tensor> tensors;
    std::uint64_t begin = 0;
    constexpr StoredType type = sizeof(nn_real) == 4 ? StoredType::f32 : StoredType::f64;
    const auto add = [&](const std::string& name, std::initializer_list<int> shape) {
        std::uint64_t size = sizeof(nn_real);
        for (const int extent : shape) size *= static_cast<std::uint64_t>(extent);
        tensors.push_back({name, type, {shape.begin(), shape.end()}, begin, begin + size});
        begin += size;
    };
    const auto add_array = [&](const std::string& prefix) {
        for (int l = 1; l <= layout.layers(); ++l) {
            add(prefix + "W" + std::to_string(l), {layout.size(l), layout.size(l - 1)});
            add(prefix + "b" + std::to_string(l), {layout.size(l)});
        }
    };
    add_array("");
    for (const NamedMoment& moment : model.moments) add_array(moment.name + ".");
    return tensors;
}

/// The metadata, without a history that would make the header too long.
Entries fitting_metadata(const Model& model, const std::vector<Tensor>& tensors) {
    Entries metadata = metadata_of(model);
    if (safetensors_header(metadata, tensors).size() > length_bytes + longest_header)
        for (auto& [key, value] : metadata)
            if (key == "history") value = "[]";
    return metadata;
}

/// Puts the checksum of metadata and `data` into the metadata. Strings count as they are read
/// again: with bytes replaced that are not UTF-8.
void add_checksum(Entries& metadata, std::span<const std::uint8_t> data) {
    std::map<std::string, std::string> read;
    for (const auto& [key, value] : metadata) read[key] = Json::parse(Json(value).dump()).text();
    metadata.back().second = checksum_of_model(read, {data});
}

void require_finite(const Model& model) {
    const auto finite = [](double value) { return std::isfinite(value); };
    const auto all_finite = [&](const Parameters<nn_real>& of) {
        return std::ranges::all_of(of.values, finite);
    };
    const auto moment_finite = [&](const NamedMoment& moment) { return all_finite(moment.values); };
    if (!all_finite(model.parameters) || !std::ranges::all_of(model.moments, moment_finite) ||
        !finite(model.facts.state.loss))
        throw Diverged(
            "a parameter or a moment is not a finite number: this model is not saved; lower the "
            "learning rate (-l)");
}

}  // namespace

std::vector<std::uint8_t> format_model(const Model& model) {
    require_finite(model);
    const Layout& layout = model.parameters.layout;
    const std::vector<Tensor> tensors = tensors_of(model);
    Entries metadata = fitting_metadata(model, tensors);
    std::string header = safetensors_header(metadata, tensors);
    std::vector<std::uint8_t> bytes(header.size() +
                                    layout.total() * (1 + model.moments.size()) * sizeof(nn_real));
    std::uint8_t* out = bytes.data() + header.size();
    const auto write = [&](nn_real value) {
        std::memcpy(out, &value, sizeof value);
        out += sizeof value;
    };
    const auto write_array = [&](const Parameters<nn_real>& array) {
        for (int l = 1; l <= layout.layers(); ++l) {
            const auto weights = array.weights(l);
            const auto rows = static_cast<std::size_t>(layout.size(l));
            for (std::size_t i = 0; i < rows; ++i)
                for (std::size_t at = i; at < weights.size(); at += rows) write(weights[at]);
            for (const nn_real value : array.bias(l)) write(value);
        }
    };
    write_array(model.parameters);
    for (const NamedMoment& moment : model.moments) write_array(moment.values);
    add_checksum(metadata, std::span(bytes).subspan(header.size()));
    header = safetensors_header(metadata, tensors);  // as long as before
    std::memcpy(bytes.data(), header.data(), header.size());
    return bytes;
}

void save_model(const std::filesystem::path& file, const Model& model) {
    write_whole_file(file, format_model(model));
}
