// momentum.h: gradient descent with momentum, v = mu v + g, p = p - rate v, as PyTorch defines it.
//
// A steady gradient moves a parameter 1 / (1 - mu) times as far as plain descent would. So a good
// rate is about 1 - mu times plain descent's.
#pragma once
#include <compare>

#include "model/update/numbers.h"

struct Momentum {
    static constexpr const char* name = "momentum";
    static constexpr int moments = 1;
    static constexpr const char* moment_names[] = {"velocity"};
    static constexpr bool decoupled = false;
    nn_real mu = static_cast<nn_real>(0.9);
    auto operator<=>(const Momentum&) const = default;

    template <class V, class Root>
    ON_HOST_AND_DEVICE V operator()(V p, V g, V* m, const UpdateNumbers& n, Root) const {
        m[0] = mu * m[0] + g;
        return p - n.rate * m[0];
    }
    double reference(double p, double g, double* m, const ReferenceNumbers& n) const {
        const double velocity = g + m[0] * static_cast<double>(mu);
        m[0] = velocity;
        return p - velocity * n.rate;
    }
};
