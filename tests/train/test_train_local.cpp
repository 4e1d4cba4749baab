// test_train_local.cpp: local descent is that of a serial model: the reference once for each rank,
// each on its own shards, and the mean of them after some steps.
#include "tests/support/train_fixture.h"

namespace {

/// What the ranks do, one after the other, in double.
class Model {
  public:
    Model(const Case& c, int ranks, int steps, OuterUpdate outer)
        : case_(c),
          steps_(steps),
          outer_(outer),
          replicas_(static_cast<std::size_t>(ranks), NeuralNetwork(initial_of(c))),
          mean_(replicas_.front().parameters().values),
          velocity_(mean_.size()) {}

    /// Shards must be alike: the reference's gradient is the mean over its shard.
    const Parameters<double>& train(const SampleSet& set) {
        const Training& t = case_.training;
        const Schedule schedule(t, set.count());
        const int ranks = static_cast<int>(replicas_.size());
        for (int epoch = 0; epoch < t.epochs; ++epoch) {
            const std::vector<std::uint32_t> order = sample_order(set.count(), epoch, t);
            for (int step = 0, alone = 0; step < schedule.steps_in_epoch(); ++step) {
                const int first = step * t.batch, n = std::min(t.batch, case_.images - first);
                for (int r = 0; r < ranks; ++r) {
                    const Range shard = shard_of(n, r, ranks);
                    NeuralNetwork& network = replicas_[static_cast<std::size_t>(r)];
                    const std::span samples(&order[static_cast<std::size_t>(first + shard.first)],
                                            static_cast<std::size_t>(shard.count));
                    network.forward(input_columns(set, samples, t.pixel_scale));
                    network.backward(target_columns(set, samples), t.penalty());
                    network.update(schedule.update(epoch, step));
                }
                if (++alone == steps_ || step + 1 == schedule.steps_in_epoch()) {
                    take_mean();
                    alone = 0;
                }
            }
        }
        return replicas_.front().parameters();
    }

  private:
    void take_mean() {
        for (std::size_t i = 0; i < mean_.size(); ++i) {
            double now = 0;
            for (NeuralNetwork& r : replicas_) now += r.parameters().values[i];
            const double d = mean_[i] - now / static_cast<double>(replicas_.size());
            velocity_[i] = outer_.momentum * velocity_[i] + d;
            mean_[i] -= outer_.rate * (d + outer_.momentum * velocity_[i]);
            for (NeuralNetwork& r : replicas_) r.parameters().values[i] = mean_[i];
        }
    }

