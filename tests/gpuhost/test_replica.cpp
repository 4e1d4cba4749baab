// test_replica.cpp: what the CUDA replica moves and launches, counted by the kernel runner.
//
// That it computes the right numbers is tested by test_train.cpp, on GPUs too. This is about what
// makes it fast and shows in no number: that images lie on the device as bytes, that a step copies
// nothing, that a step is four kernels and an epoch one graph. The course's replica is held beside
// it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "device/gpu/kernels.h"
#include "device/replica.h"
#include "gpuhost.h"
#include "model/initial.h"

namespace {

constexpr int images = 100, pixels = 784, batch = 32;  // the last mini-batch is of 4 images
constexpr std::size_t steps = 4;
constexpr std::size_t set_bytes = images * (pixels + 1), order_bytes = images * 4;

class ReplicaTraffic : public testing::Test {
  protected:
    void TearDown() override { gpuhost::config() = before_; }
    std::unique_ptr<Replica> make(const CudaSettings& settings,
                                  decltype(&make_cuda_replica) by = make_cuda_replica) const {
        auto replica = by({layout_, batch, nn_real{1} / 255}, settings);
        replica->write(initial_parameters<nn_real>(layout_, 1, 0).values);
        return replica;
    }
    void keep(Replica& replica) const {
        ASSERT_TRUE(replica.samples().keep(Role::train, {pixels_, labels_}));
        replica.samples().set_order(in_file_order_);
    }
    /// Forward from a shard of the set.
    static void forward(Replica& replica, std::size_t first) {
        replica.samples().select(Role::train, first, batch);
        replica.forward(nn_real{1} / batch, Want::gradient);
    }
    /// A whole step, as of a lone replica.
    static void step(Replica& replica, std::size_t first) {
        forward(replica, first);
        replica.backward_and_update(update_);
    }
    /// The same as of several, whose reducer waits for each part and finds that the sum is what was
    /// lent. Returns what was lent.
    static std::vector<Lent> lend_and_step(Replica& replica, std::size_t first) {
        std::vector<Lent> parts;
        forward(replica, first);
        replica.backward([&](int part) { parts.push_back(replica.lend(part)); });
        for (const Lent& part : parts) part.ready->wait();
        for (const Lent& part : parts)
            replica.update(update_,
                           {part.first, part.values.size(), part.values.data(), part.memory});
        return parts;
    }
    /// What the device does for `action`, until the last of it.
    template <class Action>
    static gpuhost::Traffic traffic_of(Replica& replica, const Action& action) {
        const auto finish = [&replica] { replica.take_loss(); };
        finish();
        const gpuhost::Traffic before = gpuhost::traffic();
        finish();
        const gpuhost::Traffic after = gpuhost::traffic();
        action();
        finish();
        const gpuhost::Traffic now = gpuhost::traffic();
        return {now.uploaded - after.uploaded,
                now.downloaded - after.downloaded - (after.downloaded - before.downloaded),
                now.launches - after.launches, now.graph_launches - after.graph_launches};
    }

    static std::vector<nn_real> parameters_of(Replica& replica) {
        std::vector<nn_real> values(replica.shape().layout.total());
        replica.read(values);
        return values;
    }
    /// Leaves the device so many bytes.
    static void leave_free(std::size_t bytes) {
        std::size_t free_bytes = 0, total_bytes = 0;
        ASSERT_EQ(cudaMemGetInfo(&free_bytes, &total_bytes), cudaSuccess);
        gpuhost::config().memory = total_bytes - free_bytes + bytes;
    }

