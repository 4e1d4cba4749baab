// choose.h: what each rank trains on, chosen alike by all ranks.
#pragma once
#include <memory>

#include "app/cli/options.h"
#include "comm/comm.h"
#include "device/replica.h"

struct ChosenDevice {
    std::unique_ptr<Replica> replica;
    CudaDevices cuda;
};

/// Where every rank has a GPU, each takes one of its node by turns; otherwise all take the CPU. The
/// GEMM, and on the CPU the threads and the memory, are what the options ask for, or what suits a
/// slice of `slice` samples. `shared` receives memory that the replicas of all ranks use, or null
/// where MPI_Allreduce is to sum the gradients. Collective. Throws InputError where the options ask
/// for what is not here.
ChosenDevice choose_device(const Comm& comm, const Options& options, const ReplicaShape& shape,
                           int slice, std::unique_ptr<SharedParameters>& shared);
