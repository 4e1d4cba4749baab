// test_cpu_sparse.cpp: the products that leave out zeros are right, and touch nothing else.
//
// They are compared with plain sums over all inputs, within the rounding of a chain as long as the
// inputs that are not zero. Sizes lie around every vector, block of vectors and mask.
#include <gtest/gtest.h>

#include "tests/support/cpu_layer.h"
#include "tests/support/masked_inputs.h"
#include "tests/support/output_math.h"

namespace {

class CpuSparse : public CpuTable {
  protected:
    void check_forward(const InputCase& c, int units, Rng& rng, Draw draw = Draw::normal) {
        const bool exact = draw == Draw::whole;
        const TestInputs in(c, rng, exact);
        MaskedInputs masked(f(), in);
        const CpuMasked batch = masked.made();
        for (const bool activated : {false, true}) {
            if (activated && exact) continue;
            TestLayer layer(f(), c.inputs, units, c.n, rng, activated ? 2 : 0, draw);
            const std::vector<Range> samples = whole_and_inner(c.n),
                                     vectors = whole_and_inner(layer.vectors().count);
            for (std::size_t part = 0; part < 2; ++part) {
                SCOPED_TRACE(c.text() + ", " + std::to_string(units) + " units, samples " +
                             text_of(samples[part]) + ", vectors " + text_of(vectors[part]) +
                             (activated ? ", activated" : ""));
                forward_part(layer, in, batch, samples[part], vectors[part], activated, exact);
            }
        }
    }
    void check_gradients(const InputCase& c, int units, Rng& rng, Draw draw = Draw::normal) {
        const bool exact = draw == Draw::whole;
        const TestInputs in(c, rng, exact);
        MaskedInputs masked(f(), in);
        const CpuMasked batch = masked.made();
        for (TestUse use : every_use) {
            if (exact) use.rate = 2;
            if (exact && use.reg != 0) use.reg = 3;
            TestLayer layer(f(), c.inputs, units, c.n, rng, use.stored ? 0 : 2, draw);
            const std::vector<Range> inputs = whole_and_inner(c.inputs),
                                     vectors = whole_and_inner(layer.vectors().count);
            for (std::size_t part = 0; part < 2; ++part) {
                SCOPED_TRACE(c.text() + ", " + std::to_string(units) + " units, inputs " +
                             text_of(inputs[part]) + ", vectors " + text_of(vectors[part]) + ", " +
                             use.name);
                TestScratch scratch(inputs[part].count);
                check_gradient(layer, in.x, c.n, inputs[part], vectors[part], use, exact,
                               [&](const CpuGradientUse& to, Range some, Range some_vectors) {
                                   f().sparse_gradient(layer.layer(), batch, c.n, some,
                                                       some_vectors, to, scratch.waiting.data());
                               });
            }
        }
    }

