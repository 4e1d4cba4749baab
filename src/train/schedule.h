// schedule.h: the learning rate over a training, and the update of each epoch's steps.
#pragma once
#include <cmath>

#include "model/update/update.h"
#include "train/settings.h"

/// Learning rate of an epoch, counted from 0, rounded to nn_real as every device uses it.
inline nn_real rate_at(int epoch, const Training& training) {
    return static_cast<nn_real>(training.rate * std::pow(training.decay, epoch));
}

inline Update update_at(int epoch, const Training& training) {
    return {rate_at(epoch, training), static_cast<nn_real>(training.reg), training.rule};
}
