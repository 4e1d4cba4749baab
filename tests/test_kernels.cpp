// test_kernels.cpp: what the hand-written kernels promise in gpu_func.h, stated and held to it.
//
// g++ builds this against tests/gpuhost, nvcc for real GPUs; where there is none, every test is
// skipped. All arrays lie between guards, outputs start as NaN, and every tolerance is derived in
// reference_math.h. Results that have to be reproducible are compared bit for bit, in other orders
// of the threads where the kernel runner can change it.
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "gpu_func.h"
#include "gpu_gemm_timing.h"
#include "reference_math.h"

namespace {

Gpu gpu{};  // the running test's

struct DeviceMemory {
    static void* allocate(std::size_t bytes) {
        char* memory = nullptr;
        GPU_CHECK(cudaMalloc(&memory, bytes));
        return memory;
    }
    static void release(void* memory) { EXPECT_EQ(cudaFree(memory), cudaSuccess); }
    static void upload(void* to, const void* from, std::size_t bytes) {
        GPU_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, gpu.stream));
        GPU_CHECK(cudaStreamSynchronize(gpu.stream));
    }
    static void download(void* to, const void* from, std::size_t bytes) {
        GPU_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, gpu.stream));
        GPU_CHECK(cudaStreamSynchronize(gpu.stream));
    }
};

template <class T>
using OnDevice = Guarded<T, DeviceMemory>;

class Kernels : public testing::Test {
  protected:
    void SetUp() override {
        int devices = 0;
        const cudaError_t status = cudaGetDeviceCount(&devices);
        cudaGetLastError();
        if (status != cudaSuccess || devices == 0)
            GTEST_SKIP() << "no CUDA device: " << cudaGetErrorString(status);
        cudaDeviceProp properties;
        GPU_CHECK(cudaGetDeviceProperties(&properties, 0));
        gpu.multiprocessors = properties.multiProcessorCount;
        GPU_CHECK(cudaStreamCreateWithFlags(&gpu.stream, cudaStreamNonBlocking));
    }
    void TearDown() override {
        if (gpu.stream != nullptr) {
            EXPECT_EQ(cudaStreamDestroy(gpu.stream), cudaSuccess);
        }
        gpu = {};
    }
};

/// Runs the same again: on the kernel runner in every order of blocks and threads, on a GPU, whose
/// order is its own, a few times.
void in_every_order(const std::function<void(const std::string& order)>& run) {
#ifdef __CUDACC__
    for (const char* time : {"first run", "second run", "third run"}) run(time);
#else
    const gpuhost::Order before = gpuhost::config().order;
    using enum gpuhost::Order;
    for (const auto& [order, name] : {std::pair{forward, "forward"}, std::pair{reverse, "reverse"},
                                      std::pair{random, "random"}}) {
        gpuhost::config().order = order;
        run(name);
    }
    gpuhost::config().order = before;
#endif
}

constexpr std::pair<GemmTile, const char*> tiles[] = {{GemmTile::small, "small tile"},
                                                      {GemmTile::medium, "medium tile"},
                                                      {GemmTile::large, "large tile"},
                                                      {GemmTile::automatic, "automatic tile"}};

/// gpu_gemm with a tile, as the checks call it.
auto gemm_with(GemmTile tile) {
    return [tile](const GemmCase& g, const nn_real* a, const nn_real* b, nn_real* c) {
        const auto op = [](bool transposed) {
            return transposed ? Transposed::yes : Transposed::no;
        };
        gpu_gemm(gpu, op(g.a_transposed), op(g.b_transposed), g.m, g.n, g.k, g.alpha, a, b, g.beta,
                 c, tile);
    };
}

// ---- GEMM --------------------------------------------------------------------------------------

/// Judges one tile's result and requires the others to give the same bits.
void check_every_tile(const GemmCase& g, const GemmInputs& in, std::size_t most_shift) {
    SCOPED_TRACE(g.text());
    const Reals first = run_gemm<DeviceMemory>(g, in, gemm_with(GemmTile::small));
    EXPECT_TRUE(judged(g, in, first));
    for (const auto& [tile, name] : tiles)
        for (std::size_t shift = 0; shift <= most_shift; ++shift) {
            SCOPED_TRACE(std::string(name) + ", moved by " + std::to_string(shift));
            EXPECT_TRUE(
                same_bits("C", run_gemm<DeviceMemory>(g, in, gemm_with(tile), shift), first));
        }
}

