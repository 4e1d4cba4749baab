// score.h: what a network sees, and how well: accuracy, confusion, precision and recall.
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

/// One judged sample.
struct Judgement {
    std::size_t sample;
    int truth, seen;
    double probability;           ///< that the network gave to what it saw
    double probability_of_truth;  ///< that it gave to the truth
};

struct Score {
    int classes = 0;
    std::size_t total = 0, correct = 0;
    std::vector<std::size_t> confusion;  ///< classes x classes; row: truth, column: seen; row-major
    std::vector<Judgement> worst;        ///< least probability of the truth first

    std::size_t at(int truth, int seen) const { return confusion[index(truth, seen)]; }
    std::size_t& at(int truth, int seen) { return confusion[index(truth, seen)]; }
    double accuracy() const { return static_cast<double>(correct) / static_cast<double>(total); }
    std::size_t count_of(int c) const;  ///< samples that are c
    /// Of what was seen as c, the part that is c; NaN if nothing was.
    double precision(int c) const;
    /// Of what is c, the part seen as c; NaN if nothing is.
    double recall(int c) const;

  private:
    std::size_t index(int truth, int seen) const {
        return static_cast<std::size_t>(truth) * static_cast<std::size_t>(classes) +
               static_cast<std::size_t>(seen);
    }
};

/// What a network sees in one sample, and the probability that it gives to that.
struct Seen {
    int c;
    double probability;
};
/// yhat: one sample's outputs. Seen is their class_of(). Throws InputError where one of them is not
/// finite.
Seen seen_in(std::span<const nn_real> yhat);

/// yhat: outputs x count, column-major; labels are below its outputs. Truth is the label, or what
/// would be seen in the targets. Keeps the `worst` worst. Throws as seen_in().
Score score(const SampleSet& set, std::span<const nn_real> yhat, std::size_t worst);
