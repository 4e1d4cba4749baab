// rounding_update.h: how far rounding may take one update by a rule that has moments.
//
// Such a rule need not be linear: Adam divides by the root of a moment, and where a gradient is
// nearly 0, its sign alone can decide. So each number is followed by itself: the rule's reference()
// tells what becomes of it when the gradient and the moments are off by what rounding explains.
#pragma once
#include <limits>
#include <span>
#include <vector>

#include "model/update/update.h"

namespace rounding {
inline constexpr double u = std::numeric_limits<nn_real>::epsilon() / 2;  ///< of one rounding
inline constexpr double passing = 8;     ///< deviations: exceeded by chance once in 10^15
inline constexpr double operations = 4;  ///< u: the few operations of a delta, moment or update
}  // namespace rounding

/// One tensor before its update: the parameters p, their gradient g with the penalty, the standard
/// deviation of each number of g, and the moments.
struct TensorBefore {
    std::span<const double> p, g, d_g;
    std::vector<std::span<const double>> moments;
};

/// The largest ||x - x_ref|| (Frobenius) that rounding explains, where x is the tensor after the
/// update, then each of its moments. In `numbers`, reg is 0 for biases.
std::vector<double> rounding_of_update(const Rule& rule, const ReferenceNumbers& numbers,
                                       const TensorBefore& tensor);
