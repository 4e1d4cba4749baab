// score.cpp: counts predicted classes for each true class.
#include "train/score.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "model/objective.h"

namespace {

/// The probability of class c by the network's outputs.
double given_to(std::span<const nn_real> yhat, int c) {
    if (yhat.size() == 1) return c == 1 ? double{yhat[0]} : 1 - double{yhat[0]};
    return yhat[static_cast<std::size_t>(c)];
}

double fraction(std::size_t count, std::size_t total) {
    if (total == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>(count) / static_cast<double>(total);
}

}  // namespace

Interval wilson_interval(std::size_t correct, std::size_t total) {
    constexpr double z = 1.959963984540054;  // 97.5 % of normal deviates lie below
    const auto n = static_cast<double>(total);
    const double p = static_cast<double>(correct) / n, scale = 1 / (1 + z * z / n);
    const double centre = scale * (p + z * z / (2 * n));
    const double half = scale * z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

double Score::precision(int c) const {
    std::size_t predicted = 0;
    for (int true_class = 0; true_class < classes; ++true_class) predicted += at(true_class, c);
    return fraction(at(c, c), predicted);
}

double Score::recall(int c) const { return fraction(at(c, c), count_of(c)); }

std::size_t Score::count_of(int c) const {
    std::size_t count = 0;
    for (int predicted = 0; predicted < classes; ++predicted) count += at(c, predicted);
    return count;
}

PredictedClass predicted_class(std::span<const nn_real> yhat) {
    if (!std::ranges::all_of(yhat, [](nn_real y) { return std::isfinite(y); }))
        throw InputError(
            "the network's answer is not finite: its weights are too large; train it again with a "
            "smaller learning rate (-l)");
    const int c = class_of(yhat.data(), static_cast<int>(yhat.size()));
    return {c, given_to(yhat, c)};
}

Score score(const SampleSet& set, std::span<const nn_real> yhat, std::size_t worst) {
    const std::size_t count = set.count(), outputs = yhat.size() / std::max(count, std::size_t{1});
    Score result;
    result.classes = std::max(2, static_cast<int>(outputs));
    result.total = count;
    result.confusion.resize(static_cast<std::size_t>(result.classes) *
                            static_cast<std::size_t>(result.classes));
    for (std::size_t i = 0; i < count; ++i) {
        const auto answer = yhat.subspan(i * outputs, outputs);
        const auto [predicted, probability] = predicted_class(answer);
        const int true_class =
            set.format.number_targets
                ? predicted_class(std::span(set.targets).subspan(i * outputs, outputs)).c
                : set.labels[i];
        ++result.at(true_class, predicted);
        result.correct += true_class == predicted;
        result.worst.push_back(
            {i, true_class, predicted, probability, given_to(answer, true_class)});
    }
    const auto end = result.worst.begin() + static_cast<std::ptrdiff_t>(std::min(worst, count));
    std::partial_sort(result.worst.begin(), end, result.worst.end(),
                      [](const SampleResult& a, const SampleResult& b) {
                          return a.true_probability != b.true_probability
                                     ? a.true_probability < b.true_probability
                                     : a.sample < b.sample;
                      });
    result.worst.erase(end, result.worst.end());
    return result;
}
