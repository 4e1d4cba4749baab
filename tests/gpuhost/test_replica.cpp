// test_replica.cpp: what the CUDA replica moves and launches, counted by the kernel runner.
//
// That it computes the right numbers is tested by test_train.cpp, on GPUs too. This is about what
// makes it fast and shows in no number: that images lie on the device as bytes, that a step copies
// nothing, that a step is four kernels and an epoch one graph.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "device/replica.h"
#include "gpuhost.h"
#include "model/initial.h"

namespace {

constexpr int images = 100, pixels = 784, batch = 32;  // the last mini-batch is of 4 images
constexpr std::size_t steps = 4;
constexpr std::size_t set_bytes = images * (pixels + 1), order_bytes = images * 4;

class ReplicaTraffic : public testing::Test {
  protected:
    std::unique_ptr<Replica> make(const CudaSettings& settings) const {
        auto replica = make_cuda_replica({layout_, batch, nn_real{1} / 255}, settings);
        replica->set_parameters(initial_parameters<nn_real>(layout_, 1, 0).values);
        return replica;
    }
    void keep(Replica& replica) const {
        ASSERT_TRUE(replica.keep(pixels_, labels_));
        replica.set_order(in_file_order_);
    }
    /// Forward and backward from a slice of the set.
    static void work(Replica& replica, std::size_t first) {
        replica.pick(first, batch);
        replica.forward(batch);
        replica.backward();
    }
    /// A whole step, as of one rank.
    static void step(Replica& replica, std::size_t first) {
        work(replica, first);
        replica.step(rate_, 0);
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

    static constexpr auto rate_ = nn_real{0.5};
    const Layout layout_{{pixels, 16, 10}};
    const std::size_t gradient_bytes_ = layout_.total() * sizeof(nn_real);
    const std::vector<std::uint8_t> pixels_ = std::vector<std::uint8_t>(images * pixels, 100);
    const std::vector<std::uint8_t> labels_ = std::vector<std::uint8_t>(images, 3);
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
    const auto new_order = traffic_of(*replica, [&] { replica->set_order(reversed); });
    EXPECT_EQ(new_order.uploaded, order_bytes);
    EXPECT_EQ(new_order.launches, 1u) << "the epoch's images are gathered by one kernel";
    const auto old_order = traffic_of(*replica, [&] { replica->set_order(in_file_order_); });
    EXPECT_EQ(old_order.uploaded + old_order.launches, 0u);
}

TEST_F(ReplicaTraffic, OfAnEpochIsItsRateAndOneGraphOfFourKernelsAStep) {
    const auto replica = make({});
    keep(*replica);
    const auto epoch = [&](double rate) {
        return traffic_of(*replica, [&] {
            ASSERT_TRUE(replica->epoch(images, batch, static_cast<nn_real>(rate), nn_real{0}));
        });
    };
    const struct {
        double rate;
        bool is_new;
    } epochs[] = {{0.5, true}, {0.25, true}, {0.25, false}};
    for (const auto& [rate, is_new] : epochs) {
        const gpuhost::Traffic seen = epoch(rate);
        EXPECT_EQ(seen.uploaded, is_new ? sizeof(nn_real) : 0u) << "rate " << rate;
        EXPECT_EQ(seen.downloaded, 0u);
        EXPECT_EQ(seen.launches, 4 * steps);
        EXPECT_EQ(seen.graph_launches, 1u);
    }
}

TEST_F(ReplicaTraffic, OfAStepOfOneRankIsNoByteAndFourKernels) {
    const auto replica = make({});
    keep(*replica);
    step(*replica, 0);  // brings the rate
    const auto seen = traffic_of(*replica, [&] { step(*replica, 7); });
    EXPECT_EQ(seen.uploaded + seen.downloaded + seen.graph_launches, 0u);
    EXPECT_EQ(seen.launches, 4u);
}

TEST_F(ReplicaTraffic, OfAStepOfSeveralRanksIsTheGradientAndTwoGraphs) {
    const auto replica = make({.several_ranks = true});
    keep(*replica);
    step(*replica, 0);
    traffic_of(*replica, [&] {
        work(*replica, 3);
        replica->gradient(0);
        replica->step(rate_, 0);
    });
    const std::size_t with_both_graphs = gpuhost::live_allocations();
    for (const std::size_t first : {0u, 7u, 68u}) {
        const auto seen = traffic_of(*replica, [&] {
            work(*replica, first);
            replica->gradient(0);
            replica->step(rate_, 0);
        });
        EXPECT_EQ(seen.uploaded, gradient_bytes_) << "from image " << first;
        EXPECT_EQ(seen.downloaded, gradient_bytes_);
        EXPECT_EQ(seen.graph_launches, 2u);
        EXPECT_EQ(seen.launches, 5u) << "to add up the gradient's parts is one more";
        EXPECT_EQ(gpuhost::live_allocations(), with_both_graphs) << "slices share their graphs";
    }
}

TEST_F(ReplicaTraffic, OfAGradientInPartsIsTheGradient) {
    const auto replica = make({.several_ranks = true, .parts_from = 0});
    keep(*replica);
    step(*replica, 0);
    const auto seen = traffic_of(*replica, [&] {
        work(*replica, 7);
        EXPECT_EQ(replica->gradient_parts(), 5) << "the head, and dW1 in four";
        for (int part = 0; part < replica->gradient_parts(); ++part) replica->gradient(part);
        replica->step(rate_, 0);
    });
    EXPECT_EQ(seen.uploaded, gradient_bytes_);
    EXPECT_EQ(seen.downloaded, gradient_bytes_);
}

/// The first part is there before the last one is computed.
TEST_F(ReplicaTraffic, OfAPartOfTheGradientIsWhatItNeedsAlone) {
    const auto replica = make({.several_ranks = true, .parts_from = 0});
    keep(*replica);
    work(*replica, 0);
    const gpuhost::Traffic before = gpuhost::traffic();
    const std::size_t part = replica->gradient(0).values.size_bytes();
    const gpuhost::Traffic after = gpuhost::traffic();
    EXPECT_EQ(after.downloaded - before.downloaded, part);
    EXPECT_EQ(after.launches - before.launches, 3u) << "layer, head, and to add up the head's";
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
        std::vector<GradientPart> parts;
        const auto lend_and_step = [&](Replica& with) {
            work(with, 7);
            for (int p = 0; p < with.gradient_parts(); ++p) parts.push_back(with.gradient(p));
            with.step(rate_, 0);
        };
        const auto seen = traffic_of(*replica, [&] { lend_and_step(*replica); });
        EXPECT_EQ(seen.uploaded + seen.downloaded, 0u);
        for (const GradientPart& part : parts)
            EXPECT_TRUE(gpuhost::device_holds(part.values.data(), part.values.size_bytes()));
        lend_and_step(*on_host);
        std::vector<nn_real> ours(layout_.total()), expected(layout_.total());
        replica->get_parameters(ours);
        on_host->get_parameters(expected);
        EXPECT_EQ(ours, expected);
        EXPECT_TRUE(std::isfinite(ours[0]));
    }
}

TEST_F(ReplicaTraffic, LeavesNothingBehind) {
    const std::size_t before = gpuhost::live_allocations();
    for (const bool several_ranks : {false, true}) {
        const auto replica = make({.several_ranks = several_ranks});
        keep(*replica);
        work(*replica, 0);
        if (several_ranks) replica->gradient(0);
        replica->step(rate_, 0);
        ASSERT_TRUE(replica->epoch(images, batch, nn_real{0.5}, 0));
    }
    EXPECT_EQ(gpuhost::live_allocations(), before);
}

/// Such epochs go step by step.
TEST_F(ReplicaTraffic, OfAnEpochOfTooManyStepsForAGraphIsNone) {
    const auto replica = make({});
    keep(*replica);
    const auto seen = traffic_of(
        *replica, [&] { EXPECT_FALSE(replica->epoch(10000, 1, nn_real{0.5}, nn_real{0})); });
    EXPECT_EQ(seen.uploaded + seen.launches, 0u);
}

}  // namespace
