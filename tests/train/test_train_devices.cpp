// test_train_devices.cpp: what one device's way of training has of its own.
//
// CUDA's graphs, the CPU's threads, what a step allocates, and the cores of a rank.
#include <thread>

#include "tests/support/counted_new.h"
#include "tests/support/train_fixture.h"
#include "train/cores.h"

namespace {

// ------------------------------------------------------------------ CUDA's graphs

class CudaTrain : public Train {
  protected:
    static constexpr int images = 33, batch = 8;  // the last mini-batch is of one image
    const std::vector<int> sizes_ = {40, 9, 6, 3};
    const SampleSet set_ = random_set(sizes_, images);

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
            replica->samples().set_order(sample_order(images, epoch, order));
            const bool done = at_once && replica->run({images, batch, {rate, reg}});
            EXPECT_EQ(done, at_once);
            for (int first = 0; !done && first < images; first += batch) {
                const int n = std::min(batch, images - first);
                replica->samples().select(Role::train, static_cast<std::size_t>(first), n);
                replica->forward(nn_real{1} / static_cast<nn_real>(n), Want::gradient);
                replica->backward_and_update({rate, reg});
            }
            learned.losses.push_back(replica->take_loss());
            learned.losses.push_back(loss_of_staged(*replica));
        }
        learned.parameters.resize(Layout(sizes_).total());
        replica->read(learned.parameters);
        return learned;
    }
    double loss_of_staged(Replica& replica) const {
        const Staging shard = replica.samples().stage(5);
        std::copy_n(set_.pixels.begin(), shard.inputs.size(), shard.inputs.begin());
        std::copy_n(set_.labels.begin(), shard.targets.size(), shard.targets.begin());
        replica.samples().arrived();
        replica.forward(nn_real{1} / 5, Want::losses);
        return replica.take_loss();
    }
};
INSTANTIATE_TEST_SUITE_P(On, CudaTrain, testing::ValuesIn(cuda_ways), name_of_way);

