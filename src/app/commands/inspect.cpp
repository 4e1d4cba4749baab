// inspect.cpp: finds out what a file or a folder is, and shows what it holds.
#include "app/commands/inspect.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <vector>

#include "app/commands/inspect_table.h"
#include "app/run/load.h"
#include "base/error.h"
#include "base/text.h"
#include "input/image_source.h"
#include "input/npz_images.h"
#include "input/table_reader.h"
#include "mnist_reader.h"

namespace fs = std::filesystem;

namespace {

// ---- a model ------------------------------------------------------------------------------------

Json found_in_tensor(const std::string& name, const std::string& type,
                     const std::vector<int>& shape, std::span<const nn_real> values) {
    double sum = 0, squares = 0;
    for (const double value : values) {
        sum += value;
        squares += value * value;
    }
    const auto [least, most] = std::ranges::minmax(values);
    return Json::object({{"name", name},
                         {"shape", shape},
                         {"type", type},
                         {"min", least},
                         {"mean", sum / static_cast<double>(values.size())},
                         {"max", most},
                         {"norm", std::sqrt(squares)}});
}

/// The value of a JSON text; if it is not JSON, the text itself.
Json parsed(const std::string& text) {
    try {
        return Json::parse(text);
    } catch (const JsonError&) {
        return text;
    }
}

/// A value as a word: a string without its quotes.
std::string word(const Json& value) {
    return one_line(value.is_text() ? value.text() : value.dump());
}

std::string joined(const Json& numbers, const char* between) {
    std::string text;
    for (const Json& number : numbers.items())
        text += (text.empty() ? "" : between) + number.dump();
    return text;
}

/// True if the file says the columns of a table, as this program writes them.
bool is_of_table(const Json& model) {
    const Json& columns = model["columns"];
    return columns.is_object() && columns["count"].is_whole() && columns["targets"].is_array();
}

std::string progress_of(const Json& state) {
    return progress_text(static_cast<int>(state["epoch"].whole()),
                         static_cast<int>(state["step"].whole()));
}

/// True for a setting that is a fact of the network too, and is told as one.
bool is_fact(const std::string& setting) {
    return setting == "activation" || setting == "output" || setting == "loss" || setting == "seed";
}

/// True for a setting of an update rule, in a file whose optimizer has another rule.
bool is_of_other_rule(const std::string& setting, const Json& optimizer) {
    if (!optimizer.is_text()) return false;
    const std::string& rule = optimizer.text();
    if (setting == "momentum") return rule != "momentum" && rule != "nesterov";
    return (setting == "beta1" || setting == "beta2" || setting == "epsilon") && rule != "adam" &&
           rule != "adamw";
}

std::string tensors_text(const Json& tensors) {
    std::string text = formatted("  %-6s %-13s %-4s %12s %12s %12s %12s\n", "tensor", "shape",
                                 "type", "min", "mean", "max", "norm");
    for (const Json& tensor : tensors.items())
        text += formatted("  %-6s %-13s %-4s %12.5g %12.5g %12.5g %12.5g\n",
                          word(tensor["name"]).c_str(), joined(tensor["shape"], " x ").c_str(),
                          word(tensor["type"]).c_str(), tensor["min"].number(),
                          tensor["mean"].number(), tensor["max"].number(), tensor["norm"].number());
    return text;
}

Json inspect_model(const std::string& file) { return found_in_model(load_model(file)); }

// ---- a folder -----------------------------------------------------------------------------------

/// The names of the checkpoints in the folder, the oldest first.
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

Json inspect_checkpoint(const fs::path& file) {
    const std::string name = file.filename().string();
    try {
        const Model model = load_model(file);
        return Json::object({{"file", name},
                             {"valid", true},
                             {"sizes", model.parameters.layout.sizes()},
                             {"epoch", model.facts.state.epoch},
                             {"step", model.facts.state.step}});
    } catch (const InputError& error) {
        return Json::object({{"file", name}, {"valid", false}, {"why", error.what()}});
    }
}

Json inspect_set(const fs::path& folder, const std::string& name, Split split) {
    const ImageSet read = read_images(folder.string(), {}, split);
    return found_in_set(read.samples, name, read.images, read.labels);
}

// ---- either -------------------------------------------------------------------------------------

/// Prints one finding about `file`. The file's name begins the JSON object and the text.
void tell(const std::string& file, const char* kind, const Json& finding, bool json,
          std::string (*text)(const Json&)) {
    const Json object = Json::object({{"file", file}, {"kind", kind}, {kind, finding}});
    print(json ? object.dump() + "\n" : one_line(file) + ": " + text(finding));
}

void inspect_checkpoints(const std::string& folder, const std::vector<std::string>& names,
                         bool json) {
    Json list = Json::array();
    for (const std::string& name : names) list.add(inspect_checkpoint(fs::path(folder) / name));
    tell(folder, "checkpoints", list, json, checkpoints_text);
    if (std::ranges::none_of(list.items(), [](const Json& one) { return one["valid"].truth(); }))
        throw InputError(folder + ": none of its checkpoints is valid; start the training anew");
}

/// Runs each of `parts`. After all ran, it throws the last error; it prints the errors before.
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

void inspect_images(const std::string& data, bool json) {
    const auto show = [&](const char* name, Split split) {
        return [=, &data] { tell(data, "set", inspect_set(data, name, split), json, set_text); };
    };
    std::vector<std::function<void()>> parts = {show("training", Split::train)};
    if (has_test_images(data)) parts.push_back(show("test", Split::test));
    each(parts);
}

void inspect_file(const std::string& file, bool json) {
    std::error_code error;
    if (!fs::is_directory(file, error)) {
        if (is_named_as_table(file))
            return tell(file, "table", found_in_table(file), json, table_text);
        if (is_idx_or_gzip(file))
            throw InputError(file +
                             ": expected a model file or a folder, found IDX or gzip data; give "
                             "the folder that it is in");
        if (is_image_archive(file)) return inspect_images(file, json);
        return tell(file, "model", inspect_model(file), json, model_text);
    }
    if (const auto names = checkpoint_names(file); !names.empty())
        return inspect_checkpoints(file, names, json);
    inspect_images(file, json);
}

}  // namespace

