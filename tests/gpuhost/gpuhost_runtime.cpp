// gpuhost_runtime.cpp: the CUDA runtime calls of gpuhost.h, and its configuration.
//
// Device memory is host memory from malloc (so that AddressSanitizer knows its ends), filled with
// NaN bytes (so that a read of what was never written shows), and entered in an account: a pointer
// of the wrong side, a range that does not fit its block or a kernel argument that leads to host
// memory is an error here, as it is, sooner or later, on a GPU. Streams keep their work until
// somebody waits for it, so that a forgotten wait shows.
#include <charconv>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gpuhost.h"

struct CUstream_st {
    std::deque<std::function<void()>> waiting;
    std::size_t given = 0;  ///< over the stream's life

    void finish_first(std::size_t count) {
        while (given - waiting.size() < count) {
            const auto work = std::move(waiting.front());
            waiting.pop_front();
            work();
        }
    }
    void finish() { finish_first(given); }
};

/// Past when the first `after` pieces of the stream's work are done.
struct CUevent_st {
    cudaStream_t stream = nullptr;
    std::size_t after = 0;
};

namespace gpuhost {
namespace {
/// Memory handed out by one kind of allocation: start of each block -> its bytes.
class Account {
  public:
    /// Null where the host has no memory left.
    void* allocate(std::size_t bytes) {
        void* memory = nullptr;
        if (posix_memalign(&memory, 256, bytes) != 0) return nullptr;  // as CUDA aligns
        std::memset(memory, 0xff, bytes);
        blocks_[static_cast<char*>(memory)] = bytes;
        total_ += bytes;
        return memory;
    }

    bool release(void* memory) {
        const auto block = blocks_.find(static_cast<char*>(memory));
        if (block == blocks_.end()) return false;
        total_ -= block->second;
        blocks_.erase(block);
        std::free(memory);
        return true;
    }

    /// Whether [pointer, pointer + bytes) lies in one block. No bytes may lie at a block's end.
    bool contains(const void* pointer, std::size_t bytes) const {
        const auto* start = static_cast<const char*>(pointer);
        auto block = blocks_.upper_bound(start);
        if (block == blocks_.begin()) return false;
        --block;
        const auto offset = static_cast<std::size_t>(start - block->first);
        return offset <= block->second && bytes <= block->second - offset;
    }

    bool overlaps(const void* pointer, std::size_t bytes) const {
        const auto* start = static_cast<const char*>(pointer);
        auto block = blocks_.lower_bound(start + bytes);
        if (block == blocks_.begin()) return false;
        --block;
        return block->first + block->second > start;
    }

    std::size_t count() const { return blocks_.size(); }
    std::size_t total() const { return total_; }

  private:
    std::map<const char*, std::size_t, std::less<>> blocks_;
    std::size_t total_ = 0;
};

Account device_memory, pinned_memory;
std::set<cudaStream_t> streams;
std::set<cudaEvent_t> events;
cudaError_t last_error = cudaSuccess;

cudaError_t result(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

void give(cudaStream_t stream, std::function<void()> work) {
    if (!stream) return work();
    stream->waiting.push_back(std::move(work));
    ++stream->given;
}

/// As CUDA does before it takes memory back.
void finish_all_streams() {
    for (cudaStream_t stream : streams) stream->finish();
}

/// Only a copy between device and pinned memory leaves the host free to go on at once.
void give_copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
    const auto pageable = [bytes](const void* pointer) {
        return !device_memory.contains(pointer, bytes) && !pinned_memory.contains(pointer, bytes);
    };
    if (pageable(from)) {  // CUDA takes a copy of it before it returns
        const auto* start = static_cast<const char*>(from);
        std::vector<char> taken(start, start + bytes);
        give(stream, [=] { std::memcpy(to, taken.data(), bytes); });
    } else {
        give(stream, [=] { std::memcpy(to, from, bytes); });
    }
    if (stream && pageable(to)) stream->finish();
}

bool is_stream(cudaStream_t stream) { return !stream || streams.contains(stream); }

[[noreturn]] void refuse(const char* variable, const char* value, const char* expected) {
    std::fprintf(stderr, "gpuhost: %s is '%s'; set it to %s, or unset it\n", variable, value,
                 expected);
    std::exit(2);
}

std::size_t number_from(const char* variable, std::size_t otherwise, std::size_t most) {
    const char* text = std::getenv(variable);
    if (!text) return otherwise;
    std::size_t number = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, number);
    if (error != std::errc() || stop != end || number > most)
        refuse(variable, text, ("a whole number from 0 to " + std::to_string(most)).c_str());
    return number;
}

Order order_from_environment() {
    const char* text = std::getenv("GPUHOST_ORDER");
    const std::string order = text ? text : "forward";
    if (order == "forward") return Order::forward;
    if (order == "reverse") return Order::reverse;
    if (order == "random") return Order::random;
    refuse("GPUHOST_ORDER", text, "forward, reverse or random");
}

bool legal_grid(dim3 grid) {
    return grid.x >= 1 && grid.x <= INT_MAX && grid.y >= 1 && grid.y <= 65535 && grid.z >= 1 &&
           grid.z <= 65535;
}

bool legal_block(dim3 block) {
    return block.x >= 1 && block.x <= 1024 && block.y >= 1 && block.y <= 1024 && block.z >= 1 &&
           block.z <= 64 && block.x * block.y * block.z <= 1024;
}
}  // namespace

