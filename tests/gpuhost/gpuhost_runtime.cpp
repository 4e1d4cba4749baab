// gpuhost_runtime.cpp: the CUDA runtime calls of gpuhost.h on errors, devices and launches.
#include "gpuhost_runtime.h"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <utility>

namespace gpuhost {
Traffic all_traffic;
int current_device = 0;

namespace {
cudaError_t last_error = cudaSuccess;

bool legal_grid(dim3 grid) {
    return grid.x >= 1 && grid.x <= INT_MAX && grid.y >= 1 && grid.y <= 65535 && grid.z >= 1 &&
           grid.z <= 65535;
}

bool legal_block(dim3 block) {
    return block.x >= 1 && block.x <= 1024 && block.y >= 1 && block.y <= 1024 && block.z >= 1 &&
           block.z <= 64 && block.x * block.y * block.z <= 1024;
}
}  // namespace

cudaError_t result(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

[[noreturn]] void die_of_freed_memory(const char* what) {
    std::fprintf(stderr,
                 "gpuhost: %s uses memory that was freed after it was put on its stream or "
                 "into its graph: keep the memory as long as the graph\n",
                 what);
    std::abort();
}

std::size_t live_allocations() { return live_blocks() + live_streams(); }

Traffic traffic() { return all_traffic; }

namespace {
/// Gives a kernel to the stream, if the launch is right.
cudaError_t give_kernel(cudaStream_t stream, std::function<bool()> arguments_usable,
                        std::function<void()> run) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    // As in CUDA, a stream takes kernels only while its device is current.
    const int device = device_of(stream);
    if (device != current_device) return result(cudaErrorInvalidResourceHandle);
    if (!arguments_usable()) return result(cudaErrorIllegalAddress);
    give(stream, [=, usable = std::move(arguments_usable), body = std::move(run)] {
        const int selected = std::exchange(current_device, device);
        if (!usable()) die_of_freed_memory("a kernel");
        ++all_traffic.launches;
        body();
        current_device = selected;
    });
    return cudaSuccess;
}

/// Dynamic shared memory that a block may have, if its kernel was told so.
int most_dynamic_shared() {
    if (config().shared_bytes > 0) return config().shared_bytes;
    const int capability = config().capability;
    const int kib = capability < 80                        ? 64
                    : capability == 80                     ? 163
                    : capability < 90 || capability == 120 ? 99
                                                           : 227;
    return kib * 1024;
}
/// What each kernel was told.
std::map<const void*, std::size_t> dynamic_shared_of;
constexpr std::size_t untold = 48 * 1024;
}  // namespace

cudaError_t launch_together(const void* kernel, dim3 grid, dim3 block, std::size_t shared,
                            cudaStream_t stream, std::function<bool()> arguments_usable,
                            ThreadBody thread_body) {
    if (!legal_grid(grid) || !legal_block(block)) return result(cudaErrorInvalidConfiguration);
    const auto told = dynamic_shared_of.find(kernel);
    if (shared > (told == dynamic_shared_of.end() ? untold : told->second))
        return result(cudaErrorInvalidValue);
    int each = 0;
    cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, 1, shared);
    const auto room =
        static_cast<std::size_t>(each) * static_cast<std::size_t>(config().multiprocessors);
    if (!config().launches_together || std::size_t{grid.x} * grid.y * grid.z > room)
        return result(cudaErrorCooperativeLaunchTooLarge);
    return give_kernel(stream, std::move(arguments_usable), [=, body = std::move(thread_body)] {
        run_together(grid, block, shared, body);
    });
}

cudaError_t launch(dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
                   std::function<bool()> arguments_usable, ThreadBody thread_body) {
    // Only blocks that are resident together have more than static shared arrays in this project.
    if (!legal_grid(grid) || !legal_block(block) || shared != 0)
        return result(cudaErrorInvalidConfiguration);
    return give_kernel(stream, std::move(arguments_usable),
                       [=, body = std::move(thread_body)] { run_grid(grid, block, body); });
}
}  // namespace gpuhost

