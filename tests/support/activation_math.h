// activation_math.h: the expected values and slopes of the activations, and the bounds of their
// rounding errors.
//
// The kernels and the CPU's functions share these references and checks. A new activation needs an
// add_value() and a slope_at() here; without them no test of the list compiles.
#pragma once
#include "model/activation/activation.h"
#include "tests/support/numbers.h"

// ---- values ------------------------------------------------------------------------------------

/// sigmoid(z) where z is known up to z_error. With e = exp(-z): the error of e weighs e/(1 + e) < 1
/// in 1 + e, the sum and the division round once each: 4 u + 2 u. z_error is multiplied by the
/// slope, s (1 - s) at z, which changes by at most a factor exp(z_error) on the way, and is 1/4 at
/// most.
inline void add_value(Expected& expected, Sigmoid, Wide z, Wide z_error) {
    const Wide s = 1 / (1 + std::exp(-z)), other = 1 / (1 + std::exp(z));
    const Wide slope = std::min<Wide>(0.25, s * other * std::exp(z_error));
    expected.add(s, slack * (slope * z_error + (function_error + 2 * u) * s) + tiny);
}

/// tanh(z), in the same way; the slope, 1 / cosh(z)^2, changes by at most a factor exp(2 z_error).
///
/// Up to 5/8, in A / B of the continued fraction, each Horner scheme rounds once for its last
/// addition, and what comes before weighs 0.05 in A and 0.16 in B: 1.2 u + 1.4 u. The rounding of
/// z^2 weighs 0.13, z A and the division round once each, and the fraction is cut off within 0.1 u:
/// 4.9 u. Above, q = 2 / (1 + exp 2z) has 6 u as the sigmoid, which weigh q / (1 - q) < 0.81, and
/// 1 - q rounds once: 5.9 u.
inline void add_value(Expected& expected, Tanh, Wide z, Wide z_error) {
    const Wide t = std::tanh(z), cosh = std::cosh(z);
    const Wide slope = std::min<Wide>(1, std::exp(2 * z_error) / (cosh * cosh));
    expected.add(t, slack * (slope * z_error + 6 * u * std::abs(t)) + tiny);
}

/// max(z, 0) has the error of z, if z may be above 0.
inline void add_value(Expected& expected, Relu, Wide z, Wide z_error) {
    expected.add(std::max<Wide>(z, 0), z + z_error > 0 ? z_error : 0);
}

inline void add_activated(Expected& expected, const Activation& f, Wide z, Wide z_error) {
    std::visit([&](auto of) { add_value(expected, of, z, z_error); }, f);
}

// ---- slopes ------------------------------------------------------------------------------------

/// The slope where the value is a, and how often delta * slope rounds.
struct SlopeAt {
    Wide slope;
    int roundings;
};
inline SlopeAt slope_at(Sigmoid, Wide a) { return {a * (1 - a), 3}; }
inline SlopeAt slope_at(Tanh, Wide a) { return {(1 - a) * (1 + a), 4}; }
inline SlopeAt slope_at(Relu, Wide a) { return {static_cast<Wide>(a > 0 ? 1 : 0), 0}; }
inline SlopeAt slope_of(const Activation& f, Wide a) {
    return std::visit([a](auto of) { return slope_at(of, a); }, f);
}

// ---- cases -------------------------------------------------------------------------------------

/// check(f) for every activation of the list.
template <class Check>
void for_every_activation(Check&& check) {
    for (const auto& [f, name] : Names<Activation>::all) {
        SCOPED_TRACE(name);
        check(f);
    }
}

/// What f makes of normal numbers; some are its limits and their neighbours, and its value at 0.
inline Reals values_of(const Activation& f, std::size_t count, Rng& rng) {
    constexpr double limits[] = {1000, -1000, 0, 16, -16, 9, -87, 1e-30, -1e-30};
    Reals values;
    for (std::size_t i = 0; i < count; ++i) {
        const double z =
            rng.below(8) == 0 ? limits[rng.below(std::size(limits))] : 2 * rng.normal();
        values.push_back(
            static_cast<nn_real>(std::visit([z](auto of) { return of.reference(z); }, f)));
    }
    return values;
}

/// f's value where z is so large that it has reached a limit, or, for relu, z itself.
inline Wide limit_of(const Activation& f, nn_real z) {
    return std::visit([z](auto of) { return static_cast<Wide>(of.reference(double{z})); }, f);
}

/// The bound of delta * slope(a) after `roundings` more of delta, which add up to `size`.
inline void add_delta(Expected& expected, const Activation& f, Wide a, Wide delta, Wide size,
                      int roundings) {
    const SlopeAt at = slope_of(f, a);
    const Wide bound = slack * (roundings + at.roundings) * u * size * at.slope;
    expected.add(delta * at.slope, bound == 0 ? 0 : bound + tiny);
}

/// backward(f, count, a, delta): delta *= slope(a).
template <class Memory, class Function>
void check_activation_backward(Function&& backward) {
    Rng rng(21);
    for_every_activation([&](const Activation& f) {
        for (const std::size_t count : {0, 1, 31, 255, 256, 257, 1000}) {
            SCOPED_TRACE(std::to_string(count) + " elements");
            const Reals a_values = values_of(f, count, rng),
                        delta_values = normal_values(count, rng);
            Expected expected;
            for (std::size_t i = 0; i < count; ++i)
                add_delta(expected, f, a_values[i], delta_values[i], std::abs(delta_values[i]), 0);
            const Guarded<nn_real, Memory> a("a", a_values);
            Guarded<nn_real, Memory> delta("delta", delta_values);
            backward(f, count, a.data(), delta.output());
            EXPECT_TRUE(within("delta", delta.values(), expected));
        }
    });
}