Json found_in_model(const Model& model) {
    const Layout& layout = model.parameters.layout;
    const ModelFacts& facts = model.facts;
    Json tensors = Json::array();
    auto in_file = model.tensors.begin();
    for (int l = 1; l <= layout.layers(); ++l) {
        const std::string number = std::to_string(l);
        tensors.add(found_in_tensor("W" + number, (in_file++)->type,
                                    {layout.size(l), layout.size(l - 1)},
                                    model.parameters.weights(l)));
        tensors.add(found_in_tensor("b" + number, (in_file++)->type, {layout.size(l)},
                                    model.parameters.bias(l)));
    }
    return Json::object({{"version", facts.version},
                         {"sizes", layout.sizes()},
                         {"parameters", layout.total()},
                         {"activation", name_of(facts.activation)},
                         {"output", name_of(facts.objective.output)},
                         {"loss", name_of(facts.objective.loss)},
                         {"rows", facts.rows},
                         {"cols", facts.cols},
                         {"pixel_scale", facts.pixel_scale},
                         {"pictures_as_is", facts.pictures_as_is},
                         {"seed", facts.seed},
                         {"epoch", facts.state.epoch},
                         {"step", facts.state.step},
                         {"settings", parsed(facts.settings)},
                         {"history", parsed(facts.history)},
                         {"class_names", facts.class_names},
                         {"columns", parsed(facts.columns)},
                         {"notes", model.notes},
                         {"tensors", std::move(tensors)}});
}

Json found_in_set(const SampleSet& set, const std::string& name, const std::string& images,
                  const std::string& labels) {
    std::vector<std::size_t> classes(static_cast<std::size_t>(set.classes));
    for (const std::uint8_t label : set.labels) ++classes[label];
    std::uint64_t sum = 0;
    for (const std::uint8_t pixel : set.pixels) sum += pixel;
    return Json::object(
        {{"name", name},
         {"images", images},
         {"labels", labels},
         {"count", set.count()},
         {"rows", set.rows},
         {"cols", set.cols},
         {"mean_pixel", static_cast<double>(sum) / static_cast<double>(set.pixels.size())},
         {"classes", classes}});
}

std::string model_text(const Json& model) {
    const std::string version = word(model["version"]);
    std::string text =
        formatted("a network %s of %s parameters\n", joined(model["sizes"], "-").c_str(),
                  model["parameters"].dump().c_str());
    const auto line = [&](const std::string& name, const std::string& value) {
        text += formatted("  %-20s %s\n", one_line(name).c_str(), value.c_str());
    };
    line("written by", version.empty() ? "another program" : "main " + version);
    if (model["sizes"].items().size() > 2) line("activation", word(model["activation"]));
    line("output, loss", word(model["output"]) + ", " + word(model["loss"]));
    if (model["rows"].whole() > 0)
        line("images", model["rows"].dump() + " x " + model["cols"].dump() + ", times " +
                           formatted("%.6g", model["pixel_scale"].number()) +
                           (model["pictures_as_is"].truth() ? ", from pictures as they are" : ""));
    if (is_of_table(model))
        line("table", model["columns"]["count"].dump() + " columns, target " +
                          joined(model["columns"]["targets"], ", ") + ", scale " +
                          word(model["columns"]["scale"]));
    if (const Json::Array& names = model["class_names"].items(); !names.empty()) {
        std::string list;
        for (const Json& name : names) list += (list.empty() ? "" : ", ") + word(name);
        line("classes", list);
    }
    for (const Json& note : model["notes"].items()) line("note", word(note));
    line("seed", model["seed"].dump());
    line("trained", progress_of(model));
    if (model["settings"].is_object())
        for (const auto& [name, value] : model["settings"].members())
            if (!is_fact(name) && !is_of_other_rule(name, model["settings"]["optimizer"]))
                line(name, word(value));
    return text + tensors_text(model["tensors"]);
}

std::string set_text(const Json& set) {
    std::string text = formatted("%s set, %s images of %s x %s, mean pixel %.2f of 255\n  %s, %s\n",
                                 word(set["name"]).c_str(), set["count"].dump().c_str(),
                                 set["rows"].dump().c_str(), set["cols"].dump().c_str(),
                                 set["mean_pixel"].number(), word(set["images"]).c_str(),
                                 word(set["labels"]).c_str());
    text += formatted("  %5s %9s\n", "class", "images");
    for (std::size_t c = 0; c < set["classes"].items().size(); ++c)
        text += formatted("  %5zu %9s\n", c, set["classes"].items()[c].dump().c_str());
    return text;
}

std::string checkpoints_text(const Json& checkpoints) {
    std::string text = formatted("checkpoints: %zu\n", checkpoints.items().size());
    for (const Json& one : checkpoints.items())
        text += "  " + word(one["file"]) + "  " +
                (one["valid"].truth() ? joined(one["sizes"], "-") + ", " + progress_of(one)
                                      : "not valid: " + word(one["why"])) +
                "\n";
    return text;
}

int inspect(const Comm& comm, const InspectOptions& options) {
    bool all_right = true;
    for (const std::string& file : options.files)
        all_right = tried_on_root(comm, [&] { inspect_file(file, options.json); }) && all_right;
    return all_right ? exit_ok : exit_bad_input;
}
