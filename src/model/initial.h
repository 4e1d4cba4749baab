// initial.h: the parameters that a training begins with.
#pragma once
#include <cstdint>

#include "base/names.h"
#include "model/activation/activation.h"
#include "model/parameters.h"

/// The distribution from which the first parameters are drawn.
enum class Init {
    normal,   ///< weights N(0, deviation^2), biases 0
    uniform,  ///< weights and biases from [0, 1), as NumPy's legacy generator draws them
    xavier    ///< weights U(-a, a), a = sqrt(6 / (inputs + outputs of the layer)), biases 0
};
template <>
struct Names<Init> {
    static constexpr Named<Init> all[] = {
        {Init::normal, "normal"}, {Init::uniform, "uniform"}, {Init::xavier, "xavier"}};
};

/// The first parameters. `deviation` is that of Init::normal. If it is 0, each layer takes
/// sqrt(gain / its inputs), which keeps the sums of all layers at unit size: the gain of the
/// activation is 1, and for relu, which cuts half of its inputs off, 2 (He's initialisation). All
/// numbers are drawn in double and rounded to Real, float or double, so both start from the same
/// point.
///
/// NumPy draws a weight matrix as (inputs x outputs), row by row, and then its biases: its element
/// (i, o) is our W(o, i), so NumPy's order is that of our flat array.
template <class Real>
Parameters<Real> initial_parameters(const Layout& layout, std::uint64_t seed, double deviation,
                                    Init init = Init::normal, const Activation& activation = {});
