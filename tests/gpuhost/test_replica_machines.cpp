// test_replica_machines.cpp: CUDA replicas on machines that do what most do not.
//
// A GPU that reads the host's memory late, one without memory for graphs, several GPUs, an error in
// a graph: the kernel runner plays them, and the replica must learn the same.
#include "tests/gpuhost/replica_fixture.h"

namespace {

using ReplicaMachines = ReplicaTraffic;

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

TEST_F(ReplicaMachines, MayReadMemoryOfTheHostLate) {
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
TEST_F(ReplicaMachines, MayReadASumLate) {
    for (const auto by : {make_cuda_replica, make_course_replica}) {
        std::vector<std::vector<nn_real>> learned;
        for (const bool writes : {false, true}) {
            const auto replica = make({.several_ranks = true}, by);
            keep(*replica);
            std::vector<nn_real> sum(layout_.total());
            gradient_to(*replica, 7, sum);
            replica->update(update_, {0, sum.size(), sum.data()});
            if (writes) std::ranges::fill(sum, nn_real{100});
            learned.push_back(parameters_of(*replica));
        }
        EXPECT_EQ(learned[0], learned[1]);
    }
}

/// The work of a graph for which there is no memory goes to the device as it is.
TEST_F(ReplicaMachines, WithoutMemoryForGraphsLearnsTheSame) {
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

TEST_F(ReplicaMachines, WhoseGraphFailsSaysHowToGoStepByStep) {
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

/// By turns, each call of one after a call of the other.
TEST_F(ReplicaMachines, OfTwoReplicasOnTwoDevicesIsEachOnItsOwn) {
    gpuhost::config().devices = 2;
    for (const auto by : {make_cuda_replica, make_course_replica})
        for (const bool lends : {false, true}) {
            std::vector<std::unique_ptr<Replica>> both;
            for (const int device : {0, 1})
                both.push_back(make({.device = device, .several_ranks = lends}, by));
            for (const auto& each : both) keep(*each);
            for (const auto& each : both) each->samples().set_order(in_file_order_);
            for (const auto& each : both) each->samples().select(Role::train, 3, batch);
            for (const auto& each : both) each->forward(nn_real{1} / batch, Want::gradient);
            std::vector<Lent> lent;
            for (const auto& each : both)
                if (lends)
                    each->backward([&](int part) { lent.push_back(each->lend(part)); });
                else
                    each->backward_and_update(update_);
            for (std::size_t i = 0; i < lent.size(); ++i) {
                lent[i].ready->wait();
                both[i]->update(update_, {0, lent[i].values.size(), lent[i].values.data()});
            }
            for (const auto& each : both) each->run({images, batch, update_});
            std::vector<double> losses, squares;
            for (const auto& each : both) losses.push_back(each->take_loss());
            for (const auto& each : both) squares.push_back(each->weights_squared());
            EXPECT_EQ(losses[0], losses[1]);
            EXPECT_EQ(squares[0], squares[1]);
            EXPECT_EQ(parameters_of(*both[0]), parameters_of(*both[1]));
        }
    cudaSetDevice(0);
}

/// The graph, and the page-locked memory that the work uses, are given back after the work.
TEST_F(ReplicaMachines, MayBeDestroyedWhileItWorks) {
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
