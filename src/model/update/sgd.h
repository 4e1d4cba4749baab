// sgd.h: plain gradient descent, p = p - rate g.
//
// Both devices compute operator(), for numbers and for vectors of them. reference() is the same
// rule written again, in double, for the serial reference; it shares no line with operator().
#pragma once
#include <compare>

#include "model/update/numbers.h"

struct Sgd {
    static constexpr const char* name = "sgd";
    static constexpr int moments = 0;
    static constexpr bool decoupled = false;
    /// Without a gradient, nothing changes.
    static constexpr bool rests_at_zero = true;
    auto operator<=>(const Sgd&) const = default;

    /// V: nn_real, or a vector of them. g: the mean gradient plus the penalty.
    template <class V, class Root>
    ON_HOST_AND_DEVICE V operator()(V p, V g, V*, const UpdateNumbers& n, Root) const {
        return p - n.rate * g;
    }
    double reference(double p, double g, double*, const ReferenceNumbers& n) const {
        return p - n.rate * g;
    }
};
