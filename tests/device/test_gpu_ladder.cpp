// test_gpu_ladder.cpp: every rung of the benchmark's ladder multiplies right, at any size.
//
// What teaches has to be correct. Sizes are odd, one off a tile's edge, and whole packs; outputs
// start as NaN between guards; whole numbers have to match exactly, the rest within judge.h's
// bound; and every order of the threads gives the same bits.
#include <string>

#include "bench/gpu_ladder.h"
#include "tests/support/kernel_fixture.h"

namespace {

class Ladder : public Kernels {};

std::string size_text(int m, int n, int k) {
    return std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
}

/// The result of one rung; `shift` moves A and B away from multiples of 16 bytes.
Reals product(const LadderRung& rung, int m, int n, int k, const Reals& a_values,
              const Reals& b_values, std::size_t shift = 0) {
    const OnDevice<nn_real> a("A", a_values, shift), b("B", b_values, shift);
    OnDevice<nn_real> c("C", poison<nn_real>(elements(m, n)));
    rung.multiply(gpu, m, n, k, a.data(), b.data(), c.output());
    return c.values();
}

TEST_F(Ladder, EveryRungMultipliesWithinTheJudgesBound) {
    constexpr int sizes[][3] = {{1, 1, 1},   {3, 5, 7},      {31, 33, 9},    {32, 8, 32},
                                {65, 1, 40}, {128, 128, 16}, {129, 130, 17}, {12, 140, 24}};
    Rng rng(11);
    for (const auto& [m, n, k] : sizes) {
        const Reals a = normal_values(elements(m, k), rng), b = normal_values(elements(k, n), rng);
        for (const LadderRung& rung : ladder()) {
            SCOPED_TRACE(std::string(rung.name) + ", " + size_text(m, n, k));
            const Reals c = product(rung, m, n, k, a, b);
            const GemmVerdict verdict =
                judge_gemm(false, false, m, n, k, 1, a.data(), b.data(), 0, nullptr, c.data());
            EXPECT_TRUE(verdict.right()) << verdict.text();
        }
    }
}

TEST_F(Ladder, WholeNumbersAreMultipliedExactly) {
    constexpr int m = 132, n = 36, k = 20;
    Rng rng(12);
    const Reals a = small_integers(elements(m, k), rng), b = small_integers(elements(k, n), rng);
    const Reals expected = product(ladder().front(), m, n, k, a, b);
    for (int i = 0; i < m; ++i) {  // the first rung against plain sums, the others against it
        nn_real sum = 0;
        for (int p = 0; p < k; ++p) sum += a[at(i, p, m)] * b[at(p, 0, k)];
        ASSERT_EQ(expected[at(i, 0, m)], sum) << "naive, C(" << i << ",0)";
    }
    for (const LadderRung& rung : ladder().subspan(1)) {
        EXPECT_TRUE(same_bits(rung.name, product(rung, m, n, k, a, b), expected));
        EXPECT_TRUE(same_bits(std::string(rung.name) + ", not on 16 bytes",
                              product(rung, m, n, k, a, b, 1), expected));
    }
}

TEST_F(Ladder, SumsOfNothingAreZeroAndNothingIsWrittenForEmptyMatrices) {
    for (const LadderRung& rung : ladder()) {
        SCOPED_TRACE(rung.name);
        EXPECT_TRUE(same_bits("C", product(rung, 3, 2, 0, {}, {}), Reals(6)));
        EXPECT_TRUE(product(rung, 0, 2, 1, {}, {1, 2}).empty());
        EXPECT_TRUE(product(rung, 2, 0, 1, {1, 2}, {}).empty());
    }
}

TEST_F(Ladder, ResultsDoNotDependOnTheOrderOfThreads) {
    constexpr int m = 66, n = 35, k = 18;
    Rng rng(13);
    const Reals a = normal_values(elements(m, k), rng), b = normal_values(elements(k, n), rng);
    for (const LadderRung& rung : ladder()) {
        const Reals expected = product(rung, m, n, k, a, b);
        in_every_order([&](const std::string& order) {
            EXPECT_TRUE(same_bits(std::string(rung.name) + ", " + order,
                                  product(rung, m, n, k, a, b), expected));
        });
    }
}

}  // namespace
