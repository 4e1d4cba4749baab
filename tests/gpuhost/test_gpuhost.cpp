// test_gpuhost.cpp: what the kernel runner promises, shown on kernels of a few lines.
//
// The tests of the project's own kernels are worth as much as the runner below them: that threads
// and blocks run in the order asked for, that barriers and shuffles meet whom they should, and that
// what CUDA leaves undefined does not pass unseen.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <set>
#include <string>
#include <utility>
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
    void set(const std::vector<T>& values) {
        GPU_CHECK(cudaMemcpyAsync(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice,
                                  nullptr));
    }
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

// ---- Bits ----

TEST_F(GpuHost, BytePermPicksBytesAndSigns) {
    EXPECT_EQ(__byte_perm(0x33221100u, 0x77665544u, 0x3210u), 0x33221100u);
    EXPECT_EQ(__byte_perm(0x33221100u, 0x77665544u, 0x7654u), 0x77665544u);
    EXPECT_EQ(__byte_perm(0x33221100u, 0x77665544u, 0x0527u), 0x00552277u);
    EXPECT_EQ(__byte_perm(0x7f80ff01u, 0x80000000u, 0xba98u), 0x00ffff00u) << "the signs of x";
    EXPECT_EQ(__byte_perm(0x7f80ff01u, 0x80000000u, 0xf3c4u), 0xff7f0000u);
    EXPECT_EQ(__byte_perm(0x33221100u, 0x77665544u, 0xabcd3210u), 0x33221100u)
        << "the upper half of the selector means nothing";
}

TEST_F(GpuHost, FloatsAndTheirBitsAreEachOther) {
    EXPECT_EQ(__float_as_uint(-2.0f), 0xc0000000u);
    EXPECT_EQ(__uint_as_float(0x3f800000u), 1.0f);
}

// ---- Products on tensor cores ----

std::uint32_t as_bf16(float value) { return __float_as_uint(value) >> 16; }

/// C += A B, 16 x 16 by 16 x 8, column-major, with the fragments that PTX prescribes; warp w of the
/// block does it for the w-th of the C's that lie one behind the other.
template <class Real>
__global__ void multiply(const Real* a, const Real* b, Real* all_c) {
    const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
    Real* c = all_c + threadIdx.x / 32 * 128;
    Real sum[4];
    for (unsigned e = 0; e < 4; ++e) sum[e] = c[(2 * t + e % 2) * 16 + g + e / 2 * 8];
    if constexpr (sizeof(Real) == 4) {
        std::uint32_t left[4], right[2];
        for (unsigned e = 0; e < 4; ++e) {
            const unsigned row = g + e % 2 * 8, k = 2 * t + e / 2 * 8;
            left[e] = as_bf16(a[k * 16 + row]) | as_bf16(a[(k + 1) * 16 + row]) << 16;
        }
        for (unsigned e = 0; e < 2; ++e) {
            const unsigned k = 2 * t + e * 8;
            right[e] = as_bf16(b[g * 16 + k]) | as_bf16(b[g * 16 + k + 1]) << 16;
        }
        mma_bf16(sum, left, right);
    } else {
        Real left[8], right[4];
        for (unsigned e = 0; e < 8; ++e) left[e] = a[(e / 2 * 4 + t) * 16 + g + e % 2 * 8];
        for (unsigned e = 0; e < 4; ++e) right[e] = b[g * 16 + e * 4 + t];
        mma_f64(sum, left, right);
    }
    for (unsigned e = 0; e < 4; ++e) c[(2 * t + e % 2) * 16 + g + e / 2 * 8] = sum[e];
}

/// C after the product: one C for each warp.
template <class Real>
std::vector<Real> product(const std::vector<Real>& a, const std::vector<Real>& b,
                          const std::vector<Real>& c) {
    OnDevice<Real> on_a(a.size()), on_b(b.size()), on_c(c.size());
    on_a.set(a);
    on_b.set(b);
    on_c.set(c);
    GPU_CHECK(gpu_launch(multiply<Real>, 1, static_cast<unsigned>(c.size() / 4), 0, nullptr,
                         on_a.get(), on_b.get(), on_c.get()));
    return on_c.values();
}

/// Elements that say where they are: i + 16 j, and some more.
template <class Real>
std::vector<Real> places(std::size_t count, Real scale, Real more) {
    std::vector<Real> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<Real>(i) * scale + more;
    return values;
}

