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
