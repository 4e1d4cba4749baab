// test_gpu_first_layer.cpp: where the first layer goes by bf16x3 on a GPU, as far as no constant of
// the model decides it.
#include <gtest/gtest.h>

#include <utility>

#include "base/real.h"
#include "device/gpu/first_layer.h"

namespace {

constexpr std::pair<int, int> large[] = {{1024, 1024}, {2048, 2048}, {4096, 8192}};

/// At the rates of gpu_rates(): three bf16 products against one of float.
constexpr bool in_float = sizeof(nn_real) == sizeof(float);  // in double it never goes by bf16x3

TEST(FirstLayerOnAGpu, OfALargeShapeGoesByTheFasterUnits) {
    for (const auto& [size, n] : large) {
        EXPECT_EQ(gpu_gains_by_bf16x3(132, 90, size, 784, n), in_float) << "1185 / 3 against 128";
        EXPECT_EQ(gpu_gains_by_bf16x3(108, 80, size, 784, n), in_float) << "1024 / 3 against 64";
        EXPECT_FALSE(gpu_gains_by_bf16x3(82, 86, size, 784, n)) << "256 / 3 against 128";
        EXPECT_FALSE(gpu_gains_by_bf16x3(128, 89, size, 784, n)) << "256 / 3 against 128";
    }
}

TEST(FirstLayerOnAGpu, HasNoBf16Before80) {
    for (const int n : {1, 24, 800, 8192})
        EXPECT_FALSE(gpu_gains_by_bf16x3(40, 75, 200, 784, n)) << n << " samples";
}

}  // namespace
