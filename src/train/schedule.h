// schedule.h: the learning rate over a training.
#pragma once
#include <cmath>

#include "train/settings.h"

/// Learning rate of an epoch, counted from 0, rounded to nn_real as every device uses it.
inline nn_real rate_at(int epoch, const Training& training) {
    return static_cast<nn_real>(training.rate * std::pow(training.decay, epoch));
}
