// comparison.h: -s: how near the trained parameters are to the reference's, and whether that is
// near enough.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "neural_network.h"
#include "train/judge.h"

/// The largest relative L2 difference of a tensor that passes: 16 u (16 + sqrt(steps)). Each step
/// rounds every parameter by up to u = 2^-24 or 2^-53 of its size, and errors of changing sign add
/// up as the root of the steps; 16 is room for amplification by the network. The constant 16 is for
/// the first steps, where biases are small differences of rounded terms. README gives measurements.
double comparison_tolerance(const Training& training, std::size_t samples);

/// The path that was checked: "2 ranks, CPU, feed scattered, allreduce mpi".
std::string way_text(std::size_t ranks, const DeviceRequest& taken, FeedKind feed);

/// One line for each tensor and the verdict, which names the path. Returns whether every tensor is
/// within `tolerance` of the reference by its relative L2 difference.
bool print_comparison(const std::vector<TensorDifference>& differences, double tolerance,
                      const std::string& way);
