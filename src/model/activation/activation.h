// activation.h: what a hidden layer makes of its sums, a = f(z). The list of activations is here.
//
// An activation is one file beside this one and one entry of Activation: a type without data, with
// the names that sigmoid.h has. Its slope follows from a alone, for z is not kept. Both devices
// instantiate their loops and kernels over that list; the reference calls reference().
#pragma once
#include <cmath>
#include <variant>

#include "base/names.h"
#include "base/real.h"
#include "model/activation/relu.h"
#include "model/activation/sigmoid.h"
#include "model/activation/tanh.h"

using Activation = std::variant<Sigmoid, Tanh, Relu>;

/// The exponential that value() takes for one number.
struct Exp {
    ON_HOST_AND_DEVICE nn_real operator()(nn_real x) const { return std::exp(x); }
};

/// The names of a list's types.
template <class List>
struct NamesOfList;
template <class... A>
struct NamesOfList<std::variant<A...>> {
    static constexpr Named<std::variant<A...>> all[sizeof...(A)] = {{A{}, A::name}...};
};
template <>
struct Names<Activation> : NamesOfList<Activation> {};

// What suits a network with these hidden layers, where no flag says otherwise.

/// First weights of variance gain / inputs keep the sums of all layers at unit size.
inline double gain_of(const Activation& f) {
    return std::visit([](auto a) { return a.gain; }, f);
}
/// The standard deviation of the first weights; 0: by the gain.
inline double deviation_for(const Activation& f) {
    return std::visit([](auto a) { return a.deviation; }, f);
}
/// The learning rate of the first epoch, measured on MNIST.
inline double rate_for(const Activation& f) {
    return std::visit([](auto a) { return a.rate; }, f);
}
