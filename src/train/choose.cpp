// choose.cpp: looks at the flags, the GPUs, the processors and the nodes, and chooses.
#include "train/choose.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "comm/node_memory.h"
#include "device/cpu/table.h"
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

/// Throws InputError if the flags ask for an instruction set that this rank cannot run.
void check_isa(const Comm& comm, CpuIsa asked) {
    if (asked == CpuIsa::automatic || asked <= widest_isa()) return;
    const std::string widest = name_of(widest_isa());
    throw InputError("--isa " + std::string(name_of(asked)) + ": rank " +
                     std::to_string(comm.rank()) + " can run " + widest +
                     " at most (its processor or this build has no wider set); use --isa auto or " +
                     widest);
}

/// Throws InputError if the flags ask for a device that is not here.
void check_device(const Comm& comm, const DeviceRequest& asked, const CudaDevices& cuda,
                  bool on_cuda) {
    if (asked.device == DeviceKind::cuda && cuda.count == 0)
        throw InputError("--device cuda: rank " + std::to_string(comm.rank()) +
                         " has no CUDA device: " + cuda.why_none +
                         "; use --device auto or cpu, or run on a GPU node");
    if (!on_cuda) check_isa(comm, asked.isa);
    if (asked.cuda_aware && !Comm::is_cuda_aware())
        throw InputError("--cuda-aware: this MPI (" + Comm::library_version() +
                         ") does not take device memory; leave the flag out");
    if (asked.gemm == GemmKind::bf16x3 && asked.inputs != InputsKind::automatic)
        throw InputError(
            "--gemm bf16x3 takes the inputs in a way of its own; leave --inputs out, or use --gemm "
            "auto or fp32");
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

/// Makes the replica that all ranks work on together, if that is asked for, or if it is possible
/// and the choice is automatic; else null.
std::unique_ptr<Replica> make_shared_replica(const Comm& comm, const DeviceRequest& asked,
                                             const ReplicaShape& shape, CpuSettings settings) {
    const bool one_node = comm.all(comm.node_size() == comm.size());
    if (asked.allreduce == AllreduceKind::mpi || !one_node || comm.size() == 1) return nullptr;
    std::vector<int> threads(static_cast<std::size_t>(comm.size()));
    threads[static_cast<std::size_t>(comm.rank())] = settings.threads;
    comm.sum_on_node(threads);
    SharedReplica shared{nullptr, nullptr, comm.size(),
                         std::accumulate(threads.begin(), threads.begin() + comm.rank(), 0),
                         std::accumulate(threads.begin(), threads.end(), 0)};
    const std::size_t bytes = cpu_shared_bytes(shape, settings.first_layer, shared.ranks);
    NodeMemory* const memory = comm.node_memory(bytes, shared.workers);
    if (memory != nullptr) {
        shared.memory = memory->data();
        shared.barrier = &memory->barrier();
        settings.shared = &shared;
        return make_cpu_replica(shape, settings);
    }
    comm.together([&] {
        if (asked.allreduce == AllreduceKind::shared)
            throw InputError(
                "--allreduce shared: too little room in /dev/shm for parameters and a mini-batch; "
                "give it more (docker run --shm-size), or use --allreduce mpi");
    });
    return nullptr;  // each rank then has a copy in its own memory
}

/// The number of threads for a shard: one for each core, but no more than have work. A thread takes
/// 8 samples at least, and the barriers of a step cost it as much as some million operations.
int useful_threads(int cores, const Layout& layout, int shard) {
    constexpr double operations_of_a_thread = 5e6;
    const double operations = 6.0 * static_cast<double>(layout.total()) * shard;
    const double most = std::min(
        {static_cast<double>(cores), std::ceil(shard / 8.0), operations / operations_of_a_thread});
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

/// How this rank works on its CPU. Its first layer leaves out zeros if that pays at this density.
CpuSettings cpu_settings(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                         int shard, double density) {
    CpuSettings settings;
    const int cores = cores_of_this_rank(comm);
    settings.threads =
        asked.threads > 0 ? asked.threads : useful_threads(cores, shape.layout, shard);
    const bool automatic = asked.inputs == InputsKind::automatic;
    const bool sparse = automatic ? density < cpu_functions().sparse_pays_below
                                  : asked.inputs == InputsKind::sparse;
    settings.first_layer = sparse ? FirstLayerKind::sparse : FirstLayerKind::dense;
    if (by_bf16x3(comm, asked, may_take_tiles(asked), shard) && automatic && takes_tiles(shape))
        settings.first_layer = FirstLayerKind::tiles;
    // Memory that ranks share is cut by it, so no rank chooses for itself.
    settings.first_layer = comm.from_root(settings.first_layer);
    return settings;
}

}  // namespace

ChosenDevice choose_device(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                           int shard, double density) {
    ChosenDevice chosen{nullptr, nullptr, find_cuda_devices(), asked};
    DeviceRequest& taken = chosen.taken;
    const auto sum_by = [&](AllreduceKind kind) {
        taken.allreduce = kind;
        if (comm.size() > 1 && row_of(kind).make != nullptr)
            chosen.reducer = row_of(kind).make(comm);
    };
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
        sum_by(AllreduceKind::mpi);
        return chosen;
    }
    taken.isa = agreed_isa(comm, asked);
    take_isa(taken.isa);
    const CpuSettings settings = cpu_settings(comm, asked, shape, shard, density);
    const bool tiles = settings.first_layer == FirstLayerKind::tiles;
    taken.gemm = tiles ? GemmKind::bf16x3 : GemmKind::fp32;
    taken.inputs =
        settings.first_layer == FirstLayerKind::sparse ? InputsKind::sparse : InputsKind::dense;
    taken.threads = settings.threads;
    chosen.replica = make_shared_replica(comm, asked, shape, settings);
    sum_by(chosen.replica ? AllreduceKind::shared : AllreduceKind::mpi);
    if (!chosen.replica) chosen.replica = make_cpu_replica(shape, settings);
    return chosen;
}
