// test_random.cpp: random numbers are the same everywhere, and random.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

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