/// With elements whose products and sums are no whole numbers, only a chain of fma in the order of
/// k gives these bits.
template <class Real>
void expect_product_right(Real scale, Real more) {
    const auto a = places<Real>(256, scale, more), b = places<Real>(128, scale, -more);
    const auto c = places<Real>(256, Real{100} * scale, more);
    for (const Order order : every_order) {
        config().order = order;
        const auto result = product(a, b, c);
        for (std::size_t w = 0; w < 2; ++w)
            for (std::size_t j = 0; j < 8; ++j)
                for (std::size_t i = 0; i < 16; ++i) {
                    Real expected = c[w * 128 + j * 16 + i];
                    for (std::size_t k = 0; k < 16; ++k)
                        expected = std::fma(a[k * 16 + i], b[j * 16 + k], expected);
                    EXPECT_EQ(result[w * 128 + j * 16 + i], expected)
                        << name(order) << ", C(" << i << ',' << j << ") of warp " << w;
                }
    }
}

TEST_F(GpuHost, ProductsInBf16PutEveryElementWherePtxSays) {
    for (const int capability : {80, 86, 89, 90, 100, 120}) {
        config().capability = capability;
        expect_product_right<float>(1, 0);  // up to 255, exact in bf16; all sums are exact
    }
}

TEST_F(GpuHost, ProductsInDoublePutEveryElementWherePtxSaysAndSumInItsOrder) {
    for (const int capability : {80, 90, 100}) {
        config().capability = capability;
        expect_product_right<double>(1, 0);
        expect_product_right<double>(0.1, 0.7);
    }
}

/// C(0,0) after c + first * 1 + second * 1.
float sum_of_three(float c, float first, float second) {
    std::vector<float> a(256), b(128), all_c(128);
    a[0] = first;
    a[15 * 16] = second;
    b[0] = b[15] = 1.0f;
    all_c[0] = c;
    return product(a, b, all_c)[0];
}

TEST_F(GpuHost, ProductsInBf16AreSummedExactlyAndThenTruncated) {
    config().capability = 80;
    const float ulp = 0x1p-23f, three_quarters = 0.75f * ulp;
    EXPECT_EQ(sum_of_three(1.0f, three_quarters, 0.0f), 1.0f);
    EXPECT_EQ(sum_of_three(-1.0f, -three_quarters, 0.0f), -1.0f);
    EXPECT_EQ(sum_of_three(1.0f, three_quarters, three_quarters), 1.0f + ulp) << "not each alone";
    EXPECT_EQ(sum_of_three(1.0f, -three_quarters, 0.0f), 1.0f - ulp) << "toward zero";
    EXPECT_EQ(sum_of_three(1.0f, 0x1p40f, -0x1p40f), 1.0f);
    EXPECT_TRUE(std::isnan(sum_of_three(NAN, 1.0f, 1.0f)));
    EXPECT_TRUE(std::isnan(sum_of_three(1.0f, INFINITY, -INFINITY)));
    EXPECT_EQ(sum_of_three(1.0f, INFINITY, 1.0f), INFINITY);
}

TEST_F(GpuHost, WhatAGpuHasFollowsItsCapability) {
    const auto with = [](int capability) {
        config().capability = capability;
        return std::pair(gpu_copies_async(), gpu_has_f64_mma());
    };
    EXPECT_EQ(with(75), std::pair(false, false));
    for (const int capability : {80, 90, 100}) EXPECT_EQ(with(capability), std::pair(true, true));
    for (const int capability : {86, 89, 120}) EXPECT_EQ(with(capability), std::pair(true, false));
}

// ---- Asynchronous copies ----

/// What thread 0 finds in shared memory after each wait: three groups, of one copy of each size.
__global__ void copy_in_groups(const float* in, float* out) {
    GPU_SHARED(__align__(16) float, tile, [8]);
    copy_async<16>(tile, in);
    copy_async_commit();
    copy_async<8>(tile + 4, in + 4);
    copy_async_commit();
    copy_async<4>(tile + 6, in + 6);
    copy_async_commit();
    for (int i = 0; i < 8; ++i) out[i] = tile[i];
    copy_async_wait<2>();
    for (int i = 0; i < 8; ++i) out[8 + i] = tile[i];
    copy_async_wait<1>();
    for (int i = 0; i < 8; ++i) out[16 + i] = tile[i];
    copy_async_wait<0>();
    for (int i = 0; i < 8; ++i) out[24 + i] = tile[i];
}

