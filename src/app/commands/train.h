// train.h: ./main train: samples -> network -> training -> report.
#pragma once
#include <memory>

#include "app/cli/options.h"
#include "comm/comm.h"

/// Trains as the options say, on all ranks, and prints what comes of it. Returns the exit code.
/// `shared` receives the ranks' common memory, if there is any, and has to outlive the call.
int train(const Comm& comm, const TrainOptions& options, std::unique_ptr<SharedParameters>& shared);
