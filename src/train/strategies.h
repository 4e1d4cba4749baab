// strategies.h: the strategies, a row each.
#pragma once
#include <memory>

#include "train/strategy.h"

/// Synchronous gradient descent: every mini-batch is loaded, goes forward and backward, and ends in
/// one update by the sum of all ranks' gradients.
std::unique_ptr<Strategy> make_every_step();
