// train.h: ./main train: samples -> network -> training -> report.
#pragma once
#include "app/cli/options.h"
#include "app/run/history.h"
#include "comm/comm.h"

/// Trains as the options say, on all ranks, and prints the results. Returns the exit code.
/// `history`, if it is not null, gets the epochs.
int train(const Comm& comm, const TrainOptions& options, History* history = nullptr);
