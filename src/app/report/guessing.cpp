// guessing.cpp: see guessing.h.
#include "app/report/guessing.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "model/objective.h"
#include "train/score.h"

double share_of_largest_class(const SampleSet& set) {
    const auto outputs = static_cast<std::size_t>(set.classes);
    std::vector<std::size_t> counts(std::max<std::size_t>(2, outputs));
    for (const std::uint8_t label : set.labels) ++counts[label];
    for (std::size_t at = 0; at < set.targets.size(); at += outputs)
        ++counts[static_cast<std::size_t>(class_of(&set.targets[at], set.classes))];
    return static_cast<double>(*std::ranges::max_element(counts)) /
           static_cast<double>(std::max<std::size_t>(1, set.count()));
}

std::string guessing_note(const std::string& name, std::size_t correct, std::size_t total,
                          double share, const std::string& advice) {
    const bool one_class = share >= 1;  // which says that itself, by another note
    if (total == 0 || one_class || wilson_interval(correct, total).low > share) return "";
    const double accuracy = static_cast<double>(correct) / static_cast<double>(total);
    return "the " + name + " accuracy, " + percent(accuracy) + ", is not clearly above the " +
           percent(share) + " of always saying the most frequent class: " + advice;
}
