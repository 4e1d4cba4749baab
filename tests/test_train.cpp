// test_train.cpp: DataParallelNeuralNetwork against the serial reference, at any number of ranks.
//
// Every test runs on the CPU replica, in each way that it can work, and on the CUDA replica of this
// binary's back end: real GPUs, or the kernel runner. All ranks run every test; long trainings are
// judged on rank 0.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <ostream>
#include <span>
#include <thread>

#include "cores.h"
#include "counted_new.h"
#include "judge.h"
#include "mnist_reader.h"
#include "neural_network.h"

namespace {

constexpr nn_real unit_pixels = nn_real{1} / nn_real{255};
constexpr double course_tolerance = sizeof(nn_real) == sizeof(float) ? 1e-6 : 1e-14;

const Comm& comm() {
    static const Comm world;
    return world;
}

/// What a test trains, and from which start.
struct Case {
    std::vector<int> sizes;
    int images;
    Training training;
    double init_scale = 0;
    std::uint64_t seed = 1;
    Objective objective = {};
};

Parameters<nn_real> initial_of(const Case& c) {
    return initial_parameters<nn_real>(Layout(c.sizes), c.seed, c.init_scale);
}

/// `images` random images of sizes.front() pixels, with every label below sizes.back() in turn.
Dataset random_set(const std::vector<int>& sizes, int images) {
    Dataset set{1, sizes.front(), sizes.back(), {}, {}};
    Rng rng(7);
    for (int j = 0; j < images; ++j) {
        set.labels.push_back(static_cast<std::uint8_t>(j % sizes.back()));
        for (int i = 0; i < sizes.front(); ++i)
            set.pixels.push_back(static_cast<std::uint8_t>(rng.below(256)));
    }
    return set;
}

/// Samples of either kind of inputs and of targets: some targets are 0 or 1, some are not.
Dataset random_table(const std::vector<int>& sizes, int samples, const SampleFormat& format) {
    Dataset set = random_set(sizes, samples);
    Rng rng(8);
    if (format.number_inputs) {
        for (std::size_t i = 0; i < set.pixels.size(); ++i)
            set.inputs.push_back(static_cast<nn_real>(rng.normal()));
        set.pixels.clear();
    }
    if (format.number_targets) {
        const std::size_t count = set.labels.size() * static_cast<std::size_t>(sizes.back());
        for (std::size_t i = 0; i < count; ++i)
            set.targets.push_back(
                static_cast<nn_real>(i % 3 == 0 ? static_cast<double>(i % 2) : rng.uniform()));
        set.labels.clear();
    }
    return set;
}

/// The first images of MNIST.
Dataset mnist_set(int images) {
    static const Dataset all = read_mnist("data", Split::train);
    const auto count = static_cast<std::size_t>(images);
    Dataset set{all.rows, all.cols, all.classes, {}, {}};
    set.pixels.assign(all.pixels.begin(),
                      all.pixels.begin() + static_cast<std::ptrdiff_t>(count * all.features()));
    set.labels.assign(all.labels.begin(), all.labels.begin() + images);
    return set;
}

std::vector<std::uint32_t> all_samples(const Dataset& set) {
    std::vector<std::uint32_t> samples(set.count());
    std::iota(samples.begin(), samples.end(), 0u);
    return samples;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Fails, naming tensor, element, values and bound, where a tensor is off by more than `tolerance`,
/// absolute or relative, in any element.
void expect_same(const Parameters<nn_real>& values, const Parameters<double>& reference,
                 double tolerance) {
    for (const TensorDifference& d : compare(values, reference))
        EXPECT_TRUE(d.max_either <= tolerance)
            << d.name << "(" << d.worst % static_cast<std::size_t>(d.rows) << ","
            << d.worst / static_cast<std::size_t>(d.rows) << ") = " << d.value << ", reference "
            << d.reference << ", difference " << d.max_either << " > " << tolerance << " on "
            << comm().size() << " ranks";
}

// Where the kernels run on the CPU, what a new GPU can is seen unless the user asks for another.
const int capability_of_runner = setenv("GPUHOST_CAPABILITY", "90", 0);

/// A way to train. On a CPU bf16x3 is so where the processor can.
struct Way {
    const char* name;
    bool cuda = false, bf16x3 = true;
    int threads = 1;
    bool shared = false;  ///< parameters and gradients in memory that all ranks see, as in main.cpp
    std::size_t parts_from = CudaSettings{}.parts_from;
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

constexpr Way cpu_ways[] = {{.name = "cpu"},
                            {.name = "cpu_fp32", .bf16x3 = false},
                            {.name = "cpu_3_threads", .threads = 3},
                            {.name = "cpu_shared", .threads = 2, .shared = true}};
constexpr Way cuda_ways[] = {
    {.name = "cuda", .cuda = true, .bf16x3 = false},
    {.name = "cuda_bf16x3", .cuda = true},
    {.name = "cuda_parts", .cuda = true, .bf16x3 = false, .parts_from = 0}};
constexpr Way every_way[] = {cpu_ways[0],  cpu_ways[1],  cpu_ways[2], cpu_ways[3],
                             cuda_ways[0], cuda_ways[1], cuda_ways[2]};
/// What CUDA's ways have of their own is in CudaTrain.
constexpr auto ways = std::span(every_way).first<5>();

class Train : public testing::TestWithParam<Way> {
  protected:
    void SetUp() override {
        devices_ = find_cuda_devices();
        if (GetParam().cuda && devices_.count == 0)
            GTEST_SKIP() << "no CUDA: " << devices_.why_none;
        if (GetParam().cuda && GetParam().bf16x3 && !devices_.bf16x3)
            GTEST_SKIP() << "a GPU before compute capability 8.0, or the build in double";
        if (GetParam().shared && comm().node_size() < comm().size())
            GTEST_SKIP() << "the ranks are on several nodes";
    }

    DataParallelNeuralNetwork make_network(const Parameters<nn_real>& initial, int batch,
                                           nn_real pixel_scale, const Way& way = GetParam(),
                                           const Objective& objective = {},
                                           const SampleFormat& format = {}) {
        const int capacity = std::max(1, slice_of(batch, 0, comm().size()).count);
        const ReplicaShape shape{initial.layout, capacity, pixel_scale, objective, format};
        if (way.cuda)
            return {comm(), make_cuda_replica(shape, cuda_settings(way)), initial, capacity};
        CpuSettings settings{.threads = way.threads, .bf16x3 = way.bf16x3};
        if (way.shared) {
            const std::size_t count = initial.layout.total();
            shared_.push_back(std::make_unique<SharedParameters>(comm(), count));
            settings.parameters = shared_.back()->parameters();
            settings.gradient =
                shared_.back()->gradients()[static_cast<std::size_t>(comm().rank())];
        }
        return {comm(), make_cpu_replica(shape, settings), initial, capacity,
                way.shared ? shared_.back().get() : nullptr};
    }

    CudaSettings cuda_settings(const Way& way, bool several_ranks = comm().size() > 1) const {
        return {.device = comm().node_rank() % devices_.count,
                .bf16x3 = way.bf16x3,
                .several_ranks = several_ranks,
                .shares_device = comm().node_size() > devices_.count,
                .parts_from = way.parts_from};
    }

    /// A replica for slices of up to `capacity` images, with parameters and the set on it. For
    /// CUDA: one of several ranks, or not, whatever there are.
    std::unique_ptr<Replica> make_replica(const std::vector<int>& sizes, int capacity,
                                          const Dataset& set, bool several_ranks) const {
        const ReplicaShape shape{Layout(sizes), capacity, unit_pixels};
        const Way& way = GetParam();
        auto replica =
            way.cuda ? make_cuda_replica(shape, cuda_settings(way, several_ranks))
                     : make_cpu_replica(shape, {.threads = way.threads, .bf16x3 = way.bf16x3});
        replica->set_parameters(initial_parameters<nn_real>(shape.layout, 1, 0).values);
        EXPECT_TRUE(replica->keep(set.pixels, set.labels));
        replica->set_order(all_samples(set));
        return replica;
    }
    /// All parts, each in its place; NaN where none is, and a failure where two are.
    static std::vector<nn_real> gradient_of(Replica& replica, const Layout& layout) {
        std::vector<nn_real> gradient(layout.total(), std::numeric_limits<nn_real>::quiet_NaN());
        std::size_t covered = 0;
        for (int p = 0; p < replica.gradient_parts(); ++p) {
            const GradientPart part = replica.gradient(p);
            covered += part.values.size();
            std::ranges::copy(part.values,
                              gradient.begin() + static_cast<std::ptrdiff_t>(part.first));
        }
        EXPECT_EQ(covered, layout.total());
        return gradient;
    }

    /// For the case's training.
    DataParallelNeuralNetwork make_network(const Parameters<nn_real>& initial, const Case& c,
                                           const Dataset& set, const Way& way = GetParam()) {
        return make_network(initial, std::min(c.training.batch, c.images), c.training.pixel_scale,
                            way, c.objective, set.format());
    }

    /// Trains and returns the parameters, after a look whether all ranks hold the same bits.
    Parameters<nn_real> trained(const Case& c, const Dataset& set, const Way& way = GetParam()) {
        auto network = make_network(initial_of(c), c, set, way);
        network.train(set, c.training, nullptr);
        EXPECT_TRUE(network.ranks_agree()) << "the ranks' parameters differ in some bit";
        return network.parameters();
    }
    static Parameters<double> reference(const Case& c, const Dataset& set) {
        NeuralNetwork network(initial_of(c), c.objective);
        network.train(set, c.training);
        return network.parameters();
    }
    void expect_reference(const Case& c) {
        const Dataset set = random_set(c.sizes, c.images);
        const Parameters<nn_real> values = trained(c, set);
        if (comm().is_root()) expect_same(values, reference(c, set), course_tolerance);
    }

    CudaDevices devices_;
    std::vector<std::unique_ptr<SharedParameters>> shared_;  ///< outlive the networks
};

std::string name_of(const testing::TestParamInfo<Way>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(On, Train, testing::ValuesIn(ways), name_of);

// ------------------------------------------------------------------ one step, part by part (HW5)

struct StepCase {
    std::vector<int> sizes;
    int images;
};

class Step : public Train {
  protected:
    /// yhat, J, every tensor of the gradient, and the parameters after the step, each against the
    /// reference's.
    void expect_step(const StepCase& c, const Dataset& set) {
        const nn_real scale = nn_real{1} / nn_real{255};
        const double reg = 1e-4;
        const auto rate = nn_real{0.01f};
        const auto samples = all_samples(set);
        const auto initial = initial_parameters<nn_real>(Layout(c.sizes), 1, 0);
        auto network = make_network(initial, c.images, scale);
        NeuralNetwork judge(initial);
        const Matrix yhat = judge.forward(input_columns(set, samples, scale));

        network.load(set, samples);
        network.forward();
        expect_probabilities(network.replica(), yhat, c.images);
        const Matrix y = target_columns(set, samples);
        const double loss = network.loss(reg), expected = judge.loss(y, reg);
        EXPECT_TRUE(std::abs(loss - expected) <= 10 * course_tolerance * expected)
            << "J = " << loss << ", reference " << expected;

        Parameters<nn_real> gradient(initial.layout);
        network.replica().backward();
        gradient.values = gradient_of(network.replica(), initial.layout);
        comm().sum(gradient.values.data(), gradient.values.size());
        expect_same(gradient, judge.backward(y, 0), course_tolerance);

        network.backward();
        network.step(rate, reg);
        judge.backward(y, reg);
        judge.step(static_cast<double>(rate));
        expect_same(network.parameters(), judge.parameters(), course_tolerance);
    }

    static void expect_probabilities(Replica& replica, const Matrix& expected, int images) {
        const Slice mine = slice_of(images, comm().rank(), comm().size());
        std::vector<nn_real> yhat(static_cast<std::size_t>(mine.count * expected.rows));
        replica.get_probabilities(yhat);
        for (int j = 0; j < mine.count; ++j)
            for (int i = 0; i < expected.rows; ++i) {
                const double value = yhat[static_cast<std::size_t>(j * expected.rows + i)];
                const double reference = expected(i, mine.first + j);
                ASSERT_TRUE(std::abs(value - reference) <= course_tolerance)
                    << "yhat(" << i << "," << mine.first + j << ") = " << value << ", reference "
                    << reference;
            }
    }
};
INSTANTIATE_TEST_SUITE_P(On, Step, testing::ValuesIn(every_way), name_of);

TEST_P(Step, of_9_4_10_with_8_images_is_the_references) {
    expect_step({{9, 4, 10}, 8}, random_set({9, 4, 10}, 8));
}
TEST_P(Step, of_100_16_10_with_80_images_is_the_references) {
    expect_step({{100, 16, 10}, 80}, random_set({100, 16, 10}, 80));
}
TEST_P(Step, of_784_64_10_with_800_images_of_mnist_is_the_references) {
    expect_step({{784, 64, 10}, 800}, mnist_set(800));
}
TEST_P(Step, without_a_hidden_layer_is_the_references) {
    expect_step({{100, 7}, 23}, random_set({100, 7}, 23));
}
TEST_P(Step, of_three_hidden_layers_is_the_references) {
    expect_step({{30, 17, 33, 5, 7}, 41}, random_set({30, 17, 33, 5, 7}, 41));
}

// ------------------------------------------------------------------ awkward sizes

Case small_case(int images, int batch, int epochs = 2) {
    return {{12, 7, 3},
            images,
            {.batch = batch,
             .epochs = epochs,
             .rate = 0.1,
             .decay = 0.9,
             .reg = 1e-3,
             .pixel_scale = unit_pixels}};
}

TEST_P(Train, small_batches_of_any_size_match_the_reference) {
    for (int batch : {1, 2, 3, 4, 5, 7, 16, 17, 31, 50}) {
        SCOPED_TRACE("batch " + std::to_string(batch));
        expect_reference(small_case(50, batch));
    }
}
TEST_P(Train, small_set_within_one_larger_batch_matches_the_reference) {
    expect_reference(small_case(5, 64));
}
TEST_P(Train, small_last_batch_of_one_image_matches_the_reference) {
    expect_reference(small_case(33, 16));
}
TEST_P(Train, small_set_of_one_image_and_one_step_matches_the_reference) {
    expect_reference(small_case(1, 1, 1));
}
TEST_P(Train, small_shuffled_order_matches_the_reference) {
    Case c = small_case(40, 7);
    c.training.shuffled = true;
    expect_reference(c);
}
TEST_P(Train, small_network_of_two_hidden_layers_matches_the_reference) {
    Case c = small_case(40, 9);
    c.sizes = {20, 13, 6, 4};
    expect_reference(c);
}
TEST_P(Train, small_set_of_256_classes_matches_the_reference) {
    Case c = small_case(300, 64, 1);
    c.sizes = {9, 5, 256};
    expect_reference(c);
}
TEST_P(Train, small_runs_count_a_large_penalty_once_whatever_the_ranks) {
    Case c = small_case(40, 8);
    c.training.reg = 2;
    expect_reference(c);
}

// ------------------------------------------------------------------ any objective, any samples

constexpr Objective every_objective[] = {{OutputLayer::softmax, LossFunction::cross_entropy},
                                         {OutputLayer::softmax, LossFunction::mse},
                                         {OutputLayer::sigmoid, LossFunction::cross_entropy},
                                         {OutputLayer::sigmoid, LossFunction::mse}};
constexpr SampleFormat every_format[] = {
    {false, false}, {true, false}, {false, true}, {true, true}};

std::string text_of(const Objective& objective, const SampleFormat& format) {
    return std::string(name_of(objective.output)) + ", " + name_of(objective.loss) + ", " +
           (format.number_inputs ? "numbers" : "pixels") + " to " +
           (format.number_targets ? "numbers" : "labels");
}

/// Calls check(objective, format, turn) for each pair; turn counts them.
template <class Check>
void for_every_objective_and_format(const Check& check) {
    int turn = 0;
    for (const Objective& objective : every_objective)
        for (const SampleFormat& format : every_format) {
            SCOPED_TRACE(text_of(objective, format));
            check(objective, format, turn++);
        }
}

/// With a hidden layer and, each fourth kind by turns, without.
TEST_P(Train, small_runs_of_every_objective_and_kind_of_sample_match_the_reference) {
    for_every_objective_and_format(
        [&](const Objective& objective, const SampleFormat& format, int turn) {
            Case c = small_case(11, 4);
            if (turn % 5 == 0) c.sizes = {6, 2};
            c.objective = objective;
            c.training.shuffled = true;
            c.training.scatter_once = turn % 3 != 0;
            const Dataset set = random_table(c.sizes, c.images, format);
            const auto values = trained(c, set);
            if (comm().is_root()) expect_same(values, reference(c, set), course_tolerance);
        });
}

/// A replica takes two samples at once, so that they go forward in several rounds.
TEST_P(Train, small_tables_are_evaluated_and_predicted_as_by_the_reference) {
    for_every_objective_and_format([&](const Objective& objective, const SampleFormat& format,
                                       int turn) {
        const std::vector<int> sizes = {5, 4, turn % 3 == 0 ? 1 : 3};
        const Dataset set = random_table(sizes, 9, format);
        const auto samples = all_samples(set);
        const auto initial = initial_parameters<nn_real>(Layout(sizes), 3, 1);
        auto network =
            make_network(initial, 2 * comm().size(), unit_pixels, GetParam(), objective, format);
        NeuralNetwork judge(initial, objective);
        const Evaluation seen = network.evaluate(set);
        EXPECT_DOUBLE_EQ(seen.accuracy, judge.accuracy(set, unit_pixels));
        const Matrix yhat = judge.forward(input_columns(set, samples, unit_pixels));
        const double expected = judge.loss(target_columns(set, samples), 0);
        EXPECT_TRUE(std::abs(seen.loss - expected) <= 10 * course_tolerance * expected)
            << "mean loss " << seen.loss << ", reference " << expected;
        const std::vector<nn_real> given = network.probabilities(set);
        ASSERT_EQ(given.size(), comm().is_root() ? yhat.values.size() : 0);
        for (std::size_t i = 0; i < given.size(); ++i)
            ASSERT_TRUE(std::abs(given[i] - yhat.values[i]) <= course_tolerance)
                << "yhat[" << i << "] = " << given[i] << ", reference " << yhat.values[i];
        EXPECT_EQ(network.replica().take_loss(), 0) << "what was asked for left a loss";
    });
}

TEST_P(Train, small_set_of_another_kind_of_sample_is_refused_on_every_rank) {
    const Dataset pixels = comm().is_root() ? random_set({5, 3}, 4) : Dataset{1, 5, 3, {}, {}};
    auto network = make_network(initial_parameters<nn_real>(Layout({5, 3}), 1, 0), 4, unit_pixels,
                                GetParam(), {}, {.number_inputs = true});
    EXPECT_THROW(network.evaluate(pixels), std::logic_error);
    EXPECT_THROW(network.probabilities(pixels), std::logic_error);
    EXPECT_THROW(network.train(pixels, small_case(4, 4).training, nullptr), std::logic_error);
}

/// Keeps what train() reports.
struct Listener : TrainingObserver {
    std::vector<double> steps, epochs;
    void on_step(int, int, int, double loss) override { steps.push_back(loss); }
    void on_epoch(int, double loss) override { epochs.push_back(loss); }
};

/// A notebook's network in NumPy: 4-3-1, sigmoids, on three samples at once. Its update by a rate
/// of 0.1 on the summed gradients of (yhat - y)^2 / 2 is one of 0.15 on the gradient of our mean.
///
/// In double the numbers are NumPy's to 1e-12. In float, a step rounds each parameter, all below 2,
/// by up to u of its size, and errs in the update, below 0.02, by up to 20 u of its size: 2.5 u, or
/// 500 u in 200 steps. Slopes of sigmoids are at most 1/4, so that in yhat the 4 parameters of the
/// output weigh 1 together and the 15 below them, through a weight below 2 and another slope, 2: in
/// all 1500 u, and in a mean of (yhat - y)^2 no more than twice that.
TEST_P(Train, notebook_gives_numpys_numbers) {
    const bool exact = sizeof(nn_real) == sizeof(double);
    const double bound = exact ? 1e-12 : 3000 * 0x1p-24;
    const Dataset set{4, 1, 1, {}, {}, {1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1}, {1, 1, 0}};
    const Objective objective{OutputLayer::sigmoid, LossFunction::mse};
    const auto initial = initial_parameters<nn_real>(Layout({4, 3, 1}), 0, 0, Init::uniform);
    auto network = make_network(initial, 3, 1, GetParam(), objective, set.format());
    Listener heard;
    network.train(set, {.batch = 3, .epochs = 200, .rate = 0.15}, &heard);
    const auto expect = [&](const std::string& what, double value, double expected) {
        EXPECT_TRUE(std::abs(value - expected) <= bound)
            << what << " is " << value << ", NumPy's " << expected << " +- " << bound;
    };
    ASSERT_EQ(heard.epochs.size(), 200u);
    const std::pair<std::size_t, double> losses[] = {{1, 0.24298464456670568},
                                                     {50, 0.2160032787902573},
                                                     {100, 0.21042364493114152},
                                                     {150, 0.20237991307866574},
                                                     {200, 0.18882194840404473}};
    for (const auto& [iteration, loss] : losses)
        expect("the loss before update " + std::to_string(iteration), heard.epochs[iteration - 1],
               loss);
    expect("the last mean of squares", network.evaluate(set).loss, 0.1884773848670874);
    for (const nn_real p : network.parameters().values) EXPECT_LT(std::abs(p), 2);
    const std::vector<nn_real> yhat = network.probabilities(set);
    const double predictions[] = {0.69124730974417481, 0.68953587270654271, 0.61132311957340901};
    for (std::size_t j = 0; j < yhat.size(); ++j)
        expect("prediction " + std::to_string(j), yhat[j], predictions[j]);
    EXPECT_EQ(yhat.size(), comm().is_root() ? 3u : 0u);
}

// ------------------------------------------------------------------ stopping, and going on

/// Stops after so many steps.
struct Stopper : Listener {
    int steps_left = 0;
    bool may_stop() const override { return true; }
    bool stops() override { return --steps_left == 0; }
};

/// By another object of the same parameters, in the middle of an epoch and between two, whichever
/// way the set is scattered before and after. The losses are sums of the same 20 numbers, in
/// another order.
TEST_P(Train, run_stopped_at_any_step_and_gone_on_with_ends_in_the_bits_of_a_whole_one) {
    Case c = small_case(20, 8);
    c.training.shuffled = true;
    const int steps = 3;  // an epoch
    const Dataset set = random_set(c.sizes, c.images);
    auto whole = make_network(initial_of(c), c, set);
    Listener heard;
    const TrainingState end = whole.train(set, c.training, &heard);
    EXPECT_EQ(end, (TrainingState{c.training.epochs, 0, 0}));
    for (int stop = 1; stop <= c.training.epochs * steps; ++stop) {
        SCOPED_TRACE("stopped after " + std::to_string(stop) + " steps");
        c.training.scatter_once = stop % 2 == 0;
        auto first = make_network(initial_of(c), c, set);
        Stopper stopper;
        stopper.steps_left = stop;
        const TrainingState state = first.train(set, c.training, &stopper);
        EXPECT_EQ(state.epoch, stop / steps);
        EXPECT_EQ(state.step, stop % steps);
        c.training.scatter_once = stop % 4 < 2;
        auto second = make_network(first.parameters(), c, set);
        Listener rest;
        EXPECT_EQ(second.train(set, c.training, &rest, state), end);
        ASSERT_EQ(second.parameters().values, whole.parameters().values);
        std::vector<double> losses = stopper.epochs;
        losses.insert(losses.end(), rest.epochs.begin(), rest.epochs.end());
        ASSERT_EQ(losses.size(), heard.epochs.size());
        for (std::size_t e = 0; e < losses.size(); ++e)
            EXPECT_NEAR(losses[e], heard.epochs[e], 20 * 0x1p-53 * heard.epochs[e]);
    }
}
TEST_P(Train, small_run_that_may_stop_and_does_not_changes_no_bit) {
    const Case c = small_case(20, 6);
    const Dataset set = random_set(c.sizes, c.images);
    auto network = make_network(initial_of(c), c, set);
    Stopper never;
    network.train(set, c.training, &never);
    EXPECT_EQ(network.parameters().values, trained(c, set).values);
    EXPECT_EQ(never.steps_left, -2 * 4) << "asked after every step, once";
}

// ------------------------------------------------------------------ what must not change the bits

TEST_P(Train, small_runs_give_the_same_bits_twice) {
    const Case c = small_case(50, 7);
    const Dataset set = random_set(c.sizes, c.images);
    EXPECT_EQ(trained(c, set).values, trained(c, set).values);
}
TEST_P(Train, small_scatter_every_step_gives_the_bits_of_scatter_once) {
    for (bool shuffled : {false, true}) {
        Case c = small_case(50, 7);
        c.training.shuffled = shuffled;
        const Dataset set = random_set(c.sizes, c.images);
        c.training.scatter_once = true;
        const auto once = trained(c, set);
        c.training.scatter_once = false;
        EXPECT_EQ(once.values, trained(c, set).values) << (shuffled ? "shuffled" : "in order");
    }
}

TEST_P(Train, small_run_reports_the_reference_loss_before_each_step_on_every_rank) {
    Case c = small_case(20, 6, 1);
    c.training.print_every = 1;
    const Dataset set = random_set(c.sizes, c.images);
    const auto initial = initial_parameters<nn_real>(Layout(c.sizes), 1, 0);
    auto network = make_network(initial, c.training.batch, c.training.pixel_scale);
    Listener heard;
    network.train(set, c.training, &heard);

    NeuralNetwork judge(initial);
    const auto samples = all_samples(set);
    std::vector<double> expected;
    for (std::size_t first = 0; first < samples.size(); first += 6) {
        const std::size_t n = std::min<std::size_t>(6, samples.size() - first);
        const auto some = std::span(samples).subspan(first, n);
        const Matrix y = target_columns(set, some);
        judge.forward(input_columns(set, some, unit_pixels));
        expected.push_back(judge.loss(y, c.training.reg));
        judge.backward(y, c.training.reg);
        judge.step(static_cast<double>(c.training.rate_of(0)));
    }
    ASSERT_EQ(heard.steps.size(), expected.size());
    for (std::size_t s = 0; s < expected.size(); ++s)
        EXPECT_TRUE(std::abs(heard.steps[s] - expected[s]) <= 10 * course_tolerance * expected[s])
            << "J of step " << s << " = " << heard.steps[s] << ", reference " << expected[s];
    EXPECT_EQ(heard.epochs.size(), 1u);
}
TEST_P(Train, small_loss_by_hand_is_of_the_last_mini_batch_alone) {
    const Dataset set = random_set({12, 7, 3}, 20);
    const auto samples = all_samples(set);
    const auto initial = initial_parameters<nn_real>(Layout({12, 7, 3}), 1, 0);
    auto network = make_network(initial, 10, unit_pixels);
    for (std::size_t first : {0u, 10u}) {
        network.load(set, std::span(samples).subspan(first, 10));
        network.forward();
    }
    NeuralNetwork judge(initial);
    const auto last = std::span(samples).subspan(10);
    judge.forward(input_columns(set, last, unit_pixels));
    const double loss = network.loss(0.1);
    const double expected = judge.loss(target_columns(set, last), 0.1);
    EXPECT_TRUE(std::abs(loss - expected) <= 10 * course_tolerance * expected)
        << "J = " << loss << ", reference " << expected;
}
TEST_P(Train, small_network_trains_on_from_where_it_was) {
    Case c = small_case(20, 6, 1);
    const Dataset set = random_set(c.sizes, c.images);
    const auto initial = initial_parameters<nn_real>(Layout(c.sizes), c.seed, 0);
    auto network = make_network(initial, c.training.batch, c.training.pixel_scale);
    NeuralNetwork judge(initial);
    for (int run = 0; run < 2; ++run) {
        network.train(set, c.training, nullptr);
        judge.train(set, c.training);
    }
    expect_same(network.parameters(), judge.parameters(), course_tolerance);
}
TEST_P(Train, small_network_evaluates_to_the_reference_accuracy) {
    const Case c = small_case(101, 8, 3);
    const Dataset set = random_set(c.sizes, c.images);
    const auto initial = initial_parameters<nn_real>(Layout(c.sizes), 1, 0);
    auto network = make_network(initial, c.training.batch, c.training.pixel_scale);
    network.train(set, c.training, nullptr);
    const Evaluation seen = network.evaluate(set);
    NeuralNetwork judge(network.parameters());
    EXPECT_DOUBLE_EQ(seen.accuracy, judge.accuracy(set, unit_pixels));
    judge.forward(input_columns(set, all_samples(set), unit_pixels));
    const double expected = judge.loss(target_columns(set, all_samples(set)), 0);
    EXPECT_TRUE(std::abs(seen.loss - expected) <= 10 * course_tolerance * expected)
        << "mean loss " << seen.loss << ", reference " << expected;
}
/// Evaluates at each report.
struct Evaluator : Listener {
    DataParallelNeuralNetwork* network = nullptr;
    const Dataset* set = nullptr;
    void on_epoch(int epoch, double loss) override {
        Listener::on_epoch(epoch, loss);
        network->evaluate(*set);
    }
};

TEST_P(Train, small_reports_and_evaluations_change_no_bit) {
    Case c = small_case(33, 8, 3);
    c.training.shuffled = true;
    const Dataset set = random_set(c.sizes, c.images);
    const auto quiet = trained(c, set);
    for (int print_every : {0, 1, 2}) {
        auto network = make_network(initial_parameters<nn_real>(Layout(c.sizes), c.seed, 0),
                                    c.training.batch, unit_pixels);
        Evaluator heard;
        heard.network = &network;
        heard.set = &set;
        c.training.print_every = print_every;
        network.train(set, c.training, &heard);
        EXPECT_EQ(network.parameters().values, quiet.values) << "every " << print_every << " steps";
        EXPECT_EQ(heard.epochs.size(), 3u);
    }
}
TEST_P(Train, small_trainings_of_one_network_leave_nothing_behind_but_its_parameters) {
    const Case first = small_case(33, 8), second = small_case(20, 5);
    auto at_random = first;
    at_random.training.shuffled = true;
    auto every_step = second;
    every_step.training.scatter_once = false;
    const auto initial = initial_parameters<nn_real>(Layout(first.sizes), 1, 0);
    auto network = make_network(initial, 8, unit_pixels);
    Parameters<nn_real> expected = initial;
    for (const Case& c : {first, second, every_step, at_random, first}) {
        const Dataset set = random_set(c.sizes, c.images);
        auto fresh = make_network(expected, 8, unit_pixels);
        fresh.train(set, c.training, nullptr);
        expected = fresh.parameters();
        network.train(set, c.training, nullptr);
        ASSERT_EQ(network.parameters().values, expected.values);
        network.evaluate(set);
    }
}
TEST_P(Train, small_slice_of_no_images_has_no_loss_and_no_gradient) {
    const std::vector<int> sizes = {12, 7, 5, 3};
    const Dataset set = random_set(sizes, 9);
    const auto replica = make_replica(sizes, 4, set, true);
    for (const bool picked : {true, false}) {
        replica->pick(0, 4);
        replica->forward(4);
        replica->backward();
        EXPECT_GT(replica->take_loss(), 0);
        if (picked) {
            replica->pick(9, 0);
        } else {
            replica->stage(0);
            replica->load();
        }
        replica->forward(4);
        replica->backward();
        for (const nn_real g : gradient_of(*replica, Layout(sizes))) ASSERT_EQ(g, 0);
        EXPECT_EQ(replica->take_loss(), 0);
    }
}
TEST_P(Train, small_slices_from_the_host_are_worked_on_as_those_on_the_device) {
    const std::vector<int> sizes = {12, 7, 3};
    const Dataset set = random_set(sizes, 30);
    const auto replica = make_replica(sizes, 5, set, false);
    std::vector<double> losses[2];
    for (const bool picked : {true, false}) {
        // No value is asked for on the way, so a device may have done nothing yet when the next
        // slice is written.
        for (std::size_t first = 0; first < 30; first += 5) {
            const int n = first == 10 ? 3 : first == 15 ? 0 : 5;
            if (picked) {
                replica->pick(first, n);
            } else {
                const Staging slice = replica->stage(n);
                std::copy_n(set.pixels.begin() + static_cast<std::ptrdiff_t>(12 * first),
                            slice.inputs.size(), slice.inputs.begin());
                std::copy_n(set.labels.begin() + static_cast<std::ptrdiff_t>(first),
                            slice.targets.size(), slice.targets.begin());
                replica->load();
            }
            replica->forward(5);
        }
        losses[picked].push_back(replica->take_loss());
    }
    EXPECT_EQ(losses[0], losses[1]);
    EXPECT_TRUE(std::isfinite(losses[0][0]));
}
TEST_P(Train, small_run_that_diverges_says_so_on_every_rank) {
    Case c = small_case(20, 4);
    c.training.rate = 1e30;
    c.training.reg = 1e9;
    const Dataset set = random_set(c.sizes, c.images);
    auto network = make_network(initial_parameters<nn_real>(Layout(c.sizes), 1, 0), 4, unit_pixels);
    c.training.epochs = 30;
    EXPECT_THROW(network.train(set, c.training, nullptr), Diverged);
}

// ------------------------------------------------------------------ CUDA's graphs

class CudaTrain : public Train {
  protected:
    static constexpr int images = 33, batch = 8;  // the last mini-batch is of one image
    const std::vector<int> sizes_ = {40, 9, 6, 3};
    const Dataset set_ = random_set(sizes_, images);

    struct Learned {
        std::vector<nn_real> parameters;
        std::vector<double> losses;
        bool operator==(const Learned&) const = default;
    };
    /// Three epochs, in the file's order and in others, at several rates, each followed by a look
    /// at some images.
    Learned learn(bool at_once) const {
        const auto replica = make_replica(sizes_, batch, set_, false);
        Learned learned;
        for (int epoch = 0; epoch < 4; ++epoch) {
            Training order;
            order.shuffled = epoch > 1;
            const nn_real rate = nn_real{1} / static_cast<nn_real>(2 + epoch / 2),
                          reg = nn_real{1} / 256;
            replica->set_order(sample_order(images, epoch, order));
            const bool done = at_once && replica->epoch(images, batch, rate, reg);
            EXPECT_EQ(done, at_once);
            for (int first = 0; !done && first < images; first += batch) {
                const int n = std::min(batch, images - first);
                replica->pick(static_cast<std::size_t>(first), n);
                replica->forward(n);
                replica->backward();
                replica->step(rate, reg);
            }
            learned.losses.push_back(replica->take_loss());
            learned.losses.push_back(loss_of_staged(*replica));
        }
        learned.parameters.resize(Layout(sizes_).total());
        replica->get_parameters(learned.parameters);
        return learned;
    }
    double loss_of_staged(Replica& replica) const {
        const Staging slice = replica.stage(5);
        std::copy_n(set_.pixels.begin(), slice.inputs.size(), slice.inputs.begin());
        std::copy_n(set_.labels.begin(), slice.targets.size(), slice.targets.begin());
        replica.load();
        replica.forward(5);
        return replica.take_loss();
    }
};
INSTANTIATE_TEST_SUITE_P(On, CudaTrain, testing::ValuesIn(cuda_ways), name_of);

TEST_P(CudaTrain, small_runs_match_the_reference_by_the_same_bits_twice_and_both_ways_to_scatter) {
    Case c = small_case(images, batch);
    c.sizes = sizes_;
    c.training.shuffled = true;
    const auto first = trained(c, set_);
    EXPECT_EQ(trained(c, set_).values, first.values);
    c.training.scatter_once = false;
    EXPECT_EQ(trained(c, set_).values, first.values) << "scattered every step";
    expect_same(first, reference(c, set_), course_tolerance);
}
/// bf16x3 is for pixels: asked for it, a replica for numbers multiplies them as they are.
TEST_P(CudaTrain, small_numbers_match_the_reference_where_pixels_would_go_by_bf16x3) {
    Case c = small_case(images, batch);
    c.sizes = sizes_;
    const Dataset set = random_table(sizes_, images, {true, true});
    auto network = make_network(initial_of(c), c, set);
    EXPECT_EQ(network.replica().device_name().find("bf16x3"), std::string::npos);
    network.train(set, c.training, nullptr);
    expect_same(network.parameters(), reference(c, set), course_tolerance);
}
TEST_P(CudaTrain, small_epoch_at_once_gives_the_bits_of_its_steps) {
    const Learned at_once = learn(true), by_steps = learn(false);
    EXPECT_EQ(at_once.losses, by_steps.losses);
    EXPECT_EQ(at_once.parameters, by_steps.parameters);
    EXPECT_TRUE(std::isfinite(at_once.losses.back()));
}

/// The graph of a step is recorded where nothing is asked for on the way, and each slice comes
/// twice, so that it is launched again.
TEST_P(CudaTrain, small_values_asked_for_on_the_way_change_no_gradient) {
    const auto replica = make_replica(sizes_, batch, set_, true);
    std::vector<nn_real> expected[2], yhat(batch * 3), same_yhat(batch * 3);
    for (const char* asked : {"nothing", "again", "forward", "backward", "twice"}) {
        SCOPED_TRACE(asked);
        for (int slice : {0, 1, 0, 1}) {
            replica->pick(static_cast<std::size_t>(slice * batch), batch);
            replica->forward(batch);
            if (asked[0] == 'f') {
                EXPECT_GT(replica->take_loss(), 0);
                replica->get_probabilities(yhat);
            }
            replica->backward();
            if (asked[0] == 'b') replica->get_probabilities(same_yhat);
            if (asked[0] == 't') gradient_of(*replica, Layout(sizes_));
            const auto gradient = gradient_of(*replica, Layout(sizes_));
            auto& first = expected[slice];
            if (first.empty()) first = gradient;
            ASSERT_EQ(gradient, first) << "slice " << slice;
        }
    }
    EXPECT_EQ(yhat, same_yhat);
    EXPECT_NE(expected[0], expected[1]);
}

// ------------------------------------------------------------------ the CPU's ways

class CpuTrain : public Train {
  protected:
    /// Wide enough that every thread has a part of every layer.
    static Case wide_case() {
        return {{100, 70, 40, 10},
                210,
                {.batch = 96,
                 .epochs = 2,
                 .rate = 0.1,
                 .reg = 1e-3,
                 .shuffled = true,
                 .pixel_scale = unit_pixels}};
    }
};
INSTANTIATE_TEST_SUITE_P(On, CpuTrain, testing::ValuesIn(cpu_ways), name_of);

TEST_P(CpuTrain, gives_the_same_bits_twice_and_by_both_ways_to_scatter) {
    Case c = wide_case();
    const Dataset set = random_set(c.sizes, c.images);
    const auto first = trained(c, set);
    EXPECT_EQ(trained(c, set).values, first.values);
    c.training.scatter_once = false;
    EXPECT_EQ(trained(c, set).values, first.values) << "scattered every step";
    expect_same(first, reference(c, set), course_tolerance);
}

/// a + b is b + a, so with two ranks there is one way to add up; with more, MPI has its own order.
TEST_P(CpuTrain, gives_by_shared_memory_what_it_gives_by_allreduce) {
    if (comm().node_size() < comm().size()) GTEST_SKIP() << "the ranks are on several nodes";
    const Case c = wide_case();
    const Dataset set = random_set(c.sizes, c.images);
    Way by_mpi = GetParam(), by_memory = GetParam();
    by_mpi.shared = false;
    by_memory.shared = true;
    const auto one = trained(c, set, by_mpi), other = trained(c, set, by_memory);
    if (comm().size() <= 2) {
        EXPECT_EQ(one.values, other.values);
    } else {
        Parameters<double> expected(one.layout);
        expected.values.assign(one.values.begin(), one.values.end());
        expect_same(other, expected, course_tolerance);
    }
}

/// Loaded images, and those kept on the device. oneDNN takes its memory by malloc, which is not
/// counted.
TEST_P(CpuTrain, allocates_nothing_in_a_step_of_the_replica) {
    const Case c = wide_case();
    const Dataset set = random_set(c.sizes, c.images);
    const int n = 48;
    const Way& way = GetParam();
    const auto replica = make_cpu_replica({Layout(c.sizes), n, unit_pixels},
                                          {.threads = way.threads, .bf16x3 = way.bf16x3});
    replica->set_parameters(initial_parameters<nn_real>(Layout(c.sizes), 1, 0).values);
    replica->keep(set.pixels, set.labels);
    replica->set_order(all_samples(set));
    const auto step = [&](bool kept) {
        if (kept) {
            replica->pick(7, n);
        } else {
            const Staging slice = replica->stage(n);
            std::copy_n(set.pixels.begin(), slice.inputs.size(), slice.inputs.begin());
            std::copy_n(set.labels.begin(), slice.targets.size(), slice.targets.begin());
            replica->load();
        }
        replica->forward(n);
        replica->backward();
        replica->gradient(0);
        replica->step(nn_real{0.1f}, nn_real{1e-3f});
        return replica->take_loss() + replica->weights_squared();
    };
    for (const bool kept : {false, true}) {
        double losses = step(kept) + step(kept);
        const long before = allocations;
        for (int i = 0; i < 20; ++i) losses += step(kept);
        EXPECT_EQ(allocations - before, 0) << (kept ? "picked" : "loaded") << " on " << way.name;
        EXPECT_TRUE(std::isfinite(losses));
    }
}

/// What train() allocates, it allocates once a call and once an epoch.
TEST_P(CpuTrain, allocates_nothing_in_a_step_of_the_trainer) {
    Case c = wide_case();
    c.training.batch = 24;
    const auto initial = initial_parameters<nn_real>(Layout(c.sizes), 1, 0);
    auto network = make_network(initial, c.training.batch, unit_pixels);
    const auto allocations_of_training = [&](int images) {
        const Dataset set = random_set(c.sizes, images);
        const long before = allocations;
        network.train(set, c.training, nullptr);
        EXPECT_TRUE(network.scattered_once());
        return allocations - before;
    };
    allocations_of_training(40 * c.training.batch);
    EXPECT_EQ(allocations_of_training(20 * c.training.batch),
              allocations_of_training(c.training.batch))
        << "twenty steps an epoch, and one";
}

// ------------------------------------------------------------------ what the trainer stands on

TEST(Cores, small_parts_of_all_ranks_fit_the_machine) {
    const int mine = cores_of_this_rank(comm());
    EXPECT_GE(mine, 1);
    const double all = comm().sum(static_cast<double>(mine));
    if (comm().node_size() < comm().size()) return;
    const auto cores = static_cast<int>(std::thread::hardware_concurrency());
    EXPECT_LE(all, std::max(comm().size(), cores));
}

TEST(Shared, small_memory_of_every_rank_is_seen_by_the_next_one_after_each_barrier) {
    if (comm().node_size() < comm().size()) GTEST_SKIP() << "the ranks are on several nodes";
    const std::size_t count = 37;
    SharedParameters shared(comm(), count);
    const auto rank = static_cast<std::size_t>(comm().rank());
    const auto ranks = static_cast<std::size_t>(comm().size());
    ASSERT_EQ(shared.gradients().size(), ranks);
    const std::size_t next = (rank + 1) % ranks;
    for (int round = 0; round < 200; ++round) {
        for (std::size_t i = 0; i < count; ++i)
            shared.gradients()[rank][i] =
                static_cast<nn_real>(1000 * round + static_cast<int>(rank));
        if (rank == static_cast<std::size_t>(round) % ranks)
            std::fill_n(shared.parameters(), count, static_cast<nn_real>(round));
        shared.barrier();
        for (std::size_t i = 0; i < count; ++i) {
            ASSERT_EQ(shared.gradients()[next][i], 1000 * round + static_cast<int>(next))
                << "gradient " << next << ", element " << i << ", round " << round;
            ASSERT_EQ(shared.parameters()[i], round) << "parameter " << i;
        }
        shared.barrier();
    }
}

TEST(Scatters, small_parts_of_any_size_reach_their_ranks_while_others_go_on) {
    std::vector<int> counts;
    for (int r = 0; r < comm().size(); ++r) counts.push_back(r % 3 == 1 ? 0 : 1000 * r + 1);
    const auto part = [&](int r) {
        return static_cast<std::size_t>(counts[static_cast<std::size_t>(r)]);
    };
    std::vector<std::uint8_t> all[2], mine[2];
    for (int s : {0, 1}) {
        if (comm().is_root())
            for (int r = 0; r < comm().size(); ++r)
                all[s].insert(all[s].end(), part(r), static_cast<std::uint8_t>(10 * r + s));
        mine[s].resize(part(comm().rank()));
    }
    Scatter first, second, never_started;
    never_started.finish();
    for (int round = 0; round < 3; ++round) {
        for (auto& bytes : mine) std::ranges::fill(bytes, std::uint8_t{255});
        first.start(all[0], counts, mine[0]);
        second.start(all[1], counts, mine[1]);
        EXPECT_EQ(comm().sum(1.0), comm().size()) << "a sum meanwhile";
        second.finish();
        first.finish();
        for (int s : {0, 1})
            EXPECT_EQ(mine[s],
                      std::vector<std::uint8_t>(mine[s].size(),
                                                static_cast<std::uint8_t>(10 * comm().rank() + s)))
                << "scatter " << s << ", round " << round;
    }
}

// ------------------------------------------------------------------ the course's gtestTrain (HW6)

struct Course {
    const char* name;
    int hidden;
    double rate;
    int images, epochs, batch;
};

class CourseTrain : public Train {
  protected:
    /// Raw pixels, W = 0.01 N(0,1), b = 0, reg 1e-4, the file's order; element by element within
    /// the course's tolerance. The seed is 2: from seed 1, small2 passes a point where one hidden
    /// unit amplifies any rounding a hundredfold within ten steps, and the float bound then hangs
    /// on the order of summation (measured: 5e-6 with AVX-512, 1e-6 with SSE2, seeds 2 to 8 9e-7).
    void expect_course(const Course& course) {
        const Case c{
            {784, course.hidden, 10},
            course.images,
            {.batch = course.batch, .epochs = course.epochs, .rate = course.rate, .reg = 1e-4},
            0.01,
            2};
        const Dataset set = mnist_set(course.images);
        const auto start = std::chrono::steady_clock::now();
        const Parameters<nn_real> values = trained(c, set);
        const double seconds = seconds_since(start);
        if (!comm().is_root()) return;
        const auto& [expected, reference_seconds] = course_reference(course.name, c, set);
        expect_same(values, expected, course_tolerance);
        std::printf("# %-6s on %-13s %d ranks %7.3f s, reference %7.3f s; ||difference||_F:",
                    course.name, GetParam().name, comm().size(), seconds, reference_seconds);
        for (const TensorDifference& d : compare(values, expected))
            std::printf(" %s %.1e", d.name.c_str(), d.norm);
        std::printf("\n");
    }

  private:
    /// The reference is trained once for all ways.
    static const std::pair<Parameters<double>, double>& course_reference(const std::string& name,
                                                                         const Case& c,
                                                                         const Dataset& set) {
        static std::map<std::string, std::pair<Parameters<double>, double>> known;
        const auto start = std::chrono::steady_clock::now();
        if (!known.contains(name)) {
            auto parameters = reference(c, set);
            known.insert({name, {std::move(parameters), seconds_since(start)}});
        }
        return known.at(name);
    }
};
INSTANTIATE_TEST_SUITE_P(On, CourseTrain, testing::ValuesIn(every_way), name_of);

TEST_P(CourseTrain, small1) { expect_course({"small1", 32, 0.01, 32, 1, 32}); }
TEST_P(CourseTrain, small2) { expect_course({"small2", 32, 0.005, 512, 2, 32}); }

/// Those that take long where the kernels run on the CPU, by one of CUDA's ways.
class LongCourseTrain : public CourseTrain {};
INSTANTIATE_TEST_SUITE_P(On, LongCourseTrain, testing::ValuesIn(ways), name_of);

TEST_P(LongCourseTrain, small3) { expect_course({"small3", 32, 0.002, 512, 16, 32}); }
TEST_P(LongCourseTrain, medium) { expect_course({"medium", 128, 0.004, 1087, 4, 64}); }
TEST_P(LongCourseTrain, large) { expect_course({"large", 1013, 0.002, 1087, 4, 67}); }
// Takes minutes: make test-custom.
TEST_P(LongCourseTrain, DISABLED_custom) { expect_course({"custom", 512, 1e-4, 38400, 1, 3200}); }

}  // namespace
