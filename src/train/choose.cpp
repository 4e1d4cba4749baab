// choose.cpp: looks at the flags, the GPUs, the processors and the nodes, and chooses.
#include "train/choose.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "comm/node_memory.h"
#include "device/cpu/tiles.h"
#include "train/cores.h"

namespace {

/// True if this rank can multiply in bf16 tiles, which need AVX-512 too.
bool may_take_tiles(const DeviceRequest& asked) {
    return asked.isa >= CpuIsa::avx512 && bf16x3_available();
}

/// The widest instruction set that every rank has and may take.
CpuIsa agreed_isa(const Comm& comm, const DeviceRequest& asked) {
    const CpuIsa mine = std::min(asked.isa, widest_isa());
    for (const CpuIsa isa : {CpuIsa::avx512, CpuIsa::avx2})
        if (comm.all(mine >= isa)) return isa;
    return CpuIsa::baseline;
}

/// Throws InputError if the flags ask for a device that is not here.
void check_device(const Comm& comm, const DeviceRequest& asked, const CudaDevices& cuda,
                  bool on_cuda) {
    if (asked.device == DeviceKind::cuda && cuda.count == 0)
        throw InputError("--device cuda: rank " + std::to_string(comm.rank()) +
                         " has no CUDA device: " + cuda.why_none +
                         "; use --device auto or cpu, or run on a GPU node");
    if (asked.cuda_aware && !Comm::is_cuda_aware())
        throw InputError("--cuda-aware: this MPI (" + Comm::library_version() +
                         ") does not take device memory; leave the flag out");
    if (asked.gemm == GemmKind::bf16x3 && !(on_cuda ? cuda.bf16x3 : may_take_tiles(asked))) {
        const std::string rank = "rank " + std::to_string(comm.rank());
        throw InputError(
            std::string("--gemm bf16x3: ") +
            (sizeof(nn_real) == sizeof(double) ? "this is the build in double"
             : on_cuda ? "a GPU of " + rank + " has no bf16 tensor cores (compute capability 8.0)"
             : bf16x3_available() ? "they need AVX-512, and --isa keeps " + rank + " from it"
                                  : "the processor of " + rank +
                                        " has no bf16 tiles (AMX), or its system keeps them "
                                        "back") +
            "; use --gemm auto or fp32");
    }
    if (asked.gemm == GemmKind::bf16x3 && asked.course && on_cuda)
        throw InputError(
            "--gemm bf16x3: the plain kernels of --course have no such product; leave one of the "
            "two out");
    if (asked.allreduce == AllreduceKind::shared && on_cuda)
        throw InputError(
            "--allreduce shared: the ranks are on GPUs, which share no memory; use "
            "--allreduce auto, or --device cpu");
    if (asked.allreduce == AllreduceKind::shared && comm.node_size() < comm.size())
        throw InputError(
            "--allreduce shared: the ranks are on several nodes; use --allreduce auto");
}

/// Memory for parameters that all ranks share, if that is asked for, or if it is possible and the
/// choice is automatic; else null.
NodeMemory* share_parameters(const Comm& comm, const DeviceRequest& asked, const Layout& layout) {
    const bool one_node = comm.all(comm.node_size() == comm.size());
    const bool wanted =
        asked.allreduce == AllreduceKind::automatic || row_of(asked.allreduce).in_node_memory;
    if (!wanted || !one_node || comm.size() == 1) return nullptr;
    if (NodeMemory* const memory = comm.node_memory(layout.total())) return memory;
    comm.together([&] {
        if (asked.allreduce == AllreduceKind::shared)
            throw InputError(
                "--allreduce shared: too little room in /dev/shm for parameters and gradients; "
                "give it more (docker run --shm-size), or use --allreduce mpi");
    });
    return nullptr;  // MPI_Allreduce needs no room
}

/// The number of threads for a shard: one for each core, but no more than have work. A thread takes
/// 16 samples at a time, and starting it costs as much as some million operations.
int useful_threads(int cores, const Layout& layout, int shard) {
    constexpr double operations_of_a_thread = 1e7;
    const double operations = 6.0 * static_cast<double>(layout.total()) * shard;
    const double most = std::min(
        {static_cast<double>(cores), std::ceil(shard / 16.0), operations / operations_of_a_thread});
    return std::max(1, static_cast<int>(most));
}

/// True if the first layer's products go by bf16x3. `can`: this rank is able to; all ranks must be.
bool by_bf16x3(const Comm& comm, const DeviceRequest& asked, bool can, int shard) {
    return comm.all(can) && (asked.gemm == GemmKind::bf16x3 ||
                             (asked.gemm == GemmKind::automatic && shard >= bf16x3_pays_from));
}

/// How this rank works on its GPU.
CudaSettings cuda_settings(const Comm& comm, const DeviceRequest& asked, const CudaDevices& cuda,
                           int shard) {
    CudaSettings settings;
    settings.device = comm.node_rank() % cuda.count;
    settings.bf16x3 = by_bf16x3(comm, asked, cuda.bf16x3, shard);
    settings.several_ranks = comm.size() > 1;
    // If each rank sees only its own GPU, the ranks are taken for ranks that share one. That costs
    // a rank some microseconds a step; the opposite mistake would cost it its core.
    settings.shares_device = comm.node_size() > cuda.count;
    settings.mpi_takes_device_memory = asked.cuda_aware;
    return settings;
}

/// How this rank works on its CPU.
CpuSettings cpu_settings(const Comm& comm, const DeviceRequest& asked, const Layout& layout,
                         int shard) {
    CpuSettings settings;
    const int cores = cores_of_this_rank(comm);
    settings.threads = asked.threads > 0 ? asked.threads : useful_threads(cores, layout, shard);
    settings.bf16x3 = by_bf16x3(comm, asked, may_take_tiles(asked), shard);
    return settings;
}

}  // namespace

