// test_cpu_samples.cpp: the samples that are current are those that were asked for, whichever set
// they come from, and stay so while the next ones are written.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "device/cpu/samples.h"

namespace {

constexpr std::size_t inputs = 3, targets = 2;

/// `count` samples whose bytes are first, first + 1, ...: all of a sample's are its number.
struct Numbered {
    std::vector<std::uint8_t> input_bytes, target_bytes;
    Numbered(int first, int count) {
        for (int s = first; s < first + count; ++s) {
            input_bytes.insert(input_bytes.end(), inputs, static_cast<std::uint8_t>(s));
            target_bytes.insert(target_bytes.end(), targets, static_cast<std::uint8_t>(s));
        }
    }
    SampleBytes bytes() const { return {input_bytes, target_bytes}; }
};

/// The numbers of the current samples; -1 where a sample's bytes are not all of one number.
std::vector<int> current(const CpuSamples& samples) {
    std::vector<int> numbers;
    for (int j = 0; j < samples.shard().count; ++j) {
        const int number = samples.input(j)[0];
        const auto same = [number](std::uint8_t byte) { return byte == number; };
        const bool whole = std::all_of(samples.input(j), samples.input(j) + inputs, same) &&
                           std::all_of(samples.target(j), samples.target(j) + targets, same);
        numbers.push_back(whole ? number : -1);
    }
    return numbers;
}
using Numbers = std::vector<int>;

TEST(CpuSamples, OfTheTrainingSetFollowItsOrderAndTheFilesUntilThereIsOne) {
    CpuSamples samples(inputs, targets);
    ASSERT_TRUE(samples.keep(Role::train, Numbered(0, 5).bytes()));
    samples.select(Role::train, 1, 3);
    EXPECT_EQ(current(samples), (Numbers{1, 2, 3}));
    samples.set_order(std::vector<std::uint32_t>{4, 2, 0, 3, 1});
    samples.select(Role::train, 1, 3);
    EXPECT_EQ(current(samples), (Numbers{2, 0, 3}));
    samples.select(Role::train, 5, 0);
    EXPECT_EQ(current(samples), Numbers{});
    ASSERT_TRUE(samples.keep(Role::train, Numbered(10, 5).bytes()));
    samples.select(Role::train, 0, 2);
    EXPECT_EQ(current(samples), (Numbers{10, 11})) << "the order was the other set's";
}

TEST(CpuSamples, OfEachRoleAreKeptBesideEachOtherAndOnlyTrainingHasAnOrder) {
    CpuSamples samples(inputs, targets);
    samples.keep(Role::train, Numbered(0, 3).bytes());
    samples.keep(Role::held_out, Numbered(20, 3).bytes());
    samples.keep(Role::test, Numbered(30, 3).bytes());
    samples.set_order(std::vector<std::uint32_t>{2, 1, 0});
    samples.select(Role::held_out, 1, 2);
    EXPECT_EQ(current(samples), (Numbers{21, 22}));
    samples.select(Role::test, 0, 3);
    EXPECT_EQ(current(samples), (Numbers{30, 31, 32}));
    samples.select(Role::train, 0, 3);
    EXPECT_EQ(current(samples), (Numbers{2, 1, 0}));
}

/// A shard begins within its mini-batch, which begins within the set.
TEST(CpuSamples, OfAShardAreThoseOfItsPlaceInTheMiniBatch) {
    CpuSamples samples(inputs, targets);
    samples.keep(Role::train, Numbered(0, 10).bytes());
    samples.keep(Role::test, Numbered(30, 10).bytes());
    const auto expect_shard = [&](int first, int count, int of) {
        EXPECT_EQ(samples.shard().first, first);
        EXPECT_EQ(samples.shard().count, count);
        EXPECT_EQ(samples.shard().batch, of);
    };
    samples.select(Role::train, 2, {3, 2, 8});
    EXPECT_EQ(current(samples), (Numbers{5, 6}));
    expect_shard(3, 2, 8);
    samples.set_order(std::vector<std::uint32_t>{9, 8, 7, 6, 5, 4, 3, 2, 1, 0});
    samples.select(Role::train, 2, {3, 2, 8});
    EXPECT_EQ(current(samples), (Numbers{4, 3}));
    samples.select(Role::train, 2, {8, 0, 8});
    EXPECT_EQ(current(samples), Numbers{});
    expect_shard(8, 0, 8);
    samples.select(Role::test, 5, {1, 3, 5});
    EXPECT_EQ(current(samples), (Numbers{36, 37, 38}));
    expect_shard(1, 3, 5);
    const Numbered next(60, 2);  // what another rank sends has this rank's samples alone
    const Staging staging = samples.stage({4, 2, 6});
    ASSERT_EQ(staging.inputs.size(), next.input_bytes.size());
    expect_shard(1, 3, 5);
    std::ranges::copy(next.input_bytes, staging.inputs.begin());
    std::ranges::copy(next.target_bytes, staging.targets.begin());
    samples.arrived();
    EXPECT_EQ(current(samples), (Numbers{60, 61}));
    expect_shard(4, 2, 6);
}

TEST(CpuSamples, ThatArrivedStayCurrentWhileTheNextOnesAreWritten) {
    CpuSamples samples(inputs, targets);
    for (int round = 0; round < 5; ++round) {
        const int count = round == 2 ? 0 : 2 + round % 2;
        const Numbers before = current(samples);
        const Numbered next(10 * round, count);
        const Staging staging = samples.stage(count);
        ASSERT_EQ(staging.inputs.size(), next.input_bytes.size());
        ASSERT_EQ(staging.targets.size(), next.target_bytes.size());
        std::ranges::copy(next.input_bytes, staging.inputs.begin());
        std::ranges::copy(next.target_bytes, staging.targets.begin());
        EXPECT_EQ(current(samples), before) << "round " << round;
        samples.arrived();
        Numbers expected(static_cast<std::size_t>(count));
        std::iota(expected.begin(), expected.end(), 10 * round);
        EXPECT_EQ(current(samples), expected) << "round " << round;
    }
}

}  // namespace