TEST_F(Kernels, GemmIsRightAroundEveryEdgeAndAlikeWithEveryTile) {
    Rng rng(1);
    for (const GemmCase& g : gemm_cases(edge_sizes())) check_every_tile(g, random_gemm(g, rng), 0);
}

TEST_F(Kernels, GemmIsRightOnCubesAndAlikeWithEveryTileLarge) {
    Rng rng(8);
    for (const GemmCase& g : gemm_cases(cube_sizes())) check_every_tile(g, random_gemm(g, rng), 0);
}

TEST_F(Kernels, GemmGivesTheSameBitsByVectorAndByScalarLoads) {
    Rng rng(2);
    for (const GemmCase& g : gemm_cases(pack_sizes())) check_every_tile(g, random_gemm(g, rng), 1);
}

TEST_F(Kernels, GemmTakesEveryPairOfScalars) {
    Rng rng(3);
    for (const nn_real alpha : {nn_real{0}, nn_real{1}, static_cast<nn_real>(-2.3)})
        for (const nn_real beta : {nn_real{0}, nn_real{1}, static_cast<nn_real>(0.7)})
            for (const bool ta : {false, true})
                for (const bool tb : {false, true})
                    for (const auto& [m, n, k] : {std::array{33, 17, 5}, std::array{36, 68, 8}}) {
                        const GemmCase g{ta, tb, m, n, k, alpha, beta};
                        check_every_tile(g, random_gemm(g, rng), 0);
                    }
}

TEST_F(Kernels, GemmIsExactOnSmallIntegers) {
    for (const auto& [tile, name] : tiles) {
        SCOPED_TRACE(name);
        check_gemm_on_integers<DeviceMemory>(gemm_with(tile));
    }
}

TEST_F(Kernels, GemmKeepsEveryNaNAndInfinityInItsPlace) {
    for (const auto& [tile, name] : tiles) {
        SCOPED_TRACE(name);
        check_gemm_keeps_nan<DeviceMemory>(gemm_with(tile));
    }
}

TEST_F(Kernels, GemmOfNothingIsZeroOrNothing) {
    for (const auto& [tile, name] : tiles) {
        SCOPED_TRACE(name);
        check_gemm_of_nothing<DeviceMemory>(gemm_with(tile));
    }
}

TEST_F(Kernels, GemmGivesTheSameBitsInEveryOrder) {
    Rng rng(4);
    const GemmCase g{true, false, 70, 67, 41, static_cast<nn_real>(1.5), 1};
    const GemmInputs in = random_gemm(g, rng);
    const Reals first = run_gemm<DeviceMemory>(g, in, gemm_with(GemmTile::small));
    for (const auto& [tile, name] : tiles)
        in_every_order([&, tile = tile, name = name](const std::string& order) {
            SCOPED_TRACE(name + (", " + order));
            EXPECT_TRUE(same_bits("C", run_gemm<DeviceMemory>(g, in, gemm_with(tile)), first));
        });
}

TEST_F(Kernels, GemmIsRightAtTheCoursesOutputLayerLarge) {
    Rng rng(5);
    for (const GemmCase& g : gemm_cases({{800, 10, 1000}}))
        check_every_tile(g, random_gemm(g, rng), 0);
}

TEST_F(Kernels, GemmIsRightAtTheCoursesHiddenLayerLarge) {
    Rng rng(6);
    const GemmCase g{false, false, 800, 1000, 784, 2, 5};
    const GemmInputs in = random_gemm(g, rng);
    SCOPED_TRACE(g.text());
    EXPECT_TRUE(judged(g, in, run_gemm<DeviceMemory>(g, in, gemm_with(GemmTile::automatic))));
}

#ifdef __CUDACC__  // the kernel runner has no cuBLAS
/// cuBLAS is a second opinion: what passes for ours has to pass for it too.
TEST_F(Kernels, GemmAndCublasBothSatisfyTheJudgeLarge) {
    Rng rng(7);
    for (const auto& [m, n, k] :
         {std::array{800, 1000, 784}, std::array{800, 10, 1000}, std::array{37, 41, 53}}) {
        const GemmCase g{false, false, m, n, k, 2, 5};
        SCOPED_TRACE(g.text());
        const GemmInputs in = random_gemm(g, rng);
        const GemmProblem problem{m, n, k, g.alpha, in.a.data(), in.b.data(), g.beta};
        Reals theirs = in.c, ours = in.c;
        const GemmTiming timing = time_cublas_gemm(problem, 1, theirs.data());
        if (!timing.missing.empty()) GTEST_SKIP() << "no cuBLAS: " << timing.missing;
        EXPECT_TRUE(judged(g, in, theirs)) << "by cuBLAS";
        ASSERT_EQ(time_our_gemm(problem, 1, ours.data()).missing, "");
        EXPECT_TRUE(judged(g, in, ours)) << "by our kernel";
    }
}
#endif

