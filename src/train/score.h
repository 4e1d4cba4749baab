// score.h: the predicted classes and how good they are: accuracy, confusion, precision, recall.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/real.h"
#include "input/sample_set.h"

struct Interval {
    double low = 0, high = 0;
};
/// Wilson's 95 % interval of a proportion, `correct` of `total` > 0. Source: E. B. Wilson,
/// "Probable inference, the law of succession, and statistical inference", 1927.
Interval wilson_interval(std::size_t correct, std::size_t total);

/// The result of one sample.
struct SampleResult {
    std::size_t sample;
    int true_class, predicted;
    double probability;       ///< of the predicted class
    double true_probability;  ///< of the true class
};

struct Score {
    int classes = 0;
    std::size_t total = 0, correct = 0;
    std::vector<std::size_t> confusion;  ///< classes x classes, row-major: [true][predicted]
    std::vector<SampleResult> worst;     ///< least probability of the true class first

    std::size_t at(int true_class, int predicted) const {
        return confusion[index(true_class, predicted)];
    }
    std::size_t& at(int true_class, int predicted) {
        return confusion[index(true_class, predicted)];
    }
    double accuracy() const { return static_cast<double>(correct) / static_cast<double>(total); }
    std::size_t count_of(int c) const;  ///< samples of class c
    /// Samples of class c predicted as c / all samples predicted as c. NaN if there are none.
    double precision(int c) const;
    /// Samples of class c predicted as c / all samples of class c. NaN if there are none.
    double recall(int c) const;

  private:
    std::size_t index(int true_class, int predicted) const {
        return static_cast<std::size_t>(true_class) * static_cast<std::size_t>(classes) +
               static_cast<std::size_t>(predicted);
    }
};

/// The predicted class of one sample, and its probability.
struct PredictedClass {
    int c;
    double probability;
};
/// yhat: one sample's outputs. The predicted class is their class_of(). Throws InputError if an
/// output is not finite.
PredictedClass predicted_class(std::span<const nn_real> yhat);

/// yhat: outputs x count, column-major; labels are below its outputs. The true class is the label,
/// or the class_of() the targets. Keeps the `worst` samples whose true class got the least
/// probability. Throws as predicted_class() does.
Score score(const SampleSet& set, std::span<const nn_real> yhat, std::size_t worst);