TEST_F(GpuHost, ACopyArrivesInTheWaitForItsGroupAndNotBefore) {
    config().capability = 80;
    OnDevice<float> in(8), out(32);
    in.set({1, 2, 3, 4, 5, 6, 7, 8});
    GPU_CHECK(gpu_launch(copy_in_groups, 1, 1, 0, nullptr, in.get(), out.get()));
    const std::vector<float> values = out.values();
    constexpr std::size_t arrived[] = {0, 4, 6, 7};
    for (std::size_t waits = 0; waits < 4; ++waits)
        for (std::size_t i = 0; i < 8; ++i) {
            const float value = values[waits * 8 + i];
            if (i < arrived[waits])
                EXPECT_EQ(value, static_cast<float>(i + 1)) << waits << " waits, element " << i;
            else
                EXPECT_TRUE(std::isnan(value)) << waits << " waits, element " << i << ": " << value;
        }
}

/// A copy into memory that held something.
__global__ void copy_over(float* in, float* out) {
    GPU_SHARED(float, tile, [1]);
    tile[0] = 1.0f;
    copy_async<4>(tile, in);
    copy_async_commit();
    out[0] = tile[0];
    in[0] = 3.0f;
    copy_async_wait<0>();
    out[1] = tile[0];
}

TEST_F(GpuHost, BetweenStartAndWaitTheDestinationIsLostAndTheSourceStillRead) {
    config().capability = 80;
    OnDevice<float> in(1), out(2);
    in.set({2});
    GPU_CHECK(gpu_launch(copy_over, 1, 1, 0, nullptr, in.get(), out.get()));
    const std::vector<float> values = out.values();
    EXPECT_TRUE(std::isnan(values[0])) << values[0];
    EXPECT_EQ(values[1], 3.0f);
}

/// Every thread's copy is read by another one, in many blocks and rounds, with what that takes: a
/// wait for one's own copies, and then a barrier.
__global__ void pass_copies_on(const float* in, float* out) {
    GPU_SHARED(float, tile, [2][64]);
    const unsigned t = threadIdx.x;
    copy_async<4>(&tile[0][t], in + t);
    copy_async_commit();
    for (unsigned round = 0; round < 4; ++round) {
        if (round < 3) copy_async<4>(&tile[(round + 1) % 2][t], in + (round + 1) * 64 + t);
        copy_async_commit();
        copy_async_wait<1>();
        __syncthreads();
        out[(blockIdx.x * 4 + round) * 64 + t] = tile[round % 2][63 - t];
        __syncthreads();
    }
}

TEST_F(GpuHost, AWaitAndABarrierLetEveryThreadSeeWhatAllCopied) {
    config().capability = 90;
    OnDevice<float> in(256), out(3 * 256);
    in.set(places<float>(256, 1, 0));
    for (const Order order : every_order) {
        config().order = order;
        GPU_CHECK(gpu_launch(pass_copies_on, 3, 64, 0, nullptr, in.get(), out.get()));
        const std::vector<float> values = out.values();
        for (std::size_t i = 0; i < values.size(); ++i)
            EXPECT_EQ(values[i], static_cast<float>(i % 256 / 64 * 64 + 63 - i % 64))
                << name(order) << ", element " << i;
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
                 "waits for lane 16, which the block does not have");
}

TEST_F(GpuHostDeathTest, MoreSharedMemoryThanAGpuHasAborts) {
    EXPECT_DEATH(launch_kernel_of(1, too_large_shared_array),
                 "brings the block's shared arrays to 64000 bytes; a GPU has 49152");
}

TEST_F(GpuHostDeathTest, ABarrierOutsideAKernelAborts) {
    EXPECT_DEATH(__syncthreads(), "a device function was called outside a kernel");
}

using MmaOperands = struct {
    float c[4] = {};
    std::uint32_t a[4] = {}, b[2] = {};
    double c64[4] = {}, a64[8] = {}, b64[4] = {};
};
__global__ void multiply_all() {
    MmaOperands x;
    mma_bf16(x.c, x.a, x.b);
}
__global__ void multiply_in_a_branch() {
    MmaOperands x;
    if (threadIdx.x != 3) mma_bf16(x.c, x.a, x.b);
}
__global__ void multiply_in_two_branches() {
    MmaOperands x;
    if (threadIdx.x < 16)
        mma_bf16(x.c, x.a, x.b);
    else
        mma_bf16(x.c, x.a, x.b);
}
__global__ void multiply_doubles() {
    MmaOperands x;
    mma_f64(x.c64, x.a64, x.b64);
}

