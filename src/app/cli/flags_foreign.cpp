// flags_foreign.cpp: see flags_foreign.h.
#include "app/cli/flags_foreign.h"

namespace {

FlagValue numbers(std::vector<double>& place) {
    return {[&place](const std::string& text) {
                return read_numbers(text, place) ? std::string()
                                                 : "a number, or numbers separated by commas";
            },
            [&place] { return Json(place); }, "X[,X...]", ""};
}

FlagValue activation(std::optional<Activation>& place) {
    static constexpr const auto& names = Names<Activation>::all;
    std::string all;
    for (const auto& known : names) all += (all.empty() ? "" : "|") + std::string(known.name);
    return {[&place, all](const std::string& name) {
                place = value_named<Activation>(name);
                return place ? std::string() : "one of " + all;
            },
            [&place] { return place ? Json(name_of(*place)) : Json(); }, all, ""};
}

FlagValue kernels(Kernels& place) {
    static constexpr Named<Kernels> names[] = {{Kernels::in_out, "in-out"},
                                               {Kernels::out_in, "out-in"}};
    FlagValue value = choice<Kernels>(place, names);
    value.preset = "";
    return value;
}

}  // namespace

std::vector<Flag> foreign_flags(ForeignFacts& facts) {
    const char* const group = "A network of another program";
    return {
        {"--activation", activation(facts.activation), group, "activation of its hidden layers"},
        {"--input-mean", numbers(facts.mean), group,
         "it was trained on (x - mean) / std, where x is a pixel / 255: the mean, or one for "
         "each input"},
        {"--input-std", numbers(facts.std), group, "the standard deviation"},
        {"--invert", yes(facts.invert), group, "it was trained on 1 - x: dark on light"},
        {"--raw-pixels", yes(facts.raw_pixels), group,
         "x is a pixel from 0 to 255; mean and deviation are of these numbers"},
        {"--kernels", kernels(facts.kernels), group,
         "how its matrices lie if all are square: in-out as in Keras, out-in as in PyTorch"}};
}
