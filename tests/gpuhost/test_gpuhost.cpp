// test_gpuhost.cpp: what the kernel runner promises, shown on kernels of a few lines.
//
// The tests of the project's own kernels are worth as much as the runner below them: that threads
// and blocks run in the order asked for, that barriers and shuffles meet whom they should, and that
// what CUDA leaves undefined does not pass unseen.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "gpu_runtime.h"

namespace {
using gpuhost::config;
using gpuhost::Order;

/// Some elements on the device, for the length of a test.
template <class T>
class OnDevice {
  public:
    explicit OnDevice(std::size_t count) : count_(count) {
        GPU_CHECK(cudaMalloc(&data_, count * sizeof(T)));
    }
    ~OnDevice() { cudaFree(data_); }
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

    T* get() const { return data_; }
    std::vector<T> values() const {
        std::vector<T> host(count_);
        GPU_CHECK(cudaMemcpyAsync(host.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost,
                                  nullptr));
        return host;
    }

  private:
    std::size_t count_;
    T* data_ = nullptr;
};

class GpuHost : public testing::Test {
  protected:
    /// What the tests say of an order holds whatever GPUHOST_ORDER is.
    void SetUp() override { config().order = Order::forward; }
    void TearDown() override {
        config() = before_;
        cudaGetLastError();
        EXPECT_EQ(gpuhost::live_allocations(), 0u) << "the test left something on the device";
    }

