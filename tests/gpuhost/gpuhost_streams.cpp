// gpuhost_streams.cpp: streams, events and graphs.
//
// Streams keep their work until somebody waits for it, so that a forgotten wait shows; graphs are
// what streams were given.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "gpuhost_runtime.h"

namespace {
using gpuhost::Attempt;
using gpuhost::Work;
using Clock = std::chrono::steady_clock;

/// What a stream still has to do.
struct Queue {
    struct Piece {
        Work work;
        Attempt attempt{};  ///< where there is no work
    };
    std::deque<Piece> waiting;
    std::size_t given = 0;  ///< over the stream's life

    bool has_done(std::size_t count) const { return given - waiting.size() >= count; }
    /// Returns false where a piece is not done and has to be tried again.
    bool try_first(std::size_t count) {
        while (!has_done(count)) {
            Piece piece = std::move(waiting.front());
            waiting.pop_front();
            if (piece.work) {
                piece.work();
            } else if (!piece.attempt()) {
                waiting.push_front(std::move(piece));
                return false;
            }
        }
        return true;
    }
    void finish_first(std::size_t count) {
        while (!try_first(count)) std::this_thread::yield();
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
    int device = gpuhost::current_device;
};

/// Past when the first `after` pieces of what it was recorded in are done.
struct CUevent_st {
    bool timed = false;
    std::shared_ptr<Queue> queue;      ///< null: past
    std::weak_ptr<Capture> capture{};  ///< of the stream it was last recorded in
    bool captured = false;
    std::size_t branch = 0, after = 0;
    std::shared_ptr<std::optional<Clock::time_point>> reached{};  ///< null: never recorded
    bool was_asked_for = false;                                   ///< by cudaEventQuery
};

struct CUgraph_st {
    std::shared_ptr<const Branches> branches;
};
struct CUgraphExec_st {
    std::shared_ptr<const Branches> branches;
    std::size_t bytes = 0;                                   ///< of the device
    std::shared_ptr<int> to_run = std::make_shared<int>(0);  ///< launches
};

namespace gpuhost {
namespace {
std::set<cudaStream_t> streams;
std::set<cudaEvent_t> events;
std::set<cudaGraph_t> graphs;
std::set<cudaGraphExec_t> graph_execs;
}  // namespace

bool is_stream(cudaStream_t stream) { return !stream || streams.contains(stream); }

int device_of(cudaStream_t stream) { return stream ? stream->device : current_device; }

bool captures(cudaStream_t stream) { return stream && stream->capture; }

void give(cudaStream_t stream, Work work) {
    if (!stream) return work();
    if (stream->capture)
        return stream->capture->branches[stream->branch].push_back({std::move(work)});
    stream->queue->waiting.push_back({std::move(work)});
    ++stream->queue->given;
}

void give_attempt(cudaStream_t stream, Attempt attempt) {
    stream->queue->waiting.push_back({nullptr, std::move(attempt)});
    ++stream->queue->given;
}

void do_what_can_be_done(cudaStream_t stream) { stream->queue->try_first(stream->queue->given); }

void finish_all_streams() {
    for (cudaStream_t stream : streams) stream->queue->finish();
}

cudaError_t spoil(cudaStream_t stream, cudaError_t error) {
    stream->capture->valid = false;
    return result(error);
}

bool spoils_captures() {
    bool any = false;
    for (cudaStream_t stream : streams)
        if (stream->capture) {
            any = true;
            spoil(stream, cudaErrorStreamCaptureUnsupported);
        }
    return any;
}

void finish(cudaStream_t stream) {
    if (stream) stream->queue->finish();
}

std::size_t live_streams() {
    return streams.size() + events.size() + graphs.size() + graph_execs.size();
}

namespace {
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
}  // namespace
}  // namespace gpuhost

using namespace gpuhost;

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
    return result(config().work_error);
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
    return result(config().work_error);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
    if (!events.contains(event)) return result(cudaErrorInvalidResourceHandle);
    if (event->captured) return cudaEventSynchronize(event);
    if (event->queue && !event->queue->has_done(event->after)) {
        const bool too_early = !std::exchange(event->was_asked_for, true);
        if (too_early || !event->queue->try_first(event->after)) return result(cudaErrorNotReady);
    }
    return result(config().work_error);
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
    std::size_t nodes = 0, free_bytes = 0, total_bytes = 0;
    for (const auto& branch : *graph->branches) nodes += branch.size();
    const std::size_t bytes = nodes * config().graph_node_bytes;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    if (bytes > free_bytes) return result(cudaErrorMemoryAllocation);
    graph_bytes += bytes;
    *exec = *graph_execs.insert(new CUgraphExec_st{graph->branches, bytes}).first;
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    return result(graph_execs.contains(exec) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
    if (graph_execs.erase(exec) == 0) return result(cudaErrorInvalidValue);
    if (*exec->to_run > 0) {
        std::fprintf(stderr,
                     "gpuhost: a graph is destroyed that still has to run: wait for its stream\n");
        std::abort();
    }
    graph_bytes -= exec->bytes;
    delete exec;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (!graph_execs.contains(exec)) return result(cudaErrorInvalidValue);
    ++*exec->to_run;
    give(stream, [branches = exec->branches, to_run = exec->to_run] {
        ++all_traffic.graph_launches;
        GraphRun(*branches).finish_first(0, branches->front().size());
        --*to_run;
    });
    return cudaSuccess;
}
