// elementwise.h: what is done to numbers one by one: pixels, activations, biases, updates, squares.
#pragma once
#include <limits>

#include "device/cpu/finish.h"

namespace CPU_ISA {

/// exp_of(), for activations: infinite where 1 / exp(x) is no normal number, so that 0 comes of it.
struct ExpOrInfinity {
    ALWAYS_INLINE Vector operator()(Vector x) const {
        return x > -lowest_exponent ? all(std::numeric_limits<nn_real>::infinity()) : exp_of(x);
    }
};
template <class A>
Vector value_of(Vector z) {
    return A::value(z, ExpOrInfinity{});
}

inline void pixels_to_real(std::size_t count, nn_real scale, const std::uint8_t* bytes,
                           nn_real* x) {
    for (std::size_t i = 0; i < count; ++i) x[i] = scale * static_cast<nn_real>(bytes[i]);
}

template <class A>
void activate(const nn_real* bias, int count, nn_real* z) {
    for (int i = 0; i < count; i += lanes)
        store(z + i, value_of<A>(bias == nullptr ? load(z + i) : load(z + i) + load(bias + i)));
}

template <class A>
void times_slope(int count, const nn_real* a, nn_real* delta) {
    for (int i = 0; i < count; i += lanes)
        store(delta + i, load(delta + i) * A::slope(load(a + i)));
}

/// action(finish) for the gradient of biases, which have no penalty.
template <class Action>
void of_biases(const CpuLayer& layer, const CpuGradientUse& use, Action&& action) {
    CpuLayer biases = layer;  // the biases are the weights of an input that is always 1
    biases.w = layer.bias;
    CpuGradientUse without_penalty = use;
    without_penalty.update.reg = 0;
    with_finish(biases, without_penalty, action);
}
inline void bias_gradient(const CpuLayer& layer, int n, Range vectors, const CpuGradientUse& use) {
    of_biases(layer, use, [&](const auto& finish) {
        for (int unit = vectors.first * lanes; unit < (vectors.first + vectors.count) * lanes;
             unit += lanes) {
            Vector sum{};
            for (int j = 0; j < n; ++j) sum += load(layer.deltas(j) + unit);
            finish(0, unit, sum);
        }
    });
}

template <class R>
void update_by(const R& rule, const Update& update, std::size_t count, const nn_real* gradient,
               nn_real* p, std::size_t to_moment) {
    const UpdateNumbers numbers = update.numbers();
    constexpr auto l = static_cast<std::size_t>(lanes);
    Vector moments[R::moments + 1];
    std::size_t i = 0;
    for (; i + l <= count; i += l) {
        unroll<R::moments>([&](auto k) { moments[k] = load(p + i + (k + 1) * to_moment); });
        store(p + i, updated(rule, numbers, load(p + i), load(gradient + i), moments));
        unroll<R::moments>([&](auto k) { store(p + i + (k + 1) * to_moment, moments[k]); });
    }
    const int rest = static_cast<int>(count - i);
    if (rest == 0) return;
    unroll<R::moments>([&](auto k) { moments[k] = load_some(p + i + (k + 1) * to_moment, rest); });
    store_some(
        p + i,
        updated(rule, numbers, load_some(p + i, rest), load_some(gradient + i, rest), moments),
        rest);
    unroll<R::moments>([&](auto k) { store_some(p + i + (k + 1) * to_moment, moments[k], rest); });
}
/// The rule in `update` is number I of the list, or a later one.
template <std::size_t I = 0>
void update_parameters(const Update& update, std::size_t count, const nn_real* gradient, nn_real* p,
                       std::size_t to_moment) {
    if constexpr (I + 1 < std::variant_size_v<Rule>)
        if (update.rule.index() != I)
            return update_parameters<I + 1>(update, count, gradient, p, to_moment);
    update_by(*std::get_if<I>(&update.rule), update, count, gradient, p, to_moment);
}

inline double sum_of_squares(std::size_t count, const nn_real* values) {
    // Eight partial sums, so that additions do not wait for one another.
    double partial[8] = {};
    for (std::size_t i = 0; i < count; ++i)
        partial[i % 8] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    double sum = 0;
    for (double p : partial) sum += p;
    return sum;
}

}  // namespace CPU_ISA
