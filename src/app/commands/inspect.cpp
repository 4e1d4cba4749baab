// inspect.cpp: finds out what a file or a folder is, and what is in it.
#include "app/commands/inspect.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>
#include <vector>

#include "app/run/load.h"
#include "base/error.h"
#include "base/text.h"
#include "mnist_reader.h"

namespace fs = std::filesystem;

namespace {

// ---- a model ------------------------------------------------------------------------------------

/// The type that the file has a tensor in. Where another program named the tensors, all types that
/// it has. The file was parsed before, so its header is known to be right.
std::string type_of(const std::string& name, std::span<const std::uint8_t> bytes) {
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | bytes[i];
    const auto text = bytes.subspan(8, length);
    const Finding header = Finding::parse(text.begin(), text.end());
    if (header.contains(name)) return header[name].at("dtype").get<std::string>();
    std::set<std::string> types;
    for (const auto& [key, tensor] : header.items())
        if (key != "__metadata__") types.insert(tensor.at("dtype").get<std::string>());
    std::string all;
    for (const std::string& type : types) all += (all.empty() ? "" : "/") + type;
    return all;
}

Finding found_in_tensor(const std::string& name, std::string type, std::vector<int> shape,
                        std::span<const nn_real> values) {
    double sum = 0, squares = 0;
    for (const double value : values) {
        sum += value;
        squares += value * value;
    }
    const auto [least, most] = std::ranges::minmax(values);
    return {{"name", name},
            {"shape", std::move(shape)},
            {"type", std::move(type)},
            {"min", least},
            {"mean", sum / static_cast<double>(values.size())},
            {"max", most},
            {"norm", std::sqrt(squares)}};
}

/// What the file's own JSON says, or its text where that is none.
Finding parsed(const std::string& text) {
    Finding value = Finding::parse(text, nullptr, false);
    return value.is_discarded() ? Finding(text) : value;
}

/// A value as a word: a string without its quotes.
std::string word(const Finding& value) {
    return one_line(value.is_string() ? value.get<std::string>() : value.dump());
}

std::string joined(const Finding& numbers, const char* between) {
    std::string text;
    for (const Finding& number : numbers) text += (text.empty() ? "" : between) + number.dump();
    return text;
}

std::string tensors_text(const Finding& tensors) {
    std::string text = formatted("  %-6s %-13s %-4s %12s %12s %12s %12s\n", "tensor", "shape",
                                 "type", "min", "mean", "max", "norm");
    for (const Finding& tensor : tensors)
        text += formatted("  %-6s %-13s %-4s %12.5g %12.5g %12.5g %12.5g\n",
                          word(tensor["name"]).c_str(), joined(tensor["shape"], " x ").c_str(),
                          word(tensor["type"]).c_str(), tensor["min"].get<double>(),
                          tensor["mean"].get<double>(), tensor["max"].get<double>(),
                          tensor["norm"].get<double>());
    return text;
}

Finding inspect_model(const std::string& file) {
    const std::vector<std::uint8_t> bytes = read_model_bytes(file);
    return found_in_model(parse_model(bytes, file), bytes);
}

// ---- a folder -----------------------------------------------------------------------------------

/// Names of the checkpoints in it, the oldest first.
std::vector<std::string> checkpoint_names(const fs::path& folder) {
    std::vector<std::string> names;
    try {
        for (const auto& entry : fs::directory_iterator(folder)) {
            const std::string name = entry.path().filename().string();
            if (name.starts_with("checkpoint-") && name.ends_with(".safetensors"))
                names.push_back(name);
        }
    } catch (const fs::filesystem_error& error) {
        throw InputError(folder.string() + ": expected a folder that can be read, found \"" +
                         error.code().message() + "\"; check its permissions");
    }
    std::ranges::sort(names);
    return names;
}

Finding inspect_checkpoint(const fs::path& file) {
    const std::string name = file.filename().string();
    try {
        const Model model = load_model(file);
        return {{"file", name},
                {"valid", true},
                {"sizes", model.parameters.layout.sizes()},
                {"epoch", model.facts.state.epoch},
                {"step", model.facts.state.step}};
    } catch (const InputError& error) {
        return {{"file", name}, {"valid", false}, {"why", error.what()}};
    }
}

Finding inspect_set(const fs::path& folder, const std::string& name, const std::string& stem) {
    const fs::path images = find_idx_file(folder, stem + "-images-idx3-ubyte");
    const fs::path labels = find_idx_file(folder, stem + "-labels-idx1-ubyte");
    return found_in_set(read_idx(images, labels), name, images.filename().string(),
                        labels.filename().string());
}

// ---- either -------------------------------------------------------------------------------------

/// Prints one finding about `file`, which is the start of its JSON object and of its text.
void tell(const std::string& file, const char* kind, const Finding& finding, bool json,
          std::string (*text)(const Finding&)) {
    const Finding object = {{"file", file}, {"kind", kind}, {kind, finding}};
    print(json ? object.dump(-1, ' ', false, Finding::error_handler_t::replace) + "\n"
               : one_line(file) + ": " + text(finding));
}

void inspect_checkpoints(const std::string& folder, const std::vector<std::string>& names,
                         bool json) {
    Finding list = Finding::array();
    for (const std::string& name : names)
        list.push_back(inspect_checkpoint(fs::path(folder) / name));
    tell(folder, "checkpoints", list, json, checkpoints_text);
    if (std::ranges::none_of(list, [](const Finding& one) { return one["valid"].get<bool>(); }))
        throw InputError(folder + ": none of its checkpoints is valid; start the training anew");
}

/// Each of `parts`; the last error is thrown after all were tried, the others printed.
void each(const std::vector<std::function<void()>>& parts) {
    std::string wrong;
    for (const auto& part : parts) {
        try {
            part();
        } catch (const InputError& error) {
            if (!wrong.empty()) print_error(wrong);
            wrong = error.what();
        }
    }
    if (!wrong.empty()) throw InputError(wrong);
}

void inspect_file(const std::string& file, bool json) {
    std::error_code error;
    if (!fs::is_directory(file, error)) {
        if (is_idx_or_gzip(file))
            throw InputError(file +
                             ": expected a model file or a folder, found IDX or gzip data; give "
                             "the folder that it is in");
        return tell(file, "model", inspect_model(file), json, model_text);
    }
    if (const auto names = checkpoint_names(file); !names.empty())
        return inspect_checkpoints(file, names, json);
    each({[&] { tell(file, "set", inspect_set(file, "training", "train"), json, set_text); },
          [&] { tell(file, "set", inspect_set(file, "test", "t10k"), json, set_text); }});
}

}  // namespace

