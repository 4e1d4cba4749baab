// activation.h: what a hidden layer makes of its sums, a = f(z). The list of activations is here.
//
// An activation is one file beside this one and one entry of Activation: a type without data, with
// the functions that sigmoid.h has. Its slope follows from a alone, for z is not kept. Both devices
// instantiate their loops and kernels over that list; the reference calls reference().
#pragma once
#include <cmath>
#include <variant>

#include "base/real.h"
#include "model/activation/sigmoid.h"

using Activation = std::variant<Sigmoid>;

/// The exponential that value() takes for one number.
struct Exp {
    ON_HOST_AND_DEVICE nn_real operator()(nn_real x) const { return std::exp(x); }
};
