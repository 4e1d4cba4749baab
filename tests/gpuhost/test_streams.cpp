// test_streams.cpp: the runner's streams, events and graphs.
//
// Streams are as late as CUDA allows, so that what is read or overwritten too early shows; captures
// and graphs are refused where CUDA refuses them; and every call gives the error that CUDA gives.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "tests/gpuhost/gpuhost_fixture.h"

namespace {

__global__ void do_nothing(const float*) {}

TEST_F(GpuHost, KnowsItsStreams) {
    cudaStream_t stream = nullptr;
    GPU_CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    EXPECT_EQ(gpuhost::live_allocations(), 1u);
    EXPECT_EQ(gpu_launch(do_nothing, 1, 1, 0, stream, nullptr), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    EXPECT_EQ(cudaStreamDestroy(stream), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(gpu_launch(do_nothing, 1, 1, 0, stream, nullptr), cudaErrorInvalidResourceHandle);
}

// ---- Streams are late ----

/// A stream, an event, four pinned and four device floats.
class GpuHostStream : public GpuHost {
  protected:
    GpuHostStream() {
        GPU_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
        GPU_CHECK(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming));
        GPU_CHECK(cudaMallocHost(&pinned_, bytes));
        GPU_CHECK(cudaMalloc(&device_, bytes));
    }
    void TearDown() override {
        EXPECT_EQ(cudaFree(device_), cudaSuccess);
        EXPECT_EQ(cudaFreeHost(pinned_), cudaSuccess);
        EXPECT_EQ(cudaEventDestroy(event_), cudaSuccess);
        EXPECT_EQ(cudaStreamDestroy(stream_), cudaSuccess);
        GpuHost::TearDown();
    }
    void upload(const float* from) {
        GPU_CHECK(cudaMemcpyAsync(device_, from, bytes, cudaMemcpyHostToDevice, stream_));
    }
    void download(float* to) {
        GPU_CHECK(cudaMemcpyAsync(to, device_, bytes, cudaMemcpyDeviceToHost, stream_));
    }
    void double_on_device() { GPU_CHECK(gpu_launch(times_two, 1, 4, 0, stream_, device_)); }

    static void times_two(float* values) { values[threadIdx.x] *= 2.0f; }
    static constexpr std::size_t bytes = 4 * sizeof(float);
    cudaStream_t stream_ = nullptr;
    cudaEvent_t event_ = nullptr;
    float *pinned_ = nullptr, *device_ = nullptr;
};

TEST_F(GpuHostStream, PinnedResultsAreThereAfterTheWaitAndNotBefore) {
    std::fill_n(pinned_, 4, 3.0f);
    upload(pinned_);
    double_on_device();
    download(pinned_);
    EXPECT_EQ(pinned_[0], 3.0f);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 6.0f);
}

TEST_F(GpuHostStream, APinnedSourceThatIsOverwrittenTooEarlyShows) {
    std::fill_n(pinned_, 4, 3.0f);
    upload(pinned_);
    std::fill_n(pinned_, 4, 4.0f);
    std::vector<float> result(4);
    download(result.data());
    EXPECT_EQ(result[0], 4.0f);
}

TEST_F(GpuHostStream, PageableMemoryIsReadAtOnceOrWhenTheStreamGetsThere) {
    for (const bool late : {false, true}) {
        config().pageable_is_read_late = late;
        std::vector<float> host(4, 3.0f), doubled(4);
        upload(host.data());
        std::fill(host.begin(), host.end(), 4.0f);
        double_on_device();
        download(doubled.data());
        EXPECT_EQ(doubled, std::vector<float>(4, late ? 8.0f : 6.0f));
    }
}

TEST_F(GpuHostStream, AnEventWaitsForTheWorkBeforeItAndForNoMore) {
    std::fill_n(pinned_, 4, 3.0f);
    upload(pinned_);
    EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess) << "an event never recorded is past";
    double_on_device();
    download(pinned_);
    EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
    double_on_device();
    download(pinned_);
    EXPECT_EQ(pinned_[0], 3.0f);
    EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 6.0f);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 12.0f);
}

