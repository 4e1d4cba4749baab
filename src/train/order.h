// order.h: the order of the samples in an epoch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "train/settings.h"

/// `count` indices, for an epoch counted from 0: the same on every rank, at every number of ranks.
std::vector<std::uint32_t> sample_order(std::size_t count, int epoch, const Training& training);
