// test_train_fixed_order.cpp: sums in leaves have the same bits at any number of replicas, threads
// and slices, and are those of a serial model: plain loops over leaves, and a tree of them.
//
// Every rank first trains alone, which needs no message. Then all train together, in each
// arrangement of nodes, and the bits must be the same.
#include <algorithm>

#include "base/leaves.h"
#include "tests/support/train_fixture.h"
#include "train/choose.h"

namespace {

/// What only this rank trains, on all samples.
class Alone {
  public:
    Alone(const Case& c, const SampleSet& set, FirstLayerKind kind, int threads)
        : replica_(make_cpu_replica({.layout = Layout(c.sizes),
                                     .capacity = std::max(c.training.batch, 1),
                                     .pixel_scale = unit_pixels,
                                     .activation = c.activation,
                                     .moments = moments_of(c.training.rule)},
                                    {.threads = threads, .first_layer = kind, .in_leaves = true})) {
        replica_->write(initial_of(c).values);
        EXPECT_TRUE(replica_->samples().keep(Role::train, {set.pixels, set.labels}));
    }
    Replica& replica() { return *replica_; }
    std::vector<nn_real> parameters() {
        std::vector<nn_real> values(replica_->shape().layout.total());
        replica_->read(values);
        return values;
    }

  private:
    std::unique_ptr<Replica> replica_;
};

struct Result {
    std::vector<nn_real> parameters;
    std::vector<double> losses;  ///< of the epochs, without the penalty
};

Result trained_alone(const Case& c, const SampleSet& set, FirstLayerKind kind, int threads) {
    Alone alone(c, set, kind, threads);
    Replica& replica = alone.replica();
    const Schedule schedule(c.training, set.count());
    Result result;
    for (int epoch = 0; epoch < c.training.epochs; ++epoch) {
        replica.samples().set_order(sample_order(set.count(), epoch, c.training));
        double loss = 0;
        for (int step = 0; step < schedule.steps_in_epoch(); ++step) {
            const int first = step * c.training.batch;
            const int n = std::min(c.training.batch, c.images - first);
            replica.samples().select(Role::train, static_cast<std::size_t>(first), Shard(n));
            replica.forward(nn_real{1} / static_cast<nn_real>(n), Want::gradient);
            loss += sum_in_leaves(replica.leaf_sums()->take_losses());
            replica.backward_and_update(schedule.update(epoch, step));
        }
        result.losses.push_back(loss);
    }
    result.parameters = alone.parameters();
    return result;
}

Result trained_together(const Comm& ranks, const Case& c, const SampleSet& set, int threads,
                        int slice = 0) {
    const int load = slice > 0 ? slice : c.training.batch;
    const int capacity = most_dealt(ranks.size(), load, {.in_leaves = true});
    DeviceRequest asked;
    asked.device = DeviceKind::cpu;
    asked.threads = threads;
    asked.fixed_order = true;
    ChosenDevice device = choose_device(ranks, asked,
                                        {.layout = Layout(c.sizes),
                                         .capacity = capacity,
                                         .pixel_scale = unit_pixels,
                                         .activation = c.activation,
                                         .moments = moments_of(c.training.rule)},
                                        capacity, 0.2);
    DataParallelNeuralNetwork network(
        ranks, std::move(device.replica), initial_of(c),
        {nullptr, c.feed, slice > 0 ? make_accumulate(slice) : make_every_step(),
         device.fixed_order});
    Listener listener;
    network.train(set, c.training, &listener);  // throws if the ranks' parameters differ
    return {network.parameters().values, listener.epochs};
}

Case with_hidden_layers(int images, int batch) {
    Case c = small_case(images, batch);
    c.sizes = {70, 19, 5, 3};
    c.training.reg = 0;  // an epoch's loss then has no penalty
    return c;
}

/// Nodes of so many ranks, in every way that the ranks can be divided; 0: as the machine is.
template <class Check>
void in_every_arrangement(Check&& check) {
    for (int ranks_per_node = 0; ranks_per_node < comm().size(); ++ranks_per_node) {
        SCOPED_TRACE(std::to_string(ranks_per_node) + " ranks a node");
        const Comm ranks(ranks_per_node);
        check(ranks);
    }
}

void expect_same_bits(const Case& c, int threads, int slice = 0) {
    const SampleSet set = random_set(c.sizes, c.images);
    const Result right = trained_alone(c, set, FirstLayerKind::sparse, 1);
    in_every_arrangement([&](const Comm& ranks) {
        const Result found = trained_together(ranks, c, set, threads, slice);
        EXPECT_EQ(found.parameters, right.parameters);
        for (std::size_t e = 0; e < right.losses.size(); ++e)
            EXPECT_EQ(found.losses[e], right.losses[e] / c.images) << "epoch " << e;
    });
}

TEST(FixedOrder, small_gives_the_bits_of_one_rank_in_every_arrangement_of_nodes) {
    for (const int batch : {1, 7, 8, 26, 100, 170}) {
        SCOPED_TRACE("batches of " + std::to_string(batch));
        for (const FeedKind feed : {FeedKind::resident, FeedKind::scattered}) {
            Case c = with_hidden_layers(std::min(170, 24 * batch), batch);
            c.feed = feed;
            expect_same_bits(c, 1 + batch % 2);
        }
    }
}

TEST(FixedOrder, small_keeps_moments_and_other_activations) {
    Case c = with_hidden_layers(50, 40);
    c.training.rule = Adam{};
    c.training.rate = 0.01;
    c.activation = Tanh{};
    expect_same_bits(c, 2);
}

TEST(FixedOrder, small_slices_give_the_bits_of_the_whole_mini_batch) {
    for (const int slice : {8, 24, 40}) expect_same_bits(with_hidden_layers(130, 120), 1, slice);
}

TEST(FixedOrder, small_gives_the_same_bits_from_full_inputs_and_by_any_threads) {
    for (const int batch : {7, 64, 65, 300, 600}) {
        SCOPED_TRACE("batches of " + std::to_string(batch));
        const Case c = with_hidden_layers(600, batch);
        const SampleSet set = random_set(c.sizes, c.images);
        const Result right = trained_alone(c, set, FirstLayerKind::sparse, 1);
        EXPECT_EQ(trained_alone(c, set, FirstLayerKind::dense, 1).parameters, right.parameters);
        EXPECT_EQ(trained_alone(c, set, FirstLayerKind::sparse, 3).parameters, right.parameters);
        EXPECT_EQ(trained_alone(c, set, FirstLayerKind::dense, 2).parameters, right.parameters);
    }
}

TEST(FixedOrder, small_is_the_references_training) {
    const Case c = with_hidden_layers(170, 100);
    const SampleSet set = random_set(c.sizes, c.images);
    NeuralNetwork reference(initial_of(c));
    reference.train(set, c.training);
    in_every_arrangement([&](const Comm& ranks) {
        Parameters<nn_real> found{Layout(c.sizes)};
        found.values = trained_together(ranks, c, set, 1).parameters;
        expect_same(found, reference.parameters(), course_tolerance);
    });
}

// ---- the order, by a serial model of it ---------------------------------------------------------

/// Of a network without hidden layer, the gradient of the weight from an input to an output is a
/// sum of products delta x. With inputs 0 and 1 these are exact, so only the order rounds.
TEST(FixedOrder, small_gradient_adds_leaves_of_8_in_a_binary_tree) {
    Case c = small_case(203, 203);
    c.sizes = {5, 3};
    SampleSet set = random_set(c.sizes, c.images);
    for (auto& pixel : set.pixels) pixel = pixel > 0 ? 1 : 0;
    const ReplicaShape shape{Layout(c.sizes), c.images, 1};
    for (const FirstLayerKind kind : {FirstLayerKind::sparse, FirstLayerKind::dense}) {
        const auto replica = make_cpu_replica(shape, {.first_layer = kind, .in_leaves = true});
        replica->write(initial_of(c).values);
        ASSERT_TRUE(replica->samples().keep(Role::train, {set.pixels, set.labels}));
        replica->samples().select(Role::train, 0, Shard(c.images));
        replica->forward(1, Want::gradient);
        std::vector<nn_real> yhat(elements(3, c.images));
        replica->outputs(yhat);
        replica->backward([](int) {});
        const Lent lent = replica->lend(0);
        const auto product = [&](int i, int unit, int j) {
            const auto sample = static_cast<std::size_t>(j);
            const nn_real y = set.labels[sample] == unit ? 1 : 0;
            return (yhat[position(unit, j, 3)] - y) *
                   static_cast<nn_real>(set.pixels[position(i, j, 5)]);
        };
        for (int i = 0; i < 5; ++i)
            for (int unit = 0; unit < 3; ++unit) {
                std::vector<nn_real> level;
                for (int first = 0; first < c.images; first += 8) {
                    nn_real sum = 0;
                    for (int j = first; j < std::min(first + 8, c.images); ++j)
                        sum += product(i, unit, j);
                    level.push_back(sum);
                }
                for (; level.size() > 1; level.resize((level.size() + 1) / 2))
                    for (std::size_t k = 0; k < level.size(); k += 2)
                        level[k / 2] = k + 1 < level.size() ? level[k] + level[k + 1] : level[k];
                EXPECT_EQ(lent.values[position(unit, i, 3)], level[0]) << unit << "," << i;
            }
    }
}

}  // namespace
