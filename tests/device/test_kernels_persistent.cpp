// test_kernels_persistent.cpp: many steps in one kernel give the bits of single steps, and learn
// what the other kernels learn.
//
// On GPUs and on the kernel runner, which is also asked for what a GPU shows only by chance: other
// numbers of multiprocessors, memory that others used before, blocks that never come.
#include <numeric>

#include "base/random.h"
#include "device/gpu/persistent.h"
#include "model/initial.h"
#include "tests/support/kernel_fixture.h"

namespace {

/// A network, and a training set for it.
struct Net {
    int inputs, hidden, classes, batch, images;
    Activation activation = {};

    ReplicaShape shape() const {
        return {Layout({inputs, hidden, classes}),
                batch + 1000,
                nn_real{1} / 255,
                {},
                {},
                activation};  // as in a run that also looks at a test set
    }
    std::string text() const {
        return sizes_text(shape().layout) + ", batch " + std::to_string(batch) + ", " +
               std::to_string(images) + " images";
    }
};
/// One block and several, blocks with fewer rows than others, few units, one sample, a last batch
/// of one, more samples than a warp has lanes, more inputs than a block has threads for.
const Net nets[] = {{12, 3, 3, 4, 9},   {4, 1, 1, 1, 3},   {40, 7, 10, 8, 33, Tanh{}},
                    {12, 16, 4, 5, 5},  {8, 5, 2, 40, 81}, {784, 6, 10, 24, 49, Relu{}},
                    {1100, 4, 10, 3, 7}};

class Persistent : public Kernels {
  protected:
    void SetUp() override {
#ifndef __CUDACC__
        before_ = gpuhost::config();
        gpuhost::config().capability = 90;
#endif
        Kernels::SetUp();
        if (IsSkipped()) return;
        for (const Net& net : nets) {
            const std::string why =
                why_not_persistent(net.shape(), {.persistent_batch = net.batch});
            if (why.find("compute capability") != std::string::npos) GTEST_SKIP() << why;
            ASSERT_EQ(why, "") << net.text();
        }
    }
    void TearDown() override {
        Kernels::TearDown();
#ifndef __CUDACC__
        gpuhost::config() = before_;
#endif
    }

