// comparison.h: -s: compares the trained parameters with the reference's, and prints the verdict.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "neural_network.h"
#include "train/judge.h"

/// The largest relative L2 difference of a tensor that passes: 16 u (16 + sqrt(steps)). Each step
/// rounds every parameter by up to u = 2^-24 or 2^-53 of its size, and errors of changing sign add
/// up as the root of the steps; The factor 16 is room for amplification by the network. The 16 in
/// the sum is for the first steps, in which biases are small differences of rounded terms.
/// docs/verification.md gives measurements.
double comparison_tolerance(const Training& training, std::size_t samples);

/// The setup that was checked: "2 ranks, CPU, feed scattered, allreduce mpi".
std::string way_text(std::size_t ranks, const DeviceRequest& taken, FeedKind feed);

/// Prints one line for each tensor, and the verdict, which names the setup. Returns true if every
/// tensor is within `tolerance` of the reference by its relative L2 difference.
bool print_comparison(const std::vector<TensorDifference>& differences, double tolerance,
                      const std::string& way);