TEST_F(GpuHostStream, FreeingMemoryFinishesAllWorkFirst) {
    std::fill_n(pinned_, 4, 3.0f);
    upload(pinned_);
    double_on_device();
    download(pinned_);
    EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
    EXPECT_EQ(pinned_[0], 6.0f);
}

TEST_F(GpuHostStream, AStreamThatWaitsForAnEventFinishesTheOtherUpToItAndNoFurther) {
    cudaStream_t other = nullptr;
    GPU_CHECK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    EXPECT_EQ(cudaStreamWaitEvent(other, event_), cudaSuccess) << "an event never recorded is past";
    std::fill_n(pinned_, 4, 3.0f);
    upload(pinned_);
    double_on_device();
    download(pinned_);
    EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
    double_on_device();
    download(pinned_);
    EXPECT_EQ(cudaStreamWaitEvent(other, event_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 3.0f) << "the host does not wait";
    EXPECT_EQ(cudaStreamSynchronize(other), cudaSuccess);
    EXPECT_EQ(pinned_[0], 6.0f);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 12.0f);
    EXPECT_EQ(cudaStreamDestroy(other), cudaSuccess);
    EXPECT_EQ(cudaStreamWaitEvent(other, event_), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaStreamWaitEvent(stream_, event_, 1), cudaErrorInvalidValue);
}

TEST_F(GpuHostStream, AnEventOutlivesItsStream) {
    cudaStream_t other = nullptr;
    GPU_CHECK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    GPU_CHECK(cudaMemsetAsync(device_, 0, bytes, other));
    GPU_CHECK(cudaEventRecord(event_, other));
    EXPECT_EQ(cudaStreamDestroy(other), cudaSuccess);
    EXPECT_EQ(cudaStreamWaitEvent(stream_, event_), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess);
}

/// Takes 20 ms of the host's time, whatever the processor.
__global__ void take_a_while() {
    const auto start = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(20)) continue;
}

TEST_F(GpuHostStream, TimedEventsTellHowLongTheStreamTookBetweenThem) {
    cudaEvent_t start = nullptr, end = nullptr;
    float milliseconds = -1.0f;
    GPU_CHECK(cudaEventCreate(&start));
    GPU_CHECK(cudaEventCreateWithFlags(&end, cudaEventDefault));
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaErrorInvalidResourceHandle)
        << "never recorded";
    GPU_CHECK(cudaEventRecord(start, stream_));
    GPU_CHECK(gpu_launch(take_a_while, 1, 1, 0, stream_));
    GPU_CHECK(cudaEventRecord(end, stream_));
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaErrorNotReady);
    EXPECT_EQ(cudaEventSynchronize(end), cudaSuccess);
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess);
    EXPECT_GE(milliseconds, 20.0f);
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, end, start), cudaSuccess);
    EXPECT_LE(milliseconds, -20.0f);
    GPU_CHECK(cudaEventRecord(event_, stream_));
    EXPECT_EQ(cudaEventSynchronize(event_), cudaSuccess);
    EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, event_), cudaErrorInvalidResourceHandle)
        << "made without timing";
    EXPECT_EQ(cudaEventDestroy(start), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(end), cudaSuccess);
}

TEST_F(GpuHostStream, TrafficCountsWhatWasDone) {
    const gpuhost::Traffic before = gpuhost::traffic();
    std::fill_n(pinned_, 4, 3.0f);
    upload(pinned_);
    double_on_device();
    double_on_device();
    download(pinned_);
    EXPECT_EQ(gpuhost::traffic().launches, before.launches) << "nobody has waited";
    GPU_CHECK(cudaStreamSynchronize(stream_));
    GPU_CHECK(cudaMemcpyAsync(device_, device_ + 2, 8, cudaMemcpyDeviceToDevice, nullptr));
    const gpuhost::Traffic after = gpuhost::traffic();
    EXPECT_EQ(after.uploaded - before.uploaded, bytes);
    EXPECT_EQ(after.downloaded - before.downloaded, bytes);
    EXPECT_EQ(after.launches - before.launches, 2u);
    EXPECT_EQ(after.graph_launches, before.graph_launches);
}

