// choose.h: what each rank trains on, chosen alike by all ranks.
#pragma once
#include <memory>

#include "app/cli/options.h"
#include "comm/comm.h"
#include "device/replica.h"
#include "reduce/reducer.h"

struct ChosenDevice {
    std::unique_ptr<Replica> replica;
    std::unique_ptr<Reducer> reducer;  ///< null: there is one rank
    CudaDevices cuda;
};

/// Where every rank has a GPU, each takes one of its node by turns; otherwise all take the CPU. The
/// GEMM, and on the CPU the threads and the memory, are what the options ask for, or what suits a
/// shard of `shard` samples. Collective. Throws InputError where the options ask
/// for what is not here.
ChosenDevice choose_device(const Comm& comm, const Options& options, const ReplicaShape& shape,
                           int shard);
