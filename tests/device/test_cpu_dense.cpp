// test_cpu_dense.cpp: what device/cpu/dense.h promises, of the library that this build has.
//
// In float that is oneDNN, which finds the processor's instructions by itself; in double Eigen,
// compiled for several instruction sets, of which each one is tried that the processor runs. Every
// case goes once with packed matrices and once with leading dimensions larger than they need be.
#include "device/cpu/dense.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "tests/support/gemm_math.h"
#include "tests/support/host_memory.h"

decltype(cpu_gemm) cpu_gemm_baseline, cpu_gemm_avx2, cpu_gemm_avx512;

namespace {

struct Library {
    const char* name;
    decltype(&cpu_gemm) gemm;
};

/// A template, so that the build in float does not look for Eigen's.
template <class Real>
std::vector<Library> libraries() {
    std::vector<Library> all{{"chosen", cpu_gemm}};
    if constexpr (std::is_same_v<Real, double>) {
        all.push_back({"baseline", cpu_gemm_baseline});
#ifdef CPU_HAS_X86_ISAS
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            all.push_back({"avx2", cpu_gemm_avx2});
        if (__builtin_cpu_supports("x86-64-v4")) all.push_back({"avx512", cpu_gemm_avx512});
#endif
    }
    return all;
}

/// x (rows x cols) with `more` rows of NaN below.
Reals with_more_rows(const nn_real* x, int rows, int cols, int more) {
    Reals y = poison<nn_real>(elements(rows + more, cols));
    for (int j = 0; j < cols; ++j)
        for (int i = 0; i < rows; ++i) y[at(i, j, rows + more)] = x[at(i, j, rows)];
    return y;
}

class CpuGemm : public testing::TestWithParam<Library> {
  protected:
    /// As the checks call it; all three matrices have `more` rows of NaN in between, which have to
    /// stay as they are.
    auto gemm(int more = 0) const {
        return [more](const GemmCase& g, const nn_real* a, const nn_real* b, nn_real* c) {
            const auto op = [](bool transposed) {
                return transposed ? Transpose::yes : Transpose::no;
            };
            const int a_rows = g.a_transposed ? g.k : g.m, a_cols = g.a_transposed ? g.m : g.k;
            const int b_rows = g.b_transposed ? g.n : g.k, b_cols = g.b_transposed ? g.k : g.n;
            const auto product = GetParam().gemm;
            if (more == 0)
                return product(op(g.a_transposed), op(g.b_transposed), g.m, g.n, g.k, g.alpha, a,
                               a_rows, b, b_rows, g.beta, c, g.m);
            const OnHost<nn_real> wide_a("A", with_more_rows(a, a_rows, a_cols, more)),
                wide_b("B", with_more_rows(b, b_rows, b_cols, more));
            OnHost<nn_real> wide_c("C", with_more_rows(c, g.m, g.n, more));
            product(op(g.a_transposed), op(g.b_transposed), g.m, g.n, g.k, g.alpha, wide_a.data(),
                    a_rows + more, wide_b.data(), b_rows + more, g.beta, wide_c.output(),
                    g.m + more);
            const Reals after = wide_c.values();
            for (int j = 0; j < g.n; ++j)
                for (int i = 0; i < g.m; ++i) c[at(i, j, g.m)] = after[at(i, j, g.m + more)];
            EXPECT_TRUE(same_bits("C with its leading dimension", after,
                                  with_more_rows(c, g.m, g.n, more)));
        };
    }
    void check_gemm(const std::vector<GemmCase>& cases) const {
        Rng rng(1);
        for (const GemmCase& g : cases) {
            const GemmInputs in = random_gemm(g, rng);
            for (const std::size_t shift : {0, 1}) {
                SCOPED_TRACE("moved by " + std::to_string(shift));
                EXPECT_TRUE(judged(g, in, run_gemm<HostMemory>(g, in, gemm(), shift)));
            }
            SCOPED_TRACE("with larger leading dimensions");
            EXPECT_TRUE(judged(g, in, run_gemm<HostMemory>(g, in, gemm(3))));
        }
    }
};

TEST_P(CpuGemm, IsRightAroundEveryEdge) {
    check_gemm(gemm_cases(edge_sizes()));
    check_gemm(gemm_cases(cube_sizes()));
}

TEST_P(CpuGemm, IsRightOnWholePacks) { check_gemm(gemm_cases(pack_sizes())); }

TEST_P(CpuGemm, TakesEveryPairOfScalars) {
    std::vector<GemmCase> cases;
    for (const nn_real alpha : {nn_real{0}, nn_real{1}, static_cast<nn_real>(-2.3)})
        for (const nn_real beta : {nn_real{0}, nn_real{1}, static_cast<nn_real>(0.7)})
            for (const bool ta : {false, true})
                for (const bool tb : {false, true})
                    cases.push_back({ta, tb, 33, 17, 37, alpha, beta});
    check_gemm(cases);
}

TEST_P(CpuGemm, IsRightAtTheCoursesOutputLayerLarge) { check_gemm(gemm_cases({{800, 10, 1000}})); }

TEST_P(CpuGemm, IsRightAtTheCoursesHiddenLayerLarge) {
    Rng rng(2);
    const GemmCase g{false, false, 800, 1000, 784, 2, 5};
    const GemmInputs in = random_gemm(g, rng);
    EXPECT_TRUE(judged(g, in, run_gemm<HostMemory>(g, in, gemm())));
}

TEST_P(CpuGemm, IsExactOnSmallIntegers) {
    check_gemm_on_integers<HostMemory>(gemm());
    check_gemm_on_integers<HostMemory>(gemm(3));
}

TEST_P(CpuGemm, KeepsEveryNaNAndInfinityInItsPlace) {
    check_gemm_keeps_nan<HostMemory>(gemm());
    check_gemm_keeps_nan<HostMemory>(gemm(3));
}

TEST_P(CpuGemm, OfNothingIsZeroOrNothing) {
    check_gemm_of_nothing<HostMemory>(gemm());
    check_gemm_of_nothing<HostMemory>(gemm(3));
}

/// The threads of a rank call it at once, each for its own part.
TEST_P(CpuGemm, GivesTheSameBitsOnSeveralThreadsAtOnce) {
    Rng rng(3);
    const GemmCase g{false, true, 70, 64, 41, 1, 0};
    const GemmInputs in = random_gemm(g, rng);
    const Reals alone = run_gemm<HostMemory>(g, in, gemm());
    std::vector<Reals> results(3, Reals(alone.size()));
    std::vector<std::thread> threads;
    for (Reals& result : results)
        threads.emplace_back([&, product = GetParam().gemm] {
            for (int time = 0; time < 20; ++time)
                product(Transpose::no, Transpose::yes, g.m, g.n, g.k, 1, in.a.data(), g.m,
                        in.b.data(), g.n, 0, result.data(), g.m);
        });
    for (std::thread& thread : threads) thread.join();
    for (const Reals& result : results) EXPECT_TRUE(same_bits("C", result, alone));
}

INSTANTIATE_TEST_SUITE_P(Of, CpuGemm, testing::ValuesIn(libraries<nn_real>()),
                         [](const auto& library) { return std::string(library.param.name); });

}  // namespace
