// test_cpu_product.cpp: the dense product that is compared with others keeps the promises of any
// matrix product, for every instruction set.
//
// The cases and bounds are those that the kernels are held to. A transposed matrix is first turned.
#include "device/cpu/product.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "device/cpu/isa.h"
#include "tests/support/gemm_math.h"
#include "tests/support/host_memory.h"

namespace {

class CpuProduct : public testing::Test {
  protected:
    static void product(const GemmCase& g, const nn_real* a, const nn_real* b, nn_real* c) {
        Reals turned_a, turned_b;
        if (g.a_transposed) turned_a = transpose({a, a + elements(g.m, g.k)}, g.k, g.m);
        if (g.b_transposed) turned_b = transpose({b, b + elements(g.k, g.n)}, g.n, g.k);
        const OnHost<nn_real> a_in("A, turned", turned_a), b_in("B, turned", turned_b);
        cpu_product(g.m, g.n, g.k, g.alpha, g.a_transposed ? a_in.data() : a,
                    g.b_transposed ? b_in.data() : b, g.beta, c);
    }
    static void check_product(const std::vector<GemmCase>& cases) {
        Rng rng(1);
        for (const GemmCase& g : cases) {
            const GemmInputs in = random_gemm(g, rng);
            for (const std::size_t shift : {0, 1}) {
                SCOPED_TRACE("moved by " + std::to_string(shift));
                EXPECT_TRUE(judged(g, in, run_gemm<HostMemory>(g, in, product, shift)));
            }
        }
    }
};

class CpuProductOf : public CpuProduct, public testing::WithParamInterface<CpuIsa> {
  protected:
    void SetUp() override { take_isa(GetParam()); }
    void TearDown() override { take_isa(widest_isa()); }
};

TEST_P(CpuProductOf, IsRightAroundEveryEdge) {
    check_product(gemm_cases(edge_sizes()));
    check_product(gemm_cases(cube_sizes()));
}

TEST_P(CpuProductOf, IsRightOnWholePacks) { check_product(gemm_cases(pack_sizes())); }

TEST_P(CpuProductOf, TakesEveryPairOfScalars) {
    std::vector<GemmCase> cases;
    for (const nn_real alpha : {nn_real{0}, nn_real{1}, static_cast<nn_real>(-2.3)})
        for (const nn_real beta : {nn_real{0}, nn_real{1}, static_cast<nn_real>(0.7)})
            for (const bool ta : {false, true})
                for (const bool tb : {false, true})
                    cases.push_back({ta, tb, 33, 17, 37, alpha, beta});
    check_product(cases);
}

/// The reference takes its time here, so these are for the widest set alone.
TEST_F(CpuProduct, IsRightAtTheCoursesOutputLayerLarge) {
    check_product(gemm_cases({{800, 10, 1000}}));
}

TEST_F(CpuProduct, IsRightAtTheCoursesHiddenLayerLarge) {
    Rng rng(2);
    const GemmCase g{false, false, 800, 1000, 784, 2, 5};
    const GemmInputs in = random_gemm(g, rng);
    EXPECT_TRUE(judged(g, in, run_gemm<HostMemory>(g, in, product)));
}

TEST_P(CpuProductOf, IsExactOnSmallIntegers) { check_gemm_on_integers<HostMemory>(product); }

TEST_P(CpuProductOf, KeepsEveryNaNAndInfinityInItsPlace) {
    check_gemm_keeps_nan<HostMemory>(product);
}

TEST_P(CpuProductOf, OfNothingIsZeroOrNothing) { check_gemm_of_nothing<HostMemory>(product); }

TEST_P(CpuProductOf, GivesTheSameBitsOnSeveralThreadsAtOnce) {
    Rng rng(3);
    const GemmCase g{false, false, 70, 64, 41, 1, 0};
    const GemmInputs in = random_gemm(g, rng);
    const Reals alone = run_gemm<HostMemory>(g, in, product);
    std::vector<Reals> results(3, Reals(alone.size()));
    std::vector<std::thread> threads;
    for (Reals& result : results)
        threads.emplace_back([&] {
            for (int time = 0; time < 20; ++time)
                cpu_product(g.m, g.n, g.k, 1, in.a.data(), in.b.data(), 0, result.data());
        });
    for (std::thread& thread : threads) thread.join();
    for (const Reals& result : results) EXPECT_TRUE(same_bits("C", result, alone));
}

std::vector<CpuIsa> isas_that_run() {
    std::vector<CpuIsa> isas;
    for (const CpuIsa isa : {CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512})
        if (isa <= widest_isa()) isas.push_back(isa);
    return isas;
}
INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuProductOf, testing::ValuesIn(isas_that_run()),
                         [](const auto& isa) { return std::string(name_of(isa.param)); });

}  // namespace
