// initial.cpp: draws the first parameters, which are the same on every machine (random.h).
#include "model/initial.h"

#include <cmath>

#include "base/random.h"

template <class Real>
Parameters<Real> initial_parameters(const Layout& layout, std::uint64_t seed, double deviation,
                                    Init init, const Activation& activation) {
    Parameters<Real> p(layout);
    if (init == Init::uniform) {
        NumpyRng numpy(seed);
        for (auto& value : p.values) value = static_cast<Real>(numpy.uniform());
        return p;
    }
    Rng rng(seed);
    for (int l = 1; l <= layout.layers(); ++l) {
        const double inputs = layout.size(l - 1), outputs = layout.size(l);
        const double s =
            deviation > 0 ? deviation : std::sqrt(gain_of(activation)) / std::sqrt(inputs);
        const double a = std::sqrt(6.0 / (inputs + outputs));
        for (auto& w : p.weights(l))
            w = static_cast<Real>(init == Init::xavier ? a * (2.0 * rng.uniform() - 1.0)
                                                       : s * rng.normal());
    }
    return p;
}

template Parameters<float> initial_parameters(const Layout&, std::uint64_t, double, Init,
                                              const Activation&);
template Parameters<double> initial_parameters(const Layout&, std::uint64_t, double, Init,
                                               const Activation&);
