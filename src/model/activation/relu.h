// relu.h: a = max(z, 0).
//
// NaN stays NaN, so that a sum that is no number reaches the loss. A zero is +0, whatever the sign
// of z: so products that leave out zeros and those that take them along give the same bits.
#pragma once
#include "base/real.h"

struct Relu {
    static constexpr const char* name = "relu";
    static constexpr double gain = 2, deviation = 0, rate = 0.3;  ///< activation.h
    bool operator==(const Relu&) const = default;

    /// V: nn_real, or a vector of them. No exponential is needed.
    template <class V, class Exp>
    ON_HOST_AND_DEVICE static V value(V z, Exp) {
        return z <= 0 ? V{} : z;
    }
    /// da/dz, from a = value(z); 0 where z is 0.
    template <class V>
    ON_HOST_AND_DEVICE static V slope(V a) {
        return a > 0 ? V{} + 1 : V{};
    }
    static double reference(double z) { return z < 0.0 ? 0.0 : z; }
    static double reference_slope(double a) { return a > 0.0 ? 1.0 : 0.0; }
};