  private:
    gpuhost::Config before_ = config();
};

constexpr Order every_order[] = {Order::forward, Order::reverse, Order::random};

std::string name(Order order) {
    return order == Order::forward ? "forward" : order == Order::reverse ? "reverse" : "random";
}

// ---- Threads, blocks and their order ----

__global__ void count_visits(int* visits) {
    const unsigned in_block = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    visits[block * blockDim.x * blockDim.y * blockDim.z + in_block] += 1;
}

TEST_F(GpuHost, RunsEveryThreadOfEveryBlockOnce) {
    for (const Order order : every_order) {
        config().order = order;
        const dim3 grid(3, 2, 2), block(5, 3, 2);
        const std::size_t threads = 3 * 2 * 2 * 5 * 3 * 2;
        OnDevice<int> visits(threads);
        GPU_CHECK(cudaMemsetAsync(visits.get(), 0, threads * sizeof(int), nullptr));
        GPU_CHECK(gpu_launch(count_visits, grid, block, 0, nullptr, visits.get()));
        EXPECT_EQ(visits.values(), std::vector<int>(threads, 1)) << name(order);
    }
}

// Noting who came when is a race by design, so ThreadSanitizer must not look.
int came[12];
int came_count = 0;
__attribute__((no_sanitize("thread"))) __global__ void note_arrival() {
    came[came_count++] = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
}

/// The threads (block * 4 + thread) of 3 blocks of 4 threads as they come.
std::vector<int> arrivals(Order order, unsigned seed = 1) {
    config().order = order;
    config().seed = seed;
    came_count = 0;
    GPU_CHECK(gpu_launch(note_arrival, 3, 4, 0, nullptr));
    return {came, came + came_count};
}

TEST_F(GpuHost, TakesBlocksAndThreadsInTheOrderAskedFor) {
    const std::vector<int> forward = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    EXPECT_EQ(arrivals(Order::forward), forward);
    EXPECT_EQ(arrivals(Order::reverse), std::vector<int>(forward.rbegin(), forward.rend()));
}

TEST_F(GpuHost, RandomOrderMixesBlocksAndThreadsButFinishesABlockFirst) {
    std::set<std::vector<int>> seen, seen_blocks;
    for (unsigned seed = 1; seed <= 20; ++seed) {
        const std::vector<int> order = arrivals(Order::random, seed);
        ASSERT_EQ(order.size(), 12u);
        std::vector<int> blocks;
        for (std::size_t i = 0; i < order.size(); i += 4) {
            blocks.push_back(order[i] / 4);
            std::vector<int> block(order.begin() + static_cast<int>(i),
                                   order.begin() + static_cast<int>(i) + 4);
            std::sort(block.begin(), block.end());
            for (int t = 0; t < 4; ++t)
                EXPECT_EQ(block[static_cast<std::size_t>(t)], 4 * blocks.back() + t);
        }
        seen.insert(order);
        seen_blocks.insert(blocks);
    }
    EXPECT_GE(seen.size(), 15u) << "of 20 random orders";
    EXPECT_GE(seen_blocks.size(), 4u) << "of the 6 orders of 3 blocks";
}

// ---- Barriers and shared memory ----

template <bool with_barrier>
__attribute__((no_sanitize("thread"))) __global__ void reverse_array(int* out) {
    GPU_SHARED(int, values, [64]);
    const unsigned t = threadIdx.x;
    values[t] = static_cast<int>(t);
    if constexpr (with_barrier) __syncthreads();
    out[t] = values[63 - t];
}

template <bool with_barrier>
std::vector<int> reversed(Order order) {
    config().order = order;
    OnDevice<int> out(64);
    GPU_CHECK(gpu_launch(reverse_array<with_barrier>, 1, 64, 0, nullptr, out.get()));
    return out.values();
}

TEST_F(GpuHost, ABarrierLetsEveryThreadSeeWhatAllWroteBefore) {
    std::vector<int> expected(64);
    std::iota(expected.rbegin(), expected.rend(), 0);
    for (const Order order : every_order) EXPECT_EQ(reversed<true>(order), expected) << name(order);
}

TEST_F(GpuHost, AMissingBarrierShowsAsADifferenceBetweenOrders) {
    EXPECT_NE(reversed<false>(Order::forward), reversed<false>(Order::reverse));
}

__global__ void read_before_writing(float* out) {
    GPU_SHARED(float, matrix, [2][8]);
    GPU_SHARED(float, scalar);
    const unsigned t = threadIdx.x;
    out[blockIdx.x * 16 + t] = matrix[t / 8][t % 8];
    if (t == 0) out[blockIdx.x * 16] += scalar;
    __syncthreads();
    matrix[t / 8][t % 8] = 1.0f;
    if (t == 0) scalar = 1.0f;
}

TEST_F(GpuHost, SharedMemoryStartsAsNaNInEveryBlock) {
    OnDevice<float> out(3 * 16);
    GPU_CHECK(gpu_launch(read_before_writing, 3, 16, 0, nullptr, out.get()));
    const std::vector<float> values = out.values();
    for (std::size_t i = 0; i < values.size(); ++i)
        EXPECT_TRUE(std::isnan(values[i])) << "element " << i << " is " << values[i];
}

__global__ void addresses_mod_32(std::size_t* out) {
    GPU_SHARED(float, plain, [8]);
    GPU_SHARED(__align__(16) float, aligned, [8]);
    GPU_SHARED(double, doubles, [8]);
    out[0] = reinterpret_cast<std::uintptr_t>(plain) % 8;
    out[1] = reinterpret_cast<std::uintptr_t>(aligned) % 32;
    out[2] = reinterpret_cast<std::uintptr_t>(doubles) % 16;
}

TEST_F(GpuHost, ASharedArrayIsAlignedToItsTypeAndNoMore) {
    OnDevice<std::size_t> out(3);
    GPU_CHECK(gpu_launch(addresses_mod_32, 1, 1, 0, nullptr, out.get()));
    EXPECT_EQ(out.values(), (std::vector<std::size_t>{4, 16, 8}));
}

// ---- Shuffles ----

template <class T>
__global__ void shuffle_all(T* from_xor, T* from_down, T* from_lane) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const T mine = static_cast<T>(threadIdx.x) + T(100);
    from_xor[threadIdx.x] = __shfl_xor_sync(~0u, mine, 5);
    from_down[threadIdx.x] = __shfl_down_sync(~0u, mine, 3, 8);
    from_lane[threadIdx.x] = __shfl_sync(~0u, mine, lane / 2);
}

template <class T>
void expect_shuffles_right() {
    for (const Order order : every_order) {
        config().order = order;
        OnDevice<T> from_xor(64), from_down(64), from_lane(64);
        GPU_CHECK(gpu_launch(shuffle_all<T>, 1, 64, 0, nullptr, from_xor.get(), from_down.get(),
                             from_lane.get()));
        const auto x = from_xor.values(), d = from_down.values(), l = from_lane.values();
        for (unsigned t = 0; t < 64; ++t) {
            const unsigned warp = t / 32 * 32, lane = t % 32;
            EXPECT_EQ(x[t], static_cast<T>(100 + warp + (lane ^ 5u))) << name(order) << ' ' << t;
            EXPECT_EQ(d[t], static_cast<T>(100 + (t % 8 < 5 ? t + 3 : t)))
                << name(order) << ' ' << t;
            EXPECT_EQ(l[t], static_cast<T>(100 + warp + lane / 2)) << name(order) << ' ' << t;
        }
    }
}

