// test_cpu_func.cpp: what the CPU's functions promise in cpu_func.h, for every instruction set.
//
// The program takes the widest set that the processor runs; the tests take each one that it runs,
// so that the narrow ones are not first tried on somebody's older machine. The checks and their
// bounds are those that the kernels are held to (reference_math.h).
#include "cpu_func.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "reference_math.h"

extern const CpuFunctions cpu_functions_baseline;
#ifdef CPU_HAS_X86_ISAS
extern const CpuFunctions cpu_functions_avx2, cpu_functions_avx512;
#endif

namespace {

/// The tables that this processor can run, the widest last.
std::vector<const CpuFunctions*> runnable_tables() {
    std::vector<const CpuFunctions*> tables{&cpu_functions_baseline};
#ifdef CPU_HAS_X86_ISAS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        tables.push_back(&cpu_functions_avx2);
    if (__builtin_cpu_supports("x86-64-v4")) tables.push_back(&cpu_functions_avx512);
#endif
    return tables;
}

struct HostMemory {
    static void* allocate(std::size_t bytes) {
        void* memory = std::malloc(bytes > 0 ? bytes : 1);
        if (memory == nullptr) throw std::bad_alloc();
        return memory;
    }
    static void release(void* memory) { std::free(memory); }
    static void upload(void* to, const void* from, std::size_t bytes) {
        if (bytes > 0) std::memcpy(to, from, bytes);
    }
    static void download(void* to, const void* from, std::size_t bytes) { upload(to, from, bytes); }
};

template <class T>
using OnHost = Guarded<T, HostMemory>;

class CpuTable : public testing::TestWithParam<const CpuFunctions*> {
  protected:
    const CpuFunctions& f() const { return *GetParam(); }

    /// The table's GEMM, as the checks call it.
    auto gemm() const {
        return [this](const GemmCase& g, const nn_real* a, const nn_real* b, nn_real* c) {
            const auto op = [](bool transposed) {
                return transposed ? Transpose::yes : Transpose::no;
            };
            f().gemm(op(g.a_transposed), op(g.b_transposed), g.m, g.n, g.k, g.alpha, a, b, g.beta,
                     c);
        };
    }
    void check_gemm(const std::vector<GemmCase>& cases) const {
        Rng rng(1);
        for (const GemmCase& g : cases)
            for (const std::size_t shift : {0, 1}) {
                SCOPED_TRACE("moved by " + std::to_string(shift));
                const GemmInputs in = random_gemm(g, rng);
                EXPECT_TRUE(judged(g, in, run_gemm<HostMemory>(g, in, gemm(), shift)));
            }
    }
};

TEST(CpuFunctionsChosen, AreTheWidestThatThisProcessorRuns) {
    EXPECT_STREQ(cpu_functions().name, runnable_tables().back()->name);
}

// ---- GEMM --------------------------------------------------------------------------------------

TEST_P(CpuTable, GemmIsRightAroundEveryEdge) {
    check_gemm(gemm_cases(edge_sizes()));
    check_gemm(gemm_cases(cube_sizes()));
}

TEST_P(CpuTable, GemmIsRightOnWholePacks) { check_gemm(gemm_cases(pack_sizes())); }

TEST_P(CpuTable, GemmTakesEveryPairOfScalars) {
    std::vector<GemmCase> cases;
    for (const nn_real alpha : {nn_real{0}, nn_real{1}, static_cast<nn_real>(-2.3)})
        for (const nn_real beta : {nn_real{0}, nn_real{1}, static_cast<nn_real>(0.7)})
            for (const bool ta : {false, true})
                for (const bool tb : {false, true})
                    cases.push_back({ta, tb, 33, 17, 37, alpha, beta});
    check_gemm(cases);
}

TEST_P(CpuTable, GemmIsRightAtTheCoursesOutputLayerLarge) {
    check_gemm(gemm_cases({{800, 10, 1000}}));
}

TEST_P(CpuTable, GemmIsRightAtTheCoursesHiddenLayerLarge) {
    Rng rng(2);
    const GemmCase g{false, false, 800, 1000, 784, 2, 5};
    const GemmInputs in = random_gemm(g, rng);
    EXPECT_TRUE(judged(g, in, run_gemm<HostMemory>(g, in, gemm())));
}

TEST_P(CpuTable, GemmIsExactOnSmallIntegers) { check_gemm_on_integers<HostMemory>(gemm()); }

TEST_P(CpuTable, GemmKeepsEveryNaNAndInfinityInItsPlace) {
    check_gemm_keeps_nan<HostMemory>(gemm());
}

TEST_P(CpuTable, GemmOfNothingIsZeroOrNothing) { check_gemm_of_nothing<HostMemory>(gemm()); }

// ---- Pixels and sigmoid ------------------------------------------------------------------------

TEST_P(CpuTable, PixelsAreScaledWithOneRounding) {
    for (const std::size_t count : {0, 1, 7, 256, 785}) {
        SCOPED_TRACE(std::to_string(count) + " pixels");
        Bytes pixels(count);
        for (std::size_t i = 0; i < count; ++i) pixels[i] = static_cast<std::uint8_t>(i % 256);
        const nn_real scale = nn_real{1} / 255;
        Reals expected;
        for (const std::uint8_t pixel : pixels)
            expected.push_back(static_cast<nn_real>(static_cast<Wide>(scale) * pixel));
        const OnHost<std::uint8_t> bytes("bytes", pixels);
        OnHost<nn_real> x("x", poison<nn_real>(count));
        f().pixels_to_real(count, scale, bytes.data(), x.output());
        EXPECT_TRUE(same_bits("x", x.values(), expected));
    }
}

TEST_P(CpuTable, BiasSigmoidIsRightForEveryShape) {
    Rng rng(3);
    for (const int rows : {0, 1, 3, 8, 16, 31, 33, 100})
        for (const int n : {0, 1, 5})
            for (const double deviation : {1.0, 20.0, 300.0}) {
                SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(n) +
                             " columns, deviation " + std::to_string(deviation));
                const Reals b = normal_values(elements(rows, 1), rng, 3);
                const Reals before = normal_values(elements(rows, n), rng, deviation);
                Expected expected{rows, {}, {}};
                for (std::size_t i = 0; i < before.size(); ++i) {
                    const Wide sum = static_cast<Wide>(before[i]) + b[i % b.size()];
                    add_sigmoid(expected, sum, u * std::abs(sum));
                }
                const OnHost<nn_real> bias("bias", b);
                OnHost<nn_real> z("z", before);
                f().bias_sigmoid(rows, n, bias.data(), z.output());
                EXPECT_TRUE(within("z", z.values(), expected));
            }
}