ChosenDevice choose_device(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                           int shard) {
    ChosenDevice chosen{nullptr, nullptr, find_cuda_devices(), asked};
    DeviceRequest& taken = chosen.taken;
    const auto sum_by = [&](AllreduceKind kind, NodeMemory* memory) {
        taken.allreduce = kind;
        if (comm.size() > 1) chosen.reducer = row_of(kind).make(comm, memory);
    };
    const bool automatic = asked.allreduce == AllreduceKind::automatic;
    // A GPU rounds differently from a CPU, and all ranks must keep the same bits. So all ranks take
    // a GPU, or none does.
    const bool on_cuda = comm.all(chosen.cuda.count > 0) && asked.device != DeviceKind::cpu;
    taken.device = on_cuda ? DeviceKind::cuda : DeviceKind::cpu;
    comm.together([&] { check_device(comm, asked, chosen.cuda, on_cuda); });
    if (on_cuda) {
        const CudaSettings settings = cuda_settings(comm, asked, chosen.cuda, shard);
        taken.gemm = settings.bf16x3 && !asked.course ? GemmKind::bf16x3 : GemmKind::fp32;
        const auto make = asked.course ? make_course_replica : make_cuda_replica;
        comm.together([&] { chosen.replica = make(shape, settings); });
        sum_by(automatic ? AllreduceKind::mpi : asked.allreduce, nullptr);
        return chosen;
    }
    taken.isa = agreed_isa(comm, asked);
    take_isa(taken.isa);
    CpuSettings settings = cpu_settings(comm, asked, shape.layout, shard);
    taken.gemm = settings.bf16x3 ? GemmKind::bf16x3 : GemmKind::fp32;
    taken.threads = settings.threads;
    NodeMemory* const memory = share_parameters(comm, asked, shape.layout);
    if (memory != nullptr) {
        settings.parameters = memory->parameters();
        settings.gradient = memory->gradients()[static_cast<std::size_t>(comm.rank())];
    }
    sum_by(memory != nullptr ? AllreduceKind::shared
           : automatic       ? AllreduceKind::mpi
                             : asked.allreduce,
           memory);
    chosen.replica = make_cpu_replica(shape, settings);
    return chosen;
}
