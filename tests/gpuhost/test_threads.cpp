// test_threads.cpp: what a kernel's threads do among themselves, on kernels of a few lines.
//
// That threads and blocks run in the order asked for, that barriers and shuffles meet whom they
// should, that shared memory begins as nothing, and that products on tensor cores and asynchronous
// copies do what PTX says.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "tests/gpuhost/gpuhost_fixture.h"

namespace {

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

/// C += A B, 16 x 32 by 32 x 8, column-major: signed bytes times unsigned ones.
__global__ void multiply_bytes(const std::int8_t* a, const std::uint8_t* b, std::int32_t* c) {
    const unsigned g = threadIdx.x / 4, t = threadIdx.x % 4;
    std::int32_t sum[4];
    std::uint32_t left[4] = {}, right[2] = {};
    for (unsigned e = 0; e < 4; ++e) {
        sum[e] = c[(2 * t + e % 2) * 16 + g + e / 2 * 8];
        for (unsigned i = 0; i < 4; ++i)
            left[e] |= std::uint32_t{static_cast<std::uint8_t>(
                           a[(4 * t + i + e / 2 * 16) * 16 + g + e % 2 * 8])}
                       << 8 * i;
    }
    for (unsigned e = 0; e < 2; ++e)
        for (unsigned i = 0; i < 4; ++i)
            right[e] |= std::uint32_t{b[g * 32 + 4 * t + i + e * 16]} << 8 * i;
    mma_s8u8(sum, left, right);
    for (unsigned e = 0; e < 4; ++e) c[(2 * t + e % 2) * 16 + g + e / 2 * 8] = sum[e];
}

TEST_F(GpuHost, ProductsOfBytesAreExactAndPutEveryElementWherePtxSays) {
    std::vector<std::int8_t> a(512);
    std::vector<std::uint8_t> b(256);
    std::vector<std::int32_t> c(128);
    for (std::size_t i = 0; i < 512; ++i) a[i] = static_cast<std::int8_t>(i * 89 % 256 - 128);
    for (std::size_t i = 0; i < 256; ++i) b[i] = static_cast<std::uint8_t>(i * 57);
    for (std::size_t i = 0; i < 128; ++i)
        c[i] = static_cast<std::int32_t>(i * 15000000) - 960000000;
    OnDevice<std::int8_t> on_a(512);
    OnDevice<std::uint8_t> on_b(256);
    on_a.set(a);
    on_b.set(b);
    for (const int capability : {80, 90, 120})
        for (const Order order : every_order) {
            config().capability = capability;
            config().order = order;
            OnDevice<std::int32_t> on_c(128);
            on_c.set(c);
            GPU_CHECK(
                gpu_launch(multiply_bytes, 1, 32, 0, nullptr, on_a.get(), on_b.get(), on_c.get()));
            const auto result = on_c.values();
            for (std::size_t j = 0; j < 8; ++j)
                for (std::size_t i = 0; i < 16; ++i) {
                    std::int32_t expected = c[j * 16 + i];
                    for (std::size_t k = 0; k < 32; ++k)
                        expected += std::int32_t{a[k * 16 + i]} * b[j * 32 + k];
                    EXPECT_EQ(result[j * 16 + i], expected)
                        << name(order) << ", C(" << i << ',' << j << ")";
                }
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

TEST_F(GpuHost, ProductsInBf16AreCutOffAtTheLastBitOfTheLargest) {
    config().capability = 80;
    const float ulp = 0x1p-23f, three_quarters = 0.75f * ulp, six_quarters = 1.5f * ulp;
    EXPECT_EQ(sum_of_three(1.0f, three_quarters, 0.0f), 1.0f);
    EXPECT_EQ(sum_of_three(1.0f, three_quarters, three_quarters), 1.0f) << "each alone";
    EXPECT_EQ(sum_of_three(1.0f, -three_quarters, 0.0f), 1.0f) << "before the sum, not after";
    EXPECT_EQ(sum_of_three(1.0f, six_quarters, six_quarters), 1.0f + 2 * ulp);
    EXPECT_EQ(sum_of_three(-1.0f, -six_quarters, six_quarters), -1.0f) << "toward zero";
    EXPECT_EQ(sum_of_three(1.0f, 0x1p40f, -0x1p40f), 0.0f) << "what is small is lost";
    EXPECT_EQ(sum_of_three(0.0f, 0x1p-120f, 0.0f), 0x1p-120f);
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

}  // namespace