    const gpuhost::Config before_ = gpuhost::config();
    static constexpr Update update_{nn_real{0.5}, 0};
    const Layout layout_{{pixels, 16, 10}};
    const std::size_t gradient_bytes_ = layout_.total() * sizeof(nn_real);
    /// No two images are alike.
    const std::vector<std::uint8_t> pixels_ = [] {
        std::vector<std::uint8_t> bytes(images * pixels);
        for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<std::uint8_t>(i * 7 / 5 % 151);
        return bytes;
    }();
    const std::vector<std::uint8_t> labels_ = [] {
        std::vector<std::uint8_t> classes(images);
        for (std::size_t i = 0; i < images; ++i) classes[i] = static_cast<std::uint8_t>(i % 9);
        return classes;
    }();
    std::vector<std::uint32_t> in_file_order_ = [] {
        std::vector<std::uint32_t> order(images);
        std::iota(order.begin(), order.end(), 0u);
        return order;
    }();
};

TEST_F(ReplicaTraffic, OfASetIsItsBytesOnce) {
    const auto replica = make({});
    EXPECT_EQ(traffic_of(*replica, [&] { keep(*replica); }).uploaded, set_bytes);
}

TEST_F(ReplicaTraffic, OfAnOrderIsTheOrderAloneAndOfTheFilesOrderNothing) {
    const auto replica = make({});
    keep(*replica);
    auto reversed = in_file_order_;
    std::ranges::reverse(reversed);
    const auto new_order = traffic_of(*replica, [&] { replica->samples().set_order(reversed); });
    EXPECT_EQ(new_order.uploaded, order_bytes);
    EXPECT_EQ(new_order.launches, 1u) << "the epoch's images are gathered by one kernel";
    const auto old_order =
        traffic_of(*replica, [&] { replica->samples().set_order(in_file_order_); });
    EXPECT_EQ(old_order.uploaded + old_order.launches, 0u);
}

TEST_F(ReplicaTraffic, OfAnEpochIsOneGraphOfFourKernelsAStepAndOneKernelForNewNumbers) {
    const auto replica = make({});
    keep(*replica);
    const auto epoch = [&](double rate) {
        return traffic_of(*replica, [&] {
            ASSERT_TRUE(replica->run({images, batch, {static_cast<nn_real>(rate), 0}}));
        });
    };
    const struct {
        double rate;
        bool is_new;
    } epochs[] = {{0.5, true}, {0.25, true}, {0.25, false}};
    for (const auto& [rate, is_new] : epochs) {
        const gpuhost::Traffic seen = epoch(rate);
        EXPECT_EQ(seen.uploaded + seen.downloaded, 0u);
        EXPECT_EQ(seen.launches, 4 * steps + (is_new ? 1 : 0)) << "rate " << rate;
        EXPECT_EQ(seen.graph_launches, 1u);
    }
}

TEST_F(ReplicaTraffic, OfAStepOfALoneReplicaIsNoByteAndFourKernels) {
    const auto replica = make({});
    keep(*replica);
    step(*replica, 0);  // brings the numbers of the update
    const auto seen = traffic_of(*replica, [&] { step(*replica, 7); });
    EXPECT_EQ(seen.uploaded + seen.downloaded + seen.graph_launches, 0u);
    EXPECT_EQ(seen.launches, 4u);
}

TEST_F(ReplicaTraffic, OfAStepOfSeveralRanksIsTheGradientAndTwoGraphs) {
    const auto replica = make({.several_ranks = true});
    keep(*replica);
    step(*replica, 0);
    traffic_of(*replica, [&] { lend_and_step(*replica, 3); });
    const std::size_t with_both_graphs = gpuhost::live_allocations();
    for (const std::size_t first : {0u, 7u, 68u}) {
        const auto seen = traffic_of(*replica, [&] { lend_and_step(*replica, first); });
        EXPECT_EQ(seen.uploaded, gradient_bytes_) << "from image " << first;
        EXPECT_EQ(seen.downloaded, gradient_bytes_);
        EXPECT_EQ(seen.graph_launches, 2u);
        EXPECT_EQ(seen.launches, 5u) << "to add up the gradient's parts is one more";
        EXPECT_EQ(gpuhost::live_allocations(), with_both_graphs) << "shards share their graphs";
    }
}

TEST_F(ReplicaTraffic, OfAGradientInPartsIsTheGradient) {
    const auto replica = make({.several_ranks = true, .parts_from = 0});
    keep(*replica);
    step(*replica, 0);
    EXPECT_EQ(replica->parts().size(), 5u) << "the head, and dW1 in four";
    const auto seen = traffic_of(
        *replica, [&] { EXPECT_EQ(lend_and_step(*replica, 7).size(), replica->parts().size()); });
    EXPECT_EQ(seen.uploaded, gradient_bytes_);
    EXPECT_EQ(seen.downloaded, gradient_bytes_);
}

/// The first part is there before the last one is computed, though all are on their way.
TEST_F(ReplicaTraffic, OfAPartOfTheGradientIsWhatItNeedsAlone) {
    const auto replica = make({.several_ranks = true, .parts_from = 0});
    keep(*replica);
    forward(*replica, 0);
    const gpuhost::Traffic before = gpuhost::traffic();
    std::vector<int> told;
    replica->backward([&](int part) {
        told.push_back(part);
        if (part > 0) return;
        const Lent first = replica->lend(part);
        first.ready->wait();
        const gpuhost::Traffic after = gpuhost::traffic();
        EXPECT_EQ(after.downloaded - before.downloaded, first.values.size_bytes());
        EXPECT_EQ(after.launches - before.launches, 3u) << "layer, head, and to add up the head's";
    });
    EXPECT_EQ(told, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(ReplicaTraffic, OfAStepWhoseMpiTakesDeviceMemoryIsNoByte) {
    for (const std::size_t parts_from : {std::size_t{0}, std::size_t{1} << 30}) {
        const auto replica = make(
            {.several_ranks = true, .mpi_takes_device_memory = true, .parts_from = parts_from});
        const auto on_host = make({.several_ranks = true, .parts_from = parts_from});
        for (Replica* each : {replica.get(), on_host.get()}) {
            keep(*each);
            step(*each, 0);
        }
        std::vector<Lent> parts;
        const auto seen = traffic_of(*replica, [&] { parts = lend_and_step(*replica, 7); });
        EXPECT_EQ(seen.uploaded + seen.downloaded, 0u);
        for (const Lent& part : parts) {
            EXPECT_EQ(part.memory, Memory::device);
            EXPECT_TRUE(gpuhost::device_holds(part.values.data(), part.values.size_bytes()));
        }
        lend_and_step(*on_host, 7);
        std::vector<nn_real> ours(layout_.total()), expected(layout_.total());
        replica->read(ours);
        on_host->read(expected);
        EXPECT_EQ(ours, expected);
        EXPECT_TRUE(std::isfinite(ours[0]));
    }
}

/// A reducer may give the sum in memory of its own: nothing is recorded for that.
TEST_F(ReplicaTraffic, OfASumElsewhereIsTheSumAlone) {
    const auto replica = make({.several_ranks = true}), same = make({.several_ranks = true});
    for (Replica* each : {replica.get(), same.get()}) keep(*each);
    std::vector<nn_real> sum(layout_.total());
    const auto seen = traffic_of(*replica, [&] {
        forward(*replica, 7);
        replica->backward([&](int part) {
            const Lent lent = replica->lend(part);
            lent.ready->wait();
            std::ranges::copy(lent.values, sum.begin());
        });
        replica->update(update_, {0, sum.size(), sum.data()});
    });
    EXPECT_EQ(seen.uploaded, gradient_bytes_);
    EXPECT_EQ(seen.graph_launches, 1u) << "forward and backward";
    lend_and_step(*same, 7);
    std::vector<nn_real> ours(layout_.total()), expected(layout_.total());
    replica->read(ours);
    same->read(expected);
    EXPECT_EQ(ours, expected);
}

/// What is looked at is not learned from: no way back, no targets.
TEST_F(ReplicaTraffic, OfALookAtSamplesIsTwoKernelsAndNeedsNoTargets) {
    const auto replica = make({});
    ASSERT_TRUE(replica->samples().keep(Role::test, {pixels_, {}}));
    ASSERT_TRUE(replica->samples().keep(Role::held_out, {pixels_, labels_}));
    std::vector<nn_real> without(10 * batch), with(10 * batch);
    const auto look = [&](Role role, Want want, std::vector<nn_real>& yhat) {
        replica->samples().select(role, 3, batch);
        replica->forward(1, want);
        replica->outputs(yhat);
    };
    const auto seen = traffic_of(*replica, [&] { look(Role::test, Want::outputs, without); });
    EXPECT_EQ(seen.uploaded, 0u);
    EXPECT_EQ(seen.launches, 2u);
    EXPECT_EQ(replica->take_loss(), 0);
    look(Role::held_out, Want::losses, with);
    EXPECT_GT(replica->take_loss(), 0);
    EXPECT_EQ(without, with);
    EXPECT_TRUE(std::isfinite(with[0]));
}

/// The other sets lie once, in their own order: no room is taken for another.
TEST_F(ReplicaTraffic, OfATestSetIsItsBytesAndTheirMemory) {
    const auto replica = make({});
    const std::size_t before = gpuhost::live_allocations();
    const auto seen = traffic_of(*replica, [&] {
        ASSERT_TRUE(replica->samples().keep(Role::test, {pixels_, labels_}));
    });
    EXPECT_EQ(seen.uploaded, set_bytes);
    EXPECT_EQ(gpuhost::live_allocations(), before + 2) << "inputs and targets";
    ASSERT_TRUE(replica->samples().keep(Role::test, {}));
    EXPECT_EQ(gpuhost::live_allocations(), before);
}

TEST_F(ReplicaTraffic, OfTheCoursesStepIsNoByteAloneAndTheGradientBothWaysWithOthers) {
    const auto replica = make({}, make_course_replica);
    keep(*replica);
    step(*replica, 0);
    const auto alone = traffic_of(*replica, [&] { step(*replica, 7); });
    EXPECT_EQ(alone.uploaded + alone.downloaded + alone.graph_launches, 0u);
    EXPECT_EQ(alone.launches, 15u) << "5 forward, 6 backward, 4 to update";
    const auto lent = traffic_of(*replica, [&] { lend_and_step(*replica, 7); });
    EXPECT_EQ(lent.uploaded, gradient_bytes_);
    EXPECT_EQ(lent.downloaded, gradient_bytes_);
}

/// By both replicas, lent or not.
TEST_F(ReplicaTraffic, OfTheCourseLearnsTheSame) {
    const double tolerance = sizeof(nn_real) == sizeof(float) ? 1e-6 : 1e-14;
    std::vector<std::vector<nn_real>> learned;
    for (const auto by : {make_cuda_replica, make_course_replica})
        for (const bool lends : {false, true}) {
            const auto replica = make({.several_ranks = lends}, by);
            keep(*replica);
            for (const std::size_t first : {0u, 32u, 64u})
                lends ? void(lend_and_step(*replica, first)) : step(*replica, first);
            EXPECT_GT(replica->weights_squared(), 0);
            EXPECT_GT(replica->take_loss(), 0);
            learned.emplace_back(layout_.total());
            replica->read(learned.back());
        }
    EXPECT_EQ(learned[0], learned[1]);
    EXPECT_EQ(learned[2], learned[3]);
    for (std::size_t i = 0; i < learned[0].size(); ++i)
        ASSERT_TRUE(std::abs(static_cast<double>(learned[0][i]) - learned[2][i]) <= tolerance)
            << "parameter " << i << ": " << learned[0][i] << ", by the course " << learned[2][i];
}

/// The fast kernels refuse so many.
TEST_F(ReplicaTraffic, OfTheCourseHasNoLimitOfOutputs) {
    const ReplicaShape shape{Layout({3, gpu_head_most_classes() + 1}), 2, 1};
    EXPECT_THROW(make_cuda_replica(shape, {}), InputError);
    const auto replica = make_course_replica(shape, {});
    const Staging staging = replica->samples().stage(2);
    std::ranges::fill(staging.inputs, std::uint8_t{1});
    std::ranges::fill(staging.targets, std::uint8_t{7});
    replica->samples().arrived();
    replica->write(std::vector<nn_real>(shape.layout.total()));
    replica->forward(nn_real{1} / 2, Want::gradient);
    replica->backward_and_update(update_);
    EXPECT_NEAR(replica->take_loss(), 2 * std::log(shape.layout.classes()), 1e-4);
    EXPECT_GT(replica->weights_squared(), 0);
}

TEST_F(ReplicaTraffic, LeavesNothingBehind) {
    const std::size_t before = gpuhost::live_allocations();
    for (const auto by : {make_cuda_replica, make_course_replica})
        for (const bool several_ranks : {false, true}) {
            const auto replica = make({.several_ranks = several_ranks}, by);
            keep(*replica);
            several_ranks ? void(lend_and_step(*replica, 0)) : step(*replica, 0);
            ASSERT_EQ(replica->run({images, batch, update_}), by == make_cuda_replica);
        }
    EXPECT_EQ(gpuhost::live_allocations(), before);
}

/// Its steps find their samples in a window, so graphs serve every epoch and every order.
TEST_F(ReplicaTraffic, OfALongEpochIsAGraphOf64StepsAgainAndAgainAndOneForTheRest) {
    const auto replica = make({}), single = make({});
    for (Replica* each : {replica.get(), single.get()}) keep(*each);
    auto order = in_file_order_;
    std::size_t with_graphs = 0;
    for (int epoch = 0; epoch < 2; ++epoch) {
        std::ranges::rotate(order, order.begin() + 30);
        const auto seen = traffic_of(*replica, [&] {
            replica->samples().set_order(order);
            ASSERT_TRUE(replica->run({images, 1, update_}));
        });
        EXPECT_EQ(seen.graph_launches, 2u);
        EXPECT_EQ(seen.uploaded, order_bytes);
        EXPECT_EQ(seen.launches, 4u * images + 1 + (epoch == 0 ? 1 : 0)) << "and the gathering";
        if (epoch == 0) with_graphs = gpuhost::live_allocations();
        EXPECT_EQ(gpuhost::live_allocations(), with_graphs) << "no other graph in epoch " << epoch;
        single->samples().set_order(order);
        for (std::size_t first = 0; first < images; ++first) {
            single->samples().select(Role::train, first, 1);
            single->forward(1, Want::gradient);
            single->backward_and_update(update_);
        }
    }
    EXPECT_EQ(parameters_of(*replica), parameters_of(*single));
}

TEST_F(ReplicaTraffic, OfALongEpochIsNoneWithoutRoomForTheWindow) {
    const auto replica = make({});
    keep(*replica);
    leave_free(1000);
    const auto seen = traffic_of(*replica, [&] {
        EXPECT_FALSE(replica->run({images, 1, update_}));
    });
    EXPECT_EQ(seen.uploaded + seen.launches, 0u);
}

// ---- what a machine may do that most do not

/// What a replica learns by every kind of step, and by whom it is made.
std::vector<nn_real> learned_by_every_kind(const std::unique_ptr<Replica>& replica,
                                           std::vector<std::uint32_t> order,
                                           const std::function<void(std::size_t)>& step) {
    for (const double rate : {0.5, 0.25}) {
        std::ranges::rotate(order, order.begin() + 17);
        auto handed = order;
        replica->samples().set_order(handed);
        std::ranges::fill(handed, 0u);  // it is the caller's again
        if (!replica->run({images, batch, {static_cast<nn_real>(rate), 0}})) step(3);
        step(7);
    }
    std::vector<nn_real> values(replica->shape().layout.total());
    replica->read(values);
    return values;
}

TEST_F(ReplicaTraffic, MayReadMemoryOfTheHostLate) {
    for (const auto by : {make_cuda_replica, make_course_replica})
        for (const bool lends : {false, true}) {
            std::vector<std::vector<nn_real>> learned;
            for (const bool late : {false, true}) {
                gpuhost::config().pageable_is_read_late = late;
                const auto replica = make({.several_ranks = lends}, by);
                keep(*replica);
                learned.push_back(
                    learned_by_every_kind(replica, in_file_order_, [&](std::size_t first) {
                        lends ? void(lend_and_step(*replica, first)) : step(*replica, first);
                    }));
            }
            EXPECT_EQ(learned[0], learned[1]);
            EXPECT_TRUE(std::isfinite(learned[0][0]));
        }
}

/// A reducer's own memory, which it writes again as soon as update() has returned.
TEST_F(ReplicaTraffic, MayReadASumLate) {
    for (const auto by : {make_cuda_replica, make_course_replica}) {
        std::vector<std::vector<nn_real>> learned;
        for (const bool writes : {false, true}) {
            const auto replica = make({.several_ranks = true}, by);
            keep(*replica);
            std::vector<nn_real> sum(layout_.total());
            forward(*replica, 7);
            replica->backward([&](int part) {
                const Lent lent = replica->lend(part);
                lent.ready->wait();
                std::ranges::copy(lent.values, sum.begin());
            });
            replica->update(update_, {0, sum.size(), sum.data()});
            if (writes) std::ranges::fill(sum, nn_real{100});
            learned.push_back(parameters_of(*replica));
        }
        EXPECT_EQ(learned[0], learned[1]);
    }
}

/// The work of a graph for which there is no memory goes to the device as it is.
TEST_F(ReplicaTraffic, WithoutMemoryForGraphsLearnsTheSame) {
    for (const bool lends : {false, true}) {
        std::vector<std::vector<nn_real>> learned;
        std::vector<std::size_t> graph_launches;
        for (const bool full : {false, true}) {
            gpuhost::config() = before_;
            const auto replica = make({.several_ranks = lends});
            keep(*replica);
            if (full) leave_free(0);
            const gpuhost::Traffic before = gpuhost::traffic();
            learned.push_back(
                learned_by_every_kind(replica, in_file_order_, [&](std::size_t first) {
                    lends ? void(lend_and_step(*replica, first)) : step(*replica, first);
                }));
            graph_launches.push_back(gpuhost::traffic().graph_launches - before.graph_launches);
        }
        EXPECT_EQ(learned[0], learned[1]) << (lends ? "lent" : "alone");
        EXPECT_GT(graph_launches[0], 0u);
        EXPECT_EQ(graph_launches[1], 0u);
    }
}

TEST_F(ReplicaTraffic, WhoseGraphFailsSaysHowToGoStepByStep) {
    const auto replica = make({});
    keep(*replica);
    ASSERT_TRUE(replica->run({images, batch, update_}));
    gpuhost::config().work_error = cudaErrorIllegalAddress;
    try {
        replica->take_loss();
        ADD_FAILURE() << "an error went unseen";
    } catch (const Failure& failure) {
        const std::string line = failure.what();
        EXPECT_NE(line.find("steps of an epoch: --print-every 1"), std::string::npos) << line;
    }
}

/// The graph, and the page-locked memory that the work uses, are given back after the work.
TEST_F(ReplicaTraffic, MayBeDestroyedWhileItWorks) {
    const std::size_t before = gpuhost::live_allocations();
    for (const bool lends : {false, true}) {
        const auto replica = make({.several_ranks = lends});
        keep(*replica);
        if (!lends) {
            EXPECT_TRUE(replica->run({images, batch, update_}));
        }
        if (lends) lend_and_step(*replica, 0);
    }
    EXPECT_EQ(gpuhost::live_allocations(), before);
}

}  // namespace
