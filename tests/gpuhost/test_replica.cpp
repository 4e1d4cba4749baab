// test_replica.cpp: what the CUDA replica moves and launches, counted by the kernel runner.
//
// That it computes the right numbers is tested by test_train.cpp, on GPUs too. This is about what
// makes it fast and shows in no number: that images lie on the device as bytes, that a step copies
// nothing, that a step is four kernels and an epoch one graph. The course's replica is held beside
// it.
#include "tests/gpuhost/replica_fixture.h"

namespace {

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

TEST_F(ReplicaTraffic, OfAnEpochIsOneGraphOfThreeKernelsAStepAndOneKernelForNewNumbers) {
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
        EXPECT_EQ(seen.launches, 3 * steps + (is_new ? 1 : 0)) << "rate " << rate;
        EXPECT_EQ(seen.graph_launches, 1u);
    }
}

TEST_F(ReplicaTraffic, OfAStepOfALoneReplicaIsNoByteAndThreeKernels) {
    const auto replica = make({});
    keep(*replica);
    step(*replica, 0);  // brings the numbers of the update
    const auto seen = traffic_of(*replica, [&] { step(*replica, 7); });
    EXPECT_EQ(seen.uploaded + seen.downloaded + seen.graph_launches, 0u);
    EXPECT_EQ(seen.launches, 3u) << "layer, head, gradient with update";
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
        const auto replica =
            make({.several_ranks = true, .lends_device_memory = true, .parts_from = parts_from});
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
        gradient_to(*replica, 7, sum);
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
        EXPECT_EQ(seen.launches, 3u * images + 1 + (epoch == 0 ? 1 : 0)) << "and the gathering";
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

}  // namespace
