// update.h: how parameters change, the fourth verb of a step. The list of rules is here.
//
// A rule is one file beside this one and one entry of Rule. Both devices instantiate their loop or
// kernel over that list; the reference calls the rule's reference().
#pragma once
#include <variant>

#include "base/real.h"
#include "model/update/sgd.h"

using Rule = std::variant<Sgd>;

/// One update of all parameters.
struct Update {
    nn_real rate;  ///< learning rate of this step
    nn_real reg;   ///< L2 penalty on the weights: g = mean gradient + reg p; biases have none
    Rule rule = {};
};
