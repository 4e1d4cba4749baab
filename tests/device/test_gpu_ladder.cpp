// test_gpu_ladder.cpp: every rung of the benchmark's ladders computes right, at any size, and is
// what its name says.
//
// What teaches has to be correct. Sizes are odd, one off a tile's edge, and whole packs; outputs
// start as NaN between guards; whole numbers have to match exactly, the rest within judge.h's
// bound; and every order of the threads gives the same bits.
#include <numeric>
#include <string>

#include "bench/gpu_ladder.h"
#include "model/initial.h"
#include "tests/support/gradient_inputs.h"

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

// ---- a layer, and a step ------------------------------------------------------------------------

#ifdef __CUDACC__
constexpr bool counts_launches = false;
struct OnChipWithEveryRung {};
struct Launches {
    static std::size_t of_kernels() { return 0; }
    static std::size_t of_graphs() { return 0; }
};
#else
constexpr bool counts_launches = true;
struct OnChipWithEveryRung {
    OnChipWithEveryRung() { gpuhost::config().capability = 90; }
    ~OnChipWithEveryRung() { gpuhost::config() = before; }
    const gpuhost::Config before = gpuhost::config();
};
struct Launches {
    static std::size_t of_kernels() { return gpuhost::traffic().launches; }
    static std::size_t of_graphs() { return gpuhost::traffic().graph_launches; }
};
#endif

class UpperRungs : public Kernels {
    OnChipWithEveryRung chip_;
};

/// sigmoid(W X + b), as a sum of so many rounded terms.
Expected layer_in_wide(int m, int n, int k, const Reals& w, const Reals& x, const Reals& bias) {
    Expected expected{m, {}, {}};
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < m; ++i) {
            Wide z = bias[static_cast<std::size_t>(i)], size = std::abs(z);
            for (int p = 0; p < k; ++p) {
                const Wide term = static_cast<Wide>(w[at(i, p, m)]) * x[at(p, j, k)];
                z += term;
                size += std::abs(term);
            }
            add_activated(expected, Sigmoid{}, z, slack * static_cast<Wide>(k + 2) * u * size);
        }
    return expected;
}

TEST_F(UpperRungs, EveryLayerIsRightAndOnlyWhatIsJoinedIsSplit) {
    constexpr int m = 40, n = 24, k = 784;
    Rng rng(14);
    const Reals w = normal_values(elements(m, k), rng), bias = normal_values(elements(m, 1), rng);
    const Bytes pixels = random_bytes(elements(k, n), rng);
    const Expected expected = layer_in_wide(m, n, k, w, worth_of(pixels), bias);
    const OnDevice<nn_real> w_there("W", w), bias_there("b", bias);
    const OnDevice<std::uint8_t> pixels_there("X", pixels);
    const auto rungs = layer_ladder(gpu.chip);
    EXPECT_EQ(rungs.size(), gpu_has_bf16x3(gpu.chip) ? 4u : 2u);
    for (const LayerRung& rung : rungs) {
        SCOPED_TRACE(rung.name);
        EXPECT_EQ(rung.plan(gpu, m, n, k).splits > 1, std::string(rung.name) != "fused");
        OnDevice<nn_real> a("A", poison<nn_real>(elements(m, n)));
        LayerByRung(gpu, rung, m, n, k)
            .compute(w_there.data(), input_of(pixels_there.data(), scale), bias_there.data(),
                     a.output());
        EXPECT_TRUE(within("A", a.values(), expected));
    }
}

/// Two epochs of three steps, the last of which is short, and what the second one took.
struct Trained {
    Reals parameters;
    std::size_t kernels = 0, graphs = 0;
};
Trained train_by(const StepRung& rung) {
    constexpr int inputs = 784, hidden = 12, classes = 10, batch = 8, count = 20;
    const ReplicaShape shape{Layout({inputs, hidden, classes}), batch, nn_real{1} / 255};
    Rng rng(15);
    const Bytes pixels = random_bytes(elements(inputs, count), rng),
                labels = random_bytes(elements(1, count), rng, classes);
    const auto replica = rung.replica(shape, 0);
    replica->write(initial_parameters<nn_real>(shape.layout, 1, 0).values);
    EXPECT_TRUE(replica->samples().keep(Role::train, {pixels, labels}));
    std::vector<std::uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    replica->samples().set_order(order);
    Trained trained{Reals(shape.layout.total())};
    for (int epoch = 0; epoch < 2; ++epoch) {
        const std::size_t kernels = Launches::of_kernels(), graphs = Launches::of_graphs();
        take_steps(*replica, {count, batch, {nn_real{0.5}, nn_real{1} / 256}}, rung.at_once);
        replica->read(trained.parameters);  // waits
        trained.kernels = Launches::of_kernels() - kernels;
        trained.graphs = Launches::of_graphs() - graphs;
    }
    return trained;
}

TEST_F(UpperRungs, EveryStepLearnsWhatThePlainOneLearns) {
    const Reals plain = train_by(step_ladder().front()).parameters;
    const double tolerance = sizeof(nn_real) == sizeof(float) ? 1e-6 : 1e-14;
    for (const StepRung& rung : step_ladder().subspan(1)) {
        const Reals learned = train_by(rung).parameters;
        for (std::size_t i = 0; i < plain.size(); ++i)
            ASSERT_NEAR(learned[i], plain[i], tolerance) << rung.name << ", parameter " << i;
    }
}

TEST_F(UpperRungs, TakeTheKernelsAndLaunchesThatTheirGainsTell) {
    if (!counts_launches) GTEST_SKIP() << "only the kernel runner counts launches";
    const struct {
        std::size_t kernels, graphs;
    } expected[] = {{3 * 15, 0}, {3 * 3, 0}, {3 * 3, 1}, {1, 0}};
    ASSERT_EQ(step_ladder().size(), std::size(expected));
    for (std::size_t i = 0; i < std::size(expected); ++i) {
        const Trained trained = train_by(step_ladder()[i]);
        EXPECT_EQ(trained.kernels, expected[i].kernels) << step_ladder()[i].name;
        EXPECT_EQ(trained.graphs, expected[i].graphs) << step_ladder()[i].name;
    }
}

}  // namespace