// ---- A layer -----------------------------------------------------------------------------------

struct LayerInputs {
    Reals w, a_in, bias;
};

Reals run_layer(Activation activation, int m, int n, int k, const LayerInputs& in, GemmTile tile) {
    const OnDevice<nn_real> w("W", in.w), a_in("A_in", in.a_in), bias("b", in.bias);
    OnDevice<nn_real> out("A_out", poison<nn_real>(elements(m, n)));
    gpu_layer(gpu, activation, m, n, k, w.data(), a_in.data(), bias.data(), out.output(), tile);
    return out.values();
}

/// z = sum of k products + b: k roundings of products, and k of additions that share k + 1 terms.
Expected layer_expected(Activation activation, int m, int n, int k, const LayerInputs& in) {
    Expected expected{m, {}, {}};
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < m; ++i) {
            const Wide bias = in.bias[static_cast<std::size_t>(i)];
            Wide z = bias, size = std::abs(bias);
            for (int p = 0; p < k; ++p) {
                const Wide term = static_cast<Wide>(in.w[at(i, p, m)]) * in.a_in[at(p, j, k)];
                z += term;
                size += std::abs(term);
            }
            const Wide z_error = slack * static_cast<Wide>(k + 1) * u * size;
            if (activation == Activation::none)
                expected.add(z, z_error);
            else
                add_sigmoid(expected, z, z_error);
        }
    return expected;
}

TEST_F(Kernels, LayerAddsTheBiasAndTakesTheSigmoid) {
    Rng rng(11);
    for (const auto& [m, n, k] :
         {std::array{1, 1, 1}, std::array{33, 17, 37}, std::array{64, 12, 36},
          std::array{65, 129, 20}, std::array{10, 31, 100}, std::array{7, 5, 0},
          std::array{0, 5, 3}, std::array{5, 0, 3}})
        for (const Activation activation : {Activation::none, Activation::sigmoid}) {
            SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(n) +
                         ", k = " + std::to_string(k) +
                         (activation == Activation::none ? ", no activation" : ", sigmoid"));
            const LayerInputs in{normal_values(elements(m, k), rng),
                                 normal_values(elements(k, n), rng),
                                 normal_values(elements(m, 1), rng, 3)};
            const Reals first = run_layer(activation, m, n, k, in, GemmTile::small);
            EXPECT_TRUE(within("A_out", first, layer_expected(activation, m, n, k, in)));
            for (const auto& [tile, name] : tiles)
                EXPECT_TRUE(same_bits(name + std::string(": A_out"),
                                      run_layer(activation, m, n, k, in, tile), first));
        }
}

TEST_F(Kernels, LayerSaturatesToExactlyZeroAndOne) {
    const LayerInputs in{{0, 0, 0, 2, -2}, {500, 500}, {1000, -1000, 0, 0, 0}};
    const Reals out = run_layer(Activation::sigmoid, 5, 2, 1, in, GemmTile::automatic);
    const nn_real half = static_cast<nn_real>(0.5);
    EXPECT_EQ(out, (Reals{1, 0, half, 1, 0, 1, 0, half, 1, 0}));
}

// ---- Softmax and cross-entropy -----------------------------------------------------------------

constexpr std::size_t loss_slots = gpu_loss_slots;

double sum_of(const std::vector<double>& slots) {
    return std::accumulate(slots.begin(), slots.end(), 0.0);
}

/// gpu_softmax_cross_entropy as the checks call it, from a loss of 0.
double softmax(const SoftmaxCase& c, const std::uint8_t* labels, nn_real scale, nn_real* z,
               nn_real* delta) {
    OnDevice<double> loss("loss", std::vector<double>(loss_slots));
    gpu_softmax_cross_entropy(gpu, c.classes, c.n, labels, scale, z, delta, loss.output());
    return sum_of(loss.values());
}

