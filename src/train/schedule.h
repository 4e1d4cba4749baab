// schedule.h: the learning rate over a training, and the update of each step.
//
// With t the step counted from 0 and T all steps of the training:
//     constant  rate
//     decay     rate decay^epoch
//     step      rate decay^(epoch / decay_every), rounded down
//     cosine    rate (1 + cos(pi t/T)) / 2
//     onecycle  up from rate/25 in the first 30 % of the steps, down to rate/250000 in the others,
//               each along half a cosine, as the rate of PyTorch's OneCycleLR
// In the first `warmup` steps, the rate is multiplied by (t + 1) / warmup, too.
#pragma once
#include <cstddef>
#include <cstdint>

#include "model/update/update.h"
#include "train/settings.h"

class Schedule {
  public:
    /// `count` samples are one epoch.
    Schedule(const Training& training, std::size_t count);

    int steps_in_epoch() const { return static_cast<int>(steps_); }
    /// The learning rate of a step of an epoch, both counted from 0, rounded to nn_real as every
    /// device uses it.
    nn_real rate(int epoch, int step) const;
    Update update(int epoch, int step) const;
    /// True if all steps of this epoch have the same update.
    bool is_constant_in(int epoch) const;

  private:
    std::int64_t number(int epoch, int step) const { return epoch * steps_ + step; }

    const Training training_;
    const std::int64_t steps_;
};