using namespace gpuhost;

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorString(cudaError_t error) {
    switch (error) {
        case cudaSuccess:
            return "no error";
        case cudaErrorInvalidValue:
            return "invalid argument";
        case cudaErrorMemoryAllocation:
            return "out of memory";
        case cudaErrorInvalidConfiguration:
            return "invalid configuration argument";
        case cudaErrorInsufficientDriver:
            return "the driver is too old for this CUDA runtime";
        case cudaErrorDevicesUnavailable:
            return "CUDA-capable device(s) is/are busy or unavailable";
        case cudaErrorSystemDriverMismatch:
            return "system has unsupported display driver / cuda driver combination";
        case cudaErrorCompatNotSupportedOnDevice:
            return "forward compatibility was attempted on non supported HW";
        case cudaErrorUnknown:
            return "unknown error";
        case cudaErrorNoDevice:
            return "no CUDA-capable device is detected";
        case cudaErrorInvalidDevice:
            return "invalid device ordinal";
        case cudaErrorInvalidResourceHandle:
            return "invalid resource handle";
        case cudaErrorIllegalState:
            return "the operation cannot be performed in the present state";
        case cudaErrorNotReady:
            return "device not ready";
        case cudaErrorIllegalAddress:
            return "a kernel was given a pointer to host memory";
        case cudaErrorCooperativeLaunchTooLarge:
            return "too many blocks in cooperative launch";
        case cudaErrorStreamCaptureUnsupported:
            return "operation not permitted when stream is capturing";
        case cudaErrorStreamCaptureInvalidated:
            return "operation failed due to a previous error during capture";
        case cudaErrorStreamCaptureMerge:
            return "operation would result in a merge of separate capture sequences";
        case cudaErrorStreamCaptureUnmatched:
            return "capture was not ended in the same stream as it began";
        case cudaErrorStreamCaptureUnjoined:
            return "capturing stream has unjoined work";
        case cudaErrorStreamCaptureIsolation:
            return "dependency created on uncaptured work in another stream";
        case cudaErrorStreamCaptureImplicit:
            return "operation would make the legacy stream depend on a capturing blocking stream";
        case cudaErrorCapturedEvent:
            return "operation not permitted on an event last recorded in a capturing stream";
    }
    return "unrecognized error code";
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = 13000;  // the version whose behaviour is followed here
    return cudaSuccess;
}

namespace {
/// What a question to the driver ends in that finds no such device.
cudaError_t asked_about(int device) {
    if (config().hangs) {
        std::fprintf(stderr, "gpuhost: the driver was asked, which here waits for ever\n");
        std::abort();
    }
    if (config().devices == 0) return cudaErrorNoDevice;
    if (device < 0 || device >= config().devices) return cudaErrorInvalidDevice;
    return device == config().sick ? cudaErrorUnknown : cudaSuccess;
}
}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
    const cudaError_t asked = asked_about(0);
    if (config().count_error != cudaSuccess) return result(config().count_error);
    if (asked == cudaErrorNoDevice) return result(asked);
    *count = config().devices;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    const cudaError_t asked = asked_about(device);
    if (asked == cudaSuccess && config().start_error == cudaSuccess) current_device = device;
    return result(asked == cudaSuccess ? config().start_error : asked);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (const cudaError_t error = asked_about(device); error != cudaSuccess) return result(error);
    *properties = {};
    std::snprintf(properties->name, sizeof properties->name, "gpuhost (kernels on the CPU)");
    const unsigned uuid = config().uuid + static_cast<unsigned>(device);
    std::memcpy(properties->uuid.bytes, &uuid, sizeof uuid);
    properties->multiProcessorCount = config().multiprocessors;
    properties->major = config().capability / 10;
    properties->minor = config().capability % 10;
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
    *attributes = {config().capability};
    return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int value) {
    if (value < 0 || value > most_dynamic_shared()) return result(cudaErrorInvalidValue);
    dynamic_shared_of[kernel] = static_cast<std::size_t>(value);
    return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int,
                                                          std::size_t shared) {
    *blocks = shared <= static_cast<std::size_t>(most_dynamic_shared()) ? 1 : 0;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
    cudaDeviceProp properties;
    if (const cudaError_t error = cudaGetDeviceProperties(&properties, device);
        error != cudaSuccess)
        return error;
    switch (attribute) {
        case cudaDevAttrMultiProcessorCount:
            *value = properties.multiProcessorCount;
            return cudaSuccess;
        case cudaDevAttrComputeCapabilityMajor:
            *value = properties.major;
            return cudaSuccess;
        case cudaDevAttrComputeCapabilityMinor:
            *value = properties.minor;
            return cudaSuccess;
        case cudaDevAttrCooperativeLaunch:
            *value = config().launches_together ? 1 : 0;
            return cudaSuccess;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin:
            *value = most_dynamic_shared();
            return cudaSuccess;
    }
    return result(cudaErrorInvalidValue);
}