TEST_F(Kernels, SoftmaxIsRightForEveryNumberOfClassesAndAnyLogits) {
    check_softmax<DeviceMemory>(softmax_cases(softmax_sizes()), softmax);
}

TEST_F(Kernels, SoftmaxIsRightForMoreColumnsThanLossSlots) {
    static_assert(1100 > 2 * gpu_loss_slots);
    check_softmax<DeviceMemory>({softmax_cases({{10, 1100}}).front()}, softmax);
}

TEST_F(Kernels, SoftmaxIsRightForManyColumnsOfAnyLogitsLarge) {
    check_softmax<DeviceMemory>(softmax_cases({{10, 800}, {33, 1100}}), softmax);
}

TEST_F(Kernels, SoftmaxAddsItsLossToWhatIsThere) {
    for (const int n : {5, 600}) {
        const SoftmaxCase c = softmax_cases({{33, n}}).front();
        SCOPED_TRACE(c.text());
        std::vector<double> before(loss_slots);
        for (std::size_t i = 0; i < before.size(); ++i) before[i] = static_cast<double>(i);
        OnDevice<double> loss("loss", before);
        for (int call = 0; call < 3; ++call)
            run_softmax<DeviceMemory>(c, 1,
                                      [&](const SoftmaxCase& same, const std::uint8_t* labels,
                                          nn_real scale, nn_real* z, nn_real* delta) {
                                          gpu_softmax_cross_entropy(gpu, same.classes, same.n,
                                                                    labels, scale, z, delta,
                                                                    loss.output());
                                          return 0.0;
                                      });
        const SoftmaxExpected expected = softmax_expected(c, 1);
        const Wide total = sum_of(before) + 3 * expected.loss;
        // Each call adds once to a slot, and the slots are added up here.
        const Wide bound = 3 * expected.loss_bound + (loss_slots + 3) * u_double * total;
        const double got = sum_of(loss.values());
        EXPECT_TRUE(std::abs(got - total) <= bound)
            << "the loss is " << got << ", expected " << total << " +- " << bound;
    }
}

TEST_F(Kernels, SoftmaxGivesTheSameBitsInEveryOrder) {
    const SoftmaxCase c = softmax_cases({{33, 600}}).front();
    std::vector<double> first_slots;
    SoftmaxResult first{};
    in_every_order([&](const std::string& order) {
        SCOPED_TRACE(order);
        std::vector<double> slots;
        const SoftmaxResult result = run_softmax<DeviceMemory>(
            c, 1,
            [&](const SoftmaxCase& same, const std::uint8_t* labels, nn_real scale, nn_real* z,
                nn_real* delta) {
                // From a third, so that every sum rounds and none comes out alike by chance.
                OnDevice<double> loss("loss", std::vector<double>(loss_slots, 1.0 / 3));
                gpu_softmax_cross_entropy(gpu, same.classes, same.n, labels, scale, z, delta,
                                          loss.output());
                slots = loss.values();
                return sum_of(slots);
            });
        if (first_slots.empty()) {
            first_slots = slots;
            first = result;
        }
        EXPECT_TRUE(same_bits("loss", slots, first_slots));
        EXPECT_TRUE(same_bits("yhat", result.yhat, first.yhat));
        EXPECT_TRUE(same_bits("delta", result.delta, first.delta));
    });
}

// ---- Element by element, and sums --------------------------------------------------------------

TEST_F(Kernels, SigmoidBackwardMultipliesByTheSlope) {
    check_sigmoid_backward<DeviceMemory>([](std::size_t count, const nn_real* a, nn_real* delta) {
        gpu_sigmoid_backward(gpu, count, a, delta);
    });
}

void row_sums(int rows, int n, const nn_real* delta, nn_real* sums) {
    gpu_row_sums(gpu, rows, n, delta, sums);
}

TEST_F(Kernels, RowSumsAreRightForEveryShape) { check_row_sums<DeviceMemory>(row_sums); }

TEST_F(Kernels, RowSumsDependOnTheRowAloneAndNotOnTheOrder) {
    Rng rng(42);
    const int n = 203;
    const Reals row = normal_values(elements(n, 1), rng);
    Reals first;
    for (const int rows : {1, 32, 45})
        in_every_order([&](const std::string& order) {
            SCOPED_TRACE(std::to_string(rows) + " rows, " + order);
            Reals matrix;  // every row the same
            for (const nn_real v : row) matrix.insert(matrix.end(), elements(rows, 1), v);
            const OnDevice<nn_real> delta("delta", matrix);
            OnDevice<nn_real> sums("sums", poison<nn_real>(elements(rows, 1)));
            row_sums(rows, n, delta.data(), sums.output());
            const Reals got = sums.values();
            if (first.empty()) first = got;
            EXPECT_TRUE(same_bits("sums", got, Reals(elements(rows, 1), first[0])));
        });
}

