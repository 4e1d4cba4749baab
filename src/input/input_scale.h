// input_scale.h: brings the inputs of a table into the range in which a network learns.
//
// Columns of a table have units of their own. The scale of each column is found in the training
// samples alone, so that nothing of the held-out samples is known before, and is kept beside the
// network for every later table.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "base/names.h"
#include "input/sample_set.h"

enum class ScaleKind { none, minmax, standard };

template <>
struct Names<ScaleKind> {
    static constexpr Named<ScaleKind> all[] = {{ScaleKind::none, "none"},
                                               {ScaleKind::minmax, "minmax"},
                                               {ScaleKind::standard, "standard"}};
};

/// input = (value - from) / by, a pair for each input; 0 where `by` is 0, because a column with one
/// value in the training samples says nothing. minmax: from the least value, by the range up to the
/// largest: 0 to 1. standard: from the mean, by the standard deviation: mean 0, deviation 1.
struct InputScale {
    ScaleKind kind = ScaleKind::none;
    std::vector<double> from = {}, by = {};  ///< empty for none

    /// The scale by the samples of `train`, a table. Throws InputError, which begins with `name`,
    /// if a column's range is no finite number.
    static InputScale of(ScaleKind kind, const SampleSet& train, const std::string& name);
    /// Scales all samples, in double, rounded once to nn_real. Throws InputError, which begins with
    /// `name`, if a result is not finite.
    void apply(SampleSet& set, const std::string& name) const;
};

/// The input with the largest absolute value.
struct Reach {
    double value = 0;       ///< absolute
    std::size_t input = 0;  ///< which input of its sample, from 0
};
Reach reach_of(const SampleSet& table);
/// The root of the mean square of all inputs; 0 without any.
double rms_of(const SampleSet& table);
