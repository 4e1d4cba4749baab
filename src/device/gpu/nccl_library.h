// nccl_library.h: what of NCCL the sums need: eight functions, in the words of NVIDIA's "NCCL User
// Guide", section "NCCL API". The numbers are nccl.h's; no version 2 has others.
#pragma once
#include <cstddef>
#include <string>

#include "device/gpu/opened_library.h"
#include "device/gpu/runtime.h"

namespace nccl {

enum class Result : int { success = 0, in_progress = 7 };  ///< all others are errors
enum class DataType : int { float32 = 7, float64 = 8 };
enum class Op : int { sum = 0 };
struct UniqueId {
    char internal[128];
};
struct Comm;  ///< the library's

/// "2.28.9" of 22809; before 2.9, 2804 was 2.8.4.
inline std::string version_text(int code) {
    const int unit = code < 10000 ? 1000 : 10000;
    return std::to_string(code / unit) + "." + std::to_string(code % unit / 100) + "." +
           std::to_string(code % 100);
}
/// Older ones can neither tell that a sum hangs nor end it.
inline constexpr int oldest = 2400;

struct Library {
    Result (*ncclGetVersion)(int* version) = nullptr;
    Result (*ncclGetUniqueId)(UniqueId* id) = nullptr;
    /// For the device that is selected. Waits for all ranks.
    Result (*ncclCommInitRank)(Comm** comm, int ranks, UniqueId id, int rank) = nullptr;
    /// Puts the sum on the stream. `from` and `to` may be the same.
    Result (*ncclAllReduce)(const void* from, void* to, std::size_t count, DataType type, Op op,
                            Comm* comm, cudaStream_t stream) = nullptr;
    Result (*ncclCommGetAsyncError)(Comm* comm, Result* error) = nullptr;
    Result (*ncclCommDestroy)(Comm* comm) = nullptr;
    Result (*ncclCommAbort)(Comm* comm) = nullptr;
    const char* (*ncclGetErrorString)(Result result) = nullptr;
    int version = 0;
    std::string missing;  ///< empty: nothing

    Library() {
        OpenedLibrary library("libnccl.so.2");
        library.find("ncclGetVersion", ncclGetVersion);
        missing = library.missing();
        if (!missing.empty()) return;
        if (ncclGetVersion(&version) != Result::success || version < oldest) {
            missing = "libnccl.so.2 is version " + version_text(version) +
                      ", and sums need 2.4 or a newer one; install it";
            return;
        }
        library.find("ncclGetUniqueId", ncclGetUniqueId);
        library.find("ncclCommInitRank", ncclCommInitRank);
        library.find("ncclAllReduce", ncclAllReduce);
        library.find("ncclCommGetAsyncError", ncclCommGetAsyncError);
        library.find("ncclCommDestroy", ncclCommDestroy);
        library.find("ncclCommAbort", ncclCommAbort);
        library.find("ncclGetErrorString", ncclGetErrorString);
        missing = library.missing();
    }
};

}  // namespace nccl
