// comparison.h: -s: what came of comparing a training with the reference, in words.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "neural_network.h"
#include "train/judge.h"
#include "train/step_check.h"

/// The setup that was checked: "2 ranks, CPU, feed scattered, allreduce mpi".
std::string way_text(std::size_t ranks, const DeviceRequest& taken, FeedKind feed);

/// Prints a line for each tensor: its worst step, and how far it is in the end from a reference
/// that was trained from the first parameters on (`whole`), which is no verdict. Then the verdict,
/// which names the setup. `repeated`: the parameters had the same bits again after the steps were
/// repeated for the check. Returns true if they had, and if every step is within its bound.
bool print_comparison(const StepCheck& check, const std::vector<TensorDifference>& whole,
                      bool repeated, const std::string& way);
