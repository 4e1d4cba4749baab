// test_train_nodes.cpp: ranks on several nodes, which one machine plays: their numbers, their
// memory, and trainings in which each node has one replica.
//
// At an even number of ranks there are two nodes, otherwise each rank is a node.
#include "tests/support/train_fixture.h"
#include "train/choose.h"

namespace {

int ranks_per_node() { return comm().size() % 2 == 0 ? comm().size() / 2 : 1; }
const Comm& on_nodes() {
    static const Comm& nodes = *new Comm(ranks_per_node());
    return nodes;
}

TEST(Nodes, count_their_ranks_one_node_after_the_other) {
    const Comm& nodes = on_nodes();
    EXPECT_EQ(nodes.size(), comm().size());
    EXPECT_EQ(nodes.node_size(), ranks_per_node());
    EXPECT_EQ(nodes.nodes(), comm().size() / ranks_per_node());
    EXPECT_EQ(nodes.rank(), nodes.node() * nodes.node_size() + nodes.node_rank());
    EXPECT_EQ(nodes.across_nodes().size(), nodes.nodes());
    EXPECT_EQ(nodes.across_nodes().rank(), nodes.node());
    std::vector<nn_real> numbers{static_cast<nn_real>(nodes.node_rank()), 1};
    nodes.across_nodes().sum(numbers);
    EXPECT_EQ(numbers[0], static_cast<nn_real>(nodes.node_rank() * nodes.nodes()))
        << "ranks of one number meet";
    EXPECT_EQ(numbers[1], static_cast<nn_real>(nodes.nodes()));
}

TEST(Nodes, of_different_sizes_are_counted_too) {
    const Comm nodes(2);
    const bool is_last = nodes.node() + 1 == nodes.nodes();
    EXPECT_EQ(nodes.nodes(), (comm().size() + 1) / 2);
    EXPECT_EQ(nodes.node_size(), is_last && comm().size() % 2 == 1 ? 1 : 2);
    EXPECT_EQ(nodes.rank(), comm().rank());
}

TEST(Nodes, have_memory_of_their_own_at_the_same_time) {
    const Comm& nodes = on_nodes();
    NodeMemory* const memory = nodes.node_memory(64, nodes.node_size());
    ASSERT_NE(memory, nullptr);
    if (nodes.node_rank() == 0) memory->data()[5] = static_cast<std::byte>(nodes.node() + 1);
    memory->barrier().wait();
    EXPECT_EQ(memory->data()[5], static_cast<std::byte>(nodes.node() + 1));
}

TEST(Nodes, shards_follow_one_another_on_each_node) {
    const Comm& nodes = on_nodes();
    for (const int batch : {0, 1, 3, 24, 25, 1000}) {
        const Shard mine = shard_on_node(nodes, batch);
        const Range plain = shard_of(batch, nodes.rank(), nodes.size());
        EXPECT_EQ(first_of_node(nodes, batch) + static_cast<std::size_t>(mine.first),
                  static_cast<std::size_t>(plain.first));
        EXPECT_EQ(mine.count, plain.count);
        EXPECT_LE(mine.first + mine.count, mine.batch);
        if (nodes.node_rank() == 0) {
            EXPECT_EQ(mine.first, 0);
        }
        if (nodes.node_rank() == nodes.node_size() - 1) {
            EXPECT_EQ(mine.first + mine.count, mine.batch);
        }
    }
}

class NodeTrain : public testing::Test {
  protected:
    void SetUp() override {
        if (comm().size() == 1) GTEST_SKIP() << "one rank has nothing to sum";
    }
    /// Trains with one replica a node, and returns the parameters.
    static Parameters<nn_real> trained(const Case& c, const SampleSet& set, int threads,
                                       int slice = 0) {
        const int load = slice > 0 ? slice : c.training.batch;
        const int capacity = shard_of(load, 0, comm().size()).count;
        DeviceRequest asked;
        asked.device = DeviceKind::cpu;
        asked.allreduce = AllreduceKind::hierarchical;
        asked.threads = threads;
        ChosenDevice device = choose_device(on_nodes(), asked,
                                            {.layout = Layout(c.sizes),
                                             .capacity = std::max(1, capacity),
                                             .pixel_scale = unit_pixels,
                                             .moments = moments_of(c.training.rule)},
                                            capacity, 0.2);
        EXPECT_EQ(device.replicas, on_nodes().nodes());
        DataParallelNeuralNetwork network(on_nodes(), std::move(device.replica), initial_of(c),
                                          {std::move(device.reducer), c.feed,
                                           slice > 0 ? make_accumulate(slice) : make_every_step()});
        network.train(set, c.training, nullptr);  // throws if the ranks' parameters differ
        return network.parameters();
    }
    static void expect_reference(const Case& c, int threads, int slice = 0) {
        const SampleSet set = random_set(c.sizes, c.images);
        const Parameters<nn_real> values = trained(c, set, threads, slice);
        NeuralNetwork reference(initial_of(c));
        reference.train(set, c.training);
        expect_same(values, reference.parameters(), course_tolerance);
    }
};

TEST_F(NodeTrain, is_the_references_and_the_same_on_all_ranks) {
    for (const int threads : {1, 2})
        for (const FeedKind feed : {FeedKind::resident, FeedKind::scattered}) {
            Case c = small_case(26, 9);
            c.sizes = {70, 19, 5, 3};
            c.feed = feed;
            expect_reference(c, threads);
        }
}

TEST_F(NodeTrain, keeps_each_moment_where_its_weights_owner_is) {
    Case c = small_case(26, 9);
    c.training.rule = Adam{};
    c.training.rate = 0.01;
    expect_reference(c, 2);
}

TEST_F(NodeTrain, takes_mini_batches_that_leave_ranks_without_samples) {
    expect_reference(small_case(7, 3), 1);
}

TEST_F(NodeTrain, adds_slices_before_the_nodes_sum) { expect_reference(small_case(26, 9), 1, 3); }

TEST_F(NodeTrain, gives_the_same_bits_at_any_number_of_threads) {
    const Case c = small_case(26, 9);
    const SampleSet set = random_set(c.sizes, c.images);
    const auto one = trained(c, set, 1);
    EXPECT_EQ(trained(c, set, 3).values, one.values);
    EXPECT_EQ(trained(c, set, 1).values, one.values) << "a second time";
}

}  // namespace
