// test_random.cpp: random numbers are the same everywhere, and random.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"
#include "neural_network.h"

// The first outputs of xoshiro256++ from splitmix64(42), computed by an independent program.
TEST(Rng, bits_are_those_of_xoshiro256pp_seeded_by_splitmix64) {
    Rng rng(42);
    const std::uint64_t expected[] = {0xd0764d4f4476689fu, 0x519e4174576f3791u, 0xfbe07cfb0c24ed8cu,
                                      0xb37d9f600cd835b8u};
    for (std::uint64_t e : expected) EXPECT_EQ(rng.bits(), e);
}

// Bit patterns, so that a libm or a compiler that rounds otherwise shows.
TEST(Rng, normal_deviates_have_the_same_bits_on_every_machine) {
    Rng rng(1);
    const double expected[] = {0x1.7fe2b6e80acbfp-1, -0x1.b4f02841c1196p-2, -0x1.3f7ed083decfap+0,
                               0x1.4652ec32968b3p-2};
    for (double e : expected) EXPECT_EQ(rng.normal(), e);
}

TEST(Rng, normal_deviates_have_the_moments_and_tails_of_the_normal_distribution) {
    Rng rng(3);
    constexpr int n = 1000000;
    double sum = 0, squares = 0, fourth = 0;
    int beyond_two = 0;
    for (int i = 0; i < n; ++i) {
        const double x = rng.normal();
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
        beyond_two += std::abs(x) > 2;
    }
    // Five standard errors: sqrt(1/n), sqrt(2/n), sqrt(96/n), sqrt(p (1-p) / n) with p = 0.0455003.
    EXPECT_NEAR(sum / n, 0, 5 * std::sqrt(1.0 / n));
    EXPECT_NEAR(squares / n, 1, 5 * std::sqrt(2.0 / n));
    EXPECT_NEAR(fourth / n, 3, 5 * std::sqrt(96.0 / n));
    EXPECT_NEAR(beyond_two / double{n}, 0.0455003, 5 * std::sqrt(0.0455003 * 0.9544997 / n));
}

TEST(Rng, below_stays_below_and_reaches_every_value_evenly) {
    Rng rng(5);
    int seen[7] = {};
    for (int i = 0; i < 70000; ++i) {
        const std::uint64_t draw = rng.below(7);
        ASSERT_LT(draw, 7u);
        ++seen[draw];
    }
    for (int count : seen) EXPECT_NEAR(count, 10000, 5 * std::sqrt(70000.0 * 6 / 49));
    EXPECT_EQ(rng.below(1), 0u);
}

TEST(Rng, streams_and_seeds_differ) {
    EXPECT_NE(Rng(1, 0).bits(), Rng(1, 1).bits());
    EXPECT_NE(Rng(1, 0).bits(), Rng(2, 0).bits());
}

TEST(SampleOrder, is_the_files_order_unless_shuffled) {
    const auto order = sample_order(5, 0, {.shuffled = false});
    EXPECT_EQ(order, (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
}

TEST(SampleOrder, shuffled_is_a_permutation_that_changes_with_epoch_and_seed_alone) {
    const Training training{.shuffled = true, .seed = 9};
    auto order = sample_order(1000, 3, training);
    EXPECT_EQ(order, sample_order(1000, 3, training));
    EXPECT_NE(order, sample_order(1000, 4, training));
    EXPECT_NE(order, sample_order(1000, 3, {.shuffled = true, .seed = 10}));
    std::ranges::sort(order);
    std::vector<std::uint32_t> all(1000);
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(order, all);
}

TEST(InitialParameters, have_the_asked_deviation_and_zero_biases) {
    const Layout layout({400, 300, 10});
    const auto scaled = initial_parameters<double>(layout, 1, 0.01);
    const auto by_inputs = initial_parameters<double>(layout, 1, 0);
    const auto deviation = [](std::span<const double> w) {
        double squares = 0;
        for (double x : w) squares += x * x;
        return std::sqrt(squares / static_cast<double>(w.size()));
    };
    EXPECT_NEAR(deviation(scaled.weights(1)), 0.01, 0.01 * 5 / std::sqrt(2.0 * 120000));
    EXPECT_NEAR(deviation(by_inputs.weights(1)), 0.05, 0.05 * 5 / std::sqrt(2.0 * 120000));
    EXPECT_NEAR(deviation(by_inputs.weights(2)), 1 / std::sqrt(300.0), 5 / std::sqrt(600.0 * 3000));
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
