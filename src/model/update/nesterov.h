// nesterov.h: Nesterov's momentum, v = mu v + g, p = p - rate (g + mu v), as PyTorch defines it.
//
// The step goes along the velocity that the next step would have. This corrects a velocity that
// points too far one step earlier than plain momentum does.
#pragma once
#include <compare>

#include "model/update/numbers.h"

struct Nesterov {
    static constexpr const char* name = "nesterov";
    static constexpr int moments = 1;
    static constexpr const char* moment_names[] = {"velocity"};
    static constexpr bool decoupled = false;
    nn_real mu = static_cast<nn_real>(0.9);
    auto operator<=>(const Nesterov&) const = default;

    template <class V, class Root>
    ON_HOST_AND_DEVICE V operator()(V p, V g, V* m, const UpdateNumbers& n, Root) const {
        m[0] = mu * m[0] + g;
        return p - n.rate * (g + mu * m[0]);
    }
    double reference(double p, double g, double* m, const ReferenceNumbers& n) const {
        const double factor = static_cast<double>(mu);
        m[0] = factor * m[0] + g;
        return p - n.rate * g - n.rate * factor * m[0];
    }
};
