// strategies.h: the strategies, a row each.
#pragma once
#include <memory>

#include "train/strategy.h"

/// Synchronous gradient descent: for every mini-batch load, forward, backward, and one update by
/// the sum of all ranks' gradients.
std::unique_ptr<Strategy> make_every_step();
/// A mini-batch comes in slices of `slice` samples, all ranks together, one after the other. It has
/// a whole number of slices; only the last mini-batch of an epoch may have less.
std::unique_ptr<Strategy> make_accumulate(int slice);

/// The mean of parameters that were trained apart, as one step of an outer descent: with d the
/// parameters at the last mean, minus the mean of now,
///     v = momentum v + d,  p = p - rate (d + momentum v)
/// which is the mean itself for the rate 1 without momentum.
struct OuterUpdate {
    double momentum = 0, rate = 1;
};
/// Local descent: each rank trains its own parameters on its shards. After every `steps` steps of
/// an epoch, and at its end, all take the mean, by `outer`.
std::unique_ptr<Strategy> make_local(int steps, OuterUpdate outer);
