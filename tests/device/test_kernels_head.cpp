// test_kernels_head.cpp: what gpu_head promises in kernels.h, stated and held to it.
//
// g++ builds this against tests/gpuhost, nvcc for real GPUs; where there is none, every test is
// skipped. All arrays lie between guards and outputs start as NaN. yhat and the loss are judged by
// the inputs; what follows from yhat is judged by the yhat that came out, which leaves its bounds
// as tight as if the logits were exact.
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "tests/support/kernel_fixture.h"

namespace {

constexpr nn_real pixel_scale = nn_real{1} / 255;

struct HeadCase {
    std::string name;
    int classes, n, k;
    Reals w, bias;
    Reals a;       ///< what A's elements stand for
    Bytes pixels;  ///< A, or empty: activations
    Targets targets;
    Objective objective = {};
    Activation below = {};  ///< which made A's activations
    Precision precision = Precision::fp32;

    bool of_pixels() const { return !pixels.empty(); }
    std::string text() const {
        return name + " logits, " + text_of(objective) +
               (targets.are_numbers() ? " of numbers, " : ", ") + std::to_string(classes) +
               " classes, " + std::to_string(n) + " samples of " + std::to_string(k) +
               (of_pixels() ? " pixels" : std::string(" activations by ") + name_of(below));
    }
};

enum class Logits { normal, thousands, equal, one_ahead };

HeadCase head_case(Logits logits, bool pixels, int classes, int n, int k, Rng& rng,
                   bool numbers = false) {
    const std::size_t rows = elements(classes, 1);
    HeadCase c{"normal",
               classes,
               n,
               k,
               normal_values(elements(classes, k), rng),
               normal_values(rows, rng, 3),
               {},
               {},
               random_targets(numbers, classes, n, rng)};
    constexpr auto& activations = Names<Activation>::all;
    c.below = activations[rng.below(std::size(activations))].value;
    if (logits == Logits::thousands) {
        c.name = "+-1000";
        for (auto& b : c.bias) b = rng.below(2) == 0 ? nn_real{1000} : nn_real{-1000};
    } else if (logits == Logits::equal) {
        c.name = "equal";
        c.w.assign(c.w.size(), 0);
        c.bias.assign(rows, static_cast<nn_real>(-7.3));
    } else if (logits == Logits::one_ahead) {
        c.name = "one far ahead";
        c.bias[rng.below(rows)] += 60;
    }
    if (pixels) c.pixels = random_bytes(elements(k, n), rng);
    for (const std::uint8_t byte : c.pixels)  // Wide holds the product, so it is rounded once
        c.a.push_back(static_cast<nn_real>(static_cast<Wide>(pixel_scale) * byte));
    if (!pixels) c.a = values_of(c.below, elements(k, n), rng);
    return c;
}

struct HeadResult {
    Reals yhat, delta_below, gradient;
    std::vector<double> loss;
};

GpuChip chip_of(int multiprocessors) { return {multiprocessors, gpu.chip.capability}; }
nn_real scale_of(const HeadCase& c) { return nn_real{1} / static_cast<nn_real>(c.n + 37); }

struct Wanted {
    bool loss = true, gradient = true;
};

/// Runs gpu_head, on a GPU of so many multiprocessors as far as the choice of blocks goes, `calls`
/// times with a loss that starts as `loss_before` in each slot.
HeadResult run_head(const HeadCase& c, int multiprocessors, double loss_before = 0, int calls = 1,
                    Wanted wanted = {}) {
    const Gpu like{gpu.stream, chip_of(multiprocessors)};
    const std::size_t parts = static_cast<std::size_t>(gpu_head_parts(like.chip, c.classes, c.n));
    const OnDevice<nn_real> w("W", c.w), bias("b", c.bias), a("A", c.of_pixels() ? Reals{} : c.a);
    const bool numbers = c.targets.are_numbers();
    const OnDevice<std::uint8_t> pixels("pixels", c.pixels),
        labels("labels", numbers ? Bytes{} : c.targets.labels);
    const OnDevice<nn_real> targets("targets", c.targets.numbers);
    OnDevice<nn_real> yhat("yhat", poison<nn_real>(elements(c.classes, c.n)));
    OnDevice<nn_real> below("delta_below", poison<nn_real>(c.of_pixels() ? 0 : elements(c.k, c.n)));
    OnDevice<nn_real> gradient("gradient", poison<nn_real>(parts * elements(c.classes, c.k + 1)));
    OnDevice<double> loss("loss", std::vector<double>(parts, loss_before));
    for (int call = 0; call < calls; ++call)
        gpu_head(like, {c.objective, c.classes, c.n, c.k, w.data(), bias.data(),
                        c.of_pixels() ? input_of(pixels.data(), pixel_scale) : input_of(a.data()),
                        wanted.loss && !numbers ? labels.data() : nullptr,
                        wanted.loss && numbers ? targets.data() : nullptr, scale_of(c),
                        yhat.output(), c.of_pixels() ? nullptr : below.output(),
                        wanted.gradient ? gradient.output() : nullptr, loss.output(), c.below,
                        c.precision});
    return {yhat.values(), below.values(), gradient.values(), loss.values()};
}

double sum_of(const std::vector<double>& slots) {
    return std::accumulate(slots.begin(), slots.end(), 0.0);
}

/// z = sum of k products + b, the bias added last: a term of the sum goes through k roundings, its
/// product's and k - 1 additions', and the whole through one more.
OutputExpected output_of(const HeadCase& c) {
    OutputExpected expected;
    expected.yhat.rows = c.classes;
    for (int j = 0; j < c.n; ++j) {
        std::vector<Wide> z, z_error;
        for (int i = 0; i < c.classes; ++i) {
            Wide sum = 0, size = 0;
            for (int p = 0; p < c.k; ++p) {
                const Wide term = static_cast<Wide>(c.w[at(i, p, c.classes)]) * c.a[at(p, j, c.k)];
                sum += term;
                size += std::abs(term);
            }
            z.push_back(sum + c.bias[at(i, 0, c.classes)]);
            z_error.push_back(slack * u * (c.k * size + std::abs(z.back())) + tiny);
        }
        add_output_column(expected, c.objective, z, z_error, c.targets.column(j, c.classes));
    }
    return expected;
}

/// [dW|db]_ci = sum_j delta_cj a_ij: each term has delta's error, its product's rounding, and no
/// more additions than samples. A product that is too small may be lost.
Expected gradient_of(const HeadCase& c, const Expected& delta) {
    Expected expected{c.classes, {}, {}};
    for (int p = 0; p <= c.k; ++p)
        for (int i = 0; i < c.classes; ++i) {
            Wide sum = 0, size = 0, error = 0;
            for (int j = 0; j < c.n; ++j) {
                const Wide a = p < c.k ? c.a[at(p, j, c.k)] : 1;
                const Wide term = delta.values[at(i, j, c.classes)] * a;
                sum += term;
                size += std::abs(term);
                error += delta.bounds[at(i, j, c.classes)] * std::abs(a);
            }
            expected.add(sum, error + slack * (c.n + 1) * u * (size + error) + c.n * tiny);
        }
    return expected;
}

/// delta_below_ij = (sum_c w_ci delta_cj) slope(a): each term has delta's error, its product's
/// rounding, as many additions as there are other classes, and some from the slope.
Expected below_of(const HeadCase& c, const Expected& delta) {
    Expected expected{c.k, {}, {}};
    for (int j = 0; j < c.n && !c.of_pixels(); ++j)
        for (int p = 0; p < c.k; ++p) {
            Wide sum = 0, size = 0, error = 0, lost = 1;
            for (int i = 0; i < c.classes; ++i) {
                const Wide w = c.w[at(i, p, c.classes)];
                sum += w * delta.values[at(i, j, c.classes)];
                size += std::abs(w * delta.values[at(i, j, c.classes)]);
                error += std::abs(w) * delta.bounds[at(i, j, c.classes)];
                lost += 1;
            }
            const SlopeAt at_a = slope_of(c.below, c.a[at(p, j, c.k)]);
            const Wide roundings = static_cast<Wide>(c.classes + at_a.roundings);
            expected.add(sum * at_a.slope,
                         (error + slack * roundings * u * (size + error)) * at_a.slope +
                             (at_a.slope == 0 ? 0 : lost * tiny));
        }
    return expected;
}

/// The parts' sum, in Wide and rounded once, where gradient_of counts an addition.
Reals sum_of_parts(const HeadCase& c, const Reals& parts) {
    const std::size_t length = elements(c.classes, c.k + 1);
    Reals sums;
    for (std::size_t i = 0; i < length; ++i) {
        Wide sum = 0;
        for (std::size_t e = i; e < parts.size(); e += length) sum += parts[e];
        sums.push_back(static_cast<nn_real>(sum));
    }
    return sums;
}

void expect_right(const HeadCase& c, const HeadResult& result) {
    const OutputExpected output = output_of(c);
    EXPECT_TRUE(within("yhat", result.yhat, output.yhat));
    const double loss = sum_of(result.loss);
    const Wide additions = static_cast<Wide>(c.n) + static_cast<Wide>(result.loss.size());
    const Wide bound = output.loss_bound + slack * additions * u_double * std::abs(output.loss);
    EXPECT_TRUE(std::abs(loss - output.loss) <= bound)
        << "the loss is " << loss << ", expected " << output.loss << " +- " << bound;
    const Expected delta =
        deltas_from(c.objective, c.classes, c.n, result.yhat, c.targets, scale_of(c));
    EXPECT_TRUE(within("[dW|db]", sum_of_parts(c, result.gradient), gradient_of(c, delta)));
    EXPECT_TRUE(within("delta_below", result.delta_below, below_of(c, delta)));
}

void check_head(const HeadCase& c, int multiprocessors) {
    SCOPED_TRACE(c.text() + ", " + std::to_string(multiprocessors) + " multiprocessors");
    expect_right(c, run_head(c, multiprocessors));
}

constexpr Logits every_kind[] = {Logits::normal, Logits::thousands, Logits::equal,
                                 Logits::one_ahead};
constexpr int some_multiprocessors[] = {1, 4, 132};

/// Every size with activations and with pixels; kinds of logits and sizes of GPUs take turns.
void check_sizes(const std::vector<int>& classes, const std::vector<int>& ns,
                 const std::vector<int>& ks) {
    Rng rng(81);
    std::size_t turn = 0;
    for (const int m : classes)
        for (const int n : ns)
            for (const int k : ks) {
                for (const bool pixels : {false, true})
                    check_head(head_case(every_kind[turn % 4], pixels, m, n, k, rng),
                               some_multiprocessors[turn / ks.size() % 3]);
                ++turn;
            }
}

TEST_F(Kernels, HeadIsRightForEveryNumberOfClassesSamplesAndInputs) {
    check_sizes({1, 2, 10, 11, 33}, {0, 1, 3, 5, 17}, {1, 31, 100});
}

TEST_F(Kernels, HeadIsRightForMostClasses) { check_sizes({256}, {0, 1, 5}, {1, 31}); }

TEST_F(Kernels, HeadIsRightForMoreInputsThanThreads) {
    check_sizes({10, 11}, {0, 5, 37}, {256, 257, 513});
    check_sizes({10}, {9}, {1024, 1025});  // the most that the narrow kernel takes, and one more
}

TEST_F(Kernels, HeadIsRightForEveryKindOfLogits) {
    Rng rng(82);
    for (const Logits logits : every_kind)
        for (const bool pixels : {false, true})
            for (const auto& [classes, n] : {std::pair{10, 40}, {33, 9}})
                check_head(head_case(logits, pixels, classes, n, 20, rng), 1);
}

TEST_F(Kernels, HeadIsRightForEveryObjectiveAndTarget) {
    Rng rng(89);
    std::size_t turn = 0;
    for (const Objective& objective : every_objective)
        for (const bool numbers : {false, true})
            for (const int classes : {1, 2, 10, 11, 300})
                for (const int n : {0, 1, 13}) {
                    ++turn;
                    HeadCase c =
                        head_case(every_kind[turn % 4], turn % 3 == 0, classes, n, 9, rng, numbers);
                    c.objective = objective;
                    check_head(c, some_multiprocessors[turn % 2]);
                }
}

/// A block holds the deltas of about 3400 classes in float and of 2000 in double at a time.
TEST_F(Kernels, HeadIsRightForMoreSamplesThanABlockHolds) {
    Rng rng(83);
    const HeadCase c = head_case(Logits::normal, false, 256, 55, 3, rng);
    ASSERT_GT(c.n, 13 * gpu_head_parts(chip_of(1), c.classes, c.n));
    check_head(c, 1);
}

TEST_F(Kernels, HeadIsRightForAsManyClassesAsItTakes) {
    Rng rng(92);
    HeadCase c = head_case(Logits::normal, false, gpu_head_most_classes(), 2, 3, rng, true);
    c.objective = {OutputLayer::sigmoid, LossFunction::mse};
    check_head(c, 1);
}

TEST_F(Kernels, HeadIsRightForManySamplesLarge) { check_sizes({1, 2, 10, 33}, {700}, {31}); }

TEST_F(Kernels, HeadIsRightForManyClassesSamplesAndInputsLarge) {
    check_sizes({10}, {700}, {513});
    check_sizes({256}, {37, 100}, {100});
}

TEST_F(Kernels, HeadIsRightForMoreSamplesThanPartsLarge) {
    Rng rng(84);
    const HeadCase c = head_case(Logits::normal, false, 10, 5 * most_head_parts + 3, 7, rng);
    EXPECT_LE(gpu_head_parts(chip_of(10000), c.classes, c.n), most_head_parts);
    check_head(c, 10000);
    check_head(c, 1);
}

/// What is enough for a large shard must be enough for a smaller one.
TEST_F(Kernels, HeadHasNoFewerPartsForMoreSamples) {
    for (const int multiprocessors : {1, 4, 132, 10000})
        for (const int classes : {1, 10, 256}) {
            int before = 1;
            for (int n = 0; n < 20'000'000; n += 1 + n / 50) {
                const int parts = gpu_head_parts(chip_of(multiprocessors), classes, n);
                ASSERT_TRUE(parts >= before && parts <= most_head_parts)
                    << parts << " parts for " << n << " samples of " << classes << " classes on "
                    << multiprocessors << " multiprocessors, " << before << " for fewer samples";
                before = parts;
            }
        }
    EXPECT_EQ(gpu_head_parts(chip_of(132), 10, 0), 1);
    EXPECT_EQ(gpu_head_parts(chip_of(132), 10, 800), 132);
    EXPECT_EQ(gpu_head_parts(chip_of(132), 10, 10'000'000), most_head_parts);
}

TEST_F(Kernels, HeadAddsItsLossToWhatIsThere) {
    Rng rng(85);
    for (const int n : {0, 5, 17}) {
        const HeadCase c = head_case(Logits::normal, false, 11, n, 12, rng);
        SCOPED_TRACE(c.text());
        const HeadResult once = run_head(c, 4), thrice = run_head(c, 4, 100, 3);
        for (std::size_t s = 0; s < once.loss.size(); ++s) {  // three additions, each rounds once
            const Wide total = 100 + 3 * static_cast<Wide>(once.loss[s]);
            EXPECT_TRUE(std::abs(thrice.loss[s] - total) <= slack * 3 * u_double * total)
                << "slot " << s << " is " << thrice.loss[s] << ", expected " << total;
        }
        EXPECT_TRUE(same_bits("gradient", thrice.gradient, once.gradient));
    }
}

TEST_F(Kernels, HeadLeavesOutWhatIsNotWanted) {
    Rng rng(93);
    for (const Objective& objective : every_objective)
        for (const bool numbers : {false, true}) {
            HeadCase c = head_case(Logits::normal, false, 11, 21, 12, rng, numbers);
            c.objective = objective;
            SCOPED_TRACE(c.text());
            const HeadResult all = run_head(c, 4, 7);
            const HeadResult loss = run_head(c, 4, 7, 1, {.gradient = false});
            const HeadResult yhat = run_head(c, 4, 7, 1, {.loss = false, .gradient = false});
            EXPECT_TRUE(same_bits("loss", loss.loss, all.loss));
            EXPECT_TRUE(same_bits("no loss", yhat.loss, std::vector<double>(all.loss.size(), 7)));
            for (const HeadResult& some : {loss, yhat}) {
                EXPECT_TRUE(same_bits("yhat", some.yhat, all.yhat));
                EXPECT_TRUE(same_bits("no delta_below", some.delta_below,
                                      poison<nn_real>(all.delta_below.size())));
            }
        }
}

TEST_F(Kernels, HeadGivesTheSameBitsInEveryOrder) {
    Rng rng(86);
    for (const int classes : {10, 11}) {
        const HeadCase c = head_case(Logits::normal, false, classes, 37, 270, rng);
        // From a third, so that every sum rounds and none comes out alike by chance.
        const HeadResult first = run_head(c, 4, 1.0 / 3);
        in_every_order([&](const std::string& order) {
            SCOPED_TRACE(c.text() + ", " + order);
            const HeadResult result = run_head(c, 4, 1.0 / 3);
            EXPECT_TRUE(same_bits("yhat", result.yhat, first.yhat));
            EXPECT_TRUE(same_bits("delta_below", result.delta_below, first.delta_below));
            EXPECT_TRUE(same_bits("gradient", result.gradient, first.gradient));
            EXPECT_TRUE(same_bits("loss", result.loss, first.loss));
        });
    }
}

TEST_F(Kernels, HeadGivesTheSameBitsInEveryOrderForEveryObjective) {
    Rng rng(90);
    for (const Objective& objective : every_objective) {
        HeadCase c = head_case(Logits::normal, false, 37, 9, 20, rng, true);
        c.objective = objective;
        const HeadResult first = run_head(c, 4);
        in_every_order([&](const std::string& order) {
            SCOPED_TRACE(c.text() + ", " + order);
            const HeadResult result = run_head(c, 4);
            EXPECT_TRUE(same_bits("yhat", result.yhat, first.yhat));
            EXPECT_TRUE(same_bits("gradient", result.gradient, first.gradient));
            EXPECT_TRUE(same_bits("loss", result.loss, first.loss));
        });
    }
}

TEST_F(Kernels, HeadGivesASampleTheSameBitsInWhateverBlockItIs) {
    Rng rng(87);
    const HeadCase c = head_case(Logits::normal, false, 11, 37, 300, rng);
    const HeadResult first = run_head(c, 1);
    for (const int multiprocessors : {4, 132}) {
        SCOPED_TRACE(std::to_string(multiprocessors) + " multiprocessors");
        const HeadResult result = run_head(c, multiprocessors);
        EXPECT_TRUE(same_bits("yhat", result.yhat, first.yhat));
        EXPECT_TRUE(same_bits("delta_below", result.delta_below, first.delta_below));
    }
}

TEST_F(Kernels, HeadKeepsANaNInItsSampleAndShowsItInTheSums) {
    Rng rng(88);
    for (const Objective& objective : every_objective) {
        HeadCase c = head_case(Logits::normal, false, 10, 12, 40, rng);
        c.objective = objective;
        SCOPED_TRACE(c.text());
        c.a[at(17, 7, c.k)] = nan_real;
        const HeadResult result = run_head(c, 4);
        for (int j = 0; j < c.n; ++j) {
            for (int i = 0; i < c.classes; ++i)
                EXPECT_EQ(std::isnan(result.yhat[at(i, j, c.classes)]), j == 7) << i << ", " << j;
            for (int p = 0; p < c.k; ++p)
                EXPECT_EQ(std::isnan(result.delta_below[at(p, j, c.k)]), j == 7) << p << ", " << j;
        }
        EXPECT_TRUE(std::isnan(sum_of(result.loss)));
        for (const nn_real sum : sum_of_parts(c, result.gradient)) EXPECT_TRUE(std::isnan(sum));
    }
}

/// The gradient of one sample's biases is its delta.
TEST_F(Kernels, HeadRoundsItsDeltasToTheTypeOfTheProducts) {
    if (sizeof(nn_real) == sizeof(double)) GTEST_SKIP() << "the build in double has no small type";
    Rng rng(94);
    for (const Objective& objective : every_objective)
        for (const auto& [classes, k] : {std::pair{10, 3}, {45, 3}, {10, 1030}}) {
            HeadCase c = head_case(Logits::normal, false, classes, 1, k, rng);
            c.objective = objective;
            const std::size_t biases = elements(classes, k);
            const Reals whole = run_head(c, 1).gradient;
            for (const Precision precision : {Precision::bf16, Precision::fp16}) {
                c.precision = precision;
                const Reals small = run_head(c, 1).gradient;
                for (std::size_t i = biases; i < whole.size(); ++i)
                    EXPECT_EQ(small[i], nearest(precision, whole[i]))
                        << name_of(precision) << " delta " << i - biases << ", " << c.text();
                EXPECT_NE(small, whole) << name_of(precision) << ", " << c.text();
            }
        }
}

TEST_F(Kernels, HeadShowsATargetThatIsNoNumberInTheLoss) {
    Rng rng(91);
    for (const Objective& objective : every_objective) {
        HeadCase c = head_case(Logits::normal, false, 10, 12, 40, rng, true);
        c.objective = objective;
        c.targets.numbers[at(3, 7, c.classes)] = nan_real;
        const HeadResult result = run_head(c, 4);
        EXPECT_TRUE(std::isnan(sum_of(result.loss))) << c.text();
        EXPECT_TRUE(std::isnan(sum_of_parts(c, result.gradient)[3])) << c.text();
    }
}

}  // namespace
