// rounding_update.cpp: does each update several times, with inputs that are off.
#include "train/rounding_update.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <variant>

namespace {

using rounding::operations, rounding::passing, rounding::u;
constexpr std::size_t most = 2;  // moments of a rule

/// A parameter and its moments.
using Number = std::array<double, 1 + most>;

/// How far each part of the updated number may be off.
template <class R>
Number off_by(const R& rule, const ReferenceNumbers& numbers, const Number& before, double g,
              double d_g) {
    const auto after = [&](double gradient, Number from) {
        Number to = from;
        to[0] = rule.reference(from[0], gradient, &to[1], numbers);
        return to;
    };
    const Number right = after(g, before);
    Number off{};
    const auto add = [&](const Number& one, const Number& other) {
        for (std::size_t k = 0; k < off.size(); ++k)
            off[k] += std::max(std::abs(one[k] - right[k]), std::abs(other[k] - right[k]));
    };
    const double d = passing * d_g + operations * u * std::abs(g);
    add(after(g - d, before), after(g + d, before));
    for (std::size_t m = 1; m <= static_cast<std::size_t>(R::moments); ++m) {
        Number less = before, more = before;
        less[m] *= 1 - operations * u;
        more[m] *= 1 + operations * u;
        add(after(g, less), after(g, more));
    }
    off[0] += u * std::abs(right[0]) + operations * u * std::abs(right[0] - before[0]);
    for (std::size_t m = 1; m < off.size(); ++m) off[m] += u * std::abs(right[m]);
    return off;
}

}  // namespace

std::vector<double> rounding_of_update(const Rule& rule, const ReferenceNumbers& numbers,
                                       const TensorBefore& tensor) {
    const std::size_t kept = tensor.moments.size();
    const double least = std::sqrt(static_cast<double>(tensor.p.size())) *
                         static_cast<double>(std::numeric_limits<nn_real>::min());
    std::vector<double> squares(1 + kept);
    std::visit(
        [&](const auto& r) {
            for (std::size_t i = 0; i < tensor.p.size(); ++i) {
                Number before{tensor.p[i]};
                for (std::size_t m = 0; m < kept; ++m) before[1 + m] = tensor.moments[m][i];
                const Number off = off_by(r, numbers, before, tensor.g[i], tensor.d_g[i]);
                for (std::size_t k = 0; k < squares.size(); ++k) squares[k] += off[k] * off[k];
            }
        },
        rule);
    for (double& square : squares) square = std::sqrt(square) + least;
    return squares;
}