// ---- Graphs ----

/// A second stream, and graphs that are given back.
class GpuHostGraph : public GpuHostStream {
  protected:
    GpuHostGraph() {
        GPU_CHECK(cudaStreamCreateWithFlags(&other_, cudaStreamNonBlocking));
        GPU_CHECK(cudaEventCreateWithFlags(&joined_, cudaEventDisableTiming));
        std::fill_n(pinned_, 4, 3.0f);
    }
    void TearDown() override {
        if (exec_) {
            EXPECT_EQ(cudaGraphExecDestroy(exec_), cudaSuccess);
        }
        EXPECT_EQ(cudaEventDestroy(joined_), cudaSuccess);
        EXPECT_EQ(cudaStreamDestroy(other_), cudaSuccess);
        GpuHostStream::TearDown();
    }
    void begin() {
        ASSERT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), cudaSuccess);
    }
    /// Ends the capture, and leaves a graph in exec_ if that succeeds.
    cudaError_t end() {
        cudaGraph_t graph = nullptr;
        const cudaError_t status = cudaStreamEndCapture(stream_, &graph);
        EXPECT_EQ(graph != nullptr, status == cudaSuccess);
        if (graph) {
            EXPECT_EQ(cudaGraphInstantiate(&exec_, graph, 0), cudaSuccess);
            EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
            EXPECT_EQ(cudaGraphDestroy(graph), cudaErrorInvalidValue) << "the second time";
        }
        return status;
    }
    /// What the first element is after one launch.
    float result() {
        EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
        EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
        return pinned_[0];
    }
    void fork() {
        EXPECT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
        EXPECT_EQ(cudaStreamWaitEvent(other_, event_), cudaSuccess);
    }
    void join() {
        EXPECT_EQ(cudaEventRecord(joined_, other_), cudaSuccess);
        EXPECT_EQ(cudaStreamWaitEvent(stream_, joined_), cudaSuccess);
    }

    cudaStream_t other_ = nullptr;
    cudaEvent_t joined_ = nullptr;
    cudaGraphExec_t exec_ = nullptr;
};

TEST_F(GpuHostGraph, ACaptureDoesNothingAndItsGraphDoesItAtEachLaunch) {
    begin();
    upload(pinned_);
    double_on_device();
    download(pinned_);
    ASSERT_EQ(end(), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 3.0f);
    const gpuhost::Traffic before = gpuhost::traffic();
    EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 3.0f) << "a launch is as late as any other work";
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 6.0f);
    for (const float expected : {12.0f, 24.0f, 48.0f}) EXPECT_EQ(result(), expected);
    const gpuhost::Traffic after = gpuhost::traffic();
    EXPECT_EQ(after.graph_launches - before.graph_launches, 4u);
    EXPECT_EQ(after.launches - before.launches, 4u);
    EXPECT_EQ(after.uploaded - before.uploaded, 4 * bytes);
}

TEST_F(GpuHostGraph, AGraphKeepsItsPlaceAmongTheWorkOfTheStream) {
    begin();
    double_on_device();
    ASSERT_EQ(end(), cudaSuccess);
    upload(pinned_);
    EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
    download(pinned_);
    upload(pinned_);
    EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
    download(pinned_);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 12.0f);
    EXPECT_EQ(cudaGraphExecDestroy(exec_), cudaSuccess);
    EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGraphExecDestroy(exec_), cudaErrorInvalidValue);
    exec_ = nullptr;
}

TEST_F(GpuHostGraph, ThatStillHasToRunMustNotBeDestroyed) {
    begin();
    double_on_device();
    ASSERT_EQ(end(), cudaSuccess);
    EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaSuccess);
    EXPECT_DEATH(cudaGraphExecDestroy(exec_), "a graph is destroyed that still has to run");
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
}

