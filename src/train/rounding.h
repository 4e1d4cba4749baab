// rounding.h: how far rounding may take one step of the trainer from the reference's step.
//
// Both begin with the same parameters, so no error of an earlier step is in it. Along the formulas
// of neural_network.h, it follows the standard deviation of each number that the trainer rounds:
//     a sum of k products     sqrt(k) u sum |a||b|, in whatever order it is summed; if they may be
//                             equal, at least k/24 u, which is k/3 u in 8 deviations
//     a few operations        u of the result for each; with an exponential, 6 u
//     what a formula takes    its deviation times the slope: independent from unit to unit, but not
//                             from sample to sample
// A tensor may be off by 8 standard deviations. u is 2^-24 in float and 2^-53 in double.
// docs/verification.md gives the reasons.
#pragma once
#include <vector>

#include "model/update/update.h"
#include "neural_network.h"

/// For each of the tensors W1, b1, W2, ..., the largest ||p - p_ref|| (Frobenius) after a step that
/// rounding explains; then the same for each moment of W1, b1, W2, ... `reference` has done
/// forward() and backward() of this step with the targets `y`, and not its update yet. It has the
/// moments of the update's rule.
std::vector<double> rounding_of_step(const NeuralNetwork& reference, const Matrix& y,
                                     const Update& update);
