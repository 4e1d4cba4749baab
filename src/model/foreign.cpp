// foreign.cpp: flags and metadata become facts, notes and a map of the inputs.
#include "model/foreign.h"

#include <charconv>
#include <cmath>
#include <string_view>

namespace {

/// The number of each input: as it is said, or one for all.
double at(const std::vector<double>& numbers, std::size_t input, double otherwise) {
    if (numbers.empty()) return otherwise;
    return numbers.size() == 1 ? numbers.front() : numbers[input];
}

/// What the metadata say of the inputs, where they say it.
ForeignFacts facts_in(const std::map<std::string, std::string>& metadata, const Refusal& refuse) {
    ForeignFacts facts;
    const auto read = [&](const char* key, std::vector<double>& numbers) {
        const auto found = metadata.find(key);
        if (found != metadata.end() && !read_numbers(found->second, numbers))
            refuse("metadata \"" + std::string(key) + "\" to be numbers", in_quotes(found->second));
    };
    read("input_mean", facts.mean);
    read("input_std", facts.std);
    const auto invert = metadata.find("invert");
    facts.invert = invert != metadata.end() && invert->second != "false" && invert->second != "0";
    return facts;
}

void check_numbers(const std::vector<double>& numbers, const char* flag, std::size_t inputs,
                   const Refusal& refuse) {
    if (numbers.size() > 1 && numbers.size() != inputs)
        refuse(std::string(flag) + " of one number, or of one for each of the " +
                   std::to_string(inputs) + " inputs",
               std::to_string(numbers.size()), "give one number");
}

InputMap map_of(const ForeignFacts& facts, std::size_t inputs, const Refusal& refuse) {
    check_numbers(facts.mean, "--input-mean", inputs, refuse);
    check_numbers(facts.std, "--input-std", inputs, refuse);
    if (facts.mean.empty() && facts.std.empty() && !facts.invert) return {};
    const double white = facts.raw_pixels ? 255 : 1;
    InputMap map;
    for (std::size_t j = 0; j < inputs; ++j) {
        const double mean = at(facts.mean, j, 0), std = at(facts.std, j, 1);
        if (!(std > 0))
            refuse("--input-std above 0", std::to_string(std), "give the standard deviation");
        map.scale.push_back((facts.invert ? -1 : 1) / std);
        map.shift.push_back(((facts.invert ? white : 0) - mean) / std);
    }
    return map;
}

/// What flags say must not be said otherwise by the metadata.
void check_agreement(const std::map<std::string, std::string>& metadata, const ForeignFacts& said,
                     const ForeignFacts& in_file, const Activation& activation,
                     const Refusal& refuse) {
    constexpr const char* advice = "leave the flag out, or give the right file";
    if (said.activation && metadata.contains("activation") && *said.activation != activation)
        refuse(std::string("metadata that agree with --activation ") + name_of(*said.activation),
               in_quotes(name_of(activation)), advice);
    const auto agree = [&](const char* flag, const auto& by_flag, const auto& by_file, bool given) {
        if (given && by_flag != by_file)
            refuse("metadata that agree with " + std::string(flag), "others", advice);
    };
    agree("--input-mean", said.mean, in_file.mean,
          !said.mean.empty() && metadata.contains("input_mean"));
    agree("--input-std", said.std, in_file.std,
          !said.std.empty() && metadata.contains("input_std"));
    agree("--invert", said.invert, in_file.invert, said.invert && metadata.contains("invert"));
}

void note(Model& model, const std::string& file, const char* what, const char* taken) {
    model.notes.push_back(harmless(file, 4096) + " does not say " + what + ": taken as " + taken);
}
constexpr const char* its_scaling = "how its inputs were scaled";
constexpr const char* from_0_to_1 =
    "pixel / 255, and a table without pixels as it stands; ./main import takes --input-mean and "
    "--input-std (0 and 1 if that is right)";

}  // namespace

bool read_numbers(const std::string& text, std::vector<double>& numbers) {
    std::string_view rest = text;
    if (rest.starts_with('[') && rest.ends_with(']')) rest = rest.substr(1, rest.size() - 2);
    std::vector<double> read;
    for (;;) {
        rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        double value = 0;
        const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
        if (error != std::errc{} || !std::isfinite(value)) return false;
        read.push_back(value);
        rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
        if (rest.empty()) break;
        if (rest.front() != ',') return false;
        rest.remove_prefix(1);
    }
    numbers = std::move(read);
    return true;
}

InputMap complete_facts(Model& model, const std::map<std::string, std::string>& metadata,
                        const ForeignFacts& said, const Refusal& refuse) {
    ModelFacts& facts = model.facts;
    const Layout& layout = model.parameters.layout;
    if (!facts.version.empty()) {
        ForeignFacts rest = said;
        if (rest.activation == facts.activation) rest.activation.reset();
        if (!rest.says_nothing())
            refuse("no flag about the network", "a file of ./main, which says all of it",
                   "leave --activation, --input-mean, --input-std, --invert, --raw-pixels and "
                   "--kernels out");
        if (facts.scaling_assumed) note(model, refuse.name, its_scaling, from_0_to_1);
        return {};
    }
    const ForeignFacts in_file = facts_in(metadata, refuse);
    check_agreement(metadata, said, in_file, facts.activation, refuse);
    ForeignFacts all = said;
    if (all.mean.empty()) all.mean = in_file.mean;
    if (all.std.empty()) all.std = in_file.std;
    all.invert = all.invert || in_file.invert;
    if (said.activation) facts.activation = *said.activation;
    model.activation_assumed =
        !said.activation && !metadata.contains("activation") && layout.layers() > 1;
    if (model.activation_assumed)
        note(model, refuse.name, "its activation", "sigmoid; ./main import takes --activation");
    if (all.raw_pixels) facts.pixel_scale = 1;
    facts.scaling_assumed = !all.says_scaling() && !metadata.contains("pixel_scale");
    if (facts.scaling_assumed) note(model, refuse.name, its_scaling, from_0_to_1);
    // A softmax of one output is always 1.
    if (layout.classes() == 1 && !metadata.contains("output"))
        facts.objective.output = OutputLayer::sigmoid;
    return map_of(all, static_cast<std::size_t>(layout.inputs()), refuse);
}

void fold(const InputMap& map, std::span<double> weights, std::span<double> bias) {
    for (std::size_t j = 0; j < map.scale.size(); ++j)
        for (std::size_t i = 0; i < bias.size(); ++i) {
            double& weight = weights[j * bias.size() + i];
            bias[i] += weight * map.shift[j];
            weight *= map.scale[j];
        }
}
