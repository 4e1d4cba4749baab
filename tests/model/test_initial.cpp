// test_initial.cpp: the first parameters are drawn as they are said to be, in both types.
#include "model/initial.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>

TEST(InitialParameters, have_the_asked_deviation_and_zero_biases) {
    const Layout layout({400, 300, 10});
    const auto scaled = initial_parameters<double>(layout, 1, 0.01);
    const auto by_inputs = initial_parameters<double>(layout, 1, 0);
    const auto he = initial_parameters<double>(layout, 1, 0, Init::normal, Relu{});
    const auto deviation = [](std::span<const double> w) {
        double squares = 0;
        for (double x : w) squares += x * x;
        return std::sqrt(squares / static_cast<double>(w.size()));
    };
    EXPECT_NEAR(deviation(scaled.weights(1)), 0.01, 0.01 * 5 / std::sqrt(2.0 * 120000));
    EXPECT_NEAR(deviation(by_inputs.weights(1)), 0.05, 0.05 * 5 / std::sqrt(2.0 * 120000));
    EXPECT_NEAR(deviation(by_inputs.weights(2)), 1 / std::sqrt(300.0), 5 / std::sqrt(600.0 * 3000));
    const double of_he = std::sqrt(2.0 / 400);
    EXPECT_NEAR(deviation(he.weights(1)), of_he, of_he * 5 / std::sqrt(2.0 * 120000));
    for (int l : {1, 2})
        for (double b : scaled.bias(l)) EXPECT_EQ(b, 0);
}

TEST(InitialParameters, in_float_are_those_in_double_rounded) {
    const Layout layout({7, 5, 3});
    const auto wide = initial_parameters<double>(layout, 4, 0);
    const auto narrow = initial_parameters<float>(layout, 4, 0);
    for (std::size_t i = 0; i < wide.values.size(); ++i)
        EXPECT_EQ(narrow.values[i], static_cast<float>(wide.values[i]));
}

// What NumPy 1.24 gives for np.random.seed(0); np.random.uniform(size=...) in turn for (4, 3),
// (1, 3), (3, 1) and (1, 1): the first two and the last weight of a layer, and so on.
TEST(InitialParameters, uniform_are_those_of_numpys_legacy_generator_in_its_order) {
    const auto p = initial_parameters<double>(Layout({4, 3, 1}), 0, 0.1, Init::uniform);
    EXPECT_EQ(p.weights(1)[0], 0x1.18fe1565f12a8p-1);
    EXPECT_EQ(p.weights(1)[1], 0x1.6e2d4cf608733p-1);
    EXPECT_EQ(p.weights(1)[11], 0x1.0ecb509eb7f22p-1);
    EXPECT_EQ(p.bias(1)[0], 0x1.22d6bc992362dp-1);
    EXPECT_EQ(p.weights(2)[2], 0x1.aa4d25fd4207bp-1);
    EXPECT_EQ(p.bias(2)[0], 0x1.8e6a8fc8fb81dp-1);
    const auto last = initial_parameters<double>(Layout({2, 1}), 4294967295, 0, Init::uniform);
    EXPECT_EQ(last.weights(1)[1], 0x1.d323d824032b1p-1) << "the largest seed that NumPy takes";
}

/// Five standard errors of a uniform deviate's variance, a^2/3, which are sqrt(4/45 / n) a^2 each.
TEST(InitialParameters, xavier_fill_an_interval_by_a_layers_inputs_and_outputs_with_zero_biases) {
    const Layout layout({400, 300, 10});
    const auto p = initial_parameters<double>(layout, 1, 0.1, Init::xavier);
    for (int l : {1, 2}) {
        const double a = std::sqrt(6.0 / (layout.size(l - 1) + layout.size(l)));
        const double n = static_cast<double>(layout.weights(l));
        double squares = 0, largest = 0;
        for (double w : p.weights(l)) {
            squares += w * w;
            largest = std::max(largest, std::abs(w));
        }
        EXPECT_LE(largest, a);
        EXPECT_GT(largest, 0.99 * a);
        EXPECT_NEAR(squares / n, a * a / 3, 5 * std::sqrt(4.0 / 45 / n) * a * a);
        for (double b : p.bias(l)) EXPECT_EQ(b, 0);
    }
}
