// choose.cpp: looks at the flags, the GPUs, the processors and the nodes, and chooses.
#include "train/choose.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "comm/node_memory.h"
#include "device/cpu/table.h"
#include "device/cpu/tiles.h"
#include "device/gpu/first_layer.h"
#include "device/gpu/plan.h"
#include "train/cores.h"
#include "train/gpus.h"

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

/// True if every node has as many ranks as the others.
bool nodes_are_alike(const Comm& comm) {
    return comm.all(comm.node_size() == comm.from_root(comm.node_size()));
}

/// Throws InputError if gradients cannot be made smaller, or cannot be handed to MPI, as the flags
/// ask.
void check_sums(const Comm& comm, const DeviceRequest& asked) {
    const std::string compress = "--compress " + text_of(asked.compress);
    if (compresses(asked.compress) && comm.size() == 1)
        throw InputError(compress +
                         ": there is one rank, so there is one replica and nothing to send; start "
                         "several ranks (mpirun -np 2), or leave the flag out");
    const bool in_host_memory = asked.allreduce == AllreduceKind::ring ||
                                asked.allreduce == AllreduceKind::tree ||
                                asked.allreduce == AllreduceKind::overlap;
    if (asked.cuda_aware && (in_host_memory || compresses(asked.compress)))
        throw InputError(
            (in_host_memory ? "--allreduce " + std::string(name_of(asked.allreduce)) : compress) +
            " adds in host memory; leave --cuda-aware out");
}

/// Throws InputError if the ranks cannot be arranged as the flags ask.
void check_replicas(const Comm& comm, const DeviceRequest& asked, bool on_cuda) {
    if (asked.allreduce == AllreduceKind::automatic) return;
    const ReducerRow& row = row_of(asked.allreduce);
    const auto refuse = [&](const char* why) {
        throw InputError("--allreduce " + std::string(name_of(row.kind)) + ": " + why);
    };
    if (row.replicas != Replicas::one_a_rank && on_cuda)
        refuse(
            "the ranks are on GPUs, which share no memory; use --allreduce auto, or --device "
            "cpu");
    if (row.replicas == Replicas::one && comm.nodes() > 1)
        refuse("the ranks are on several nodes; use --allreduce auto");
    if (row.replicas == Replicas::one_a_node && comm.nodes() == 1)
        refuse(
            "all ranks are on one node, so there is one replica and nothing to sum; use "
            "--allreduce auto, or start ranks on several nodes");
    if (row.replicas == Replicas::one_a_node && !nodes_are_alike(comm))
        refuse(
            "the nodes have different numbers of ranks; start as many on each node, or use "
            "--allreduce mpi");
    if (row.replicas == Replicas::one_a_rank && comm.size() == 1 && !row.takes_one_replica)
        refuse(
            "there is one rank, so there is one replica and nothing to sum; start several "
            "ranks (mpirun -np 2), or leave the flag out");
}

/// Throws InputError if the flags ask for products in whole numbers, and they cannot be.
void check_int8(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                const CudaDevices& cuda, bool on_cuda) {
    if (asked.gemm != GemmKind::int8) return;
    const auto refuse = [](const std::string& why) {
        throw InputError("--gemm int8: " + why + "; use --gemm auto or fp32");
    };
    const std::string most = std::to_string(int8_most_depth);
    if (sizeof(nn_real) == sizeof(double)) refuse("this is the build in double");
    if (!on_cuda) refuse("it is for GPUs, and the ranks are on CPUs");
    if (asked.course) refuse("the plain kernels of --course have no such product");
    if (!gpu_of_rank(comm, cuda).bf16x3)
        refuse("a GPU of rank " + std::to_string(comm.rank()) +
               " has no tensor cores for it (compute capability 8.0), or this binary has no code "
               "for them");
    if (shape.layout.inputs() > int8_most_depth)
        refuse("its sums hold " + most + " inputs, and the network has " +
               std::to_string(shape.layout.inputs()));
    if (shape.capacity > int8_most_depth)
        refuse("its sums hold " + most + " samples, and a rank has " +
               std::to_string(shape.capacity) + " at a time");
}

