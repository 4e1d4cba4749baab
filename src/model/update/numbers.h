// numbers.h: the numbers of one update that are the same for all parameters.
#pragma once
#include <cstdint>

#include "base/real.h"

struct UpdateNumbers {
    nn_real rate;  ///< learning rate of this step
    nn_real reg;   ///< for rules that are `decoupled`: the decay of the weights; biases have none
    nn_real first = 1, second = 1;  ///< Adam's corrections (adam.h)

    bool operator==(const UpdateNumbers&) const = default;
};

/// The same for the reference, which computes its own corrections.
struct ReferenceNumbers {
    double rate, reg;
    std::int64_t step;  ///< of the whole training, from 1
};
