// gpus.cpp: see gpus.h.
#include "train/gpus.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/text.h"
#include "device/gpu/device_sums.h"
#include "device/gpu/nccl.h"

namespace {

constexpr const char* for_another = "another rank's GPU cannot be used";

/// On rank 0: says that its GPU's code is compiled now, which can look as if nothing went on.
void say_if_compiled(const Comm& comm, const CudaDevice& device) {
    if (!comm.is_root() || device.native) return;
    print_error("this binary has no machine code for a GPU of compute capability " +
                std::to_string(device.capability / 10) + "." +
                std::to_string(device.capability % 10) +
                ": the driver compiles it now, which takes up to a minute, and keeps it in ~/.nv; "
                "build on this machine, or with a newer CUDA Toolkit, to save it");
}

}  // namespace

const CudaDevice& gpu_of_rank(const Comm& comm, const CudaDevices& cuda) {
    return cuda.usable[static_cast<std::size_t>(comm.node_rank()) % cuda.usable.size()];
}

bool shares_gpu(const Comm& comm, const std::string& uuid) {
    constexpr std::size_t width = 16;
    std::vector<std::uint8_t> mine(width), all(width * static_cast<std::size_t>(comm.size()));
    std::copy_n(uuid.begin(), std::min(uuid.size(), width), mine.begin());
    const std::vector<int> counts(static_cast<std::size_t>(comm.size()), static_cast<int>(width));
    comm.all_ranks().gather_everywhere(mine, counts, all);
    int owners = 0;
    for (auto one = all.begin(); one != all.end(); one += width)
        owners += std::equal(mine.begin(), mine.end(), one) ? 1 : 0;
    return !uuid.empty() && owners > 1;
}

void check_nccl(const Comm& comm, const CudaDevices& cuda, bool on_cuda) {
    const bool shares = on_cuda && shares_gpu(comm, cuda_uuid(gpu_of_rank(comm, cuda).number));
    const std::string rank = "--allreduce nccl: rank " + std::to_string(comm.rank());
    comm.together([&] {
        if (cuda.usable.empty() && cuda.why_none != for_another)
            throw InputError(rank + " has no CUDA device: " + cuda.why_none +
                             "; use --allreduce auto, or run on a GPU node");
        if (shares)
            throw InputError(rank +
                             " shares its GPU with another rank, and NCCL takes one rank a GPU; "
                             "start as many ranks as there are GPUs, or use --allreduce mpi");
        if (const std::string missing = find_nccl().missing; on_cuda && !missing.empty())
            throw InputError(rank + ": " + missing + ", or use --allreduce mpi");
    });
}

std::unique_ptr<Replica> replica_on_gpu(const Comm& comm, decltype(&make_cuda_replica) make,
                                        const ReplicaShape& shape, const CudaSettings& settings,
                                        bool required, CudaDevices& cuda) {
    std::unique_ptr<Replica> replica;
    std::string why;
    say_if_compiled(comm, gpu_of_rank(comm, cuda));
    comm.together([&] {
        try {
            replica = make(shape, settings);
        } catch (const GpuUnavailable& unavailable) {
            why = unavailable.what();
            if (required)
                throw GpuUnavailable("--device cuda: rank " + std::to_string(comm.rank()) + ": " +
                                     why + "; or use --device cpu");
        }
    });
    if (comm.all(why.empty())) return replica;
    cuda.usable.clear();
    cuda.why_none = why.empty() ? for_another : why;
    return nullptr;
}

bool sums_device_memory(const Comm& comm, int device, bool says_so, bool required,
                        const std::function<void(std::span<nn_real>)>& sum) {
    if (!comm.all(says_so) || !comm.all(device_starts(device))) return false;
    const bool right = device_sums_are_right(comm.rank(), comm.size(), sum);
    comm.together([&] {
        if (required && !right)
            throw InputError("--cuda-aware: rank " + std::to_string(comm.rank()) +
                             " got a wrong sum of device memory from this MPI (" +
                             Comm::library_version() +
                             "); set UCX_MEMTYPE_CACHE=n, or leave the flag out");
    });
    return comm.all(right);
}

void say_why_cpu(const Comm& comm, const CudaDevices& cuda) {
    const bool none_seen = comm.all(!cuda.seems_here);
    const bool is_reason = cuda.usable.empty() && cuda.why_none != for_another;
    const std::vector<std::string> reasons =
        comm.gather(is_reason ? "rank " + std::to_string(comm.rank()) + " on " + Comm::host_name() +
                                    ": " + cuda.why_none
                              : "");
    if (!comm.is_root() || none_seen) return;
    const auto first = std::ranges::find_if(reasons, [](const auto& r) { return !r.empty(); });
    if (first != reasons.end())
        print_error("the CPU is used, though a GPU seems to be here: " + *first +
                    "; mend that, or use --device cpu");
}