/// Throws InputError if the flags ask for a device that is not here.
void check_device(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                  const CudaDevices& cuda, bool on_cuda) {
    if (asked.device == DeviceKind::cuda && cuda.usable.empty())
        throw InputError("--device cuda: rank " + std::to_string(comm.rank()) +
                         " has no CUDA device: " + cuda.why_none +
                         "; use --device auto or cpu, or run on a GPU node");
    if (!on_cuda) check_isa(comm, asked.isa);
    if (asked.fixed_order && on_cuda)
        throw InputError(
            "--reproducible: the ranks are on GPUs, which add in an order of their own; use "
            "--device cpu, or leave the flag out");
    if (is_small(asked.precision) && on_cuda)
        throw InputError("--precision " + std::string(name_of(asked.precision)) +
                         ": the ranks are on GPUs, whose kernels compute in float; use --device "
                         "cpu, or leave the flag out");
    if (asked.own_copies && comm.size() == 1)
        throw InputError(
            std::string(asked.as_they_come
                            ? "--sync async: there is one rank, so no update can come late"
                            : "--sync local: there is one rank, so there are no parameters to "
                              "average") +
            "; start several ranks (mpirun -np 2), or leave the flag out");
    if (asked.cuda_aware && !Comm::is_cuda_aware())
        throw InputError("--cuda-aware: this MPI (" + Comm::library_version() +
                         ") does not take device memory; leave the flag out");
    if (asked.cuda_aware && !on_cuda)
        throw InputError(
            "--cuda-aware: the ranks are on CPUs, so there is no device memory; leave the flag "
            "out, or use --device cuda");
    if (asked.gemm == GemmKind::bf16x3 && asked.inputs != InputsKind::automatic)
        throw InputError(
            "--gemm bf16x3 takes the inputs in a way of its own; leave --inputs out, or use --gemm "
            "auto or fp32");
    if (asked.gemm == GemmKind::bf16x3 &&
        !(on_cuda ? gpu_of_rank(comm, cuda).bf16x3 : may_take_tiles(asked))) {
        const std::string rank = "rank " + std::to_string(comm.rank());
        throw InputError(
            std::string("--gemm bf16x3: ") +
            (sizeof(nn_real) == sizeof(double) ? "this is the build in double"
             : on_cuda
                 ? "a GPU of " + rank +
                       " has no bf16 tensor cores (compute capability 8.0), or this binary has "
                       "no code for them"
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
    check_int8(comm, asked, shape, cuda, on_cuda);
    check_sums(comm, asked);
    check_replicas(comm, asked, on_cuda);
}

/// Who gets a copy of the parameters on the CPU, if there is room.
Replicas arranged(const Comm& comm, const DeviceRequest& asked) {
    if (comm.size() == 1 || asked.own_copies || compresses(asked.compress))
        return Replicas::one_a_rank;
    if (asked.allreduce != AllreduceKind::automatic) return row_of(asked.allreduce).replicas;
    if (comm.nodes() == 1) return Replicas::one;
    if (comm.nodes() == comm.size()) return Replicas::one_a_rank;
    return nodes_are_alike(comm) ? Replicas::one_a_node : Replicas::one_a_rank;
}

/// Makes the replica that the ranks of each node work on together. If a node has no room for it,
/// returns null on all ranks, or throws InputError if this way was asked for.
std::unique_ptr<Replica> make_shared_replica(const Comm& comm, const DeviceRequest& asked,
                                             const ReplicaShape& shape, CpuSettings settings) {
    // Each node shares the rows out alike.
    if (comm.nodes() > 1) settings.threads = comm.least(settings.threads);
    const int ranks = comm.node_size();
    std::vector<int> threads(static_cast<std::size_t>(ranks));
    threads[static_cast<std::size_t>(comm.node_rank())] = settings.threads;
    comm.sum_on_node(threads);
    const auto workers_of = [&](int first_ranks) {
        return std::accumulate(threads.begin(), threads.begin() + first_ranks, 0);
    };
    const int workers = workers_of(ranks);
    SharedReplica shared{nullptr, nullptr, ranks, workers_of(comm.node_rank()), workers};
    const std::size_t bytes = cpu_shared_bytes(shape, settings.first_layer, ranks);
    NodeMemory* const memory = comm.node_memory(bytes, workers);
    if (memory != nullptr) {
        shared.memory = memory->data();
        shared.barrier = &memory->barrier();
        settings.shared = &shared;
        return make_cpu_replica(shape, settings);
    }
    comm.together([&] {
        if (asked.allreduce != AllreduceKind::automatic)
            throw InputError("--allreduce " + std::string(name_of(asked.allreduce)) +
                             ": too little room in /dev/shm for parameters and a mini-batch; give "
                             "it more (docker run --shm-size), or use --allreduce mpi");
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

/// True if the first layer's products go by bf16x3. `can`: this rank is able to; `pays`: it is
/// faster there. Both must be so on all ranks, or the first, if the flags ask for it.
bool by_bf16x3(const Comm& comm, const DeviceRequest& asked, bool can, bool pays) {
    return comm.all(
        can && (asked.gemm == GemmKind::bf16x3 || (asked.gemm == GemmKind::automatic && pays)));
}

/// Whether gradients go to MPI as the device's memory, which a trial of sums decides.
bool mpi_takes_device_memory(const Comm& comm, const DeviceRequest& asked, int device) {
    const bool by_mpi =
        asked.allreduce == AllreduceKind::automatic || asked.allreduce == AllreduceKind::mpi;
    const bool sums = comm.size() > 1 && by_mpi && !asked.own_copies && !asked.lends_gradient &&
                      !asked.course && !compresses(asked.compress);
    return sums &&
           sums_device_memory(comm, device, Comm::is_cuda_aware(), asked.cuda_aware,
                              [&](std::span<nn_real> values) { comm.all_ranks().sum(values); });
}

/// How this rank works on its GPU.
CudaSettings cuda_settings(const Comm& comm, const DeviceRequest& asked, const CudaDevice& device,
                           const Layout& layout, int shard) {
    CudaSettings settings;
    settings.device = device.number;
    settings.bf16x3 = by_bf16x3(comm, asked, device.bf16x3,
                                gpu_gains_by_bf16x3(device.multiprocessors, device.capability,
                                                    layout.size(1), layout.inputs(), shard));
    settings.int8 = asked.gemm == GemmKind::int8;
    settings.several_ranks = (comm.size() > 1 && !asked.own_copies) || asked.lends_gradient;
    settings.shares_device = shares_gpu(comm, cuda_uuid(device.number));
    settings.mpi_takes_device_memory = mpi_takes_device_memory(comm, asked, device.number);
    return settings;
}

/// The parts of a gradient whose sums go on meanwhile: MPI works on them only when a part is ready,
/// so parts are small. All ranks have the same, though their threads may differ.
constexpr std::size_t part_bytes_between_calls = std::size_t{1} << 16;

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
    settings.in_leaves = asked.fixed_order;  // tiles add in another order
    if (asked.allreduce == AllreduceKind::overlap) settings.part_bytes = part_bytes_between_calls;
    if (!asked.fixed_order &&
        by_bf16x3(comm, asked, may_take_tiles(asked), tiles_pay(shard, density)) && automatic &&
        takes_tiles(shape))
        settings.first_layer = FirstLayerKind::tiles;
    // Memory that ranks share is cut by it, so no rank chooses for itself.
    settings.first_layer = comm.from_root(settings.first_layer);
    return settings;
}

}  // namespace

ChosenDevice choose_device(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                           int shard, double density) {
    ChosenDevice chosen;
    chosen.taken = asked;
    // The driver is not started for a run that does not want it: that takes time, and a GPU that is
    // broken can hang there.
    if (asked.device == DeviceKind::cpu)
        chosen.cuda.why_none = "not asked, for --device is cpu";
    else
        chosen.cuda = find_cuda_devices();
    DeviceRequest& taken = chosen.taken;
    const auto sum_by = [&](AllreduceKind kind) {
        taken.allreduce = kind;
        const ReducerRow& row = row_of(kind);
        chosen.reduction = row.text;
        const bool by_node = row.replicas == Replicas::one_a_node;
        if (row.replicas != Replicas::one) chosen.replicas = by_node ? comm.nodes() : comm.size();
        if (comm.size() == 1 || row.make == nullptr) return;
        const Group& group = by_node ? comm.across_nodes() : comm.all_ranks();
        if (asked.own_copies) {
            chosen.reduction = asked.as_they_come
                                   ? "each adds its updates to parameters on rank 0, as they come"
                                   : "each trains alone, then the parameters' mean is taken";
        } else if (asked.fixed_order) {
            chosen.reduction = "gradients summed in a fixed order";
            chosen.fixed_order.across = &group;
        } else if (compresses(asked.compress)) {
            chosen.reduction = "gradients sent as " + text_of(asked.compress) + ", and added";
            chosen.reducer = make_compressed_reducer(group, asked.compress, shape.layout.total());
        } else {
            chosen.reducer = row.make(group, asked.bucket_bytes);
        }
    };
    // A GPU rounds differently from a CPU, and all ranks must keep the same bits. So all ranks take
    // a GPU, or none does.
    const bool on_cuda = comm.all(!chosen.cuda.usable.empty()) && asked.device != DeviceKind::cpu;
    comm.together([&] { check_device(comm, asked, shape, chosen.cuda, on_cuda); });
    if (on_cuda) {
        const CudaSettings settings =
            cuda_settings(comm, asked, gpu_of_rank(comm, chosen.cuda), shape.layout, shard);
        taken.device = DeviceKind::cuda;
        taken.gemm = asked.course      ? GemmKind::fp32
                     : settings.int8   ? GemmKind::int8
                     : settings.bf16x3 ? GemmKind::bf16x3
                                       : GemmKind::fp32;
        chosen.replica =
            replica_on_gpu(comm, asked.course ? make_course_replica : make_cuda_replica, shape,
                           settings, asked.device == DeviceKind::cuda, chosen.cuda);
        if (chosen.replica) {
            taken.cuda_aware = settings.mpi_takes_device_memory;
            sum_by(asked.allreduce == AllreduceKind::automatic ? AllreduceKind::mpi
                                                               : asked.allreduce);
            if (taken.cuda_aware) chosen.reduction += ", from device memory";
            return chosen;
        }
        comm.together([&] { check_device(comm, asked, shape, chosen.cuda, false); });
    }
    taken.device = DeviceKind::cpu;
    if (asked.device == DeviceKind::automatic) say_why_cpu(comm, chosen.cuda);
    taken.isa = agreed_isa(comm, asked);
    take_isa(taken.isa);
    const CpuSettings settings = cpu_settings(comm, asked, shape, shard, density);
    const bool tiles = settings.first_layer == FirstLayerKind::tiles;
    taken.gemm = tiles ? GemmKind::bf16x3 : GemmKind::fp32;
    taken.inputs =
        settings.first_layer == FirstLayerKind::sparse ? InputsKind::sparse : InputsKind::dense;
    taken.threads = settings.threads;
    Replicas replicas = arranged(comm, asked);
    if (replicas != Replicas::one_a_rank)
        chosen.replica = make_shared_replica(comm, asked, shape, settings);
    if (!chosen.replica) {
        replicas = Replicas::one_a_rank;
        chosen.replica = make_cpu_replica(shape, settings);
    }
    chosen.fixed_order.is_taken = asked.fixed_order;
    chosen.fixed_order.ranks_together = replicas == Replicas::one          ? comm.size()
                                        : replicas == Replicas::one_a_node ? comm.node_size()
                                                                           : 1;
    sum_by(asked.allreduce != AllreduceKind::automatic ? asked.allreduce
           : replicas == Replicas::one                 ? AllreduceKind::shared
           : replicas == Replicas::one_a_node          ? AllreduceKind::hierarchical
                                                       : AllreduceKind::mpi);
    return chosen;
}
