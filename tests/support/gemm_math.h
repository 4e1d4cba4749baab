// gemm_math.h: checks of a matrix product: its result, its sizes, and NaN and infinity.
//
// The kernels and the CPU's products share these cases and checks. The tolerance is that of
// judge.h.
#pragma once
#include <array>

#include "tests/support/numbers.h"
#include "train/judge.h"

struct GemmCase {
    bool a_transposed, b_transposed;
    int m, n, k;
    nn_real alpha, beta;

    std::string text() const {
        std::ostringstream out;
        out << "C (" << m << " x " << n << ") = " << alpha << (a_transposed ? " A^T" : " A")
            << (b_transposed ? " B^T" : " B") << " + " << beta << " C, k = " << k;
        return out.str();
    }
};

struct GemmInputs {
    Reals a, b, c;
};

inline GemmInputs random_gemm(const GemmCase& g, Rng& rng) {
    return {normal_values(elements(g.m, g.k), rng), normal_values(elements(g.k, g.n), rng),
            normal_values(elements(g.m, g.n), rng)};
}

/// All four transpose pairs of the given sizes. (alpha, beta) goes through every pair of {0, 1,
/// other}, so that each size gets four pairs and each pair many sizes.
inline std::vector<GemmCase> gemm_cases(const std::vector<std::array<int, 3>>& sizes) {
    static constexpr nn_real alphas[] = {1, static_cast<nn_real>(-1.7), 0};
    static constexpr nn_real betas[] = {0, static_cast<nn_real>(0.3), 1};
    std::vector<GemmCase> cases;
    for (const auto& [m, n, k] : sizes)
        for (const bool ta : {false, true})
            for (const bool tb : {false, true}) {
                const std::size_t pair = cases.size() % 9;
                cases.push_back({ta, tb, m, n, k, alphas[pair / 3], betas[pair % 3]});
            }
    return cases;
}

/// Sizes around the edges of tiles and vectors.
inline constexpr int edges[] = {1, 2, 15, 16, 17, 31, 33, 63, 65, 127, 129};

/// Each edge as m, n and k, with odd numbers for the others.
inline std::vector<std::array<int, 3>> edge_sizes() {
    std::vector<std::array<int, 3>> sizes{{37, 41, 53}, {37, 53, 41}, {41, 37, 43}};
    for (const int s : edges)
        for (const auto& size :
             {std::array{s, 19, 35}, std::array{35, s, 19}, std::array{19, 35, s}})
            sizes.push_back(size);
    return sizes;
}

/// Each edge as all three.
inline std::vector<std::array<int, 3>> cube_sizes() {
    std::vector<std::array<int, 3>> sizes;
    for (const int s : edges) sizes.push_back({s, s, s});
    return sizes;
}

/// Sizes whose every line is a whole number of 16-byte packs.
inline std::vector<std::array<int, 3>> pack_sizes() {
    return {{4, 4, 4},    {8, 12, 20},   {64, 64, 32},  {36, 68, 20},
            {12, 132, 4}, {132, 12, 36}, {128, 128, 8}, {132, 136, 12}};
}

/// Runs gemm(case, a, b, c) on guarded arrays; with beta 0, C starts as NaN.
template <class Memory, class Gemm>
Reals run_gemm(const GemmCase& g, const GemmInputs& in, Gemm&& gemm, std::size_t shift = 0) {
    const Guarded<nn_real, Memory> a("A", in.a, shift), b("B", in.b, shift);
    Guarded<nn_real, Memory> c("C", g.beta == 0 ? poison<nn_real>(in.c.size()) : in.c, shift);
    gemm(g, a.data(), b.data(), c.output());
    return c.values();
}