TEST_F(GpuHostGraph, TakesMemoryOfTheDeviceForEachNode) {
    const auto free_bytes = [] {
        std::size_t free = 0, total = 0;
        GPU_CHECK(cudaMemGetInfo(&free, &total));
        return free;
    };
    const std::size_t before = free_bytes();
    begin();
    double_on_device();
    double_on_device();
    ASSERT_EQ(end(), cudaSuccess);
    EXPECT_EQ(before - free_bytes(), 2 * config().graph_node_bytes);
    config().memory = config().memory - free_bytes() + config().graph_node_bytes;
    begin();
    double_on_device();
    double_on_device();
    cudaGraph_t graph = nullptr;
    ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess);
    cudaGraphExec_t second = nullptr;
    EXPECT_EQ(cudaGraphInstantiate(&second, graph), cudaErrorMemoryAllocation);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
}

TEST_F(GpuHostGraph, AStreamThatIsForkedAndJoinedBecomesPartOfTheGraph) {
    begin();
    upload(pinned_);
    fork();
    GPU_CHECK(gpu_launch(times_two, 1, 4, 0, other_, device_));
    join();
    download(pinned_);
    ASSERT_EQ(end(), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(other_), cudaSuccess) << "a stream as any other again";
    EXPECT_EQ(result(), 6.0f);
    EXPECT_EQ(result(), 12.0f);
    EXPECT_EQ(cudaEventSynchronize(joined_), cudaErrorCapturedEvent);
    EXPECT_EQ(cudaStreamWaitEvent(stream_, joined_), cudaErrorCapturedEvent);
}

TEST_F(GpuHostGraph, AForkRunsOnlyWhenItIsWaitedFor) {
    begin();
    upload(pinned_);
    fork();
    GPU_CHECK(gpu_launch(times_two, 1, 4, 0, other_, device_));
    download(pinned_);  // forgets to wait for the other stream
    join();
    ASSERT_EQ(end(), cudaSuccess);
    EXPECT_EQ(result(), 3.0f);
}

TEST_F(GpuHostGraph, UnjoinedWorkIsRefusedAtTheEnd) {
    begin();
    fork();
    GPU_CHECK(gpu_launch(times_two, 1, 4, 0, other_, device_));
    EXPECT_EQ(end(), cudaErrorStreamCaptureUnjoined);
    begin();
    fork();
    join();
    GPU_CHECK(gpu_launch(times_two, 1, 4, 0, other_, device_));
    EXPECT_EQ(end(), cudaErrorStreamCaptureUnjoined) << "work after the join";
}

TEST_F(GpuHostGraph, WhatCannotBeCapturedIsRefusedAndSpoilsTheCapture) {
    std::vector<float> pageable(4);
    char* memory = nullptr;
    const auto refuses = [this](const char* what, const std::function<cudaError_t()>& call,
                                cudaError_t error = cudaErrorStreamCaptureUnsupported) {
        begin();
        double_on_device();
        EXPECT_EQ(call(), error) << what;
        EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated) << what;
    };
    refuses("synchronising", [&] { return cudaStreamSynchronize(stream_); });
    refuses("allocating", [&] { return cudaMalloc(&memory, 8); });
    refuses("allocating on the host", [&] { return cudaMallocHost(&memory, 8); });
    refuses("freeing", [&] { return cudaFree(device_); });
    refuses("freeing on the host", [&] { return cudaFreeHost(pinned_); });
    refuses("a copy from pageable memory", [&] {
        return cudaMemcpyAsync(device_, pageable.data(), bytes, cudaMemcpyHostToDevice, stream_);
    });
    refuses("a copy to pageable memory", [&] {
        return cudaMemcpyAsync(pageable.data(), device_, bytes, cudaMemcpyDeviceToHost, stream_);
    });
    refuses(
        "waiting for an event of the capture",
        [&] {
            GPU_CHECK(cudaEventRecord(event_, stream_));
            return cudaEventSynchronize(event_);
        },
        cudaErrorCapturedEvent);
    refuses(
        "waiting for work outside",
        [&] {
            GPU_CHECK(cudaEventRecord(joined_, other_));
            return cudaStreamWaitEvent(stream_, joined_);
        },
        cudaErrorStreamCaptureIsolation);
    refuses(
        "beginning again",
        [&] { return cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal); },
        cudaErrorIllegalState);
    refuses(
        "ending on a stream that was forked",
        [&] {
            cudaGraph_t graph = nullptr;
            fork();
            return cudaStreamEndCapture(other_, &graph);
        },
        cudaErrorStreamCaptureUnmatched);
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess) << "after all that";
}

