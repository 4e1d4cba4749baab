// hold_out.h: which samples of a set are kept back from training, and how they are taken out.
//
// A set that comes without a test set keeps some of its own samples back, so that every accuracy is
// of samples that the network has not seen.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "input/sample_set.h"

/// The samples that are held out of a set without test samples: a sixth, as MNIST's 10,000 of
/// 60,000 before its own test set; 0 of fewer than six.
constexpr std::size_t a_sixth(std::size_t count) { return count / 6; }

/// The last `held_out` of `count` indices.
std::vector<std::size_t> last_samples(std::size_t count, std::size_t held_out);
/// `held_out` of `count` indices, drawn by `seed` and then sorted: the same on every machine.
std::vector<std::size_t> drawn_samples(std::size_t count, std::size_t held_out, std::uint64_t seed);

/// Moves the samples with these indices, which must rise, into a new set. Both sets keep their
/// order.
SampleSet take_out(SampleSet& set, const std::vector<std::size_t>& indices);
