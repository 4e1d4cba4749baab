// choose.cpp: looks at the flags, the GPUs, the processors and the nodes, and chooses.
#include "train/choose.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "comm/node_memory.h"
#include "device/cpu/tiles.h"
#include "reduce/reducers.h"
#include "train/cores.h"

namespace {

/// Throws InputError where the flags ask for what is not here.
void check_device(const Comm& comm, const Options& options, const CudaDevices& cuda, bool on_cuda) {
    if (options.device == "cuda" && cuda.count == 0)
        throw InputError("--device cuda: rank " + std::to_string(comm.rank()) +
                         " has no CUDA device: " + cuda.why_none +
                         "; use --device auto or cpu, or run on a GPU node");
    if (options.cuda_aware && !Comm::is_cuda_aware())
        throw InputError("--cuda-aware: this MPI (" + Comm::library_version() +
                         ") does not take device memory; leave the flag out");
    if (options.gemm == "bf16x3" && !(on_cuda ? cuda.bf16x3 : bf16x3_available())) {
        const std::string rank = "rank " + std::to_string(comm.rank());
        throw InputError(
            std::string("--gemm bf16x3: ") +
            (sizeof(nn_real) == sizeof(double) ? "this is the build in double"
             : on_cuda ? "a GPU of " + rank + " has no bf16 tensor cores (compute capability 8.0)"
                       : "the processor of " + rank +
                             " has no bf16 tiles (AMX), or its system keeps them "
                             "back") +
            "; use --gemm auto or fp32");
    }
    if (options.allreduce == "shared" && on_cuda)
        throw InputError(
            "--allreduce shared: the ranks are on GPUs, which share no memory; use "
            "--allreduce auto, or --device cpu");
    if (options.allreduce == "shared" && comm.node_size() < comm.size())
        throw InputError(
            "--allreduce shared: the ranks are on several nodes; use --allreduce auto");
}

/// Memory for the parameters that all ranks share, where that is asked for, or where it can be.
NodeMemory* share_parameters(const Comm& comm, const Options& options, const Layout& layout) {
    const bool one_node = comm.all(comm.node_size() == comm.size());
    if (options.allreduce == "mpi" || !one_node || comm.size() == 1) return nullptr;
    if (NodeMemory* const memory = comm.node_memory(layout.total())) return memory;
    comm.together([&] {
        if (options.allreduce == "shared")
            throw InputError(
                "--allreduce shared: too little room in /dev/shm for parameters and gradients; "
                "give it more (docker run --shm-size), or use --allreduce mpi");
    });
    return nullptr;  // MPI_Allreduce needs no room
}

/// Threads for a shard: as many as there are cores, but no more than have something to do. A thread
/// takes 16 samples at a time, and to start it costs as much as some million operations.
int useful_threads(int cores, const Layout& layout, int shard) {
    constexpr double operations_of_a_thread = 1e7;
    const double operations = 6.0 * static_cast<double>(layout.total()) * shard;
    const double most = std::min(
        {static_cast<double>(cores), std::ceil(shard / 16.0), operations / operations_of_a_thread});
    return std::max(1, static_cast<int>(most));
}

/// Whether the first layer's products go by bf16x3, where every rank can if this one `can`.
bool by_bf16x3(const Comm& comm, const Options& options, bool can, int shard) {
    return comm.all(can) &&
           (options.gemm == "bf16x3" || (options.gemm == "auto" && shard >= bf16x3_pays_from));
}

/// How this rank works on its GPU.
CudaSettings cuda_settings(const Comm& comm, const Options& options, const CudaDevices& cuda,
                           int shard) {
    CudaSettings settings;
    settings.device = comm.node_rank() % cuda.count;
    settings.bf16x3 = by_bf16x3(comm, options, cuda.bf16x3, shard);
    settings.several_ranks = comm.size() > 1;
    // Ranks that each see a GPU of their own alone are taken for ranks that share one: that costs
    // a rank some microseconds a step, where the opposite would cost it its core.
    settings.shares_device = comm.node_size() > cuda.count;
    settings.mpi_takes_device_memory = options.cuda_aware;
    return settings;
}

/// How this rank works on its CPU.
CpuSettings cpu_settings(const Comm& comm, const Options& options, const Layout& layout,
                         int shard) {
    CpuSettings settings;
    const int cores = cores_of_this_rank(comm);
    settings.threads = options.threads > 0 ? options.threads : useful_threads(cores, layout, shard);
    settings.bf16x3 = by_bf16x3(comm, options, bf16x3_available(), shard);
    return settings;
}

}  // namespace

ChosenDevice choose_device(const Comm& comm, const Options& options, const ReplicaShape& shape,
                           int shard) {
    ChosenDevice chosen{nullptr, nullptr, find_cuda_devices()};
    if (comm.size() > 1) chosen.reducer = make_mpi_reducer(comm);
    // A GPU rounds differently from a CPU, and the ranks have to stay alike to the bit: all or
    // none.
    const bool on_cuda = comm.all(chosen.cuda.count > 0) && options.device != "cpu";
    comm.together([&] { check_device(comm, options, chosen.cuda, on_cuda); });
    if (on_cuda) {
        const CudaSettings settings = cuda_settings(comm, options, chosen.cuda, shard);
        comm.together([&] { chosen.replica = make_cuda_replica(shape, settings); });
        return chosen;
    }
    CpuSettings settings = cpu_settings(comm, options, shape.layout, shard);
    if (NodeMemory* const memory = share_parameters(comm, options, shape.layout)) {
        settings.parameters = memory->parameters();
        settings.gradient = memory->gradients()[static_cast<std::size_t>(comm.rank())];
        chosen.reducer = make_node_reducer(comm, *memory);
    }
    chosen.replica = make_cpu_replica(shape, settings);
    return chosen;
}
