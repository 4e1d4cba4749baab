// gpuhost_runtime.cpp: the CUDA runtime calls of gpuhost.h, and its configuration.
//
// Device memory is host memory from malloc (so that AddressSanitizer knows its ends), filled with
// NaN bytes (so that a read of what was never written shows), and entered in an account: a pointer
// of the wrong side, a range that does not fit its block or a kernel argument that leads to host
// memory is an error here, as it is, sooner or later, on a GPU. Streams keep their work until
// somebody waits for it, so that a forgotten wait shows; graphs are what streams were given.
#include <array>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gpuhost.h"

namespace {
using Work = std::function<void()>;
using Clock = std::chrono::steady_clock;

/// What a stream still has to do.
struct Queue {
    std::deque<Work> waiting;
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

/// What a graph does in place of one of its streams: work, or, where there is none, a wait until
/// another of the streams has done its first `count` pieces.
struct Node {
    Work work;
    std::size_t branch = 0, count = 0;
};
/// Per stream, the one that the capture began with first.
using Branches = std::vector<std::vector<Node>>;

/// A graph that is run once: each branch only as far as it has to be.
class GraphRun {
  public:
    explicit GraphRun(const Branches& branches) : branches_(branches), done_(branches.size()) {}
    void finish_first(std::size_t branch, std::size_t count) {
        while (done_[branch] < count) {
            const Node& node = branches_[branch][done_[branch]++];
            node.work ? node.work() : finish_first(node.branch, node.count);
        }
    }

  private:
    const Branches& branches_;
    std::vector<std::size_t> done_;
};

/// The graph that streams are being captured into.
struct Capture {
    Branches branches;
    bool valid = true;
};
}  // namespace

struct CUstream_st {
    std::shared_ptr<Queue> queue = std::make_shared<Queue>();
    std::shared_ptr<Capture> capture;  ///< null while it does not capture
    std::size_t branch = 0;            ///< of the capture
};

/// Past when the first `after` pieces of what it was recorded in are done.
struct CUevent_st {
    bool timed = false;
    std::shared_ptr<Queue> queue;      ///< null: past
    std::weak_ptr<Capture> capture{};  ///< of the stream it was last recorded in
    bool captured = false;
    std::size_t branch = 0, after = 0;
    std::shared_ptr<std::optional<Clock::time_point>> reached{};  ///< null: never recorded
};

struct CUgraph_st {
    std::shared_ptr<const Branches> branches;
};
struct CUgraphExec_st {
    std::shared_ptr<const Branches> branches;
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
        recent_ = {};
        std::free(memory);
        return true;
    }