/// Checks that c is right but for rounding. The check gets A by rows and B by columns, which it
/// reads many times faster.
inline testing::AssertionResult judged(const GemmCase& g, const GemmInputs& in, const Reals& c) {
    const Reals a = g.a_transposed ? in.a : transpose(in.a, g.m, g.k);
    const Reals b = g.b_transposed ? transpose(in.b, g.n, g.k) : in.b;
    const GemmVerdict verdict = judge_gemm(true, false, g.m, g.n, g.k, g.alpha, a.data(), b.data(),
                                           g.beta, in.c.data(), c.data());
    if (verdict.right()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << verdict.text() << " in " << g.text();
}

/// Sums of products of small whole numbers are exact.
template <class Memory, class Gemm>
void check_gemm_on_integers(Gemm&& gemm) {
    Rng rng(12);
    for (GemmCase g : gemm_cases({{37, 41, 53}, {33, 65, 129}, {64, 68, 36}, {1, 129, 2}})) {
        SCOPED_TRACE(g.text());
        g.alpha = std::round(2 * g.alpha);
        g.beta = std::round(10 * g.beta);
        const GemmInputs in{small_integers(elements(g.m, g.k), rng),
                            small_integers(elements(g.k, g.n), rng),
                            small_integers(elements(g.m, g.n), rng)};
        Expected expected{g.m, {}, {}};
        for (int j = 0; j < g.n; ++j)
            for (int i = 0; i < g.m; ++i) {
                Wide sum = 0;
                for (int p = 0; p < g.k; ++p)
                    sum += static_cast<Wide>(in.a[g.a_transposed ? at(p, i, g.k) : at(i, p, g.m)]) *
                           in.b[g.b_transposed ? at(j, p, g.n) : at(p, j, g.k)];
                expected.add(g.alpha * sum + g.beta * in.c[at(i, j, g.m)], 0);
            }
        EXPECT_TRUE(within("C", run_gemm<Memory>(g, in, gemm), expected));
    }
}

/// A NaN or an infinity in A makes its row of C not finite; in B, its column; in C, its element.
/// All other elements stay finite.
template <class Memory, class Gemm>
void check_gemm_keeps(char where, nn_real bad, const GemmCase& g, Gemm&& gemm) {
    SCOPED_TRACE(g.text() + ", " + std::to_string(bad) + " in " + where);
    Rng rng(13);
    GemmInputs in = random_gemm(g, rng);
    const int row = g.m - 1, col = g.n / 2, p = g.k - 1;
    if (where == 'A') in.a[g.a_transposed ? at(p, row, g.k) : at(row, p, g.m)] = bad;
    if (where == 'B') in.b[g.b_transposed ? at(col, p, g.n) : at(p, col, g.k)] = bad;
    if (where == 'C') in.c[at(row, col, g.m)] = bad;
    const Reals c = run_gemm<Memory>(g, in, gemm);
    for (int j = 0; j < g.n; ++j)
        for (int i = 0; i < g.m; ++i) {
            const bool reached = (where == 'B' || i == row) && (where == 'A' || j == col);
            EXPECT_EQ(std::isfinite(c[at(i, j, g.m)]), !reached)
                << "C(" << i << "," << j << ") = " << c[at(i, j, g.m)];
        }
}

template <class Memory, class Gemm>
void check_gemm_keeps_nan(Gemm&& gemm) {
    for (const bool ta : {false, true})
        for (const bool tb : {false, true})
            for (const auto& [m, n, k] : {std::array{35, 36, 21}, std::array{36, 40, 24}})
                for (const nn_real bad : {nan_real, std::numeric_limits<nn_real>::infinity()})
                    for (const char where : {'A', 'B', 'C'}) {
                        const nn_real beta = where == 'C' ? 1 : 0;
                        check_gemm_keeps<Memory>(where, bad, {ta, tb, m, n, k, 1, beta}, gemm);
                    }
}

/// A sum of no products is 0: C = beta C. If beta is 0, C becomes zeros, whatever it held. A C
/// without elements is not touched.
template <class Memory, class Gemm>
void check_gemm_of_nothing(Gemm&& gemm) {
    Rng rng(14);
    for (const GemmCase& g : gemm_cases({{19, 35, 0},
                                         {64, 64, 0},
                                         {0, 7, 5},
                                         {7, 0, 5},
                                         {0, 0, 0},
                                         {0, 0, 3},
                                         {0, 4, 0},
                                         {4, 0, 0}})) {
        SCOPED_TRACE(g.text());
        const GemmInputs in = random_gemm(g, rng);
        Expected expected{g.m, {}, {}};
        for (const nn_real old : in.c) expected.add(static_cast<nn_real>(g.beta * old), 0);
        EXPECT_TRUE(within("C", run_gemm<Memory>(g, in, gemm), expected));
    }
}
