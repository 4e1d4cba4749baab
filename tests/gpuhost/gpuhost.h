// gpuhost.h: lets a C++20 compiler build .cu files, and runs their kernels on the CPU.
//
// It stands in for <cuda_runtime.h> where the compiler is not nvcc: the language (thread indices,
// barriers, shuffles, vector types) and the runtime calls that this project uses, no others. Every
// CUDA thread of a block is a fiber of its own, so barriers and shuffles really wait, and the
// sanitizers see each thread for itself. It is stricter than a GPU: what CUDA leaves undefined is
// made to show. .cu files include device/gpu/runtime.h, never this file.
#pragma once
#include <math.h>  // not <cmath> alone: ::exp(float) has to be float, as it is for nvcc

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <source_location>
#include <type_traits>

// ---- The language -----------------------------------------------------------------------------

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

// Kernels read float arrays through float4: as in CUDA, that is no aliasing error.
struct __attribute__((may_alias, aligned(16))) float4 {
    float x, y, z, w;
};
struct __attribute__((may_alias, aligned(16))) double2 {
    double x, y;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }

using std::max;
using std::min;

namespace gpuhost {
#ifdef __cpp_lib_source_location
using Place = std::source_location;
#else  // clang before 16
class Place {
  public:
    static constexpr Place current(const char* file = __builtin_FILE(),
                                   unsigned line = __builtin_LINE(),
                                   unsigned column = __builtin_COLUMN()) {
        Place place;
        place.file_ = file, place.line_ = line, place.column_ = column;
        return place;
    }
    constexpr const char* file_name() const { return file_; }
    constexpr unsigned line() const { return line_; }
    constexpr unsigned column() const { return column_; }

  private:
    const char* file_ = "";
    unsigned line_ = 0, column_ = 0;
};
#endif

/// One static shared array of a kernel. Each block gets memory of its own for it, which starts as
/// NaN bytes and is freed with the block, so that sanitizers see where it ends and see no trace of
/// the block before. It is aligned to what its type asks for and to nothing more.
struct SharedArray {
    void* open(std::size_t bytes, std::size_t alignment, Place where = Place::current());
    void close();
    void* data = nullptr;  ///< null while no thread of the running block has come by
    std::size_t size = 0;
    void* memory = nullptr;
};

int lane();
void block_barrier(Place where);
/// Meets the lanes of `mask` and orders what they do before and after.
void warp_barrier(unsigned mask, Place where);
/// Meets the lanes of `mask`, which orders nothing in memory; returns the bits that lane `source`
/// of the warp brought, or ones in every bit (a NaN) where that lane is not in the mask, which CUDA
/// leaves undefined.
std::uint64_t warp_exchange(unsigned mask, std::uint64_t bits, int source, Place where);

template <class T>
T shuffle(unsigned mask, T value, int source, Place where) {
    static_assert(sizeof(T) <= sizeof(std::uint64_t) && std::is_trivially_copyable_v<T>);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    bits = warp_exchange(mask, bits, source, where);
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
}  // namespace gpuhost

/// A shared array T name[A][B]. Where it is read through a vector type, T has to say so:
/// GPU_SHARED(__align__(16) float, tile, [8][128]).
#define GPU_SHARED(T, name, ...)                                                \
    struct name##_type {                                                        \
        T data __VA_ARGS__;                                                     \
    };                                                                          \
    static ::gpuhost::SharedArray name##_array;                                 \
    [[maybe_unused]] auto& name =                                               \
        static_cast<name##_type*>(                                              \
            name##_array.open(sizeof(name##_type::data), alignof(name##_type))) \
            ->data

inline void __syncthreads(gpuhost::Place where = gpuhost::Place::current()) {
    gpuhost::block_barrier(where);
}
inline void __syncwarp(unsigned mask = ~0u, gpuhost::Place where = gpuhost::Place::current()) {
    gpuhost::warp_barrier(mask, where);
}

