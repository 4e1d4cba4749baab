// check_request.cpp: see check_request.h.
#include "train/check_request.h"

#include <string>

#include "device/cpu/table.h"
#include "device/cpu/tiles.h"
#include "device/gpu/plan.h"
#include "train/gpus.h"

bool may_take_tiles(const DeviceRequest& asked) {
    return asked.isa >= CpuIsa::avx512 && bf16x3_available();
}

bool nodes_are_alike(const Comm& comm) {
    return comm.all(comm.node_size() == comm.from_root(comm.node_size()));
}

namespace {

/// Throws InputError if the flags ask for an instruction set that this rank cannot run.
void check_isa(const Comm& comm, CpuIsa asked) {
    if (asked == CpuIsa::automatic || asked <= widest_isa()) return;
    const std::string widest = name_of(widest_isa());
    throw InputError("--isa " + std::string(name_of(asked)) + ": rank " +
                     std::to_string(comm.rank()) + " can run " + widest +
                     " at most (its processor or this build has no wider set); use --isa auto or " +
                     widest);
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
void check_replicas(const Comm& comm, const DeviceRequest& asked, bool on_cuda, bool alike) {
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
    if (row.replicas == Replicas::one_a_node && !alike)
        refuse(
            "the nodes have different numbers of ranks; start as many on each node, or use "
            "--allreduce mpi");
    if (row.replicas == Replicas::one_a_rank && comm.size() == 1 && !row.takes_one_replica)
        refuse(
            "there is one rank, so there is one replica and nothing to sum; start several "
            "ranks (mpirun -np 2), or leave the flag out");
}

/// Throws InputError if --cuda-aware is asked for and cannot be.
void check_cuda_aware(const DeviceRequest& asked, bool on_cuda) {
    if (!asked.cuda_aware) return;
    if (!Comm::is_cuda_aware())
        throw InputError("--cuda-aware: this MPI (" + Comm::library_version() +
                         ") does not take device memory; leave the flag out");
    if (!on_cuda)
        throw InputError(
            "--cuda-aware: the ranks are on CPUs, so there is no device memory; leave the flag "
            "out, or use --device cuda");
}

/// Why this rank cannot multiply by bf16x3.
std::string why_no_bf16x3(const std::string& rank, bool on_cuda) {
    if (sizeof(nn_real) == sizeof(double)) return "this is the build in double";
    if (on_cuda)
        return "a GPU of " + rank +
               " has no bf16 tensor cores (compute capability 8.0), or this binary has no code for "
               "them";
    if (bf16x3_available()) return "they need AVX-512, and --isa keeps " + rank + " from it";
    return "the processor of " + rank + " has no bf16 tiles (AMX), or its system keeps them back";
}

/// Throws InputError if the first layer's products cannot be made as the flags ask.
void check_gemm(const Comm& comm, const DeviceRequest& asked, const CudaDevices& cuda,
                bool on_cuda) {
    if (asked.gemm == GemmKind::persistent && !on_cuda)
        throw InputError(
            "--gemm persistent: the ranks are on CPUs, and it is a kernel of a GPU; use --gemm "
            "auto, or run on a GPU node");
    if (asked.gemm != GemmKind::bf16x3) return;
    if (asked.inputs != InputsKind::automatic)
        throw InputError(
            "--gemm bf16x3 takes the inputs in a way of its own; leave --inputs out, or use --gemm "
            "auto or fp32");
    if (!(on_cuda ? gpu_of_rank(comm, cuda).bf16x3 : may_take_tiles(asked)))
        throw InputError(
            "--gemm bf16x3: " + why_no_bf16x3("rank " + std::to_string(comm.rank()), on_cuda) +
            "; use --gemm auto or fp32");
    if (asked.course && on_cuda)
        throw InputError(
            "--gemm bf16x3: the plain kernels of --course have no such product; leave one of the "
            "two out");
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

/// Throws InputError if the flags ask for what the ranks' GPUs do not do.
void check_on_gpu(const DeviceRequest& asked) {
    if (asked.fixed_order)
        throw InputError(
            "--reproducible: the ranks are on GPUs, which add in an order of their own; use "
            "--device cpu, or leave the flag out");
}

/// Throws InputError if the ranks are to train apart, and there is one.
void check_own_copies(const Comm& comm, const DeviceRequest& asked) {
    if (asked.own_copies && comm.size() == 1)
        throw InputError(
            std::string(asked.as_they_come
                            ? "--sync async: there is one rank, so no update can come late"
                            : "--sync local: there is one rank, so there are no parameters to "
                              "average") +
            "; start several ranks (mpirun -np 2), or leave the flag out");
}

}  // namespace

void check_request(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                   const CudaDevices& cuda, bool on_cuda) {
    const bool alike = nodes_are_alike(comm);  // not below: a rank that throws does not ask
    comm.together([&] {
        if (asked.device == DeviceKind::cuda && cuda.usable.empty())
            throw InputError("--device cuda: rank " + std::to_string(comm.rank()) +
                             " has no CUDA device: " + cuda.why_none +
                             "; use --device auto or cpu, or run on a GPU node");
        if (on_cuda)
            check_on_gpu(asked);
        else
            check_isa(comm, asked.isa);
        check_own_copies(comm, asked);
        check_cuda_aware(asked, on_cuda);
        check_gemm(comm, asked, cuda, on_cuda);
        check_int8(comm, asked, shape, cuda, on_cuda);
        check_sums(comm, asked);
        check_replicas(comm, asked, on_cuda, alike);
    });
    if (asked.allreduce == AllreduceKind::nccl) check_nccl(comm, cuda, on_cuda);
}