    struct Set {
        std::vector<std::uint8_t> pixels, labels;
    };
    static Set set_for(const Net& net) {
        Rng rng(7);
        Set set;
        for (int j = 0; j < net.images; ++j) {
            set.labels.push_back(static_cast<std::uint8_t>(j % net.classes));
            for (int i = 0; i < net.inputs; ++i)
                set.pixels.push_back(
                    static_cast<std::uint8_t>(i % 7 == 6 ? 0 : rng.below(2) * rng.below(256)));
        }
        return set;
    }
    static std::unique_ptr<Replica> make(const Net& net, bool persistent = true) {
        const Set set = set_for(net);
        auto replica =
            make_cuda_replica(net.shape(), {.persistent_batch = persistent ? net.batch : 0});
        replica->write(initial_parameters<nn_real>(net.shape().layout, 1, 0.5).values);
        EXPECT_TRUE(replica->samples().keep(Role::train, {set.pixels, set.labels}));
        std::vector<std::uint32_t> order(set.labels.size());
        std::iota(order.rbegin(), order.rend(), 0u);
        replica->samples().set_order(order);
        return replica;
    }
    struct Learned {
        std::vector<nn_real> parameters;
        std::vector<double> losses;
        bool operator==(const Learned&) const = default;
    };
    static constexpr Update update{nn_real{0.5}, nn_real{1} / 256};
    static void step(Replica& replica, const Net& net, int first, bool asks = false) {
        const int n = std::min(net.batch, net.images - first);
        replica.samples().select(Role::train, static_cast<std::size_t>(first), n);
        replica.forward(nn_real{1} / static_cast<nn_real>(n), Want::gradient);
        if (asks) replica.weights_squared();
        replica.backward_and_update(update);
    }
    /// Two epochs.
    static Learned learn(Replica& replica, const Net& net, bool at_once, bool asks = false) {
        Learned learned;
        for (int epoch = 0; epoch < 2; ++epoch) {
            if (at_once) {
                EXPECT_TRUE(replica.run({static_cast<std::size_t>(net.images), net.batch, update}));
            } else {
                for (int first = 0; first < net.images; first += net.batch)
                    step(replica, net, first, asks);
            }
            learned.losses.push_back(replica.take_loss());
        }
        learned.parameters.resize(net.shape().layout.total());
        replica.read(learned.parameters);
        for (const nn_real p : learned.parameters) EXPECT_TRUE(std::isfinite(p)) << net.text();
        for (const double loss : learned.losses)
            EXPECT_TRUE(std::isfinite(loss) && loss > (net.classes > 1 ? 0 : -1)) << loss;
        return learned;
    }
    static Learned learn(const Net& net, bool at_once) {
        const auto replica = make(net);
        EXPECT_NE(replica->device_name().find("(gemm persistent)"), std::string::npos);
        return learn(*replica, net, at_once);
    }

#ifndef __CUDACC__
    gpuhost::Config before_;
#endif
};

TEST_F(Persistent, AnEpochGivesTheBitsOfItsStepsAndLearnsWhatOtherKernelsLearn) {
    for (const Net& net : nets) {
        SCOPED_TRACE(net.text());
        const Learned at_once = learn(net, true), by_steps = learn(net, false);
        EXPECT_EQ(at_once.losses, by_steps.losses);
        EXPECT_TRUE(same_bits("parameters", at_once.parameters, by_steps.parameters));
        const auto plain = make(net, false);
        const Learned expected = learn(*plain, net, true);
        const double tolerance = sizeof(nn_real) == sizeof(float) ? 1e-6 : 1e-14;
        for (std::size_t i = 0; i < expected.parameters.size(); ++i)
            ASSERT_TRUE(std::abs(static_cast<double>(at_once.parameters[i]) -
                                 static_cast<double>(expected.parameters[i])) <= tolerance)
                << "parameter " << i << ": " << at_once.parameters[i] << ", by other kernels "
                << expected.parameters[i];
        for (std::size_t i = 0; i < 2; ++i)
            EXPECT_NEAR(at_once.losses[i], expected.losses[i], 100 * net.images * tolerance);
    }
}

/// A later replica gets the memory of the one before, with its words and their numbers.
TEST_F(Persistent, AReplicaLearnsTheSameAfterOthersUsedItsMemory) {
    for (const Net& net : {nets[0], nets[4]}) {
        const Learned first = learn(net, true);
        for (const Net& other : nets) learn(other, true);
        EXPECT_TRUE(learn(net, true) == first) << net.text();
    }
}

TEST_F(Persistent, EveryOrderGivesTheSameBitsInEveryOrder) {
    for (const Net& net : {nets[0], nets[2], nets[4]}) {
        const Learned expected = learn(net, true);
        in_every_order([&](const std::string& order) {
            EXPECT_TRUE(learn(net, true) == expected) << net.text() << ", " << order;
            EXPECT_TRUE(learn(net, false) == expected) << net.text() << ", single, " << order;
        });
    }
}

/// The outputs are those of the forward pass, whoever asks, and asking changes no parameter.
TEST_F(Persistent, ValuesAskedForOnTheWayChangeNothing) {
    const Net& net = nets[2];
    const auto asked = make(net), plain = make(net, false), same = make(net);
    const std::vector<nn_real> parameters = learn(*asked, net, false, true).parameters;
    EXPECT_TRUE(same_bits("parameters", parameters, learn(*same, net, true).parameters));
    std::vector<nn_real> yhat(elements(net.classes, net.batch)), expected = yhat;
    plain->write(parameters);
    for (Replica* replica : {asked.get(), plain.get()}) step(*replica, net, 0);
    asked->outputs(yhat);
    plain->outputs(expected);
    for (std::size_t i = 0; i < yhat.size(); ++i) EXPECT_NEAR(yhat[i], expected[i], 1e-6) << i;
}

/// Zeros at first, so a number of a step is never there by chance; and they begin again where there
/// are no more.
TEST_F(Persistent, StepsAreNumberedAnewWhereThereAreNoMoreNumbers) {
    const Net& net = nets[0];
    const Set set = set_for(net);
    std::vector<Reals> learned;
    for (const unsigned first_step : {1u, ~0u - 4}) {
        const OnDevice<std::uint8_t> pixels("pixels", set.pixels), labels("labels", set.labels);
        OnDevice<nn_real> p("p", initial_parameters<nn_real>(net.shape().layout, 1, 0.5).values);
        OnDevice<nn_real> yhat("yhat", poison<nn_real>(elements(net.classes, net.batch)));
        OnDevice<double> loss("loss", std::vector<double>(persistent_loss_slots));
        PersistentKernel kernel(net.shape(), net.batch, gpu, first_step);
        for (int epoch = 0; epoch < 3; ++epoch)
            kernel.run({.pixels = pixels.data(),
                        .labels = labels.data(),
                        .count = static_cast<std::size_t>(net.images),
                        .batch = net.batch,
                        .scale = nn_real{0.25},
                        .last = 1,
                        .numbers = update.numbers(),
                        .p = p.output(),
                        .yhat = yhat.output(),
                        .loss = loss.output(),
                        .counts_losses = true});
        kernel.check();
        learned.push_back(p.values());
    }
    EXPECT_TRUE(same_bits("parameters", learned[1], learned[0]));
}

#ifndef __CUDACC__

TEST_F(Persistent, TheBitsDependOnNoNumberOfMultiprocessorsNorOnWhatMemoryHeld) {
    const Net& net = nets[1 + 1];
    const Learned expected = learn(net, true);
    for (const int multiprocessors : {2, 7, 30}) {
        gpuhost::config().multiprocessors = multiprocessors;
        EXPECT_TRUE(learn(net, true) == expected) << multiprocessors;
    }
    for (const std::uint32_t word : {0u, 1u, 2u, 0x7f800000u}) {
        gpuhost::config().fresh_word = word;
        EXPECT_TRUE(learn(net, true) == expected) << "memory of " << word;
    }
}

TEST_F(Persistent, ABlockThatNeverComesIsAnErrorAndChangesNoParameter) {
    const Net& net = nets[0];
    for (const auto order :
         {gpuhost::Order::forward, gpuhost::Order::reverse, gpuhost::Order::random}) {
        gpuhost::config().order = order;
        gpuhost::config().silent_block = 1;
        const auto replica = make(net);
        ASSERT_TRUE(replica->run({static_cast<std::size_t>(net.images), net.batch, update}));
        try {
            replica->take_loss();
            ADD_FAILURE() << "nothing was said";
        } catch (const Failure& failure) {
            EXPECT_NE(std::string(failure.what()).find("--gemm auto"), std::string::npos);
        }
        Reals parameters(net.shape().layout.total());
        EXPECT_THROW(replica->read(parameters), Failure);
        EXPECT_EQ(parameters, initial_parameters<nn_real>(net.shape().layout, 1, 0.5).values);
    }
}

TEST_F(Persistent, WhatItCannotTakeGoesTheOtherWayAndSaysWhy) {
    const auto why = [](const ReplicaShape& shape, const CudaSettings& settings) {
        const std::string words = why_not_persistent(shape, settings);
        const auto replica = make_cuda_replica(shape, settings);
        EXPECT_NE(replica->device_name().find("not persistent: " + words), std::string::npos);
        return words;
    };
    const CudaSettings asked{.persistent_batch = 4};
    const ReplicaShape good = nets[0].shape();
    const auto with = [](std::vector<int> sizes) {
        return ReplicaShape{Layout(std::move(sizes)), 4, 1};
    };
    EXPECT_EQ(why(good, {.persistent_batch = 4, .several_ranks = true}),
              "it is for one rank that sums nothing");
    EXPECT_EQ(why(good, {.persistent_batch = 4, .shares_device = true}),
              "it is for one rank that sums nothing");
    EXPECT_EQ(why(with({12, 3, 3, 3}), asked), "it takes one hidden layer");
    EXPECT_EQ(why(with({12, 3}), asked), "it takes one hidden layer");
    EXPECT_EQ(why(with({12, 3, 11}), asked), "it takes 10 outputs at most");
    EXPECT_EQ(why(with({13, 3, 3}), asked), "it takes a multiple of four inputs");
    EXPECT_EQ(why(with({12, 17, 3}), asked),
              "it takes at most four hidden units for each of 4 multiprocessors");
    EXPECT_EQ(why({Layout({12, 3, 3}), 4, 1, {}, {.number_inputs = true}}, asked),
              "it takes images with labels");
    EXPECT_EQ(why({Layout({12, 3, 3}), 4, 1, {OutputLayer::sigmoid, LossFunction::mse}}, asked),
              "it takes softmax with cross-entropy");
    EXPECT_EQ(why({Layout({12, 3, 3}), 4, 1, {}, {}, {}, 1}, asked), "it takes plain descent");
    EXPECT_NE(why(with({784, 3, 3}), {.persistent_batch = 800})
                  .find("KiB of shared memory, and a block has 227"),
              std::string::npos);
    gpuhost::config().launches_together = false;
    EXPECT_EQ(why(good, asked), "it needs compute capability 8.0 and cooperative launches");
    gpuhost::config().launches_together = true;
    gpuhost::config().capability = 75;
    EXPECT_EQ(why(good, asked), "it needs compute capability 8.0 and cooperative launches");
}

#endif

}  // namespace
