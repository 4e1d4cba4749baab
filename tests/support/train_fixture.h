// train_fixture.h: what the tests of test_train*.cpp train, in which ways, and how they check the
// results.
//
// Every test runs on the CPU replica, in each of its ways, and on the CUDA replica of this binary:
// on real GPUs, or on the kernel runner. All ranks run every test; long trainings are checked on
// rank 0.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/range.h"
#include "comm/node_memory.h"
#include "comm/scatter.h"
#include "mnist_reader.h"
#include "model/initial.h"
#include "neural_network.h"
#include "reduce/reducers.h"
#include "train/evaluate.h"
#include "train/gpus.h"
#include "train/judge.h"
#include "train/order.h"
#include "train/schedule.h"

constexpr nn_real unit_pixels = nn_real{1} / nn_real{255};
constexpr double course_tolerance = sizeof(nn_real) == sizeof(float) ? 1e-6 : 1e-14;

inline const Comm& comm() {
    static const Comm& world = *new Comm;  // never freed: statics end after MPI
    return world;
}

/// What a test trains, and its start.
struct Case {
    std::vector<int> sizes;
    int images;
    Training training;
    double init_scale = 0;
    std::uint64_t seed = 1;
    Objective objective = {};
    FeedKind feed = FeedKind::resident;
    Activation activation = {};
    int slice = 0;  ///< samples of a slice of a mini-batch; 0: it comes as a whole
    Precision precision = Precision::fp32;
};

inline Parameters<nn_real> initial_of(const Case& c) {
    return initial_parameters<nn_real>(Layout(c.sizes), c.seed, c.init_scale, Init::normal,
                                       c.activation);
}

/// `images` random images of sizes.front() pixels, half of which are 0, and every seventh in all
/// images, with every label below sizes.back() in turn.
inline SampleSet random_set(const std::vector<int>& sizes, int images) {
    SampleSet set{1, sizes.front(), sizes.back(), {}, {}};
    Rng rng(7);
    for (int j = 0; j < images; ++j) {
        set.labels.push_back(static_cast<std::uint8_t>(j % sizes.back()));
        for (int i = 0; i < sizes.front(); ++i)
            set.pixels.push_back(
                static_cast<std::uint8_t>(i % 7 == 6 ? 0 : rng.below(2) * rng.below(256)));
    }
    return set;
}

