// train.h: ./main train: samples -> network -> training -> report.
#pragma once
#include "app/cli/options.h"
#include "comm/comm.h"

/// Trains as the options say, on all ranks, and prints the results. Returns the exit code.
int train(const Comm& comm, const TrainOptions& options);
