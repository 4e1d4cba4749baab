// runtime.h: the one door to CUDA.
//
// nvcc gets the CUDA runtime. Any other compiler gets tests/gpuhost, which runs the same kernels
// and the same runtime calls on the CPU, every CUDA thread a fiber. What the two languages spell
// differently is named here and nowhere else: a launch and shared memory.
//   gpu_launch(kernel<...>, grid, block, dynamic_shared_bytes, stream, arguments...)
//   GPU_SHARED(T, name, [A][B])      a static __shared__ array
//   gpu_launch_together(...)         the same launch, of blocks that are all resident, or an error
//   GPU_DYNAMIC_SHARED(name)         its dynamic shared memory, bytes aligned to 16
// and, in device/gpu/ptx.h, instructions that CUDA C++ has no name for.
// Every runtime call goes through GPU_CHECK, which throws Failure with file, line and call.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>

#include "base/error.h"

#ifdef __CUDACC__
#include <cuda_runtime.h>

#include <filesystem>
#include <system_error>

#include "device/gpu/ptx.h"
#define GPU_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
#define GPU_DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
template <class... Params, class... Args>
inline cudaError_t gpu_launch(void (*kernel)(Params...), dim3 grid, dim3 block, std::size_t shared,
                              cudaStream_t stream, Args... args) {
    kernel<<<grid, block, shared, stream>>>(static_cast<Params>(args)...);
    return cudaGetLastError();
}
/// A launch with an attribute.
template <class... Params, class... Args>
inline cudaError_t gpu_launch_with(cudaLaunchAttribute attribute, void (*kernel)(Params...),
                                   dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
                                   Args... args) {
    cudaLaunchConfig_t config{};
    config.gridDim = grid;
    config.blockDim = block;
    config.dynamicSmemBytes = shared;
    config.stream = stream;
    config.attrs = &attribute;
    config.numAttrs = 1;
    return cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...);
}
template <class... Params, class... Args>
inline cudaError_t gpu_launch_early(void (*kernel)(Params...), dim3 grid, dim3 block,
                                    std::size_t shared, cudaStream_t stream, Args... args) {
    cudaLaunchAttribute early{};
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    return gpu_launch_with(early, kernel, grid, block, shared, stream, args...);
}
template <class... Params, class... Args>
inline cudaError_t gpu_launch_together(void (*kernel)(Params...), dim3 grid, dim3 block,
                                       std::size_t shared, cudaStream_t stream, Args... args) {
    cudaLaunchAttribute cooperative{};
    cooperative.id = cudaLaunchAttributeCooperative;
    cooperative.val.cooperative = 1;
    return gpu_launch_with(cooperative, kernel, grid, block, shared, stream, args...);
}
/// True if the system has a GPU of NVIDIA, whatever CUDA says of it.
inline bool gpu_file_is_here() {
    std::error_code none;
    return std::filesystem::exists("/dev/nvidia0", none);
}
/// The compute capability x 10 whose code a GPU of `capability` runs: the newest that it can take
/// of those that the binary was compiled for. 0: it can take none.
inline int gpu_code_for(int capability) {
    int newest = 0;
    for (const int arch : {__CUDA_ARCH_LIST__})
        if (arch / 10 <= capability) newest = std::max(newest, arch / 10);
    return newest;
}
/// False if the driver compiles the kernels at start, for a GPU of that compute capability x 10.
/// Machine code for an older GPU of the same generation runs too. What can be compiled is for the
/// newest GPU of the list: for an older one there is nothing to compile.
inline bool gpu_code_is_native(int capability) {
    int newest = 0;
    for (const int arch : {__CUDA_ARCH_LIST__}) {
        if (arch / 100 == capability / 10 && arch / 10 <= capability) return true;
        newest = std::max(newest, arch / 10);
    }
    return newest > capability;
}
#else
#include "gpuhost.h"
#endif

inline constexpr const char* gpu_memory_advice =
    "use a smaller batch (-b) or network (-n), or fewer ranks a GPU";

/// The device has too little memory for what was asked of it.
struct GpuOutOfMemory : Failure {
    using Failure::Failure;
};

/// What the last graph that was launched does. An error in its kernels shows at a later call.
inline const char* gpu_last_graph = nullptr;

inline void gpu_check(cudaError_t status, const char* call, const char* file, int line) {
    if (status == cudaSuccess) return;
    if (status == cudaErrorMemoryAllocation)
        throw GpuOutOfMemory(file, line, call, cudaGetErrorString(status), gpu_memory_advice);
    std::string advice =
        "run again with --device cpu, or under compute-sanitizer to find the cause";
    if (gpu_last_graph != nullptr)
        advice +=
            std::string("; it may be in a CUDA graph, of which the last did ") + gpu_last_graph;
    throw Failure(file, line, call, cudaGetErrorString(status), advice);
}
#define GPU_CHECK(call) gpu_check((call), #call, __FILE__, __LINE__)
