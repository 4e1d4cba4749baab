// test_course.cpp: what the course's kernels promise in gpu_func.h, stated and held to it.
//
// What teaches has to be correct: the same checks as for the fast kernels, at sizes around the
// edges of a tile and of a block, within bounds that are derived in tests/support, and in every
// order of the threads.
#include <numeric>
#include <string>

#include "gpu_func.h"
#include "tests/support/kernel_fixture.h"

namespace {

class Course : public Kernels {};

void gemm(const GemmCase& g, const nn_real* a, const nn_real* b, nn_real* c) {
    course_gemm(gpu.stream, Transposed{g.a_transposed}, Transposed{g.b_transposed}, g.m, g.n, g.k,
                g.alpha, a, b, g.beta, c);
}

TEST_F(Course, ProductsAreRightForEveryTransposeAndSize) {
    Rng rng(101);
    for (const GemmCase& g : gemm_cases(edge_sizes())) {
        const GemmInputs in = random_gemm(g, rng);
        EXPECT_TRUE(judged(g, in, run_gemm<DeviceMemory>(g, in, gemm)));
    }
}
TEST_F(Course, ProductsOfWholeNumbersAreExact) { check_gemm_on_integers<DeviceMemory>(gemm); }
TEST_F(Course, ProductsKeepNaNAndInfinity) { check_gemm_keeps_nan<DeviceMemory>(gemm); }
TEST_F(Course, ProductsOfNothingAreZero) { check_gemm_of_nothing<DeviceMemory>(gemm); }

TEST_F(Course, NumbersArePixelsTimesScale) {
    const nn_real scale = nn_real{1} / 255;
    Bytes bytes(257);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, bytes.size()}) {
        const OnDevice<std::uint8_t> pixels("pixels", bytes);
        OnDevice<nn_real> x("x", poison<nn_real>(bytes.size()));
        course_numbers(gpu.stream, count, scale, pixels.data(), x.output());
        const Reals got = x.values();
        for (std::size_t i = 0; i < got.size(); ++i) {
            if (i < count)
                ASSERT_EQ(got[i], scale * static_cast<nn_real>(bytes[i])) << "x[" << i << "]";
            else
                ASSERT_TRUE(std::isnan(got[i])) << "x[" << i << "] was written";
        }
    }
}

TEST_F(Course, ActivationsAreRightForEverySize) {
    Rng rng(102);
    for_every_activation([&](const Activation& f) {
        for (const auto& [rows, n] :
             {std::pair{0, 3}, {3, 0}, {1, 1}, {7, 3}, {256, 1}, {100, 13}}) {
            SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(n));
            const Reals b = normal_values(elements(rows, 1), rng, 1);
            const Reals z = normal_values(elements(rows, n), rng, n == 13 ? 20 : 1);
            const OnDevice<nn_real> bias("b", b);
            OnDevice<nn_real> a("A", z);
            course_activate(gpu.stream, rows, n, bias.data(), a.output(), f);
            Expected expected{rows, {}, {}};
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < rows; ++i) {  // the bias is added with one rounding
                    const Wide sum = static_cast<Wide>(z[at(i, j, rows)]) + b[at(i, 0, rows)];
                    add_activated(expected, f, sum, u * std::abs(sum));
                }
            EXPECT_TRUE(within("A", a.values(), expected));
        }
    });
}

TEST_F(Course, ActivationsKeepNaNAndReachTheirLimits) {
    const nn_real infinity = std::numeric_limits<nn_real>::infinity();
    const Reals z{infinity, -infinity, 2000, -2000};
    for_every_activation([&](const Activation& f) {
        const OnDevice<nn_real> bias("b", Reals(5));
        OnDevice<nn_real> a("A", {z[0], z[1], z[2], z[3], nan_real});
        course_activate(gpu.stream, 5, 1, bias.data(), a.output(), f);
        const Reals got = a.values();
        for (std::size_t i = 0; i < z.size(); ++i) EXPECT_EQ(got[i], limit_of(f, z[i])) << z[i];
        EXPECT_TRUE(std::isnan(got[4]));
    });
}

TEST_F(Course, DeltasAreRight) {
    check_activation_backward<DeviceMemory>(
        [](const Activation& f, std::size_t count, const nn_real* a, nn_real* delta) {
            course_delta(gpu.stream, count, a, delta, f);
        });
}

TEST_F(Course, RowSumsAreRight) {
    check_row_sums<DeviceMemory>([](int rows, int n, const nn_real* delta, nn_real* sums) {
        course_row_sums(gpu.stream, rows, n, delta, sums);
    });
}

TEST_F(Course, UpdatesFollowTheGradientAndThePenalty) {
    check_step<DeviceMemory>(
        [](std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient, nn_real* p) {
            course_update(gpu.stream, Sgd{}, {rate, reg}, count, gradient, p, 0);
        });
}

// ------------------------------------------------------------------ the output layer

/// The output layer of logits z with a bias of zeros, so that z is exact. Returns the loss.
double output(const OutputCase& c, const std::uint8_t* labels, const nn_real* targets,
              nn_real scale, nn_real* z, nn_real* delta) {
    const OnDevice<nn_real> bias("b", Reals(elements(c.classes, 1)));
    OnDevice<double> losses("losses", std::vector<double>(elements(c.n, 1)));
    course_output(gpu.stream, {c.objective, c.classes, c.n, bias.data(), labels, targets, scale, z,
                               delta, losses.output()});
    const std::vector<double> all = losses.values();
    return std::accumulate(all.begin(), all.end(), 0.0);
}

/// Sizes around a block's 128 threads too.
std::vector<std::pair<int, int>> sizes() {
    auto all = output_sizes();
    for (const int outputs : {127, 128, 129, 300}) all.emplace_back(outputs, 2);
    return all;
}