TEST_F(GpuHostDeathTest, AProductWithoutAllLanesOfTheWarpAborts) {
    config().capability = 80;
    launch_kernel_of(64, multiply_all);
    EXPECT_DEATH(launch_kernel_of(32, multiply_in_a_branch),
                 "thread \\(0,0,0\\) at .*test_gpuhost.cpp:[0-9]+ waits for thread \\(3,0,0\\), "
                 "which has ended");
    EXPECT_DEATH(launch_kernel_of(32, multiply_in_two_branches),
                 "thread \\(0,0,0\\) at .* and thread \\(16,0,0\\) at .* wait for each other");
    EXPECT_DEATH(launch_kernel_of(48, multiply_all),
                 "waits for lane 16, which the block does not have");
}

TEST_F(GpuHostDeathTest, AnInstructionThatTheGpuDoesNotHaveAborts) {
    config().capability = 75;
    EXPECT_DEATH(launch_kernel_of(32, multiply_all),
                 "at .*test_gpuhost.cpp:[0-9]+ calls mma_bf16, which GPUs of compute capability "
                 "7.5 do not have");
    EXPECT_DEATH(launch_kernel_of(1, [] { copy_async_commit(); }),
                 "copies asynchronously, which GPUs of compute capability 7.5 do not");
    config().capability = 86;
    EXPECT_DEATH(launch_kernel_of(32, multiply_doubles),
                 "calls mma_f64, which GPUs of compute capability 8.6 do not have");
}

/// Copies `Bytes` bytes from `in` on to the shared array, `shift` floats in, and what follows.
template <int Bytes, bool Commit, bool Wait>
__global__ void copy_once(const float* in, int shift) {
    GPU_SHARED(__align__(16) float, tile, [8]);
    copy_async<Bytes>(tile + shift, in);
    if (Commit) copy_async_commit();
    if (Wait) copy_async_wait<0>();
}
__global__ void copy_to_global(float* in) { copy_async<4>(in, in + 1); }
__global__ void copy_from_shared() {
    GPU_SHARED(float, tile, [2]);
    copy_async<4>(tile, tile + 1);
}

TEST_F(GpuHostDeathTest, ACopyThatNobodyWaitsForAborts) {
    config().capability = 80;
    OnDevice<float> in(8);
    const auto run = [&in](void (*kernel)(const float*, int)) {
        GPU_CHECK(gpu_launch(kernel, 1, 1, 0, nullptr, in.get(), 0));
    };
    run(copy_once<16, true, true>);
    const char* said =
        "thread \\(0,0,0\\) ends and has not waited for a copy that it started at "
        ".*test_gpuhost.cpp:[0-9]+";
    EXPECT_DEATH(run((copy_once<16, true, false>)), said);
    EXPECT_DEATH(run((copy_once<16, false, true>)), said) << "a wait is for groups";
}

TEST_F(GpuHostDeathTest, ACopyBetweenTheWrongPlacesAborts) {
    config().capability = 80;
    OnDevice<float> in(8);
    const auto run = [&in](auto kernel, int from, int to) {
        GPU_CHECK(gpu_launch(kernel, 1, 1, 0, nullptr, in.get() + from, to));
    };
    run(copy_once<8, true, true>, 6, 6);
    EXPECT_DEATH(
        run(copy_once<8, true, true>, 6, 5),
        "at .*test_gpuhost.cpp:[0-9]+ copies 8 bytes to shared memory that is not aligned");
    EXPECT_DEATH(run(copy_once<16, true, true>, 2, 0),
                 "copies 16 bytes from global memory that is not aligned");
    EXPECT_DEATH(run(copy_once<4, true, true>, 8, 0),
                 "copies 4 bytes from where device memory does not have them");
    EXPECT_DEATH(run(copy_once<4, true, true>, 0, 8),
                 "copies 4 bytes to where no shared array of its block has them");
    EXPECT_DEATH(GPU_CHECK(gpu_launch(copy_to_global, 1, 1, 0, nullptr, in.get())),
                 "copies 4 bytes to where no shared array");
    EXPECT_DEATH(launch_kernel_of(1, copy_from_shared),
                 "copies 4 bytes from where device memory does not have them");
}

