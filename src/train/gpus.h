// gpus.h: which GPU a rank takes, who else has it, and what the user is told where none is taken.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "comm/comm.h"
#include "device/replica.h"

/// The GPU of this rank: the ranks of a node take its usable ones in turns.
const CudaDevice& gpu_of_rank(const Comm& comm, const CudaDevices& cuda);

/// True if another rank has a GPU of the same UUID. An empty UUID is nobody's. Collective.
bool shares_gpu(const Comm& comm, const std::string& uuid);

/// Throws InputError if NCCL cannot sum over the ranks' GPUs: a rank has none, two have the same
/// one, or the library is not there. Collective; without `on_cuda`, some rank has no GPU.
void check_nccl(const Comm& comm, const CudaDevices& cuda, bool on_cuda);

/// Makes this rank's replica. Returns null on all ranks if the GPU of one of them cannot be used,
/// or, with `required`, throws GpuUnavailable. Then nothing of cuda.usable is left, and
/// cuda.why_none says why. Collective.
std::unique_ptr<Replica> replica_on_gpu(const Comm& comm, decltype(&make_cuda_replica) make,
                                        const ReplicaShape& shape, const CudaSettings& settings,
                                        bool required, CudaDevices& cuda);

/// Whether gradients are summed as device memory: if MPI `says_so` on all ranks, and if sum(),
/// which is MPI's sum over all ranks, adds up arrays of `device` rightly on all of them.
/// `required`: throws InputError if not. False where a device does not start, for then no replica
/// will. Collective.
bool sums_device_memory(const Comm& comm, int device, bool says_so, bool required,
                        const std::function<void(std::span<nn_real>)>& sum);

/// If a rank seems to have a GPU, rank 0 prints on standard error why the ranks take the CPU.
/// Collective.
void say_why_cpu(const Comm& comm, const CudaDevices& cuda);
