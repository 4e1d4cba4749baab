// sigmoid.h: a = 1 / (1 + exp(-z)).
//
// value() and slope() are what both devices compute, for numbers and for vectors of them;
// reference() and reference_slope() are the same once more, in double, for the serial reference,
// and share no line with them.
#pragma once
#include <cmath>

#include "base/real.h"

struct Sigmoid {
    static constexpr const char* name = "sigmoid";
    static constexpr double gain = 1, deviation = 0.1, rate = 1.2;  ///< activation.h
    bool operator==(const Sigmoid&) const = default;

    /// V: nn_real, or a vector of them. exp: V's exponential, infinite where it is too large.
    template <class V, class Exp>
    ON_HOST_AND_DEVICE static V value(V z, Exp exp) {
        return reciprocal(1 + exp(-z));
    }
    /// da/dz, from a = value(z).
    template <class V>
    ON_HOST_AND_DEVICE static V slope(V a) {
        return a * (1 - a);
    }
    static double reference(double z) { return 1.0 / (1.0 + std::exp(-z)); }
    static double reference_slope(double a) { return a * (1.0 - a); }
};