#ifdef __SANITIZE_THREAD__
// ---- What ThreadSanitizer sees ----

/// Thread 31 - t reads what thread t wrote; in between, they meet.
template <class Meet>
__global__ void pass_on(int* out) {
    GPU_SHARED(int, values, [32]);
    values[threadIdx.x] = 1;
    Meet()();
    out[threadIdx.x] = values[31 - threadIdx.x];
}
struct Shuffle {
    void operator()() const { __shfl_sync(~0u, 0, 0); }
};
struct Multiply {
    void operator()() const {
        MmaOperands x;
        mma_bf16(x.c, x.a, x.b);
    }
};
struct Syncwarp {
    void operator()() const { __syncwarp(); }
};

/// Copies without what has to stand between them and other threads' reads.
template <bool BarrierAfter, bool BarrierBefore>
__global__ void read_copies(const float* in, float* out) {
    GPU_SHARED(float, tile, [32]);
    copy_async<4>(&tile[threadIdx.x], in + threadIdx.x);
    copy_async_commit();
    copy_async_wait<0>();
    if (BarrierAfter) __syncthreads();
    out[threadIdx.x] = tile[31 - threadIdx.x];
    if (BarrierBefore) __syncthreads();
    copy_async<4>(&tile[threadIdx.x], in + threadIdx.x);
    copy_async_commit();
    __syncthreads();  // too late: the copy may have arrived before
    copy_async_wait<0>();
}

TEST_F(GpuHostDeathTest, OnlyBarriersOrderMemory) {
    // A process of its own: in one that was merely forked, ThreadSanitizer forgets all order.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    config().capability = 80;
    OnDevice<int> out(32);
    OnDevice<float> from(32), to(32);
    from.set(std::vector<float>(32));
    const auto pass = [&out](void (*kernel)(int*)) {
        GPU_CHECK(gpu_launch(kernel, 1, 32, 0, nullptr, out.get()));
    };
    const auto copy = [&](void (*kernel)(const float*, float*)) {
        GPU_CHECK(gpu_launch(kernel, 1, 32, 0, nullptr, from.get(), to.get()));
    };
    // A finding alone does not end the process.
    const char* race = "ThreadSanitizer: data race";
    pass(pass_on<Syncwarp>);
    EXPECT_DEATH((pass(pass_on<Shuffle>), std::abort()), race);
    EXPECT_DEATH((pass(pass_on<Multiply>), std::abort()), race);
    copy(read_copies<true, true>);
    EXPECT_DEATH((copy(read_copies<false, true>), std::abort()), race);
    EXPECT_DEATH((copy(read_copies<true, false>), std::abort()), race);
}
#endif

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
    EXPECT_EQ(cudaGraphExecDestroy(exec_), cudaSuccess) << "its launches still count";
    EXPECT_EQ(cudaGraphLaunch(exec_, stream_), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGraphExecDestroy(exec_), cudaErrorInvalidValue);
    exec_ = nullptr;
    EXPECT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(pinned_[0], 12.0f);
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
    config().capability = 89;
    int count = 0;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    EXPECT_EQ(count, 3);
    EXPECT_EQ(cudaSetDevice(2), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(3), cudaErrorInvalidDevice);
    EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
    cudaDeviceProp properties;
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 2), cudaSuccess);
    EXPECT_EQ(properties.multiProcessorCount, 7);
    EXPECT_EQ(properties.major, 8);
    EXPECT_EQ(properties.minor, 9);
    const auto attribute = [](cudaDeviceAttr which) {
        int value = -1;
        EXPECT_EQ(cudaDeviceGetAttribute(&value, which, 2), cudaSuccess);
        return value;
    };
    EXPECT_EQ(attribute(cudaDevAttrMultiProcessorCount), 7);
    EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMajor), 8);
    EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMinor), 9);
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
    const Environment capability("GPUHOST_CAPABILITY", "90");
    const gpuhost::Config read = gpuhost::config_from_environment();
    EXPECT_EQ(read.order, Order::random);
    EXPECT_EQ(read.seed, 42u);
    EXPECT_EQ(read.devices, 0);
    EXPECT_EQ(read.memory, 123456u);
    EXPECT_EQ(read.capability, 90);
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
    expect_refused("GPUHOST_CAPABILITY", "9.0");
    expect_refused("GPUHOST_CAPABILITY", "81");
}
}  // namespace