TEST_F(GpuHost, ShufflesGiveTheValueOfTheRightLane) {
    expect_shuffles_right<float>();
    expect_shuffles_right<double>();
    expect_shuffles_right<int>();
}

__global__ void shuffle_halves(float* out) {
    const unsigned t = threadIdx.x;
    const unsigned half = t < 16 ? 0x0000ffffu : 0xffff0000u;
    out[t] = __shfl_xor_sync(half, static_cast<float>(t), 1);        // stays within the half
    out[32 + t] = __shfl_xor_sync(half, static_cast<float>(t), 16);  // asks the other half
}

TEST_F(GpuHost, ALaneOutsideTheMaskGivesNaN) {
    OnDevice<float> out(64);
    GPU_CHECK(gpu_launch(shuffle_halves, 1, 32, 0, nullptr, out.get()));
    const std::vector<float> values = out.values();
    for (unsigned t = 0; t < 32; ++t) {
        EXPECT_EQ(values[t], static_cast<float>(t ^ 1u)) << "lane " << t;
        EXPECT_TRUE(std::isnan(values[32 + t])) << "lane " << t << " got " << values[32 + t];
    }
}

__global__ void pass_on_within_warps(int* out) {
    GPU_SHARED(int, values, [64]);
    const unsigned t = threadIdx.x;
    values[t] = static_cast<int>(t);
    __syncwarp();
    out[t] = values[t ^ 31u];
}

TEST_F(GpuHost, SyncwarpSeparatesWithinAWarp) {
    for (const Order order : every_order) {
        config().order = order;
        OnDevice<int> out(64);
        GPU_CHECK(gpu_launch(pass_on_within_warps, 1, 64, 0, nullptr, out.get()));
        const std::vector<int> values = out.values();
        for (unsigned t = 0; t < 64; ++t)
            EXPECT_EQ(values[t], static_cast<int>(t ^ 31u)) << name(order) << " thread " << t;
    }
}

// ---- Kernels that CUDA leaves undefined ----

__global__ void wait_at_two_barriers() {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}
__global__ void leave_before_the_barrier() {
    if (threadIdx.x == 5) return;
    __syncthreads();
}
__global__ void barrier_against_shuffle() {
    if (threadIdx.x == 7)
        __syncthreads();
    else
        __syncwarp();
}
__global__ void own_lane_not_in_mask() { __syncwarp(0xfffffffeu); }
__global__ void masks_differ() { __syncwarp(threadIdx.x == 0 ? 0x3u : ~0u); }
__global__ void too_large_shared_array() {
    GPU_SHARED(double, values, [2][4000]);
    values[0][0] = 0.0;
}
void launch_kernel_of(int threads, void (*kernel)()) {
    GPU_CHECK(gpu_launch(kernel, 2, static_cast<unsigned>(threads), 0, nullptr));
}

using GpuHostDeathTest = GpuHost;

TEST_F(GpuHostDeathTest, BarriersInDivergentBranchesAbort) {
    EXPECT_DEATH(launch_kernel_of(64, wait_at_two_barriers),
                 "block \\(0,0,0\\): thread \\(0,0,0\\) at .*test_gpuhost.cpp:[0-9]+ and thread "
                 "\\(32,0,0\\) at .*test_gpuhost.cpp:[0-9]+ meet at different barriers");
}

TEST_F(GpuHostDeathTest, AThreadThatEndsBeforeTheBarrierAborts) {
    EXPECT_DEATH(launch_kernel_of(64, leave_before_the_barrier),
                 "thread \\(0,0,0\\) at .*test_gpuhost.cpp:[0-9]+ waits for thread \\(5,0,0\\), "
                 "which has ended");
}

TEST_F(GpuHostDeathTest, ADeadlockAborts) {
    EXPECT_DEATH(launch_kernel_of(32, barrier_against_shuffle),
                 "thread \\(0,0,0\\) at .*test_gpuhost.cpp:[0-9]+ and thread \\(7,0,0\\) at "
                 ".*test_gpuhost.cpp:[0-9]+ wait for each other");
}

TEST_F(GpuHostDeathTest, WrongMasksAbort) {
    EXPECT_DEATH(launch_kernel_of(32, own_lane_not_in_mask),
                 "thread \\(0,0,0\\) at .*test_gpuhost.cpp:[0-9]+ is not in the mask it gives");
    EXPECT_DEATH(launch_kernel_of(32, masks_differ),
                 "thread \\(0,0,0\\) at .*test_gpuhost.cpp:[0-9]+ waits for lanes that give "
                 "another mask");
    EXPECT_DEATH(launch_kernel_of(16, [] { __syncwarp(); }),
                 "names lane 16 in its mask, which the block does not have");
}