// Shuffles work within groups of `width` lanes, a power of two. A lane whose source lies outside
// its group gets its own value back.
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize,
              gpuhost::Place where = gpuhost::Place::current()) {
    const int group = gpuhost::lane() & ~(width - 1);
    return gpuhost::shuffle(mask, value, group | (source & (width - 1)), where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize,
                  gpuhost::Place where = gpuhost::Place::current()) {
    const int lane = gpuhost::lane(), source = lane ^ lane_mask, last = lane | (width - 1);
    return gpuhost::shuffle(mask, value, source <= last ? source : lane, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize,
                   gpuhost::Place where = gpuhost::Place::current()) {
    const int lane = gpuhost::lane(), source = lane + static_cast<int>(delta);
    return gpuhost::shuffle(mask, value, source <= (lane | (width - 1)) ? source : lane, where);
}

#include "gpuhost_ptx.h"

// ---- The runtime ------------------------------------------------------------------------------

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorInsufficientDriver = 35,
    cudaErrorDevicesUnavailable = 46,
    cudaErrorNoDevice = 100,
    cudaErrorInvalidDevice = 101,
    cudaErrorInvalidResourceHandle = 400,
    cudaErrorIllegalState = 401,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorSystemDriverMismatch = 803,
    cudaErrorCompatNotSupportedOnDevice = 804,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
    cudaErrorStreamCaptureMerge = 902,
    cudaErrorStreamCaptureUnmatched = 903,
    cudaErrorStreamCaptureUnjoined = 904,
    cudaErrorStreamCaptureIsolation = 905,
    cudaErrorStreamCaptureImplicit = 906,
    cudaErrorCapturedEvent = 907,
    cudaErrorUnknown = 999,
};
enum cudaMemcpyKind {
    cudaMemcpyHostToHost = 0,
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
    cudaMemcpyDeviceToDevice = 3,
};
struct cudaUUID_t {
    char bytes[16];
};
struct cudaDeviceProp {
    char name[256];
    cudaUUID_t uuid;
    int multiProcessorCount;
    int major, minor;
};
/// Kernels are as if they had been compiled for the very GPU.
struct cudaFuncAttributes {
    int ptxVersion;
};
enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
};
enum cudaStreamCaptureMode {
    cudaStreamCaptureModeGlobal = 0,
    cudaStreamCaptureModeThreadLocal = 1,
    cudaStreamCaptureModeRelaxed = 2,
};
using cudaStream_t = struct CUstream_st*;
inline constexpr unsigned cudaStreamNonBlocking = 1;
using cudaEvent_t = struct CUevent_st*;
inline constexpr unsigned cudaEventDefault = 0, cudaEventBlockingSync = 1,
                          cudaEventDisableTiming = 2;
using cudaGraph_t = struct CUgraph_st*;
using cudaGraphExec_t = struct CUgraphExec_st*;

cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t error);
cudaError_t cudaRuntimeGetVersion(int* version);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes);

// Memory of the device is memory of the host, with an account of what belongs to whom.
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel);
template <class... Params>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(Params...)) {
    return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}
cudaError_t cudaMalloc(void** pointer, std::size_t bytes);
cudaError_t cudaFree(void* pointer);
cudaError_t cudaMallocHost(void** pointer, std::size_t bytes);
cudaError_t cudaFreeHost(void* pointer);
template <class T>
cudaError_t cudaMalloc(T** pointer, std::size_t bytes) {
    return cudaMalloc(reinterpret_cast<void**>(pointer), bytes);
}
template <class T>
cudaError_t cudaMallocHost(T** pointer, std::size_t bytes) {
    return cudaMallocHost(reinterpret_cast<void**>(pointer), bytes);
}

// Work given to a stream is done as late as CUDA allows: when somebody waits for it. So a result
// that is read too early is not there yet, and a pinned source that is overwritten too early has
// lost its old values. A stream that waits for an event finishes the event's stream up to it, and
// no further. What is given to no stream (nullptr) is done at once.
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags = 0);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventCreate(cudaEvent_t* event);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
/// By the host's clock, from when the events' streams came to them.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream);

// While a stream captures, what it is given goes into a graph. A stream that waits for an event of
// a capturing one captures too, until the capture ends, and has to be joined by then. What may not
// be done meanwhile is refused, and spoils the capture. A graph runs its streams as late as they
// would run: when its launch is reached, the first stream's work, and others' where that waits for
// it.
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags = 0);
cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream);
/// A graph that still has to run must not be destroyed: that ends the process. CUDA would keep it
/// until then, but not the memory that it uses.
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec);
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream);

// ---- What tests can ask for and see -----------------------------------------------------------

namespace gpuhost {
/// The order in which blocks run, and in which the threads of a block get their turn between two
/// barriers. A kernel that is right gives the same bits in each.
enum class Order { forward, reverse, random };

struct Config {
    Order order = Order::forward;
    unsigned seed = 1;  ///< of the random order
    int devices = 1;    ///< with 0, cudaGetDeviceCount answers cudaErrorNoDevice
    std::size_t memory = std::size_t{16} << 30;  ///< bytes of a device
    int multiprocessors = 4;
    int capability = 75;  ///< compute capability x 10 of the GPU that is followed
    unsigned uuid = 1;    ///< of device 0; the others count on