  private:
    void forward_part(TestLayer& layer, const TestInputs& in, const CpuMasked& batch, Range samples,
                      Range vectors, bool activated, bool exact) {
        check_forward_part(layer, in.x, samples, vectors, activated, exact, [&] {
            f().sparse_forward(layer.layer(), batch, samples, vectors,
                               activated ? f().hidden_by(Sigmoid{}).activate : nullptr);
        });
    }
};

constexpr int sample_counts[] = {0, 1, 8, 63, 64, 65, 129};
constexpr int input_counts[] = {1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 784};

TEST_P(CpuSparse, ForwardIsRightForEveryNumberOfUnits) {
    Rng rng(1);
    for (const int units : unit_counts)
        for (const bool bytes : {true, false}) check_forward({70, 9, bytes, 0.5}, units, rng);
}

TEST_P(CpuSparse, ForwardIsRightForEveryNumberOfSamplesAndDensity) {
    Rng rng(2);
    for (const int n : sample_counts)
        for (const double density : densities)
            for (const int units : {9, 63})
                check_forward({130, n, units == 9, density}, units, rng);
}

TEST_P(CpuSparse, ForwardIsRightForEveryNumberOfInputsAndDensity) {
    Rng rng(3);
    for (const int inputs : input_counts)
        for (const double density : densities)
            for (const bool bytes : {true, false})
                check_forward({inputs, 5, bytes, density}, 17, rng);
}

TEST_P(CpuSparse, GradientIsRightForEveryNumberOfUnits) {
    Rng rng(4);
    for (const int units : unit_counts)
        for (const bool bytes : {true, false}) check_gradients({9, 70, bytes, 0.5}, units, rng);
}

TEST_P(CpuSparse, GradientIsRightForEveryNumberOfSamplesAndDensity) {
    Rng rng(5);
    for (const int n : sample_counts)
        for (const double density : densities)
            for (const int units : {9, 63})
                check_gradients({130, n, units == 9, density}, units, rng);
}

TEST_P(CpuSparse, GradientIsRightForEveryNumberOfInputsAndDensity) {
    Rng rng(6);
    for (const int inputs : input_counts)
        for (const double density : densities)
            for (const bool bytes : {true, false})
                check_gradients({inputs, 5, bytes, density}, 17, rng);
}

TEST_P(CpuSparse, ProductsAreExactOnSmallIntegers) {
    Rng rng(7);
    for (const double density : densities)
        for (const bool bytes : {true, false}) {
            check_forward({784, 20, bytes, density}, 100, rng, Draw::whole);
            check_gradients({70, 200, bytes, density}, 100, rng, Draw::whole);
        }
}

/// Weights of an input that no sample has: the penalty alone acts on them.
TEST_P(CpuSparse, WeightsOfAnInputThatIsNeverSetDecayOrStay) {
    Rng rng(8);
    for (const int n : {0, 1, 64, 65, 200}) {
        const TestInputs in({20, n, true, 0.5}, rng);
        MaskedInputs masked(f(), in);
        const CpuMasked batch = masked.made();
        for (const nn_real reg : {nn_real{0}, nn_real{0.5f}}) {
            SCOPED_TRACE(std::to_string(n) + " samples, reg " + std::to_string(reg));
            TestLayer layer(f(), 20, 33, n, rng);
            const Range one{in.never_set(), 1};
            const Reals before = layer.w.get(one, {0, 33});
            TestScratch scratch(20);
            f().sparse_gradient(layer.layer(), batch, n, {0, 20}, layer.vectors(),
                                {{nn_real{0.5f}, reg, {}}, nullptr}, scratch.waiting.data());
            const Reals after = layer.w.get(one, {0, 33});
            if (reg == 0) {
                EXPECT_TRUE(same_bits("w", after, before));
                continue;
            }
            for (std::size_t c = 0; c < before.size(); ++c)
                EXPECT_NEAR(after[c] / before[c], 0.75, 1e-6) << "w[" << c << "]";
        }
    }
}

/// Zero times NaN is left out: a weight that is not finite shows in the samples that have its
/// input.
TEST_P(CpuSparse, ForwardKeepsNaNAndInfinityInTheirSamplesAndUnits) {
    Rng rng(9);
    const int inputs = 70, n = 9, units = 35;
    const TestInputs in({inputs, n, true, 0.5}, rng);
    MaskedInputs masked(f(), in);
    const CpuMasked batch = masked.made();
    for (const nn_real bad : {nan_real, std::numeric_limits<nn_real>::infinity()})
        for (const int input : {0, 5, 63, 64, 69, inputs})  // the last: in the bias
            for (const int unit : {0, 17, 34}) {
                TestLayer layer(f(), inputs, units, n, rng);
                (input == inputs ? layer.bias.at(0, unit) : layer.w.at(input, unit)) = bad;
                f().sparse_forward(layer.layer(), batch, {0, n}, layer.vectors(), nullptr);
                for (int j = 0; j < n; ++j)
                    for (int c = 0; c < units; ++c)
                        EXPECT_EQ(std::isfinite(layer.a.at(j, c)),
                                  c != unit || (input < inputs && !in.is_set(input, j)))
                            << "z of sample " << j << ", unit " << c << "; " << bad << " in w of "
                            << "input " << input << ", unit " << unit;
            }
}

/// A number that is not finite shows in its sample alone, and in the gradient of its input alone.
TEST_P(CpuSparse, InputsThatAreNotFiniteShowInTheirSampleAndInTheirInput) {
    Rng rng(10);
    const int inputs = 70, n = 70, units = 20;
    for (const nn_real bad : {nan_real, -std::numeric_limits<nn_real>::infinity()})
        for (const auto& [sample, input] :
             {std::pair{0, 0}, std::pair{63, 64}, std::pair{64, 63}, std::pair{69, 69}}) {
            TestInputs in({inputs, n, false, 0.19}, rng);
            std::memcpy(in.bytes.data() + at(input, sample, inputs) * sizeof bad, &bad, sizeof bad);
            MaskedInputs masked(f(), in);
            const CpuMasked batch = masked.made();
            TestLayer layer(f(), inputs, units, n, rng);
            TestScratch scratch(inputs);
            Reals gradient(elements(units, inputs));
            f().sparse_forward(layer.layer(), batch, {0, n}, layer.vectors(), nullptr);
            f().sparse_gradient(layer.layer(), batch, n, {0, inputs}, layer.vectors(),
                                {{}, gradient.data()}, scratch.waiting.data());
            for (int c = 0; c < units; ++c) {
                for (int j = 0; j < n; ++j)
                    EXPECT_EQ(std::isfinite(layer.a.at(j, c)), j != sample)
                        << "z of sample " << j << ", unit " << c;
                for (int i = 0; i < inputs; ++i)
                    EXPECT_EQ(std::isfinite(gradient[at(c, i, units)]), i != input)
                        << "gradient of input " << i << ", unit " << c;
            }
        }
}

/// A delta that is not finite shows in its unit, for the inputs that its sample has.
TEST_P(CpuSparse, GradientKeepsNaNInItsUnit) {
    Rng rng(11);
    const int inputs = 20, n = 130, units = 35;
    const TestInputs in({inputs, n, true, 0.5}, rng);
    MaskedInputs masked(f(), in);
    const CpuMasked batch = masked.made();
    for (const int sample : {0, 63, 64, 129})
        for (const int unit : {0, 17, 34}) {
            TestLayer layer(f(), inputs, units, n, rng);
            TestScratch scratch(inputs);
            layer.delta.at(sample, unit) = nan_real;
            f().sparse_gradient(layer.layer(), batch, n, {0, inputs}, layer.vectors(),
                                {{nn_real{1}, 0, {}}, nullptr}, scratch.waiting.data());
            for (int i = 0; i < inputs; ++i)
                for (int c = 0; c < units; ++c)
                    EXPECT_EQ(std::isnan(layer.w.at(i, c)), c == unit && in.is_set(i, sample))
                        << "w of input " << i << ", unit " << c << "; NaN in sample " << sample
                        << ", unit " << unit;
        }
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuSparse, testing::ValuesIn(runnable_tables()),
                         name_of_table);

}  // namespace
