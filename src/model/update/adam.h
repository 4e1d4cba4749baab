// adam.h: Adam (Kingma and Ba, 2015), and AdamW (Loshchilov and Hutter, 2019).
//
//     m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g^2
//     p = p - rate m^ / (sqrt(v^) + epsilon),  m^ = m / (1 - beta1^t),  v^ = v / (1 - beta2^t)
//
// t counts the steps of the training from 1. m^ and v^ correct that m and v begin at 0. Each
// parameter moves by about `rate`, however large its gradient is. AdamW takes the penalty out of
// the gradient, where sqrt(v^) would divide it too: p = (1 - rate reg) p - rate m^ / ...
#pragma once
#include <cmath>
#include <compare>

#include "model/update/numbers.h"

/// What both rules have.
struct AdamNumbers {
    static constexpr double rate = 0.002;  ///< the learning rate that suits
    static constexpr int moments = 2;
    static constexpr const char* moment_names[] = {"exp_avg", "exp_avg_sq"};
    nn_real beta1 = static_cast<nn_real>(0.9), beta2 = static_cast<nn_real>(0.999),
            epsilon = static_cast<nn_real>(1e-8);
    auto operator<=>(const AdamNumbers&) const = default;

    /// UpdateNumbers::first and second of step t.
    double first(std::int64_t t) const {
        return 1 / (1 - std::pow(static_cast<double>(beta1), static_cast<double>(t)));
    }
    double second(std::int64_t t) const {
        return 1 / std::sqrt(1 - std::pow(static_cast<double>(beta2), static_cast<double>(t)));
    }
    /// How far p moves.
    template <class V, class R>
    ON_HOST_AND_DEVICE V move(V g, V* m, const UpdateNumbers& n, R root) const {
        m[0] = beta1 * m[0] + (1 - beta1) * g;
        m[1] = beta2 * m[1] + (1 - beta2) * (g * g);
        return n.rate * ((n.first * m[0]) / (n.second * root(m[1]) + epsilon));
    }
    double reference_move(double g, double* m, const ReferenceNumbers& n) const {
        const double b1 = beta1, b2 = beta2, t = static_cast<double>(n.step);
        m[0] += (1.0 - b1) * (g - m[0]);
        m[1] += (1.0 - b2) * (g * g - m[1]);
        const double mean = m[0] / (1.0 - std::pow(b1, t)), square = m[1] / (1.0 - std::pow(b2, t));
        return n.rate * mean / (std::sqrt(square) + static_cast<double>(epsilon));
    }
};

struct Adam : AdamNumbers {
    static constexpr const char* name = "adam";
    static constexpr bool decoupled = false;

    template <class V, class Root>
    ON_HOST_AND_DEVICE V operator()(V p, V g, V* m, const UpdateNumbers& n, Root root) const {
        return p - move(g, m, n, root);
    }
    double reference(double p, double g, double* m, const ReferenceNumbers& n) const {
        return p - reference_move(g, m, n);
    }
};

struct AdamW : AdamNumbers {
    static constexpr const char* name = "adamw";
    static constexpr bool decoupled = true;

    template <class V, class Root>
    ON_HOST_AND_DEVICE V operator()(V p, V g, V* m, const UpdateNumbers& n, Root root) const {
        // One rounding at the size of p: a small decay alone would be lost.
        return p - (n.rate * n.reg * p + move(g, m, n, root));
    }
    double reference(double p, double g, double* m, const ReferenceNumbers& n) const {
        return p - reference_move(g, m, n) - n.rate * n.reg * p;
    }
};