    // What can be wrong with a machine.
    bool hangs = false;                     ///< who asks the driver anything waits for ever: dies
    cudaError_t count_error = cudaSuccess;  ///< of cudaGetDeviceCount
    int sick = -1;                          ///< the device that answers no question
    cudaError_t start_error = cudaSuccess;  ///< of what starts a device: cudaSetDevice
    cudaError_t work_error = cudaSuccess;   ///< of kernels: who waits for their end gets it
    bool file_is_here = false;              ///< the system has a GPU, whatever CUDA says
    bool native = true;                     ///< the binary has machine code for the GPU
    /// Memory of the host that is not page-locked is read when the stream gets there, as where the
    /// GPU reads it by itself. False: when the call is made, as elsewhere.
    bool pageable_is_read_late = true;
    std::size_t graph_node_bytes = 1024;  ///< device memory that a node of a graph takes
};

/// As the environment says: GPUHOST_ORDER=forward|reverse|random, GPUHOST_SEED, GPUHOST_DEVICES,
/// GPUHOST_MEMORY (bytes) and GPUHOST_CAPABILITY=70|75|80|86|89|90|100|120, GPUHOST_UUID,
/// GPUHOST_HANGS=0|1, GPUHOST_COUNT_ERROR and GPUHOST_START_ERROR (CUDA's numbers), GPUHOST_SICK (a
/// device), GPUHOST_FILE_IS_HERE=0|1 and GPUHOST_NATIVE=0|1. A value that makes no sense ends the
/// process with one line and exit code 2.
Config config_from_environment();
/// What counts now: it starts as config_from_environment(), and tests change it.
Config& config();

/// Device blocks, pinned blocks, streams, events, graphs and graphs made ready to launch that were
/// made and not given back.
std::size_t live_allocations();

/// What the device has done since the program began. Streams are late: wait, then ask.
struct Traffic {
    std::size_t uploaded = 0, downloaded = 0;  ///< bytes, host to device and back
    std::size_t launches = 0;                  ///< of kernels, those in graphs too
    std::size_t graph_launches = 0;
};
Traffic traffic();

/// Whether a kernel can use an argument: a pointer has to be null or lead into cudaMalloc's memory
/// of the kernel's device (or just past its end, where nothing may be read).
bool device_can_reach(const void* pointer);
/// Whether device memory has all of these bytes, in one block.
bool device_holds(const void* pointer, std::size_t bytes);
template <class T>
bool usable_argument(T value) {
    if constexpr (std::is_pointer_v<T>) return device_can_reach(value);
    return true;
}

/// What each thread of a grid runs: a kernel with its arguments.
using ThreadBody = std::function<void()>;
/// Checks a launch and gives it to the stream. Arguments are checked again when the kernel runs: a
/// graph can outlive the memory that it uses.
cudaError_t launch(dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
                   std::function<bool()> arguments_usable, ThreadBody thread_body);
void run_grid(dim3 grid, dim3 block, const ThreadBody& thread_body);
/// A thread of a kernel that may start early calls these at its start, where it waits for the
/// kernel before, and at its end. It has to have waited.
void start_early();
void note_wait();
void end_early();
}  // namespace gpuhost

inline bool gpu_file_is_here() { return gpuhost::config().file_is_here; }
inline bool gpu_code_is_native(int) { return gpuhost::config().native; }
/// Code that is not the GPU's own is the oldest that there is.
inline int gpu_code_for(int capability) { return gpuhost::config().native ? capability : 75; }

template <class... Params, class... Args>
cudaError_t gpu_launch(void (*kernel)(Params...), dim3 grid, dim3 block, std::size_t shared,
                       cudaStream_t stream, Args... args) {
    return gpuhost::launch(
        grid, block, shared, stream,
        [=] { return (gpuhost::usable_argument(static_cast<Params>(args)) && ...); },
        [=] { kernel(static_cast<Params>(args)...); });
}
template <class... Params, class... Args>
cudaError_t gpu_launch_early(void (*kernel)(Params...), dim3 grid, dim3 block, std::size_t shared,
                             cudaStream_t stream, Args... args) {
    return gpuhost::launch(
        grid, block, shared, stream,
        [=] { return (gpuhost::usable_argument(static_cast<Params>(args)) && ...); },
        [=] {
            gpuhost::start_early();
            kernel(static_cast<Params>(args)...);
            gpuhost::end_early();
        });
}