/// The library's exp stops short of infinity, so 0 comes out as less than the smallest normal.
TEST_P(CpuTable, BiasSigmoidSaturatesToZeroAndOne) {
    for (const int rows : {2, 64}) {
        Reals thousands(elements(rows, 1));
        for (std::size_t i = 0; i < thousands.size(); ++i)
            thousands[i] = i % 2 == 0 ? nn_real{1000} : nn_real{-1000};
        Expected expected;
        for (const nn_real v : thousands) expected.add(v > 0 ? 1 : 0, v > 0 ? 0 : tiny);
        const OnHost<nn_real> bias("bias", Reals(thousands.size()));
        OnHost<nn_real> z("z", thousands);
        f().bias_sigmoid(rows, 1, bias.data(), z.output());
        const Reals after = z.values();
        EXPECT_TRUE(within("z", after, expected));
        for (const nn_real v : after) EXPECT_GE(v, 0);
    }
}

// ---- Softmax and cross-entropy -----------------------------------------------------------------

TEST_P(CpuTable, SoftmaxIsRightForEveryNumberOfClassesAndAnyLogits) {
    std::vector<std::pair<int, int>> sizes = softmax_sizes();
    sizes.emplace_back(10, 800);
    for (const bool with_bias : {false, true})
        check_softmax<HostMemory>(softmax_cases(sizes, with_bias),
                                  [this](const SoftmaxCase& c, const std::uint8_t* labels,
                                         nn_real scale, nn_real* z, nn_real* delta) {
                                      const OnHost<nn_real> bias("bias", c.bias);
                                      return f().softmax_cross_entropy(c.classes, c.n, bias.data(),
                                                                       labels, scale, z, delta);
                                  });
}

// ---- Element by element, and sums --------------------------------------------------------------

TEST_P(CpuTable, SigmoidBackwardMultipliesByTheSlope) {
    check_sigmoid_backward<HostMemory>(f().sigmoid_backward);
}

TEST_P(CpuTable, RowSumsAreRightForEveryShape) { check_row_sums<HostMemory>(f().row_sums); }

TEST_P(CpuTable, StepFollowsTheGradientAndThePenalty) { check_step<HostMemory>(f().step); }

TEST_P(CpuTable, SumOfSquaresIsRightForEveryCount) {
    check_sum_of_squares<HostMemory>(f().sum_of_squares);
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuTable, testing::ValuesIn(runnable_tables()),
                         [](const auto& table) { return std::string(table.param->name); });

}  // namespace