TEST_F(GpuHostGraph, TwoCapturesDoNotMerge) {
    cudaGraph_t graph = nullptr;
    begin();
    GPU_CHECK(cudaStreamBeginCapture(other_, cudaStreamCaptureModeThreadLocal));
    GPU_CHECK(cudaEventRecord(event_, stream_));
    EXPECT_EQ(cudaStreamWaitEvent(other_, event_), cudaErrorStreamCaptureMerge);
    EXPECT_EQ(cudaStreamEndCapture(other_, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
}

TEST_F(GpuHostGraph, CapturesAndGraphsThatMakeNoSenseAreRefused) {
    cudaGraph_t graph = nullptr;
    EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorIllegalState);
    EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal),
              cudaErrorStreamCaptureUnsupported);
    EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGraphInstantiate(&exec_, nullptr, 0), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGraphLaunch(nullptr, stream_), cudaErrorInvalidValue);
    begin();
    ASSERT_EQ(cudaStreamEndCapture(stream_, &graph), cudaSuccess) << "a graph of nothing";
    const std::size_t live = gpuhost::live_allocations();
    EXPECT_EQ(cudaGraphInstantiate(&exec_, graph, 1), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGraphInstantiate(&exec_, graph, 0), cudaSuccess);
    EXPECT_EQ(gpuhost::live_allocations(), live + 1);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    EXPECT_EQ(gpuhost::live_allocations(), live);
    cudaGraphExec_t none = nullptr;
    EXPECT_EQ(cudaGraphInstantiate(&none, graph, 0), cudaErrorInvalidValue);
    EXPECT_EQ(result(), 3.0f);
}

TEST_F(GpuHostGraph, AStreamDestroyedWhileItCapturesTakesTheCaptureWithIt) {
    cudaStream_t third = nullptr;
    GPU_CHECK(cudaStreamCreateWithFlags(&third, cudaStreamNonBlocking));
    GPU_CHECK(cudaStreamBeginCapture(third, cudaStreamCaptureModeThreadLocal));
    GPU_CHECK(cudaEventRecord(event_, third));
    GPU_CHECK(cudaStreamWaitEvent(other_, event_));
    EXPECT_EQ(cudaStreamDestroy(third), cudaSuccess);
    EXPECT_EQ(cudaStreamSynchronize(other_), cudaSuccess);
}

TEST_F(GpuHostGraph, AGraphThatOutlivesItsMemoryAborts) {
    float* short_lived = nullptr;
    GPU_CHECK(cudaMalloc(&short_lived, bytes));
    begin();
    GPU_CHECK(gpu_launch(times_two, 1, 4, 0, stream_, short_lived));
    ASSERT_EQ(end(), cudaSuccess);
    GPU_CHECK(cudaFree(short_lived));
    EXPECT_DEATH(result(), "a kernel uses memory that was freed");
}

TEST_F(GpuHostGraph, AnEventThatIsAskedForIsEarlyOnceAndThenItsWorkIsDone) {
    upload(pinned_);
    double_on_device();
    download(pinned_);
    GPU_CHECK(cudaEventRecord(event_, stream_));
    EXPECT_EQ(cudaEventQuery(event_), cudaErrorNotReady);
    EXPECT_EQ(cudaGetLastError(), cudaErrorNotReady) << "who does not clear it sees it again";
    EXPECT_EQ(pinned_[0], 3.0f);
    EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 6.0f);
}

TEST_F(GpuHost, KnowsItsEvents) {
    cudaEvent_t event = nullptr;
    GPU_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    EXPECT_EQ(gpuhost::live_allocations(), 1u);
    EXPECT_EQ(cudaEventRecord(event, nullptr), cudaSuccess);
    EXPECT_EQ(cudaEventSynchronize(event), cudaSuccess);
    EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    EXPECT_EQ(cudaEventSynchronize(event), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(cudaEventDestroy(event), cudaErrorInvalidResourceHandle);
}

}  // namespace
