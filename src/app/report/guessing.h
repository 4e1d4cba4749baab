// guessing.h: whether a network is better than somebody who does not look.
#pragma once
#include <cstddef>
#include <string>

#include "input/sample_set.h"

/// The fraction of samples that have the most frequent class. The set has classes.
double share_of_largest_class(const SampleSet& set);

/// A note if `correct` of `total` is not more than the largest class's share by more than chance
/// explains: if Wilson's 95 % interval reaches down to the share. Empty otherwise, and of samples
/// that are all of one class, where no network can be better. `name`: "test", "held-out".
std::string guessing_note(const std::string& name, std::size_t correct, std::size_t total,
                          double share, const std::string& advice);