TEST_F(GpuHostDeathTest, MoreSharedMemoryThanAGpuHasAborts) {
    EXPECT_DEATH(launch_kernel_of(1, too_large_shared_array),
                 "brings the block's shared arrays to 64000 bytes; a GPU has 49152");
}

TEST_F(GpuHostDeathTest, ABarrierOutsideAKernelAborts) {
    EXPECT_DEATH(__syncthreads(), "a device function was called outside a kernel");
}

// ---- Launches ----

__global__ void do_nothing(const float*) {}

TEST_F(GpuHost, RefusesLaunchesThatAGpuRefuses) {
    const auto launch = [](dim3 grid, dim3 block, std::size_t shared = 0) {
        const float* const none = nullptr;
        return gpu_launch(do_nothing, grid, block, shared, nullptr, none);
    };
    EXPECT_EQ(launch(1, 1024), cudaSuccess);
    EXPECT_EQ(launch(1, dim3(16, 16, 4)), cudaSuccess);
    EXPECT_EQ(launch(1, 1025), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, dim3(32, 33)), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, dim3(1, 1, 65)), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(0, 32), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(dim3(1, 0), 32), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(dim3(1, 65536), 32), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, 32, 4), cudaErrorInvalidConfiguration);
}

TEST_F(GpuHost, RefusesAHostPointerAsAKernelArgument) {
    const std::vector<float> host(4);
    OnDevice<float> device(4);
    const auto launch = [](const float* p) { return gpu_launch(do_nothing, 1, 1, 0, nullptr, p); };
    EXPECT_EQ(launch(host.data()), cudaErrorIllegalAddress);
    EXPECT_EQ(launch(device.get()), cudaSuccess);
    EXPECT_EQ(launch(device.get() + 4), cudaSuccess) << "the end of an array with nothing after it";
    EXPECT_EQ(launch(device.get() + 5), cudaErrorIllegalAddress);
    EXPECT_EQ(launch(nullptr), cudaSuccess);
}

TEST_F(GpuHost, KeepsTheLastErrorUntilAsked) {
    EXPECT_EQ(cudaFree(&config()), cudaErrorInvalidValue);
    EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_STREQ(cudaGetErrorString(cudaErrorInvalidValue), "invalid argument");
}

TEST_F(GpuHost, AnExceptionFromAFailedLaunchReachesTheCaller) {
    launch_kernel_of(32, [] { __syncthreads(); });
    EXPECT_THROW(launch_kernel_of(2000, [] {}), Failure);
    launch_kernel_of(32, [] { __syncthreads(); });
}

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

