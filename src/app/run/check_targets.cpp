// check_targets.cpp: see check_targets.h.
#include "app/run/check_targets.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/text.h"

namespace {

std::span<const nn_real> targets_of(const SampleSet& set, std::size_t sample) {
    const auto each = static_cast<std::size_t>(set.classes);
    return std::span(set.targets).subspan(sample * each, each);
}

std::string number_text(nn_real value) { return formatted("%.6g", static_cast<double>(value)); }

/// How many samples each class has; empty if the targets are no classes.
std::vector<std::size_t> samples_of_classes(const SampleSet& set, const Objective& objective) {
    std::vector<std::size_t> samples(static_cast<std::size_t>(set.classes));
    if (!set.format.number_targets) {
        for (const std::uint8_t label : set.labels) ++samples[label];
        return samples;
    }
    if (objective.output != OutputLayer::softmax) return {};
    for (std::size_t i = 0; i < set.count(); ++i) {
        const auto y = targets_of(set, i);
        for (std::size_t c = 0; c < y.size(); ++c) samples[c] += y[c] != 0;
    }
    return samples;
}

}  // namespace

void check_reachable(const SampleSet& set, const Objective& objective, const std::string& table) {
    const auto bad =
        std::ranges::find_if(set.targets, [](nn_real y) { return !(y >= 0 && y <= 1); });
    if (bad != set.targets.end())
        refuse(table, "targets from 0 to 1, which an output can reach", number_text(*bad),
               "scale the targets, or name others with --target");
    if (!set.format.number_targets || objective.output != OutputLayer::softmax) return;
    constexpr double rounded = 1e-3;  // tables have few digits
    for (std::size_t i = 0; i < set.count(); ++i) {
        const auto y = targets_of(set, i);
        const double sum = std::accumulate(y.begin(), y.end(), 0.0);
        if (!(std::abs(sum - 1) <= rounded))
            refuse(table, "targets with the sum 1, as the outputs of a softmax have",
                   formatted("the sum %.6g in sample %zu", sum, i + 1),
                   "give --output sigmoid, or name other targets with --target");
    }
}

void check_varied(const SampleSet& train, const Objective& objective, const TableColumns& columns,
                  const std::string& table) {
    const std::size_t count = train.count();
    const auto same = [](const auto& values, std::size_t at, std::size_t each) {
        for (std::size_t i = at; i < values.size(); i += each)
            if (values[i] != values[at]) return false;
        return true;
    };
    const auto refuse_same = [&](std::size_t target, const std::string& value) {
        refuse(table, "a target with several values in the " + counted(count, "training sample"),
               "only " + value + " in " + columns.described(columns.targets[target]),
               "name another target with --target, or train on more samples");
    };
    if (!train.format.number_targets) {
        if (same(train.labels, 0, 1))
            refuse_same(0, "the class " + (train.class_names.empty()
                                               ? std::to_string(train.labels[0])
                                               : harmless(train.class_names[train.labels[0]])));
        return;
    }
    std::vector<std::size_t> constant;
    const auto outputs = static_cast<std::size_t>(train.classes);
    for (std::size_t c = 0; c < outputs; ++c)
        if (same(train.targets, c, outputs)) constant.push_back(c);
    const bool together = objective.output == OutputLayer::softmax;
    if (!constant.empty() && (!together || constant.size() == outputs))
        refuse_same(constant[0], number_text(train.targets[constant[0]]));
}

std::vector<std::string> notes_on_classes(const SampleSet& train, const Objective& objective) {
    const std::vector<std::size_t> samples = samples_of_classes(train, objective);
    const auto name = [&](std::size_t c) {
        return train.class_names.empty() ? std::to_string(c) : one_line(train.class_names[c]);
    };
    const auto has_samples = [](std::size_t n) { return n > 0; };
    if (std::ranges::count_if(samples, has_samples) == 1) {
        const auto only = std::ranges::find_if(samples, has_samples);
        return {"all training samples have the class " +
                name(static_cast<std::size_t>(only - samples.begin())) +
                ": the network learns to say this class alone; train on samples of other classes"};
    }
    std::vector<std::size_t> missing;
    for (std::size_t c = 0; c < samples.size(); ++c)
        if (samples[c] == 0) missing.push_back(c);
    if (missing.empty()) return {};
    constexpr std::size_t most = 5;
    std::string list;
    for (std::size_t i = 0; i < std::min(most, missing.size()); ++i)
        list += (i == 0 ? "" : ", ") + name(missing[i]);
    if (missing.size() > most) list += " and " + std::to_string(missing.size() - most) + " more";
    return {"no training sample has the class " + list +
            ": the network does not learn to say it; " + "train on samples of every class"};
}