/// Samples of either kind of inputs and of targets: some targets are 0 or 1, some are not.
inline SampleSet random_table(const std::vector<int>& sizes, int samples,
                              const SampleFormat& format) {
    SampleSet set = random_set(sizes, samples);
    set.format = format;
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
inline SampleSet mnist_set(int images) {
    static const SampleSet all = read_mnist("data", Split::train);
    const auto count = static_cast<std::size_t>(images);
    SampleSet set{all.rows, all.cols, all.classes, {}, {}};
    set.pixels.assign(all.pixels.begin(),
                      all.pixels.begin() + static_cast<std::ptrdiff_t>(count * all.features()));
    set.labels.assign(all.labels.begin(), all.labels.begin() + images);
    return set;
}

inline std::vector<std::uint32_t> all_samples(const SampleSet& set) {
    std::vector<std::uint32_t> samples(set.count());
    std::iota(samples.begin(), samples.end(), 0u);
    return samples;
}

inline double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Fails, with tensor, element, values and bound, if an element of a tensor is off by more than
/// `tolerance`, both absolute and relative.
inline void expect_same(const Parameters<nn_real>& values, const Parameters<double>& reference,
                        double tolerance) {
    for (const TensorDifference& d : compare(values, reference))
        EXPECT_TRUE(d.max_either <= tolerance)
            << d.name << "(" << d.worst % static_cast<std::size_t>(d.rows) << ","
            << d.worst / static_cast<std::size_t>(d.rows) << ") = " << d.value << ", reference "
            << d.reference << ", difference " << d.max_either << " > " << tolerance << " on "
            << comm().size() << " ranks";
}

/// Few images, in batches that do not divide them.
inline Case small_case(int images, int batch, int epochs = 2) {
    return {{12, 7, 3},
            images,
            {.batch = batch,
             .epochs = epochs,
             .rate = 0.1,
             .decay = 0.9,
             .reg = 1e-3,
             .pixel_scale = unit_pixels}};
}

/// Batches that every number of ranks up to 3, and 5, deals alike; the last one is smaller.
inline Case case_of_equal_shards() { return small_case(30 * comm().size(), 4 * comm().size()); }

/// A network of which each rank has a copy of its own.
inline DataParallelNeuralNetwork network_of_copies(const Case& c, Techniques techniques,
                                                   bool on_cuda = false) {
    const int capacity = std::max(1, shard_of(c.training.batch, 0, comm().size()).count);
    const ReplicaShape shape{.layout = Layout(c.sizes),
                             .capacity = capacity,
                             .pixel_scale = unit_pixels,
                             .moments = moments_of(c.training.rule)};
    return {comm(),
            on_cuda ? make_cuda_replica(shape, {.bf16x3 = false, .shares_device = true})
                    : make_cpu_replica(shape, {}),
            initial_of(c), std::move(techniques)};
}

/// Waiting for a part is the reducer's to do, before it reads.
inline void expect_waited_for(Reducer& reducer) {
    std::vector<nn_real> values(3);
    struct Late : Ready {
        std::vector<nn_real>& values;
        explicit Late(std::vector<nn_real>& v) : values(v) {}
        void wait() const override { std::ranges::fill(values, nn_real{5}); }
    } late(values);
    reducer.start({0, values, Memory::host, &late});
    EXPECT_EQ(reducer.finish().values[2], static_cast<nn_real>(5 * comm().size()));
}

/// Keeps what train() reports.
struct Listener : TrainingObserver {
    std::vector<double> steps, epochs;
    int report_every = 0;
    int steps_between_reports() const override { return report_every; }
    void on_step(int, int, int, double loss) override { steps.push_back(loss); }
    void on_epoch(int, double loss) override { epochs.push_back(loss); }
};

// The kernel runner plays a new GPU unless the user asks for another one.
inline const int capability_of_runner = setenv("GPUHOST_CAPABILITY", "90", 0);

/// A way to train. On a CPU, bf16x3 is used only if the processor has it; otherwise, and without
/// it, zeros are left out, if the way is not dense.
struct Way {
    const char* name;
    bool cuda = false, bf16x3 = true;
    int threads = 1;
    bool shared = false;  ///< all ranks work on one replica, as in main.cpp
    bool dense = false;
    std::size_t parts_from = CudaSettings{}.parts_from;
    bool course = false;  ///< on CUDA, by the plain kernels of gpu_func.cu
    bool int8 = false;    ///< on CUDA
};
inline void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

inline constexpr Way cpu_ways[] = {
    {.name = "cpu"},
    {.name = "cpu_dense", .bf16x3 = false, .dense = true},
    {.name = "cpu_3_threads", .bf16x3 = false, .threads = 3},
    {.name = "cpu_shared", .bf16x3 = false, .threads = 2, .shared = true}};
inline constexpr Way cuda_ways[] = {
    {.name = "cuda", .cuda = true, .bf16x3 = false},
    {.name = "cuda_bf16x3", .cuda = true},
    {.name = "cuda_parts", .cuda = true, .bf16x3 = false, .parts_from = 0},
    {.name = "cuda_int8", .cuda = true, .int8 = true},
    {.name = "cuda_int8_parts", .cuda = true, .parts_from = 0, .int8 = true}};
inline constexpr Way course_way = {.name = "course", .cuda = true, .bf16x3 = false, .course = true};
inline constexpr Way every_way[] = {cpu_ways[0],  cpu_ways[1], cpu_ways[2],  cpu_ways[3],
                                    cuda_ways[0], course_way,  cuda_ways[1], cuda_ways[2]};
/// The other ways of CUDA are tested by CudaTrain.
inline constexpr auto ways = std::span(every_way).first<6>();
/// Without the ways that are slow on the kernel runner.
inline constexpr auto fast_ways = std::span(every_way).first<5>();

class Train : public testing::TestWithParam<Way> {
  protected:
    void SetUp() override {
        devices_ = find_cuda_devices();
        if (GetParam().cuda && devices_.usable.empty())
            GTEST_SKIP() << "no CUDA: " << devices_.why_none;
        if (GetParam().cuda && GetParam().bf16x3 && !gpu().bf16x3)
            GTEST_SKIP() << "a GPU before compute capability 8.0, or the build in double";
        if (GetParam().shared && comm().node_size() < comm().size())
            GTEST_SKIP() << "the ranks are on several nodes";
    }

    DataParallelNeuralNetwork make_network(const Parameters<nn_real>& initial, int batch,
                                           nn_real pixel_scale, const Way& way = GetParam(),
                                           const Objective& objective = {},
                                           const SampleFormat& format = {},
                                           FeedKind feed = FeedKind::resident,
                                           const Activation& activation = {}, int moments = 0,
                                           int slice = 0, Precision precision = Precision::fp32) {
        const int capacity = std::max(1, shard_of(batch, 0, comm().size()).count);
        const ReplicaShape shape{initial.layout, capacity,   pixel_scale, objective,
                                 format,         activation, moments,     precision};
        if (way.cuda)
            return {comm(),
                    way.course
                        ? make_course_replica(shape, cuda_settings(way))
                        : make_cuda_replica(
                              shape, cuda_settings(way, slice > 0 || precision == Precision::fp16 ||
                                                            comm().size() > 1)),
                    initial,
                    {mpi_reducer(), feed, strategy_for(slice)}};
        CpuSettings settings = cpu_settings(way, shape);
        SharedReplica shared{};
        const bool as_one = way.shared && comm().size() > 1;
        if (as_one) {
            const int ranks = comm().size(), workers = ranks * way.threads;
            shared_.push_back(std::make_unique<NodeMemory>(
                comm().all_ranks(), cpu_shared_bytes(shape, settings.first_layer, ranks), workers));
            shared = {shared_.back()->data(), &shared_.back()->barrier(), ranks,
                      comm().rank() * way.threads, workers};
            settings.shared = &shared;
        }
        return {comm(),
                make_cpu_replica(shape, settings),
                initial,
                {as_one ? nullptr : mpi_reducer(), feed, strategy_for(slice)}};
    }
    static std::unique_ptr<Strategy> strategy_for(int slice) {
        return slice > 0 ? make_accumulate(slice) : make_every_step();
    }
    static CpuSettings cpu_settings(const Way& way, const ReplicaShape& shape) {
        return {.threads = way.threads,
                .first_layer = way.bf16x3 && takes_tiles(shape) ? FirstLayerKind::tiles
                               : way.dense                      ? FirstLayerKind::dense
                                                                : FirstLayerKind::sparse};
    }
    /// Null for one rank, whose replica is alone.
    static std::unique_ptr<Reducer> mpi_reducer() {
        return comm().size() > 1 ? make_mpi_reducer(comm().all_ranks()) : nullptr;
    }

    const CudaDevice& gpu() const { return gpu_of_rank(comm(), devices_); }
    CudaSettings cuda_settings(const Way& way, bool several_ranks = comm().size() > 1) const {
        return {.device = gpu().number,
                .bf16x3 = way.bf16x3,
                .int8 = way.int8,
                .several_ranks = several_ranks,
                .shares_device = comm().size() > 1,
                .parts_from = way.parts_from};
    }

    /// A replica for shards of up to `capacity` images, with parameters and the set on it. A CUDA
    /// replica is made as one of several ranks if `several_ranks`, whatever the number of ranks is.
    std::unique_ptr<Replica> make_replica(const std::vector<int>& sizes, int capacity,
                                          const SampleSet& set, bool several_ranks) const {
        const ReplicaShape shape{Layout(sizes), capacity, unit_pixels};
        const Way& way = GetParam();
        auto replica = way.course ? make_course_replica(shape, cuda_settings(way, several_ranks))
                       : way.cuda ? make_cuda_replica(shape, cuda_settings(way, several_ranks))
                                  : make_cpu_replica(shape, cpu_settings(way, shape));
        replica->write(initial_parameters<nn_real>(shape.layout, 1, 0).values);
        EXPECT_TRUE(replica->samples().keep(Role::train, {set.pixels, set.labels}));
        return replica;
    }
    /// The gradient of a backward pass: all parts, each in its place; NaN elsewhere.
    static std::vector<nn_real> gradient_of(Replica& replica, const Layout& layout) {
        std::vector<nn_real> gradient(layout.total(), std::numeric_limits<nn_real>::quiet_NaN());
        std::size_t covered = 0;
        int next = 0;
        replica.backward([&](int p) {
            EXPECT_EQ(p, next++) << "parts come in their order";
            const Lent part = replica.lend(p);
            if (part.ready != nullptr) part.ready->wait();
            EXPECT_EQ(part.first, replica.parts()[static_cast<std::size_t>(p)].first);
            EXPECT_EQ(part.values.size(), replica.parts()[static_cast<std::size_t>(p)].count);
            covered += part.values.size();
            std::ranges::copy(part.values,
                              gradient.begin() + static_cast<std::ptrdiff_t>(part.first));
        });
        EXPECT_EQ(covered, layout.total());
        return gradient;
    }

    /// For the case's training.
    DataParallelNeuralNetwork make_network(const Parameters<nn_real>& initial, const Case& c,
                                           const SampleSet& set, const Way& way = GetParam()) {
        return make_network(initial, std::min(c.training.batch, c.images), c.training.pixel_scale,
                            way, c.objective, set.format, c.feed, c.activation,
                            moments_of(c.training.rule), c.slice, c.precision);
    }

    /// Trains and returns the parameters. The training itself checks that all ranks hold the same
    /// bits.
    Parameters<nn_real> trained(const Case& c, const SampleSet& set, const Way& way = GetParam()) {
        auto network = make_network(initial_of(c), c, set, way);
        network.train(set, c.training, nullptr);  // throws if the ranks' parameters differ
        return network.parameters();
    }
    static Parameters<double> reference(const Case& c, const SampleSet& set) {
        NeuralNetwork network(initial_of(c), c.objective, c.activation);
        network.train(set, c.training);
        return network.parameters();
    }
    /// Checks that two trainings and both feeds give the same bits, and the reference's parameters.
    void expect_reference_by_the_same_bits(Case c, const SampleSet& set) {
        const auto first = trained(c, set);
        EXPECT_EQ(trained(c, set).values, first.values);
        c.feed = FeedKind::scattered;
        EXPECT_EQ(trained(c, set).values, first.values) << "scattered every step";
        expect_same(first, reference(c, set), course_tolerance);
    }
    void expect_reference(const Case& c) {
        const SampleSet set = random_set(c.sizes, c.images);
        const Parameters<nn_real> values = trained(c, set);
        if (comm().is_root()) expect_same(values, reference(c, set), course_tolerance);
    }

    CudaDevices devices_;
    std::vector<std::unique_ptr<NodeMemory>> shared_;  ///< outlive the networks
};

inline std::string name_of_way(const testing::TestParamInfo<Way>& test) { return test.param.name; }
