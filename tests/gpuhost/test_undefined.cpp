// test_undefined.cpp: what CUDA leaves undefined does not pass unseen in the kernel runner.
//
// Divergent barriers, wrong masks, products without all lanes, copies that nobody waits for: each
// ends the program with a line that says so. And under ThreadSanitizer, only what orders memory on
// a GPU orders it here.
#include "tests/gpuhost/gpuhost_fixture.h"

namespace {

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
__global__ void one_thread_does_not_wait() {
    if (threadIdx.x == 3) return;
    wait_for_kernel_before();
}
__global__ void own_lane_not_in_mask() { __syncwarp(0xfffffffeu); }
__global__ void masks_differ() { __syncwarp(threadIdx.x == 0 ? 0x3u : ~0u); }
__global__ void too_large_shared_array() {
    GPU_SHARED(double, values, [2][4000]);
    values[0][0] = 0.0;
}

TEST_F(GpuHostDeathTest, BarriersInDivergentBranchesAbort) {
    EXPECT_DEATH(launch_kernel_of(64, wait_at_two_barriers),
                 "block \\(0,0,0\\): thread \\(0,0,0\\) at .*test_undefined.cpp:[0-9]+ and thread "
                 "\\(32,0,0\\) at .*test_undefined.cpp:[0-9]+ meet at different barriers");
}

TEST_F(GpuHostDeathTest, AThreadThatEndsBeforeTheBarrierAborts) {
    EXPECT_DEATH(launch_kernel_of(64, leave_before_the_barrier),
                 "thread \\(0,0,0\\) at .*test_undefined.cpp:[0-9]+ waits for thread \\(5,0,0\\), "
                 "which has ended");
}

TEST_F(GpuHostDeathTest, ADeadlockAborts) {
    EXPECT_DEATH(launch_kernel_of(32, barrier_against_shuffle),
                 "thread \\(0,0,0\\) at .*test_undefined.cpp:[0-9]+ and thread \\(7,0,0\\) at "
                 ".*test_undefined.cpp:[0-9]+ wait for each other");
}

TEST_F(GpuHostDeathTest, AKernelThatStartsEarlyAndDoesNotWaitAborts) {
    EXPECT_DEATH(GPU_CHECK(gpu_launch_early(one_thread_does_not_wait, 2, 32u, 0, nullptr)),
                 "thread \\(3,0,0\\) has not waited for the kernel before");
    launch_kernel_of(32, one_thread_does_not_wait);  // in its turn there is nothing to wait for
}

TEST_F(GpuHostDeathTest, WrongMasksAbort) {
    EXPECT_DEATH(launch_kernel_of(32, own_lane_not_in_mask),
                 "thread \\(0,0,0\\) at .*test_undefined.cpp:[0-9]+ is not in the mask it gives");
    EXPECT_DEATH(launch_kernel_of(32, masks_differ),
                 "thread \\(0,0,0\\) at .*test_undefined.cpp:[0-9]+ waits for lanes that give "
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

struct MmaOperands {
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
__global__ void multiply_bytes() {
    MmaOperands x;
    std::int32_t c[4] = {};
    mma_s8u8(c, x.a, x.b);
}
__global__ void multiply_doubles() {
    MmaOperands x;
    mma_f64(x.c64, x.a64, x.b64);
}

TEST_F(GpuHostDeathTest, AProductWithoutAllLanesOfTheWarpAborts) {
    config().capability = 80;
    launch_kernel_of(64, multiply_all);
    EXPECT_DEATH(launch_kernel_of(32, multiply_in_a_branch),
                 "thread \\(0,0,0\\) at .*test_undefined.cpp:[0-9]+ waits for thread \\(3,0,0\\), "
                 "which has ended");
    EXPECT_DEATH(launch_kernel_of(32, multiply_in_two_branches),
                 "thread \\(0,0,0\\) at .* and thread \\(16,0,0\\) at .* wait for each other");
    EXPECT_DEATH(launch_kernel_of(48, multiply_all),
                 "waits for lane 16, which the block does not have");
}

TEST_F(GpuHostDeathTest, AnInstructionThatTheGpuDoesNotHaveAborts) {
    config().capability = 75;
    EXPECT_DEATH(launch_kernel_of(32, multiply_all),
                 "at .*test_undefined.cpp:[0-9]+ calls mma_bf16, which GPUs of compute capability "
                 "7.5 do not have");
    EXPECT_DEATH(launch_kernel_of(32, multiply_bytes),
                 "calls mma_s8u8, which GPUs of compute capability 7.5 do not have");
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
        ".*test_undefined.cpp:[0-9]+";
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
        "at .*test_undefined.cpp:[0-9]+ copies 8 bytes to shared memory that is not aligned");
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

}  // namespace
