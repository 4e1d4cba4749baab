// gpu_traffic.cu: counts what goes to a GPU.
//
// The benchmark is linked with --wrap=cudaMemcpyAsync, the one call by which the program copies, so
// that each such call comes by here. A copy inside a recorded graph would be counted when it is
// recorded alone; a single rank, as here, records none.
#include "gpu_traffic.h"

#include "device/gpu/runtime.h"

namespace {
std::size_t uploaded = 0;
}

std::size_t uploaded_bytes() { return uploaded; }

extern "C" cudaError_t __real_cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                              cudaMemcpyKind kind, cudaStream_t stream);
extern "C" cudaError_t __wrap_cudaMemcpyAsync(void* to, const void* from, std::size_t bytes,
                                              cudaMemcpyKind kind, cudaStream_t stream) {
    if (kind == cudaMemcpyHostToDevice) uploaded += bytes;
    return __real_cudaMemcpyAsync(to, from, bytes, kind, stream);
}