TEST_F(Kernels, StepFollowsTheGradientAndThePenalty) {
    check_step<DeviceMemory>([](std::size_t count, nn_real rate, nn_real reg,
                                const nn_real* gradient,
                                nn_real* p) { gpu_step(gpu, count, rate, reg, gradient, p); });
}

/// One product of a byte and the scale: Wide holds it exactly, so there is one right answer.
void check_gather(int d, const Bytes& pixels, const Bytes& labels,
                  const std::vector<std::uint32_t>& samples, bool identity) {
    SCOPED_TRACE(std::to_string(d) + " pixels, " + std::to_string(samples.size()) + " samples" +
                 (identity ? " in their order" : ""));
    const nn_real scale = nn_real{1} / 255;
    Reals expected;
    Bytes expected_labels;
    for (const std::uint32_t s : samples) {
        for (int i = 0; i < d; ++i)
            expected.push_back(static_cast<nn_real>(static_cast<Wide>(scale) *
                                                    pixels[elements(d, 1) * s + at(i, 0, d)]));
        expected_labels.push_back(labels[s]);
    }
    const OnDevice<std::uint8_t> from("pixels", pixels), labels_in("labels", labels);
    const OnDevice<std::uint32_t> order("samples", samples);
    OnDevice<nn_real> x("x", poison<nn_real>(expected.size()));
    OnDevice<std::uint8_t> labels_out("labels_out", poison<std::uint8_t>(samples.size()));
    gpu_gather_pixels(gpu, d, static_cast<int>(samples.size()), identity ? nullptr : order.data(),
                      scale, from.data(), labels_in.data(), x.output(), labels_out.output());
    EXPECT_TRUE(same_bits("x", x.values(), expected));
    EXPECT_TRUE(same_bits("labels_out", labels_out.values(), expected_labels));
}

TEST_F(Kernels, GatherPicksAndScalesTheSamplesAskedFor) {
    Rng rng(71);
    for (const int d : {1, 9, 784})
        for (const std::uint32_t count : {1u, 3u, 17u}) {
            Bytes pixels = random_bytes(elements(d, 1) * count, rng);
            const Bytes labels = random_bytes(count, rng);
            std::vector<std::uint32_t> samples(count);
            std::iota(samples.begin(), samples.end(), 0u);
            check_gather(d, pixels, labels, samples, true);
            shuffle(samples, rng);
            check_gather(d, pixels, labels, samples, false);
            samples = {count - 1, 0, count - 1, count / 2, count / 2};
            check_gather(d, pixels, labels, samples, false);
            check_gather(d, pixels, labels, {}, false);
        }
}

TEST_F(Kernels, GatherConvertsEveryByteValue) {
    Bytes pixels(256), labels(256);
    std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
    std::iota(labels.begin(), labels.end(), std::uint8_t{0});
    check_gather(256, pixels, {255}, {0}, true);
    std::vector<std::uint32_t> backwards(256);
    std::iota(backwards.rbegin(), backwards.rend(), 0u);
    check_gather(1, pixels, labels, backwards, false);
}

/// gpu_sum_of_squares as the checks call it; its slots start as NaN.
double sum_of_squares(std::size_t count, const nn_real* values) {
    OnDevice<double> partial("partial", poison<double>(gpu_square_slots));
    gpu_sum_of_squares(gpu, count, values, partial.output());
    return sum_of(partial.values());
}

TEST_F(Kernels, SumOfSquaresIsRightForEveryCount) {
    check_sum_of_squares<DeviceMemory>(sum_of_squares);
}

TEST_F(Kernels, SumOfSquaresGivesTheSameBitsInEveryOrder) {
    Rng rng(62);
    const OnDevice<nn_real> values("values", normal_values(40000, rng));
    std::vector<double> sums;
    in_every_order(
        [&](const std::string&) { sums.push_back(sum_of_squares(40000, values.data())); });
    EXPECT_TRUE(same_bits("sum in each order", sums, std::vector<double>(sums.size(), sums[0])));
}

}  // namespace