    const Case case_;
    const int steps_;
    const OuterUpdate outer_;
    std::vector<NeuralNetwork> replicas_;
    std::vector<double> mean_, velocity_;
};

class Local : public testing::Test {
  protected:
    static DataParallelNeuralNetwork network_of(const Case& c, int steps, OuterUpdate outer,
                                                bool on_cuda = false) {
        return network_of_copies(c, {nullptr, c.feed, make_local(steps, outer)}, on_cuda);
    }
    static Parameters<nn_real> trained(const Case& c, const SampleSet& set, int steps,
                                       OuterUpdate outer = {}, bool on_cuda = false) {
        auto network = network_of(c, steps, outer, on_cuda);
        network.train(set, c.training, nullptr);  // throws if the ranks' parameters differ
        EXPECT_TRUE(network.compared_copies());
        return network.parameters();
    }
    static void expect_model(const Case& c, int steps, OuterUpdate outer = {},
                             bool on_cuda = false) {
        const SampleSet set = random_set(c.sizes, c.images);
        Model model(c, comm().size(), steps, outer);
        // What a mean is off by moves the parameters by rate (1 + m + m^2 + ...) times as much.
        const double gain = std::max(1.0, outer.rate / (1 - outer.momentum));
        expect_same(trained(c, set, steps, outer, on_cuda), model.train(set),
                    gain * course_tolerance);
    }
};

TEST_F(Local, small_is_the_serial_models_descent) {
    for (const int steps : {1, 2, 3, 100}) {
        SCOPED_TRACE(std::to_string(steps) + " steps alone");
        expect_model(case_of_equal_shards(), steps);
        expect_model(case_of_equal_shards(), steps, {.momentum = 0.9, .rate = 0.7});
        expect_model(case_of_equal_shards(), steps, {.rate = 0.5});
    }
}

TEST_F(Local, small_leaves_an_optimizers_moments_on_their_rank) {
    Case c = case_of_equal_shards();
    c.training.rule = Adam{};
    c.training.rate = 0.01;
    expect_model(c, 3);
}

TEST_F(Local, small_trains_each_rank_on_a_gpu_too) {
    if (find_cuda_devices().usable.empty()) GTEST_SKIP() << find_cuda_devices().why_none;
    expect_model(case_of_equal_shards(), 3, {.momentum = 0.9, .rate = 0.7}, true);
}

TEST_F(Local, small_with_one_step_alone_is_the_update_of_every_step_also_of_unlike_shards) {
    for (const FeedKind feed : {FeedKind::resident, FeedKind::scattered}) {
        Case c = small_case(26, 9);
        c.feed = feed;
        const SampleSet set = random_set(c.sizes, c.images);
        NeuralNetwork reference(initial_of(c));
        reference.train(set, c.training);
        expect_same(trained(c, set, 1), reference.parameters(), course_tolerance);
    }
}

TEST_F(Local, small_gives_the_same_bits_twice_and_others_with_more_steps_alone) {
    const Case c = case_of_equal_shards();
    const SampleSet set = random_set(c.sizes, c.images);
    const auto first = trained(c, set, 3);
    EXPECT_EQ(trained(c, set, 3).values, first.values);
    if (comm().size() > 1) {
        EXPECT_NE(trained(c, set, 4).values, first.values);
    }
}

TEST_F(Local, small_counts_a_mean_of_all_parameters_for_its_steps) {
    const Case c = small_case(26, 9, 1);  // three steps: a mean after the second and the third
    const SampleSet set = random_set(c.sizes, c.images);
    auto network = network_of(c, 2, {});
    network.train(set, c.training, nullptr);
    const double parameters = static_cast<double>(Layout(c.sizes).total());
    EXPECT_DOUBLE_EQ(network.bytes_a_step(), 2 * parameters * sizeof(nn_real) / 3);
}

TEST_F(Local, small_reports_the_losses_of_all_ranks_samples) {
    const Case c = small_case(26, 9, 1);
    const SampleSet set = random_set(c.sizes, c.images);
    auto alone = network_of(c, 100, {});
    auto together =
        network_of_copies(c, {comm().size() > 1 ? make_mpi_reducer(comm().all_ranks()) : nullptr});
    Listener found, right;
    found.report_every = right.report_every = 1;
    alone.train(set, c.training, &found);
    together.train(set, c.training, &right);
    EXPECT_EQ(found.steps.at(0), right.steps.at(0)) << "before the first update";
}

/// Stops after the first step at which the trainer asks.
struct Stopper : Listener {
    bool may_stop() const override { return true; }
    bool stops() override { return true; }
};

TEST_F(Local, small_stops_only_where_the_mean_was_taken_and_goes_on_with_the_same_bits) {
    Case c = case_of_equal_shards();
    const SampleSet set = random_set(c.sizes, c.images);
    const auto whole = trained(c, set, 3);
    auto first = network_of(c, 3, {});
    Stopper stopper;
    const TrainingState state = first.train(set, c.training, &stopper);
    EXPECT_EQ(state.epoch, 0);
    EXPECT_EQ(state.step, 3);
    auto rest = network_of(c, 3, {});
    rest.restart(first.parameters());
    rest.train(set, c.training, nullptr, state);
    EXPECT_EQ(rest.parameters().values, whole.values);
}

}  // namespace
