// test_loss_scale.cpp: how the scale moves, and what it saves.
#include "train/loss_scale.h"

#include <gtest/gtest.h>

#include "neural_network.h"

namespace {

constexpr LossScaling dynamic{.is_dynamic = true};

TEST(LossScale, IsOneAndOffWithoutScaling) {
    const LossScale none({}, {});
    EXPECT_FALSE(none.is_on());
    EXPECT_EQ(none.value(), 1);
}

TEST(LossScale, HalvesAfterAGradientThatIsNotFiniteButNotBelowOne) {
    LossScale scale(dynamic, {4, 1999, 0});
    EXPECT_FALSE(scale.takes(false));
    EXPECT_EQ(scale.state(), (LossScaleState{2, 0, 1}));
    EXPECT_FALSE(scale.takes(false));
    EXPECT_FALSE(scale.takes(false));
    EXPECT_EQ(scale.state(), (LossScaleState{1, 0, 3}));
}

TEST(LossScale, DoublesAfter2000GoodStepsInARowUpToItsLimit) {
    LossScale scale(dynamic, {});
    EXPECT_EQ(scale.value(), 65536);
    for (int step = 0; step < 2000; ++step) EXPECT_TRUE(scale.takes(true));
    EXPECT_EQ(scale.state(), (LossScaleState{131072, 0, 0}));
    LossScale largest(dynamic, {16777216, 1999, 5});
    EXPECT_TRUE(largest.takes(true));
    EXPECT_EQ(largest.state(), (LossScaleState{16777216, 0, 5}));
}

TEST(LossScale, ThatIsFixedOnlyCountsTheStepsThatItLost) {
    LossScale scale({.is_dynamic = false, .fixed = 1024}, {});
    EXPECT_TRUE(scale.takes(true));
    EXPECT_FALSE(scale.takes(false));
    EXPECT_EQ(scale.state(), (LossScaleState{1024, 0, 1}));
}

/// A network that is nearly sure, on many samples: a delta is about 1e-5 / 1000, and fp16 has
/// nothing below 6e-8.
TEST(LossScale, KeepsTheGradientThatFp16WouldLose) {
    Parameters<nn_real> sure(Layout({1, 2}));
    sure.bias(1)[0] = static_cast<nn_real>(11.5);
    const Matrix x(1, 1000);
    Matrix y(2, 1000);
    for (int j = 0; j < y.cols; ++j) y(0, j) = 1;
    const auto gradient_of_bias = [&](double scale) {
        NeuralNetwork net(sure, {}, {}, Precision::fp16);
        net.set_loss_scale(scale);
        net.forward(x);
        return net.backward(y, 0).bias(1)[1];
    };
    EXPECT_EQ(gradient_of_bias(1), 0);
    // exp(-11.5), up to fp16's 11 bits.
    EXPECT_NEAR(gradient_of_bias(65536), std::exp(-11.5), std::exp(-11.5) / 1024);
}

}  // namespace
