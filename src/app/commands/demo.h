// demo.h: ./main demo xor: a network so small that every number of it can be shown.
#pragma once
#include "app/cli/options.h"
#include "comm/comm.h"

/// Trains a network of 4-3-1 sigmoids on three samples, with the usual trainer, on all ranks.
/// Prints the configuration, the loss every 50 iterations, the predictions and the curve. Returns
/// the exit code.
int demo(const Comm& comm, const DemoOptions& options);