    /// Whether [pointer, pointer + bytes) lies in one block. No bytes may lie at a block's end.
    bool contains(const void* pointer, std::size_t bytes) const {
        const auto* start = static_cast<const char*>(pointer);
        const auto holds = [=](const std::pair<const char*, std::size_t>& block) {
            const auto offset = static_cast<std::size_t>(start - block.first);
            return start >= block.first && offset <= block.second && bytes <= block.second - offset;
        };
        for (const auto& block : recent_)
            if (block.first != nullptr && holds(block)) return true;
        auto block = blocks_.upper_bound(start);
        if (block == blocks_.begin() || !holds(*--block)) return false;
        recent_[0] = std::exchange(recent_[1], *block);
        return true;
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
    /// The last two that were asked for: a kernel's copies come from two matrices, by turns.
    mutable std::array<std::pair<const char*, std::size_t>, 2> recent_{};
    std::size_t total_ = 0;
};

Account device_memory, pinned_memory;
std::set<cudaStream_t> streams;
std::set<cudaEvent_t> events;
std::set<cudaGraph_t> graphs;
std::set<cudaGraphExec_t> graph_execs;
cudaError_t last_error = cudaSuccess;
Traffic all_traffic;

cudaError_t result(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

void give(cudaStream_t stream, Work work) {
    if (!stream) return work();
    if (stream->capture)
        return stream->capture->branches[stream->branch].push_back({std::move(work)});
    stream->queue->waiting.push_back(std::move(work));
    ++stream->queue->given;
}

/// As CUDA does before it takes memory back.
void finish_all_streams() {
    for (cudaStream_t stream : streams) stream->queue->finish();
}

/// What must not be done while a stream captures spoils the capture.
cudaError_t spoil(cudaStream_t stream, cudaError_t error) {
    stream->capture->valid = false;
    return result(error);
}

/// Allocating and freeing memory may wait for the device, so that no stream may be capturing.
bool spoils_captures() {
    bool any = false;
    for (cudaStream_t stream : streams)
        if (stream->capture) {
            any = true;
            spoil(stream, cudaErrorStreamCaptureUnsupported);
        }
    return any;
}

/// Its streams are streams as any others again.
void end_capture(std::shared_ptr<const Capture> capture) {
    for (cudaStream_t stream : streams)
        if (stream->capture == capture) stream->capture.reset();
}

/// A wait for what `event` stands for in its capture: an edge of the graph.
cudaError_t wait_for_captured(cudaStream_t stream, const CUevent_st& event) {
    const std::shared_ptr<Capture> capture = event.capture.lock();
    if (!capture) return result(cudaErrorCapturedEvent);  // it is a place in a finished graph
    if (!stream) {
        capture->valid = false;
        return result(cudaErrorStreamCaptureImplicit);
    }
    if (stream->capture && stream->capture != capture) {
        capture->valid = false;
        return spoil(stream, cudaErrorStreamCaptureMerge);
    }
    if (!stream->capture) {
        stream->capture = capture;
        stream->branch = capture->branches.size();
        capture->branches.emplace_back();
    }
    capture->branches[stream->branch].push_back({nullptr, event.branch, event.after});
    return cudaSuccess;
}

/// Whether all that the graph's streams do is waited for, through whatever others, by the first.
bool joined(const Branches& branches) {
    std::vector<std::size_t> waited_for(branches.size());
    const std::function<void(std::size_t, std::size_t)> reach = [&](std::size_t branch,
                                                                    std::size_t count) {
        while (waited_for[branch] < count) {
            const Node& node = branches[branch][waited_for[branch]++];
            if (!node.work) reach(node.branch, node.count);
        }
    };
    reach(0, branches[0].size());
    for (std::size_t b = 0; b < branches.size(); ++b)
        if (waited_for[b] < branches[b].size()) return false;
    return true;
}

bool in_an_account(const void* pointer, std::size_t bytes) {
    return device_memory.contains(pointer, bytes) || pinned_memory.contains(pointer, bytes);
}

[[noreturn]] void die_of_freed_memory(const char* what) {
    std::fprintf(stderr,
                 "gpuhost: %s uses memory that was freed after it was put on its stream or "
                 "into its graph: keep the memory as long as the graph\n",
                 what);
    std::abort();
}

void count_bytes(std::size_t bytes, cudaMemcpyKind kind) {
    if (kind == cudaMemcpyHostToDevice) all_traffic.uploaded += bytes;
    if (kind == cudaMemcpyDeviceToHost) all_traffic.downloaded += bytes;
}

/// Only a copy between device and pinned memory leaves the host free to go on at once.
cudaError_t give_copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                      cudaStream_t stream) {
    const bool from_pageable = !in_an_account(from, bytes), to_pageable = !in_an_account(to, bytes);
    if ((from_pageable || to_pageable) && stream && stream->capture)
        return spoil(stream, cudaErrorStreamCaptureUnsupported);
    if (from_pageable) {  // CUDA takes a copy of it before it returns
        const auto* start = static_cast<const char*>(from);
        std::vector<char> taken(start, start + bytes);
        give(stream, [=] {
            count_bytes(bytes, kind);
            std::memcpy(to, taken.data(), bytes);
        });
    } else {
        give(stream, [=] {
            if (!in_an_account(from, bytes) || (!to_pageable && !in_an_account(to, bytes)))
                die_of_freed_memory("a copy");
            count_bytes(bytes, kind);
            std::memcpy(to, from, bytes);
        });
    }
    if (stream && to_pageable) stream->queue->finish();
    return cudaSuccess;
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

constexpr std::array capabilities = {75, 80, 86, 89, 90, 100, 120};

int capability_from_environment(int otherwise) {
    const char* text = std::getenv("GPUHOST_CAPABILITY");
    if (!text) return otherwise;
    for (const int capability : capabilities)
        if (text == std::to_string(capability)) return capability;
    refuse("GPUHOST_CAPABILITY", text, "75, 80, 86, 89, 90, 100 or 120");
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
    c.capability = capability_from_environment(c.capability);
    return c;
}

Config& config() {
    static Config the_one = config_from_environment();
    return the_one;
}

std::size_t live_allocations() {
    return device_memory.count() + pinned_memory.count() + streams.size() + events.size() +
           graphs.size() + graph_execs.size();
}

Traffic traffic() { return all_traffic; }

bool device_holds(const void* pointer, std::size_t bytes) {
    return device_memory.contains(pointer, bytes);
}
bool device_can_reach(const void* pointer) { return !pointer || device_holds(pointer, 0); }

cudaError_t launch(dim3 grid, dim3 block, std::size_t shared, cudaStream_t stream,
                   std::function<bool()> arguments_usable, ThreadBody thread_body) {
    // Shared arrays are static in this project: no launch asks for more.
    if (!legal_grid(grid) || !legal_block(block) || shared != 0)
        return result(cudaErrorInvalidConfiguration);
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (!arguments_usable()) return result(cudaErrorIllegalAddress);
    give(stream, [=, usable = std::move(arguments_usable), body = std::move(thread_body)] {
        if (!usable()) die_of_freed_memory("a kernel");
        ++all_traffic.launches;
        run_grid(grid, block, body);
    });
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
        case cudaErrorIllegalState:
            return "the operation cannot be performed in the present state";
        case cudaErrorNotReady:
            return "device not ready";
        case cudaErrorIllegalAddress:
            return "a kernel was given a pointer to host memory";
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
    properties->major = config().capability / 10;
    properties->minor = config().capability % 10;
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
    *attributes = {config().capability};
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
    }
    return result(cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
    *total_bytes = config().memory;
    *free_bytes = config().memory - std::min(device_memory.total(), config().memory);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
    if (bytes == 0) return cudaSuccess;
    std::size_t free_bytes = 0, total_bytes = 0;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    if (bytes > free_bytes) return result(cudaErrorMemoryAllocation);
    *pointer = device_memory.allocate(bytes);
    return result(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* pointer) {
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
    finish_all_streams();
    return result(!pointer || device_memory.release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
    if (bytes == 0) return cudaSuccess;
    *pointer = pinned_memory.allocate(bytes);
    return result(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void* pointer) {
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
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
    if (stream->capture) stream->capture->valid = false;
    if (stream->capture && stream->branch == 0) end_capture(stream->capture);
    stream->queue->finish();
    streams.erase(stream);
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (!stream) return cudaSuccess;
    if (stream->capture) return spoil(stream, cudaErrorStreamCaptureUnsupported);
    stream->queue->finish();
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
    if (!is_stream(stream) || !events.contains(event))
        return result(cudaErrorInvalidResourceHandle);
    if (flags != 0) return result(cudaErrorInvalidValue);
    if (event->captured) return wait_for_captured(stream, *event);
    if (stream && stream->capture && event->reached)
        return spoil(stream, cudaErrorStreamCaptureIsolation);
    if (event->queue)
        give(stream, [queue = event->queue, after = event->after] { queue->finish_first(after); });
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
    if ((flags & ~(cudaEventBlockingSync | cudaEventDisableTiming)) != 0)
        return result(cudaErrorInvalidValue);
    *event = *events.insert(new CUevent_st).first;
    (*event)->timed = (flags & cudaEventDisableTiming) == 0;
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) {
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    if (events.erase(event) == 0) return result(cudaErrorInvalidResourceHandle);
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    if (!events.contains(event) || !is_stream(stream))
        return result(cudaErrorInvalidResourceHandle);
    CUevent_st now;
    now.timed = event->timed;
    now.reached = std::make_shared<std::optional<Clock::time_point>>();
    if (stream && stream->capture) {
        now.captured = true;
        now.capture = stream->capture;
        now.branch = stream->branch;
        now.after = stream->capture->branches[stream->branch].size();
    } else {
        give(stream, [reached = now.reached] { *reached = Clock::now(); });
        if (stream) now.queue = stream->queue;
        if (stream) now.after = stream->queue->given;
    }
    *event = now;
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    if (!events.contains(event)) return result(cudaErrorInvalidResourceHandle);
    if (event->captured) {
        if (const auto capture = event->capture.lock()) capture->valid = false;
        return result(cudaErrorCapturedEvent);
    }
    if (event->queue) event->queue->finish_first(event->after);
    return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
    for (cudaEvent_t event : {start, end}) {
        if (!events.contains(event) || !event->timed || !event->reached)
            return result(cudaErrorInvalidResourceHandle);
        if (event->captured) return result(cudaErrorCapturedEvent);
    }
    if (!*start->reached || !*end->reached) return result(cudaErrorNotReady);
    *milliseconds =
        std::chrono::duration<float, std::milli>(**end->reached - **start->reached).count();
    return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (mode == cudaStreamCaptureModeGlobal) return result(cudaErrorInvalidValue);
    if (!stream) return result(cudaErrorStreamCaptureUnsupported);
    if (stream->capture) return spoil(stream, cudaErrorIllegalState);
    stream->capture = std::make_shared<Capture>(Capture{Branches(1)});
    stream->branch = 0;
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
    *graph = nullptr;
    if (!streams.contains(stream)) return result(cudaErrorInvalidResourceHandle);
    const std::shared_ptr<Capture> capture = stream->capture;
    if (!capture) return result(cudaErrorIllegalState);
    if (stream->branch != 0) return spoil(stream, cudaErrorStreamCaptureUnmatched);
    end_capture(capture);
    if (!capture->valid) return result(cudaErrorStreamCaptureInvalidated);
    if (!joined(capture->branches)) return result(cudaErrorStreamCaptureUnjoined);
    *graph = *graphs.insert(new CUgraph_st).first;
    (*graph)->branches = std::make_shared<const Branches>(std::move(capture->branches));
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    if (graphs.erase(graph) == 0) return result(cudaErrorInvalidValue);
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph,
                                 unsigned long long flags) {
    if (!graphs.contains(graph) || flags != 0) return result(cudaErrorInvalidValue);
    *exec = *graph_execs.insert(new CUgraphExec_st{graph->branches}).first;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    if (graph_execs.erase(exec) == 0) return result(cudaErrorInvalidValue);
    delete exec;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (!graph_execs.contains(exec)) return result(cudaErrorInvalidValue);
    give(stream, [branches = exec->branches] {
        ++all_traffic.graph_launches;
        GraphRun(*branches).finish_first(0, branches->front().size());
    });
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
    return give_copy(to, from, bytes, kind, stream);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (bytes == 0) return cudaSuccess;
    if (!device_memory.contains(to, bytes)) return result(cudaErrorInvalidValue);
    give(stream, [=] {
        if (!device_memory.contains(to, bytes)) die_of_freed_memory("a memset");
        std::memset(to, value, bytes);
    });
    return cudaSuccess;
}
