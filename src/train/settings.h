// settings.h: the settings of a training that must be the same for the trainer and the reference.
#pragma once
#include <cstdint>

#include "base/real.h"
#include "model/update/update.h"

/// These values are for tests; the program's defaults are in app/cli.
struct Training {
    int batch = 1;            ///< samples of a mini-batch, all ranks together
    int epochs = 1;           ///< passes over the set; each takes ceil(N / batch) steps
    double rate = 0.1;        ///< learning rate of the first epoch
    double decay = 1.0;       ///< the learning rate is multiplied by this after each epoch
    double reg = 0.0;         ///< L2 penalty on weights
    Rule rule = {};           ///< how an update follows from the gradient
    bool shuffled = false;    ///< a new order in each epoch; otherwise the file's order
    std::uint64_t seed = 1;   ///< of the orders
    nn_real pixel_scale = 1;  ///< input = pixel x pixel_scale
};
