// demo.h: ./main demo xor: a network so small that all of it can be looked at.
#pragma once
#include "app/cli/options.h"
#include "comm/comm.h"

/// Trains 4-3-1 sigmoids on three samples by the same trainer as everything else, on all ranks, and
/// prints the configuration, the loss every 50 iterations, the predictions and the curve. Returns
/// the exit code.
int demo(const Comm& comm, const DemoOptions& options);
