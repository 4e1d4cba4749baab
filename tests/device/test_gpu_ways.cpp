// test_gpu_ways.cpp: that the benchmark shows a library's way to multiply only under its own name.
#include <gtest/gtest.h>

#include <vector>

#include "bench/gpu_ways.h"

namespace {

using Ways = std::vector<int>;
using Answer = std::vector<float>;

TEST(GpuWays, ThatGiveThePlainBitsAreLeftOut) {
    const auto answer = [](int way) { return Answer{1, way == 2 ? 1.0f : 1.25f}; };
    EXPECT_EQ(ways_of_their_own({0, 1, 2, 3}, answer), (Ways{0, 2}));
}

TEST(GpuWays, OfEqualNumbersAreTheirOwnIfTheBitsDiffer) {
    const auto answer = [](int way) { return Answer{way == 0 ? 0.0f : -0.0f}; };
    EXPECT_EQ(ways_of_their_own({0, 1}, answer), (Ways{0, 1}));
}

TEST(GpuWays, ThatTheLibraryDoesNotHaveAreLeftOut) {
    const auto answer = [](int way) {
        return way == 1 ? Answer{} : Answer{static_cast<float>(way)};
    };
    EXPECT_EQ(ways_of_their_own({0, 1, 2}, answer), (Ways{0, 2}));
    EXPECT_EQ(ways_of_their_own({1, 0, 2}, answer), Ways{}) << "without the plain one";
}

}  // namespace