TEST_F(Course, OutputsAreRightForEveryObjectiveAndTarget) {
    for (const Objective& objective : every_objective)
        for (const bool numbers : {false, true})
            check_output<DeviceMemory>(output_cases(objective, numbers, sizes()), output);
}

/// More than the fast kernels take.
TEST_F(Course, OutputsHaveNoLimit) {
    const int outputs = gpu_head_most_classes() + 1;
    check_output<DeviceMemory>(output_cases({}, false, {{outputs, 2}}), output);
}

/// Whole numbers, so that z + b is exact and the cases' bounds hold for it.
TEST_F(Course, OutputsAddTheirBias) {
    constexpr int outputs = 37, n = 3;
    Rng rng(103);
    for (const Objective& objective : every_objective) {
        const Reals b = small_integers(outputs, rng), product = small_integers(outputs * n, rng);
        OutputCase c{"whole", objective, outputs,
                     n,       product,   random_targets(false, outputs, n, rng)};
        for (std::size_t i = 0; i < c.z.size(); ++i) c.z[i] += b[i % outputs];
        const OnDevice<nn_real> bias("b", b);
        const OnDevice<std::uint8_t> labels("labels", c.targets.labels);
        OnDevice<nn_real> yhat("yhat", product), delta("delta", poison<nn_real>(product.size()));
        OnDevice<double> losses("losses", std::vector<double>(n));
        course_output(gpu.stream, {objective, outputs, n, bias.data(), labels.data(), nullptr, 1,
                                   yhat.output(), delta.output(), losses.output()});
        EXPECT_TRUE(within("yhat", yhat.values(), output_expected(c).yhat));
    }
}

TEST_F(Course, OutputsAddTheirLossesAndLeaveOutWhatIsNotWanted) {
    constexpr int outputs = 5, n = 4;
    Rng rng(104);
    const Reals z = normal_values(outputs * n, rng);
    const OnDevice<nn_real> bias("b", Reals(outputs));
    const OnDevice<std::uint8_t> labels("labels", Bytes(n, 2));
    const auto run = [&](bool with_labels, nn_real* delta, double before) {
        OnDevice<nn_real> yhat("yhat", z);
        OnDevice<double> losses("losses", std::vector<double>(n, before));
        course_output(gpu.stream, {{},
                                   outputs,
                                   n,
                                   bias.data(),
                                   with_labels ? labels.data() : nullptr,
                                   nullptr,
                                   1,
                                   yhat.output(),
                                   delta,
                                   losses.output()});
        return std::pair{yhat.values(), losses.values()};
    };
    OnDevice<nn_real> delta("delta", poison<nn_real>(z.size()));
    const auto [yhat, losses] = run(true, delta.output(), 0);
    const auto [same_yhat, more] = run(true, nullptr, 100);
    const auto [alone, none] = run(false, nullptr, 100);
    EXPECT_TRUE(same_bits("yhat", same_yhat, yhat));
    EXPECT_TRUE(same_bits("yhat without labels", alone, yhat));
    EXPECT_TRUE(same_bits("losses without labels", none, std::vector<double>(n, 100)));
    for (int j = 0; j < n; ++j) {
        const auto i = static_cast<std::size_t>(j);
        EXPECT_GT(losses[i], 0);
        EXPECT_TRUE(std::abs(more[i] - (100 + losses[i])) <= 101 * u_double) << "loss " << j;
    }
}

TEST_F(Course, NaNInOneSampleStaysThere) {
    for (const Objective& objective : every_objective) {
        Reals z(200 * 3, nn_real{1});
        z[at(150, 1, 200)] = nan_real;
        const OnDevice<nn_real> bias("b", Reals(200));
        const OnDevice<std::uint8_t> labels("labels", Bytes(3, 7));
        OnDevice<nn_real> yhat("yhat", z), delta("delta", poison<nn_real>(z.size()));
        OnDevice<double> losses("losses", std::vector<double>(3));
        course_output(gpu.stream, {objective, 200, 3, bias.data(), labels.data(), nullptr, 1,
                                   yhat.output(), delta.output(), losses.output()});
        const std::vector<double> all = losses.values();
        EXPECT_TRUE(std::isfinite(all[0]) && std::isnan(all[1]) && std::isfinite(all[2]))
            << text_of(objective);
        EXPECT_TRUE(std::isnan(yhat.values()[at(150, 1, 200)]));
        EXPECT_TRUE(std::isfinite(delta.values()[at(150, 2, 200)]));
    }
}

TEST_F(Course, ResultsDoNotDependOnTheOrderOfThreads) {
    Rng rng(105);
    const GemmCase g{true, true, 37, 41, 53, static_cast<nn_real>(0.7), static_cast<nn_real>(0.3)};
    const GemmInputs in = random_gemm(g, rng);
    const Reals product = run_gemm<DeviceMemory>(g, in, gemm);
    const std::vector<OutputCase> cases = output_cases({}, false, {{300, 3}});
    const auto outputs = [&] {
        Reals all;
        for (const OutputCase& c : cases) {
            const OutputResult r = run_output<DeviceMemory>(c, nn_real{0.25}, output);
            all.insert(all.end(), r.yhat.begin(), r.yhat.end());
            all.insert(all.end(), r.delta.begin(), r.delta.end());
            all.push_back(static_cast<nn_real>(r.loss));
        }
        return all;
    };
    const Reals first = outputs();
    in_every_order([&](const std::string& order) {
        SCOPED_TRACE(order);
        EXPECT_TRUE(same_bits("C", run_gemm<DeviceMemory>(g, in, gemm), product));
        EXPECT_TRUE(same_bits("yhat, delta and loss", outputs(), first));
    });
}

}  // namespace
