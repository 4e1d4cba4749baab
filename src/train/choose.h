// choose.h: what each rank trains on, chosen alike by all ranks.
#pragma once
#include <memory>
#include <string>

#include "base/names.h"
#include "comm/comm.h"
#include "device/cpu/isa.h"
#include "device/replica.h"
#include "reduce/reducers.h"
#include "train/fixed_order.h"

enum class DeviceKind { automatic, cuda, cpu };
enum class GemmKind { automatic, fp32, bf16x3, int8 };
enum class InputsKind { automatic, sparse, dense };

template <>
struct Names<DeviceKind> {
    static constexpr Named<DeviceKind> all[] = {
        {DeviceKind::automatic, "auto"}, {DeviceKind::cuda, "cuda"}, {DeviceKind::cpu, "cpu"}};
};
template <>
struct Names<GemmKind> {
    static constexpr Named<GemmKind> all[] = {{GemmKind::automatic, "auto"},
                                              {GemmKind::fp32, "fp32"},
                                              {GemmKind::bf16x3, "bf16x3"},
                                              {GemmKind::int8, "int8"}};
};

template <>
struct Names<InputsKind> {
    static constexpr Named<InputsKind> all[] = {{InputsKind::automatic, "auto"},
                                                {InputsKind::sparse, "sparse"},
                                                {InputsKind::dense, "dense"}};
};

/// What a user asks for; in ChosenDevice, what was chosen.
struct DeviceRequest {
    DeviceKind device = DeviceKind::automatic;
    GemmKind gemm = GemmKind::automatic;
    AllreduceKind allreduce = AllreduceKind::automatic;
    std::size_t bucket_bytes = default_bucket_bytes;  ///< with AllreduceKind::overlap
    Codec compress = {};                        ///< of the gradients; with allreduce automatic
    InputsKind inputs = InputsKind::automatic;  ///< on the CPU: leave out zeros, or not
    CpuIsa isa = CpuIsa::automatic;  ///< for the CPU: the widest set that this rank may take
    int threads = 0;                 ///< of each rank on the CPU; 0: as many as it has cores
    bool cuda_aware = false;  ///< sums are of device memory; asked for: it is an error if not
    bool course = false;      ///< on a GPU: the plain kernels
    /// The strategy adds up gradients in host memory, even of one replica alone.
    bool lends_gradient = false;
    bool fixed_order = false;               ///< sums with the same bits at any number of replicas
    Precision precision = Precision::fp32;  ///< of the operands of products
    bool own_copies = false;    ///< each rank trains parameters of its own; no gradient is summed
    bool as_they_come = false;  ///< with own_copies: updates as they come (--sync async)
};

struct ChosenDevice {
    std::unique_ptr<Replica> replica;
    std::unique_ptr<Reducer> reducer;  ///< null: there is nothing to sum, or fixed_order does it
    FixedOrderWay fixed_order = {};    ///< not taken, unless it was asked for
    std::string reduction = {};        ///< for the banner
    int replicas = 1;                  ///< of all ranks together
    CudaDevices cuda;
    DeviceRequest taken;  ///< only a GPU's instruction set is still automatic there
};

/// If every rank has a GPU that can be used, each takes one of its node, in turns; otherwise all
/// take the CPU, and rank 0 says why on standard error if there seems to be a GPU. The options
/// decide about GEMM, threads and memory. What they leave open is chosen for a shard of `shard`
/// samples, of whose inputs the fraction `density` is not zero. On the CPU, all ranks take the
/// widest instruction set that every rank has and may take, because each set rounds differently,
/// and the ranks of one node work on one replica. Collective; shape and density are the same on all
/// ranks. Throws InputError if something is asked for that is not here.
ChosenDevice choose_device(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                           int shard, double density);