TEST_F(GpuHostStream, PageableMemoryIsCopiedBeforeTheCallReturns) {
    std::vector<float> host(4, 3.0f);
    upload(host.data());
    std::fill(host.begin(), host.end(), 4.0f);
    double_on_device();
    download(host.data());
    EXPECT_EQ(host, std::vector<float>(4, 6.0f));
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

// ---- Memory and devices ----

TEST_F(GpuHost, DeviceMemoryStartsAsNaN) {
    for (const float value : OnDevice<float>(100).values()) EXPECT_TRUE(std::isnan(value));
}

TEST_F(GpuHost, CopiesOnlyBetweenTheSidesThatTheKindNames) {
    OnDevice<char> device(8), other(8);
    std::vector<char> host(16, 'x');
    const auto copy = [](void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
        return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    };
    char *const d = device.get(), *const h = host.data();
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyHostToDevice), cudaSuccess);
    EXPECT_EQ(copy(other.get(), d, 8, cudaMemcpyDeviceToDevice), cudaSuccess);
    EXPECT_EQ(copy(h + 8, other.get(), 8, cudaMemcpyDeviceToHost), cudaSuccess);
    EXPECT_EQ(host, std::vector<char>(16, 'x'));
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_EQ(copy(h, d, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyHostToHost), cudaErrorInvalidValue);
    EXPECT_EQ(copy(nullptr, h, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
}

TEST_F(GpuHost, RefusesRangesThatDoNotFitTheirBlock) {
    OnDevice<char> device(8);
    std::vector<char> host(16);
    char *const d = device.get(), *const h = host.data();
    const auto to_device = [h](char* to, std::size_t bytes) {
        return cudaMemcpyAsync(to, h, bytes, cudaMemcpyHostToDevice, nullptr);
    };
    EXPECT_EQ(to_device(d + 3, 5), cudaSuccess);
    EXPECT_EQ(to_device(d, 9), cudaErrorInvalidValue);
    EXPECT_EQ(to_device(d + 3, 6), cudaErrorInvalidValue);
    EXPECT_EQ(to_device(d - 1, 2), cudaErrorInvalidValue);
    EXPECT_EQ(to_device(d + 8, 0), cudaSuccess) << "nothing to copy";
    EXPECT_EQ(cudaMemsetAsync(d, 0, 8, nullptr), cudaSuccess);
    EXPECT_EQ(cudaMemsetAsync(d + 1, 0, 8, nullptr), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemsetAsync(h, 0, 8, nullptr), cudaErrorInvalidValue);
}

TEST_F(GpuHost, FreesOnlyWhatItGave) {
    char *device = nullptr, *pinned = nullptr;
    GPU_CHECK(cudaMalloc(&device, 8));
    GPU_CHECK(cudaMallocHost(&pinned, 8));
    EXPECT_EQ(gpuhost::live_allocations(), 2u);
    EXPECT_EQ(cudaFree(pinned), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFreeHost(device), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(device + 1), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(device), cudaSuccess);
    EXPECT_EQ(cudaFree(device), cudaErrorInvalidValue) << "the second time";
    EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
    EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(GpuHost, RunsOutOfMemoryWhereToldTo) {
    config().memory = 1000;
    OnDevice<char> first(600);
    std::size_t free_bytes = 0, total_bytes = 0;
    GPU_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
    EXPECT_EQ(free_bytes, 400u);
    EXPECT_EQ(total_bytes, 1000u);
    char* second = nullptr;
    EXPECT_EQ(cudaMalloc(&second, 401), cudaErrorMemoryAllocation);
    EXPECT_EQ(second, nullptr);
    EXPECT_EQ(cudaMalloc(&second, 400), cudaSuccess);
    EXPECT_EQ(cudaFree(second), cudaSuccess);
}

TEST_F(GpuHost, WithNoDeviceSaysSoAndLeavesTheCountAlone) {
    config().devices = 0;
    int count = -7;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    EXPECT_EQ(count, -7);
    EXPECT_EQ(cudaSetDevice(0), cudaErrorNoDevice);
}

TEST_F(GpuHost, HasTheDevicesItIsToldToHave) {
    config().devices = 3;
    config().multiprocessors = 7;
    int count = 0;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    EXPECT_EQ(count, 3);
    EXPECT_EQ(cudaSetDevice(2), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(3), cudaErrorInvalidDevice);
    EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
    cudaDeviceProp properties;
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 2), cudaSuccess);
    EXPECT_EQ(properties.multiProcessorCount, 7);
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 3), cudaErrorInvalidDevice);
}

// ---- The environment ----

/// Sets a variable for the length of a scope.
class Environment {
  public:
    Environment(const char* variable, const char* value) : variable_(variable) {
        if (const char* old = std::getenv(variable)) old_ = old;
        setenv(variable, value, 1);
    }
    ~Environment() {
        if (old_.empty())
            unsetenv(variable_);
        else
            setenv(variable_, old_.c_str(), 1);
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

  private:
    const char* variable_;
    std::string old_;
};

TEST_F(GpuHost, TakesItsConfigurationFromTheEnvironment) {
    const Environment order("GPUHOST_ORDER", "random"), seed("GPUHOST_SEED", "42");
    const Environment devices("GPUHOST_DEVICES", "0"), memory("GPUHOST_MEMORY", "123456");
    const gpuhost::Config read = gpuhost::config_from_environment();
    EXPECT_EQ(read.order, Order::random);
    EXPECT_EQ(read.seed, 42u);
    EXPECT_EQ(read.devices, 0);
    EXPECT_EQ(read.memory, 123456u);
}

TEST_F(GpuHostDeathTest, AnImpossibleEnvironmentEndsWithOneLineAndExitCode2) {
    const auto expect_refused = [](const char* variable, const char* value) {
        const Environment set(variable, value);
        EXPECT_EXIT(gpuhost::config_from_environment(), testing::ExitedWithCode(2),
                    std::string("gpuhost: ") + variable + " is '" + value + "'; set it to ");
    };
    expect_refused("GPUHOST_ORDER", "backwards");
    expect_refused("GPUHOST_SEED", "-1");
    expect_refused("GPUHOST_DEVICES", "two");
    expect_refused("GPUHOST_DEVICES", "65");
    expect_refused("GPUHOST_MEMORY", "1e9");
    expect_refused("GPUHOST_MEMORY", "");
}
}  // namespace
