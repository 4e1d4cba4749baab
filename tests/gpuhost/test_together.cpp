// test_together.cpp: what the kernel runner does with blocks that are resident together.
//
// They see what others publish, late and in any order, and nothing else of each other; and what a
// GPU would refuse, or wait for without end, ends with an error.
#include <memory>

#include "tests/gpuhost/gpuhost_fixture.h"

namespace {

struct alignas(16) Word {
    unsigned value, unused[2], round;
};
constexpr unsigned blocks = 4;

/// In each round every block publishes a number and adds up all blocks'. The halves of `words` take
/// turns.
__global__ void add_up(Word* words, unsigned rounds, unsigned* sums, long long most_cycles) {
    unsigned sum = 0;
    for (unsigned round = 1; round <= rounds; ++round) {
        Word* const half = words + round % 2 * blocks;
        if (threadIdx.x == 0) publish(half + blockIdx.x, {round * (blockIdx.x + 1), {}, round});
        const long long began = cycles_now();
        Word word = look_at(half + threadIdx.x);
        bool late = false;
        for (; word.round != round && !late; word = look_at(half + threadIdx.x)) {
            wait_for_others();
            late = cycles_now() - began > most_cycles;
        }
        if (__syncthreads_or(late)) return;
        sum += word.value;
    }
    sums[blockIdx.x * blocks + threadIdx.x] = sum;
}

class Together : public GpuHost {
  protected:
    void SetUp() override {
        GpuHost::SetUp();
        words_ = std::make_unique<OnDevice<Word>>(std::size_t{2} * blocks);
        zero_words();
    }
    void TearDown() override {
        words_.reset();
        GpuHost::TearDown();
    }
    void zero_words() const { words_->set(std::vector<Word>(2 * blocks)); }
    std::vector<unsigned> sums(unsigned rounds, long long most_cycles) {
        OnDevice<unsigned> out(std::size_t{blocks} * blocks);
        GPU_CHECK(gpu_launch_together(add_up, blocks, blocks, 0, nullptr, words_->get(), rounds,
                                      out.get(), most_cycles));
        return out.values();
    }
    std::unique_ptr<OnDevice<Word>> words_;
};
using TogetherDeathTest = Together;

constexpr long long a_while = 1'000'000'000;

TEST_F(Together, BlocksSeeWhatOthersPublishInEveryOrder) {
    std::vector<unsigned> expected;
    for (unsigned b = 0; b < blocks; ++b)
        for (unsigned t = 0; t < blocks; ++t) expected.push_back((t + 1) * 15);
    for (const Order order : every_order)
        for (config().seed = 1; config().seed < 10; ++config().seed) {
            config().order = order;
            zero_words();
            EXPECT_EQ(sums(5, a_while), expected) << name(order) << ", " << config().seed;
        }
}

TEST_F(Together, WhoWaitsInVainSeesTheClockGoOn) {
    config().silent_block = 2;
    for (const Order order : every_order) {
        config().order = order;
        EXPECT_EQ(sums(5, 30 * a_while), std::vector<unsigned>(blocks * blocks, ~0u));
    }
}

TEST_F(TogetherDeathTest, WhoWaitsInVainAndCountsNoCyclesEndsTheProgram) {
    config().silent_block = 2;
    EXPECT_DEATH(sums(5, 1'000'000 * a_while), "cycles_now");
}

__global__ void look_plainly(Word* words, unsigned* seen) {
    publish(words, {5, {}, 1});
    for (int i = 0; look_at(words).round != 1; ++i) wait_for_others();
    *seen = words->value;
}
TEST_F(Together, APlainLoadSeesNothingOfWhatWasPublished) {
    OnDevice<unsigned> seen(1);
    GPU_CHECK(gpu_launch_together(look_plainly, 1, 1, 0, nullptr, words_->get(), seen.get()));
    EXPECT_EQ(seen.values()[0], ~0u) << "as from a stale line of L1";
    EXPECT_EQ(words_->values()[0].value, 5u) << "after the kernel it is there";
}

__global__ void publish_twice(Word* words, unsigned* flaws) {
    if (blockIdx.x == 0) {
        publish(words, {1, {}, 1});
        publish(words, {2, {}, 2});
        return;
    }
    unsigned last = 0;
    while (last < 2) {
        const unsigned round = look_at(words).round;
        if (round < last) ++*flaws;
        last = round;
        wait_for_others();
    }
}
TEST_F(Together, WordsAtOnePlaceArriveInTheirOrder) {
    config().order = Order::random;
    OnDevice<unsigned> flaws(1);
    for (config().seed = 1; config().seed < 30; ++config().seed) {
        flaws.set({0});
        zero_words();
        GPU_CHECK(gpu_launch_together(publish_twice, 2, 1, 0, nullptr, words_->get(), flaws.get()));
        EXPECT_EQ(flaws.values()[0], 0u) << config().seed;
    }
}

__global__ void show_dynamic(float* out, int count) {
    GPU_DYNAMIC_SHARED(bytes);
    const auto* const values = reinterpret_cast<const float*>(bytes);
    for (int i = 0; i < count; ++i) out[i] = values[i];
}
TEST_F(Together, DynamicSharedMemoryStartsAsNaNAndIsAsLargeAsWasTold) {
    config().capability = 90;
    OnDevice<float> out(16 * 1024);
    const auto launch = [&](std::size_t bytes) {
        const cudaError_t status = gpu_launch_together(
            show_dynamic, 1, 1, bytes, nullptr, out.get(), static_cast<int>(bytes / sizeof(float)));
        cudaGetLastError();
        return status;
    };
    ASSERT_EQ(launch(64), cudaSuccess);
    for (int i = 0; i < 16; ++i) EXPECT_NE(out.values()[static_cast<std::size_t>(i)], 0.0f);
    EXPECT_EQ(launch(60'000), cudaErrorInvalidValue) << "nobody told that it needs so much";
    ASSERT_EQ(
        cudaFuncSetAttribute(show_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 60'000),
        cudaSuccess);
    EXPECT_EQ(launch(60'000), cudaSuccess);
    EXPECT_EQ(
        cudaFuncSetAttribute(show_dynamic, cudaFuncAttributeMaxDynamicSharedMemorySize, 228 * 1024),
        cudaErrorInvalidValue)
        << "more than a block of 9.0 may have";
    cudaGetLastError();
}

TEST_F(Together, MoreBlocksThanAreResidentAreRefused) {
    config().multiprocessors = 3;
    OnDevice<unsigned> out(16);
    EXPECT_EQ(gpu_launch_together(add_up, blocks, blocks, 0, nullptr, words_->get(), 1u, out.get(),
                                  a_while),
              cudaErrorCooperativeLaunchTooLarge);
    cudaGetLastError();
}

TEST_F(TogetherDeathTest, BlocksThatMayNotBeResidentMustNotWait) {
    OnDevice<unsigned> out(16);
    EXPECT_DEATH(GPU_CHECK(gpu_launch(add_up, blocks, blocks, 0, nullptr, words_->get(), 1u,
                                      out.get(), a_while)),
                 "gpu_launch_together");
}

}  // namespace