Config config_from_environment() {
    Config c;
    c.order = order_from_environment();
    c.seed = static_cast<unsigned>(number_from("GPUHOST_SEED", c.seed, UINT_MAX));
    c.devices =
        static_cast<int>(number_from("GPUHOST_DEVICES", static_cast<std::size_t>(c.devices), 64));
    c.memory = number_from("GPUHOST_MEMORY", c.memory, SIZE_MAX);
    return c;
}

Config& config() {
    static Config the_one = config_from_environment();
    return the_one;
}

std::size_t live_allocations() {
    return device_memory.count() + pinned_memory.count() + streams.size() + events.size();
}

bool device_can_reach(const void* pointer) {
    return !pointer || device_memory.contains(pointer, 0);
}

cudaError_t launch(dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
                   bool arguments_usable, ThreadBody thread_body) {
    // Shared arrays are static in this project: no launch asks for more.
    if (!legal_grid(grid) || !legal_block(block) || shared != 0)
        return result(cudaErrorInvalidConfiguration);
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (!arguments_usable) return result(cudaErrorIllegalAddress);
    give(stream, [=, body = std::move(thread_body)] { run_grid(grid, block, body); });
    return cudaSuccess;
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
        case cudaErrorNoDevice:
            return "no CUDA-capable device is detected";
        case cudaErrorInvalidDevice:
            return "invalid device ordinal";
        case cudaErrorInvalidResourceHandle:
            return "invalid resource handle";
        case cudaErrorIllegalAddress:
            return "a kernel was given a pointer to host memory";
    }
    return "unrecognized error code";
}

cudaError_t cudaRuntimeGetVersion(int* version) {
    *version = 13000;  // the version whose behaviour is followed here
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
    if (config().devices == 0) return result(cudaErrorNoDevice);
    *count = config().devices;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
    if (config().devices == 0) return result(cudaErrorNoDevice);
    return result(device >= 0 && device < config().devices ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
    if (const cudaError_t error = cudaSetDevice(device); error != cudaSuccess) return error;
    *properties = {};
    std::snprintf(properties->name, sizeof properties->name, "gpuhost (kernels on the CPU)");
    properties->multiProcessorCount = config().multiprocessors;
    properties->major = 7;  // the oldest GPUs the project is built for
    properties->minor = 5;
    return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
    *total_bytes = config().memory;
    *free_bytes = config().memory - std::min(device_memory.total(), config().memory);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    std::size_t free_bytes = 0, total_bytes = 0;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    if (bytes > free_bytes) return result(cudaErrorMemoryAllocation);
    *pointer = device_memory.allocate(bytes);
    return result(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* pointer) {
    finish_all_streams();
    return result(!pointer || device_memory.release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    *pointer = pinned_memory.allocate(bytes);
    return result(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void* pointer) {
    finish_all_streams();
    return result(!pointer || pinned_memory.release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
    if (flags != cudaStreamNonBlocking) return result(cudaErrorInvalidValue);
    *stream = *streams.insert(new CUstream_st).first;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    if (!streams.contains(stream)) return result(cudaErrorInvalidResourceHandle);
    stream->finish();
    for (cudaEvent_t event : events)
        if (event->stream == stream) event->stream = nullptr;
    streams.erase(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (stream) stream->finish();
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
    if (flags != cudaEventDisableTiming) return result(cudaErrorInvalidValue);
    *event = *events.insert(new CUevent_st).first;
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    if (events.erase(event) == 0) return result(cudaErrorInvalidResourceHandle);
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (!events.contains(event) || !is_stream(stream))
        return result(cudaErrorInvalidResourceHandle);
    *event = {stream, stream ? stream->given : 0};
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (!events.contains(event)) return result(cudaErrorInvalidResourceHandle);
    if (event->stream) event->stream->finish_first(event->after);
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (bytes == 0) return cudaSuccess;
    const auto right_side = [bytes](const void* pointer, bool on_device) {
        return pointer && (on_device ? device_memory.contains(pointer, bytes)
                                     : !device_memory.overlaps(pointer, bytes));
    };
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!right_side(to, to_device) || !right_side(from, from_device))
        return result(cudaErrorInvalidValue);
    give_copy(to, from, bytes, stream);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (bytes == 0) return cudaSuccess;
    if (!device_memory.contains(to, bytes)) return result(cudaErrorInvalidValue);
    give(stream, [=] { std::memset(to, value, bytes); });
    return cudaSuccess;
}
