// input_scale.cpp: see input_scale.h.
#include "input/input_scale.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace {

/// Calls see(i, value) for each input i of each sample.
template <class See>
void for_inputs(const SampleSet& set, See&& see) {
    const std::size_t inputs = set.features();
    for (std::size_t at = 0; at < set.inputs.size(); at += inputs)
        for (std::size_t i = 0; i < inputs; ++i) see(i, static_cast<double>(set.inputs[at + i]));
}

void find_range(const SampleSet& train, InputScale& scale) {
    const auto first = train.inputs.begin();
    scale.from.assign(first, first + static_cast<std::ptrdiff_t>(train.features()));
    std::vector<double> most = scale.from;
    for_inputs(train, [&](std::size_t i, double value) {
        scale.from[i] = std::min(scale.from[i], value);
        most[i] = std::max(most[i], value);
    });
    for (std::size_t i = 0; i < most.size(); ++i) scale.by[i] = most[i] - scale.from[i];
}

void find_deviation(const SampleSet& train, InputScale& scale) {
    const auto count = static_cast<double>(train.count());
    for_inputs(train, [&](std::size_t i, double value) { scale.from[i] += value / count; });
    for_inputs(train, [&](std::size_t i, double value) {
        const double far = value - scale.from[i];
        scale.by[i] += far * far / count;
    });
    for (double& by : scale.by) by = std::sqrt(by);
}

/// Rounding may leave a deviation to a column with one value only.
void leave_out_constants(const SampleSet& train, InputScale& scale) {
    std::vector<bool> varies(train.features());
    for_inputs(train, [&](std::size_t i, double value) {
        if (value != static_cast<double>(train.inputs[i])) varies[i] = true;
    });
    for (std::size_t i = 0; i < varies.size(); ++i)
        if (!varies[i]) scale.by[i] = 0;
}

}  // namespace

InputScale InputScale::of(ScaleKind kind, const SampleSet& train, const std::string& name) {
    InputScale scale{kind};
    if (kind == ScaleKind::none) return scale;
    scale.from.assign(train.features(), 0);
    scale.by.assign(train.features(), 0);
    if (kind == ScaleKind::minmax) {
        find_range(train, scale);
    } else {
        find_deviation(train, scale);
        leave_out_constants(train, scale);
    }
    for (std::size_t i = 0; i < scale.by.size(); ++i)
        if (!std::isfinite(scale.from[i]) || !std::isfinite(scale.by[i]))
            refuse(name, "inputs whose range is a finite number",
                   "larger ones in input " + std::to_string(i + 1), "use smaller units");
    return scale;
}

void InputScale::apply(SampleSet& set, const std::string& name) const {
    if (kind == ScaleKind::none) return;
    const std::size_t inputs = set.features();
    for (std::size_t at = 0; at < set.inputs.size(); at += inputs)
        for (std::size_t i = 0; i < inputs; ++i) {
            nn_real& value = set.inputs[at + i];
            value = by[i] == 0
                        ? nn_real{0}
                        : static_cast<nn_real>((static_cast<double>(value) - from[i]) / by[i]);
            if (!std::isfinite(value))
                refuse(name, "inputs near those of the training",
                       "far larger ones in input " + std::to_string(i + 1),
                       "give a table with the same units");
        }
}

Reach reach_of(const SampleSet& table) {
    Reach reach;
    for_inputs(table, [&](std::size_t i, double value) {
        if (std::abs(value) > reach.value) reach = {std::abs(value), i};
    });
    return reach;
}

double rms_of(const SampleSet& table) {
    double squares = 0;
    for_inputs(table, [&](std::size_t, double value) { squares += value * value; });
    return std::sqrt(squares / static_cast<double>(std::max(table.inputs.size(), std::size_t{1})));
}
