// tanh.h: a = tanh z.
//
// value() has the accuracy of a few roundings everywhere: near 0, where 1 - 2 / (1 + exp 2z) would
// cancel, it takes the eighth convergent of Lambert's continued fraction instead,
// tanh z = z / (1 + z^2 / (3 + z^2 / (5 + ...))). Its coefficients are positive, so nothing
// cancels. Convergents enclose tanh z, so the error of the eighth is less than its distance from
// the ninth, z^16 / (2027025^2 17) of the value: 8e-18 up to 5/8.
#pragma once
#include <cmath>

#include "base/real.h"

struct Tanh {
    static constexpr const char* name = "tanh";
    static constexpr double gain = 1, deviation = 0, rate = 0.3;  ///< activation.h
    bool operator==(const Tanh&) const = default;

    /// V: nn_real, or a vector of them. exp: V's exponential, infinite where it is too large.
    template <class V, class Exp>
    ON_HOST_AND_DEVICE static V value(V z, Exp exp) {
        constexpr nn_real near = nn_real{5} / 8;
        const V size = z < 0 ? -z : z, square = z * z;
        const V above = z * (2027025 + square * (270270 + square * (6930 + square * 36)));
        const V below = 2027025 + square * (945945 + square * (51975 + square * (630 + square)));
        const V far = 1 - 2 / (1 + exp(2 * size));
        return size < near ? above / below : z < 0 ? -far : far;  // NaN is not near
    }
    /// da/dz = 1 - a^2, from a = value(z), without the cancellation near 1.
    template <class V>
    ON_HOST_AND_DEVICE static V slope(V a) {
        return (1 - a) * (1 + a);
    }
    static double reference(double z) { return std::tanh(z); }
    static double reference_slope(double a) { return 1.0 - a * a; }
};
