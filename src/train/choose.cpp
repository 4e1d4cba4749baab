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
#include "device/gpu/nccl.h"
#include "train/check_request.h"
#include "train/cores.h"
#include "train/gpus.h"

namespace {

/// The widest instruction set that every rank has and may take.
CpuIsa agreed_isa(const Comm& comm, const DeviceRequest& asked) {
    const CpuIsa mine = std::min(asked.isa, widest_isa());
    for (const CpuIsa isa : {CpuIsa::avx512, CpuIsa::avx2})
        if (comm.all(mine >= isa)) return isa;
    return CpuIsa::baseline;
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
    return comm.all(can &&
                    (asked.gemm == GemmKind::bf16x3 || (asked.gemm != GemmKind::fp32 && pays)));
}

/// True if steps go by the persistent kernel. Where it cannot take them, all is as by auto.
bool by_persistent(const CudaSettings& settings, const ReplicaShape& shape) {
    return settings.persistent_batch > 0 && why_not_persistent(shape, settings).empty();
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
                           const ReplicaShape& shape, int shard) {
    const Layout& layout = shape.layout;
    CudaSettings settings;
    settings.device = device.number;
    settings.persistent_batch = asked.gemm == GemmKind::persistent ? shard : 0;
    settings.several_ranks = (comm.size() > 1 && !asked.own_copies) || asked.lends_gradient;
    settings.shares_device = shares_gpu(comm, cuda_uuid(device.number));
    const bool multiplies_pixels = !is_small(shape.precision) && !by_persistent(settings, shape);
    settings.bf16x3 = by_bf16x3(comm, asked, device.bf16x3 && multiplies_pixels,
                                gpu_gains_by_bf16x3(device.multiprocessors, device.capability,
                                                    layout.size(1), layout.inputs(), shard));
    settings.int8 = asked.gemm == GemmKind::int8;
    settings.lends_device_memory = asked.allreduce == AllreduceKind::nccl ||
                                   mpi_takes_device_memory(comm, asked, device.number);
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

/// Sums over the replicas in this way, and says so. `device`: this rank's GPU, if it has one.
void sum_by(AllreduceKind kind, const Comm& comm, const DeviceRequest& asked, const Layout& layout,
            int device, ChosenDevice& chosen) {
    chosen.taken.allreduce = kind;
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
        chosen.reducer = make_compressed_reducer(group, asked.compress, layout.total());
    } else {
        chosen.reducer = row.make(group, {asked.bucket_bytes, device});
    }
}

/// All ranks take a GPU. Returns false, with the reason in chosen.cuda, if one of them cannot be
/// used.
bool take_gpus(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape, int shard,
               ChosenDevice& chosen) {
    const CudaSettings settings =
        cuda_settings(comm, asked, gpu_of_rank(comm, chosen.cuda), shape, shard);
    chosen.replica = replica_on_gpu(comm, asked.course ? make_course_replica : make_cuda_replica,
                                    shape, settings, asked.device == DeviceKind::cuda, chosen.cuda);
    if (!chosen.replica) return false;
    DeviceRequest& taken = chosen.taken;
    taken.device = DeviceKind::cuda;
    taken.gemm = asked.course                     ? GemmKind::fp32
                 : by_persistent(settings, shape) ? GemmKind::persistent
                 : settings.int8                  ? GemmKind::int8
                 : settings.bf16x3                ? GemmKind::bf16x3
                                                  : GemmKind::fp32;
    const bool by_nccl = asked.allreduce == AllreduceKind::nccl;
    taken.cuda_aware = settings.lends_device_memory && !by_nccl;
    sum_by(asked.allreduce == AllreduceKind::automatic ? AllreduceKind::mpi : asked.allreduce, comm,
           asked, shape.layout, settings.device, chosen);
    if (by_nccl) chosen.reduction += ", NCCL " + find_nccl().version;
    if (taken.cuda_aware) chosen.reduction += ", from device memory";
    return true;
}

/// What sums over replicas on the CPU, if nobody asks for another way.
AllreduceKind usual_sum(Replicas replicas) {
    return replicas == Replicas::one          ? AllreduceKind::shared
           : replicas == Replicas::one_a_node ? AllreduceKind::hierarchical
                                              : AllreduceKind::mpi;
}

void take_cpus(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape, int shard,
               double density, ChosenDevice& chosen) {
    DeviceRequest& taken = chosen.taken;
    taken.device = DeviceKind::cpu;
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
    sum_by(asked.allreduce != AllreduceKind::automatic ? asked.allreduce : usual_sum(replicas),
           comm, asked, shape.layout, 0, chosen);
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
    // A GPU rounds differently from a CPU, and all ranks must keep the same bits. So all ranks take
    // a GPU, or none does.
    const bool on_cuda = comm.all(!chosen.cuda.usable.empty()) && asked.device != DeviceKind::cpu;
    check_request(comm, asked, shape, chosen.cuda, on_cuda);
    if (on_cuda) {
        if (take_gpus(comm, asked, shape, shard, chosen)) return chosen;
        check_request(comm, asked, shape, chosen.cuda, false);
    }
    if (asked.device == DeviceKind::automatic) say_why_cpu(comm, chosen.cuda);
    take_cpus(comm, asked, shape, shard, density, chosen);
    return chosen;
}