TEST_P(CudaTrain, small_runs_match_the_reference_by_the_same_bits_twice_and_both_feeds) {
    Case c = small_case(images, batch);
    c.sizes = sizes_;
    c.training.shuffled = true;
    expect_reference_by_the_same_bits(c, set_);
}
/// bf16x3 is for pixels: asked for it, a replica for numbers multiplies them as they are.
TEST_P(CudaTrain, small_numbers_match_the_reference_where_pixels_would_go_by_bf16x3) {
    Case c = small_case(images, batch);
    c.sizes = sizes_;
    const SampleSet set = random_table(sizes_, images, {true, true});
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

/// The graph of a step is recorded where nothing is asked for on the way, and each shard comes
/// twice, so that it is launched again.
TEST_P(CudaTrain, small_values_asked_for_on_the_way_change_no_gradient) {
    const auto replica = make_replica(sizes_, batch, set_, true);
    std::vector<nn_real> expected[2], yhat(batch * 3), same_yhat(batch * 3);
    for (const char* asked : {"nothing", "again", "forward", "backward", "twice"}) {
        SCOPED_TRACE(asked);
        for (int shard : {0, 1, 0, 1}) {
            replica->samples().select(Role::train, static_cast<std::size_t>(shard * batch), batch);
            replica->forward(nn_real{1} / batch, Want::gradient);
            if (asked[0] == 'f') {
                EXPECT_GT(replica->take_loss(), 0);
                replica->outputs(yhat);
            }
            if (asked[0] == 'b') {
                gradient_of(*replica, Layout(sizes_));
                replica->outputs(same_yhat);
            }
            if (asked[0] == 't') gradient_of(*replica, Layout(sizes_));
            const auto gradient = gradient_of(*replica, Layout(sizes_));
            auto& first = expected[shard];
            if (first.empty()) first = gradient;
            ASSERT_EQ(gradient, first) << "shard " << shard;
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
INSTANTIATE_TEST_SUITE_P(On, CpuTrain, testing::ValuesIn(cpu_ways), name_of_way);

TEST_P(CpuTrain, gives_the_same_bits_twice_and_by_both_feeds) {
    const Case c = wide_case();
    expect_reference_by_the_same_bits(c, random_set(c.sizes, c.images));
}

/// All ranks as one replica, with any number of threads, against one thread of one rank.
TEST_P(CpuTrain, gives_as_one_replica_the_bits_of_one_thread_alone) {
    if (!GetParam().shared || comm().node_size() < comm().size())
        GTEST_SKIP() << "for one replica of all ranks, on one node";
    Case c = wide_case();
    c.training.shuffled = false;
    const SampleSet set = random_set(c.sizes, c.images);
    for (const bool dense : {false, true}) {
        Way alone = GetParam();
        alone.dense = dense;
        const ReplicaShape shape{Layout(c.sizes), c.training.batch, unit_pixels};
        CpuSettings settings = cpu_settings(alone, shape);
        settings.threads = 1;
        const auto replica = make_cpu_replica(shape, settings);
        replica->write(initial_of(c).values);
        replica->samples().keep(Role::train, {set.pixels, set.labels});
        for (int epoch = 0; epoch < c.training.epochs; ++epoch)
            for (int first = 0; first < c.images; first += c.training.batch) {
                const int n = std::min(c.training.batch, c.images - first);
                replica->samples().select(Role::train, static_cast<std::size_t>(first), n);
                replica->forward(nn_real{1} / static_cast<nn_real>(n), Want::gradient);
                replica->backward_and_update(
                    Schedule(c.training, set.count()).update(epoch, first / c.training.batch));
            }
        Parameters<nn_real> expected(Layout(c.sizes));
        replica->read(expected.values);
        for (const int threads : {1, 2, 3}) {
            Way together = alone;
            together.threads = threads;
            for (const FeedKind feed : {FeedKind::resident, FeedKind::scattered}) {
                c.feed = feed;
                EXPECT_EQ(trained(c, set, together).values, expected.values)
                    << comm().size() << " ranks of " << threads << " threads, " << name_of(feed)
                    << (dense ? ", dense" : "");
            }
        }
    }
}

/// A replica for samples with targets reads none where only outputs are wanted.
TEST_P(CpuTrain, predicts_images_without_labels_by_both_feeds) {
    const Case c = wide_case();
    SampleSet set = random_set(c.sizes, c.images);
    auto network = make_network(initial_of(c), c, set);
    const auto expected = Evaluator(network, set).outputs();
    set.labels = {};
    set.format.without_targets = true;
    for (const FeedKind feed : {FeedKind::resident, FeedKind::scattered})
        EXPECT_EQ(Evaluator(network, set, feed).outputs(), expected) << name_of(feed);
}

/// Loaded images, and those kept on the device.
TEST_P(CpuTrain, allocates_nothing_in_a_step_of_the_replica) {
    const Case c = wide_case();
    const SampleSet set = random_set(c.sizes, c.images);
    const int n = 48;
    const Way& way = GetParam();
    const ReplicaShape shape{Layout(c.sizes), n, unit_pixels};
    const auto replica = make_cpu_replica(shape, cpu_settings(way, shape));
    replica->write(initial_parameters<nn_real>(Layout(c.sizes), 1, 0).values);
    replica->samples().keep(Role::train, {set.pixels, set.labels});
    replica->samples().set_order(all_samples(set));
    const Update update{nn_real{0.1f}, nn_real{1e-3f}};
    const auto step = [&](bool kept) {
        if (kept) {
            replica->samples().select(Role::train, 7, n);
        } else {
            const Staging shard = replica->samples().stage(n);
            std::copy_n(set.pixels.begin(), shard.inputs.size(), shard.inputs.begin());
            std::copy_n(set.labels.begin(), shard.targets.size(), shard.targets.begin());
            replica->samples().arrived();
        }
        replica->forward(nn_real{1} / n, Want::gradient);
        replica->backward([](int) {});
        const nn_real* const gradient = replica->lend(0).values.data();
        replica->update(update, {0, replica->shape().layout.total(), gradient});
        replica->backward_and_update(update);
        return replica->take_loss() + replica->weights_squared();
    };
    for (const bool kept : {false, true}) {
        double losses = step(kept) + step(kept);
        const long before = allocations;
        for (int i = 0; i < 20; ++i) losses += step(kept);
        EXPECT_EQ(allocations - before, 0) << (kept ? "selected" : "staged") << " on " << way.name;
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
        const SampleSet set = random_set(c.sizes, images);
        const long before = allocations;
        network.train(set, c.training, nullptr);
        EXPECT_EQ(network.feed_kind(), FeedKind::resident);
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

}  // namespace