Finding found_in_model(const Model& model, std::span<const std::uint8_t> bytes) {
    const Layout& layout = model.parameters.layout;
    const ModelFacts& facts = model.facts;
    Finding tensors = Finding::array();
    for (int l = 1; l <= layout.layers(); ++l) {
        const std::string w = "W" + std::to_string(l), b = "b" + std::to_string(l);
        tensors.push_back(found_in_tensor(w, type_of(w, bytes),
                                          {layout.size(l), layout.size(l - 1)},
                                          model.parameters.weights(l)));
        tensors.push_back(
            found_in_tensor(b, type_of(b, bytes), {layout.size(l)}, model.parameters.bias(l)));
    }
    return {{"version", facts.version},
            {"sizes", layout.sizes()},
            {"parameters", layout.total()},
            {"output", name_of(facts.objective.output)},
            {"loss", name_of(facts.objective.loss)},
            {"rows", facts.rows},
            {"cols", facts.cols},
            {"pixel_scale", facts.pixel_scale},
            {"seed", facts.seed},
            {"epoch", facts.state.epoch},
            {"step", facts.state.step},
            {"settings", parsed(facts.settings)},
            {"history", parsed(facts.history)},
            {"tensors", std::move(tensors)}};
}

Finding found_in_set(const SampleSet& set, const std::string& name, const std::string& images,
                     const std::string& labels) {
    std::vector<std::size_t> classes(static_cast<std::size_t>(set.classes));
    for (const std::uint8_t label : set.labels) ++classes[label];
    std::uint64_t sum = 0;
    for (const std::uint8_t pixel : set.pixels) sum += pixel;
    return {{"name", name},
            {"images", images},
            {"labels", labels},
            {"count", set.count()},
            {"rows", set.rows},
            {"cols", set.cols},
            {"mean_pixel", static_cast<double>(sum) / static_cast<double>(set.pixels.size())},
            {"classes", classes}};
}

std::string model_text(const Finding& model) {
    const std::string version = word(model["version"]);
    std::string text =
        formatted("a network %s of %s parameters\n", joined(model["sizes"], "-").c_str(),
                  model["parameters"].dump().c_str());
    const auto line = [&](const std::string& name, const std::string& value) {
        text += formatted("  %-20s %s\n", one_line(name).c_str(), value.c_str());
    };
    line("written by", version.empty() ? "another program" : "main " + version);
    line("output, loss", word(model["output"]) + ", " + word(model["loss"]));
    if (model["rows"] > 0)
        line("images", model["rows"].dump() + " x " + model["cols"].dump() + ", times " +
                           formatted("%.6g", model["pixel_scale"].get<double>()));
    line("seed", model["seed"].dump());
    line("trained", progress_text(model["epoch"].get<int>(), model["step"].get<int>()));
    for (const auto& [name, value] : model["settings"].items()) line(name, word(value));
    return text + tensors_text(model["tensors"]);
}

std::string set_text(const Finding& set) {
    std::string text = formatted("%s set, %s images of %s x %s, mean pixel %.2f of 255\n  %s, %s\n",
                                 word(set["name"]).c_str(), set["count"].dump().c_str(),
                                 set["rows"].dump().c_str(), set["cols"].dump().c_str(),
                                 set["mean_pixel"].get<double>(), word(set["images"]).c_str(),
                                 word(set["labels"]).c_str());
    text += formatted("  %5s %9s\n", "class", "images");
    for (std::size_t c = 0; c < set["classes"].size(); ++c)
        text += formatted("  %5zu %9s\n", c, set["classes"][c].dump().c_str());
    return text;
}

std::string checkpoints_text(const Finding& checkpoints) {
    std::string text = formatted("checkpoints: %zu\n", checkpoints.size());
    for (const Finding& one : checkpoints)
        text += "  " + word(one["file"]) + "  " +
                (one["valid"].get<bool>()
                     ? joined(one["sizes"], "-") + ", " +
                           progress_text(one["epoch"].get<int>(), one["step"].get<int>())
                     : "not valid: " + word(one["why"])) +
                "\n";
    return text;
}

int inspect(const Comm& comm, const Options& options) {
    bool all_right = true;
    for (const std::string& file : options.files)
        all_right = tried_on_root(comm, [&] { inspect_file(file, options.json); }) && all_right;
    return all_right ? exit_ok : exit_bad_input;
}
