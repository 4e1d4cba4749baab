// test_cpu_output.cpp: the output layer's yhat, its losses and its deltas, for every instruction
// set.
//
// The cases, references and bounds are those that the kernels are held to; here every sample has a
// padded row. In the padding, yhat and delta have to be 0 to the bit: exp leaves tiny numbers
// there, over which processors take a hundred times as long in all products that follow.
#include <gtest/gtest.h>

#include "tests/support/cpu_layer.h"
#include "tests/support/output_math.h"

namespace {

class CpuOutput : public CpuTable {
  protected:
    /// Puts z (classes x n) into rows that are padded as dense_forward() leaves them.
    void put_logits(TestLayer& layer, const Reals& z) const {
        layer.a.put(z, layer.outputs);
        layer.a.pad(layer.samples, layer.outputs, layer.padded(), no_logit);
        layer.delta.pad(layer.samples, 0, static_cast<int>(layer.ld),
                        std::numeric_limits<nn_real>::signaling_NaN());
        layer.keep();
    }
    /// Nothing but these samples' whole vectors was written, and their padding is 0.
    void check_rows(TestLayer& layer, Range samples) const {
        const int classes = layer.outputs, rest = layer.padded() - classes;
        for (Rows* rows : {&layer.a, &layer.delta})
            EXPECT_TRUE(same_bits(rows == &layer.a ? "the padding of yhat" : "the padding of delta",
                                  rows->get(samples, {classes, rest}),
                                  Reals(elements(samples.count, rest))));
        EXPECT_TRUE(layer.a.has_kept_all_but(samples, {0, layer.padded()}));
        EXPECT_TRUE(layer.delta.has_kept_all_but(samples, {0, layer.padded()}));
        EXPECT_TRUE(layer.w.has_kept_all());
        EXPECT_TRUE(layer.bias.has_kept_all());
    }
    /// loss(layer, samples) on padded rows, from z and to z and delta, which are packed.
    template <class Loss>
    double on_rows(const OutputCase& c, nn_real* z, nn_real* delta, Loss&& loss) const {
        Rng rng(1);
        TestLayer layer(f(), 1, c.classes, c.n, rng, c.n % 3);
        put_logits(layer, {z, z + elements(c.classes, c.n)});
        const double sum = loss(layer, Range{0, c.n});
        check_rows(layer, {0, c.n});
        std::ranges::copy(layer.a.get({0, c.n}, {0, c.classes}), z);
        std::ranges::copy(layer.delta.get({0, c.n}, {0, c.classes}), delta);
        return sum;
    }
};

TEST_P(CpuOutput, SoftmaxIsRightForEveryNumberOfClassesAndAnyLogits) {
    std::vector<std::pair<int, int>> sizes = output_sizes();
    sizes.emplace_back(10, 800);
    check_output<HostMemory>(output_cases({}, false, sizes),
                             [this](const OutputCase& c, const std::uint8_t* labels, const nn_real*,
                                    nn_real scale, nn_real* z, nn_real* delta) {
                                 return on_rows(c, z, delta, [&](TestLayer& layer, Range samples) {
                                     return f().softmax_cross_entropy(layer.layer(), samples,
                                                                      labels, scale);
                                 });
                             });
}

TEST_P(CpuOutput, LossIsRightForEveryObjectiveTargetAndNumberOfClasses) {
    std::vector<std::pair<int, int>> sizes;
    for (const int classes : {1, 2, 10, 11, 16, 17, 300})
        for (const int n : {0, 1, 5}) sizes.emplace_back(classes, n);
    for (const Objective& objective : every_objective)
        for (const bool numbers : {false, true})
            check_output<HostMemory>(
                output_cases(objective, numbers, sizes),
                [this](const OutputCase& c, const std::uint8_t* labels, const nn_real* targets,
                       nn_real scale, nn_real* z, nn_real* delta) {
                    return on_rows(c, z, delta, [&](TestLayer& layer, Range samples) {
                        return f().output_loss(c.objective, layer.layer(), samples, labels, targets,
                                               scale);
                    });
                });
}

/// In sample j, the logit of class j is so far ahead that its exponential is infinite, or so far
/// behind that it is 0.
std::vector<OutputCase> one_class_each(const Objective& objective) {
    std::vector<OutputCase> cases;
    for (const int classes : {2, 9, 16, 17, 33, 50})
        for (const nn_real ahead : {nn_real{1500}, nn_real{-1500}}) {
            Reals z(elements(classes, classes));
            Bytes labels(elements(classes, 1));
            for (int j = 0; j < classes; ++j) {
                z[at(j, j, classes)] = ahead;
                labels[at(j, 0, 1)] = static_cast<std::uint8_t>((j + j % 2) % classes);
            }
            cases.push_back({"one class at " + std::to_string(ahead),
                             objective,
                             classes,
                             classes,
                             z,
                             {labels, {}}});
        }
    return cases;
}

TEST_P(CpuOutput, AnyClassMayBeFarAheadOrBehind) {
    check_output<HostMemory>(
        one_class_each({}), [this](const OutputCase& c, const std::uint8_t* labels, const nn_real*,
                                   nn_real scale, nn_real* z, nn_real* delta) {
            return on_rows(c, z, delta, [&](TestLayer& layer, Range samples) {
                return f().softmax_cross_entropy(layer.layer(), samples, labels, scale);
            });
        });
    for (const Objective& objective : every_objective)
        check_output<HostMemory>(
            one_class_each(objective),
            [this](const OutputCase& c, const std::uint8_t* labels, const nn_real* targets,
                   nn_real scale, nn_real* z, nn_real* delta) {
                return on_rows(c, z, delta, [&](TestLayer& layer, Range samples) {
                    return f().output_loss(c.objective, layer.layer(), samples, labels, targets,
                                           scale);
                });
            });
}

/// Workers take samples of one mini-batch: labels and targets are those of the same numbers.
TEST_P(CpuOutput, RangesOfSamplesGiveTheSameBitsAndTouchNoOther) {
    const int n = 41;
    for (const int classes : {1, 10, 17, 33})
        for (const Objective& objective : every_objective)
            for (const bool numbers : {false, true}) {
                const OutputCase c =
                    output_cases(objective, numbers, {{classes, n}})[0];  // normal logits
                SCOPED_TRACE(c.text());
                Rng rng(2);
                TestLayer layer(f(), 1, classes, n, rng, 1);
                const auto loss = [&](Range samples) {
                    if (objective == Objective{} && !numbers)
                        return f().softmax_cross_entropy(layer.layer(), samples,
                                                         c.targets.labels.data(), nn_real{0.25f});
                    return f().output_loss(objective, layer.layer(), samples,
                                           numbers ? nullptr : c.targets.labels.data(),
                                           numbers ? c.targets.numbers.data() : nullptr,
                                           nn_real{0.25f});
                };
                put_logits(layer, c.z);
                const double whole = loss({0, n});
                const Reals yhat = layer.a.get({0, n}, {0, classes}),
                            delta = layer.delta.get({0, n}, {0, classes});
                put_logits(layer, c.z);
                double sum = 0;
                for (const Range samples :
                     {Range{17, 24}, Range{0, 16}, Range{16, 1}, Range{9, 0}}) {
                    layer.keep();
                    sum += loss(samples);
                    check_rows(layer, samples);
                }
                EXPECT_TRUE(same_bits("yhat", layer.a.get({0, n}, {0, classes}), yhat));
                EXPECT_TRUE(same_bits("delta", layer.delta.get({0, n}, {0, classes}), delta));
                EXPECT_NEAR(sum, whole, 1e-12 * std::abs(whole));
            }
}

/// The fast function and the one for every objective agree.
TEST_P(CpuOutput, BothSoftmaxesAgree) {
    for (const OutputCase& c : output_cases({}, false, {{10, 40}, {33, 5}})) {
        SCOPED_TRACE(c.text());
        Rng rng(3);
        TestLayer fast(f(), 1, c.classes, c.n, rng), any(f(), 1, c.classes, c.n, rng);
        put_logits(fast, c.z);
        put_logits(any, c.z);
        const std::uint8_t* const labels = c.targets.labels.data();
        const double a = f().softmax_cross_entropy(fast.layer(), {0, c.n}, labels, nn_real{1}),
                     b = f().output_loss({}, any.layer(), {0, c.n}, labels, nullptr, nn_real{1});
        EXPECT_NEAR(a, b, 1e-6 * (1 + std::abs(b)));
        EXPECT_TRUE(same_bits("yhat", any.a.get({0, c.n}, {0, c.classes}),
                              fast.a.get({0, c.n}, {0, c.classes})));
    }
}

// ---- NaN ---------------------------------------------------------------------------------------

TEST_P(CpuOutput, LossOfNaNIsNaNInItsSample) {
    const int classes = 3, n = 3;
    for (const Objective& objective : every_objective)
        for (const bool in_target : {false, true}) {
            SCOPED_TRACE(text_of(objective) + ", NaN in the " + (in_target ? "target" : "logits"));
            Rng rng(4);
            TestLayer layer(f(), 1, classes, n, rng);
            Reals z(elements(classes, n)), y(z.size());
            (in_target ? y : z)[at(1, 1, classes)] = nan_real;
            put_logits(layer, z);
            EXPECT_TRUE(std::isnan(
                f().output_loss(objective, layer.layer(), {0, n}, nullptr, y.data(), nn_real{1})));
            EXPECT_TRUE(std::isnan(layer.delta.at(1, 1)));
            if (!in_target) {
                EXPECT_TRUE(std::isnan(layer.a.at(1, 1)));
            }
            for (const int j : {0, 2})
                for (int c = 0; c < classes; ++c) {
                    EXPECT_TRUE(std::isfinite(layer.a.at(j, c))) << "yhat of sample " << j;
                    EXPECT_TRUE(std::isfinite(layer.delta.at(j, c))) << "delta of sample " << j;
                }
        }
}

TEST_P(CpuOutput, SoftmaxOfNaNIsNaNInItsSampleAndInTheLoss) {
    const int n = 3;
    for (const int classes : {10, 17})
        for (int bad = 0; bad < classes; ++bad) {
            Rng rng(5);
            TestLayer layer(f(), 1, classes, n, rng);
            Reals z(elements(classes, n));
            z[at(bad, 1, classes)] = nan_real;
            put_logits(layer, z);
            const Bytes labels(elements(n, 1), 4);
            const double loss =
                f().softmax_cross_entropy(layer.layer(), {0, n}, labels.data(), nn_real{1});
            EXPECT_TRUE(std::isnan(loss)) << "NaN in logit " << bad;
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < classes; ++i) {
                    EXPECT_EQ(std::isnan(layer.a.at(j, i)), j == 1)
                        << "yhat of sample " << j << ", class " << i << "; NaN in logit " << bad;
                    EXPECT_EQ(std::isnan(layer.delta.at(j, i)), j == 1)
                        << "delta of sample " << j << ", class " << i << "; NaN in logit " << bad;
                }
        }
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuOutput, testing::ValuesIn(runnable_tables()),
                         name_of_table);

}  // namespace
