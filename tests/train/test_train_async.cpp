// test_train_async.cpp: asynchronous descent promises no bits. What it promises: every shard is
// done once, no update is staler than the bound, and the parameters are what a serial model makes
// of the updates in the order in which they were applied.
#include <cstring>

#include "tests/support/train_fixture.h"

namespace {

/// The updates of all ranks, by the order in which they were applied; on rank 0.
std::vector<AppliedUpdate> in_their_order(std::span<const AppliedUpdate> mine,
                                          std::vector<int>& ranks) {
    std::string bytes(reinterpret_cast<const char*>(mine.data()), mine.size_bytes());
    const std::vector<std::string> of_ranks = comm().gather(bytes);
    struct Row {
        AppliedUpdate update;
        int rank;
    };
    std::vector<Row> rows;
    for (std::size_t r = 0; r < of_ranks.size(); ++r)
        for (std::size_t at = 0; at < of_ranks[r].size(); at += sizeof(AppliedUpdate)) {
            rows.push_back({{}, static_cast<int>(r)});
            std::memcpy(&rows.back().update, of_ranks[r].data() + at, sizeof(AppliedUpdate));
        }
    std::ranges::sort(rows, {}, [](const Row& row) { return row.update.applied; });
    std::vector<AppliedUpdate> updates;
    for (const Row& row : rows) {
        updates.push_back(row.update);
        ranks.push_back(row.rank);
    }
    return updates;
}

/// The same updates one after the other, in double. Each rank has moments of its own.
Parameters<double> by_model(const Case& c, const SampleSet& set,
                            const std::vector<AppliedUpdate>& updates,
                            const std::vector<int>& ranks) {
    const Training& t = c.training;
    const Schedule schedule(t, set.count());
    const int shards = comm().size(), steps = schedule.steps_in_epoch();
    std::vector<NeuralNetwork> of_rank(static_cast<std::size_t>(shards),
                                       NeuralNetwork(initial_of(c)));
    std::vector<std::vector<double>> states{of_rank.front().parameters().values};
    for (std::size_t u = 0; u < updates.size(); ++u) {
        const int all_steps = static_cast<int>(updates[u].shard) / shards;
        const int epoch = all_steps / steps, step = all_steps % steps;
        const int first = step * t.batch, n = std::min(t.batch, c.images - first);
        const Range shard = shard_of(n, static_cast<int>(updates[u].shard) % shards, shards);
        const std::vector<std::uint32_t> order = sample_order(set.count(), epoch, t);
        const std::span samples(&order[static_cast<std::size_t>(first + shard.first)],
                                static_cast<std::size_t>(shard.count));
        NeuralNetwork& network = of_rank[static_cast<std::size_t>(ranks[u])];
        const auto& fetched = states[static_cast<std::size_t>(updates[u].fetched)];
        network.parameters().values = fetched;
        network.forward(input_columns(set, samples, t.pixel_scale));
        network.backward(target_columns(set, samples), t.penalty());
        network.update(schedule.update(epoch, step));
        std::vector<double> next = states.back();
        for (std::size_t i = 0; i < next.size(); ++i)
            next[i] += (network.parameters().values[i] - fetched[i]) / shards;
        states.push_back(std::move(next));
    }
    of_rank.front().parameters().values = states.back();
    return of_rank.front().parameters();
}

class Async : public testing::Test {
  protected:
    void SetUp() override {
        if (comm().size() == 1) GTEST_SKIP() << "one rank alone is never asynchronous";
    }
    static DataParallelNeuralNetwork network_of(const Case& c, const AsyncSettings& settings,
                                                bool on_cuda = false) {
        return network_of_copies(c, {nullptr, c.feed, make_async(settings)}, on_cuda);
    }

    static void expect_all_once(const std::vector<AppliedUpdate>& updates, std::int64_t bound) {
        std::vector<std::int64_t> shards, all(updates.size());
        std::iota(all.begin(), all.end(), 0);
        for (std::size_t u = 0; u < updates.size(); ++u) {
            EXPECT_EQ(updates[u].applied, static_cast<std::int64_t>(u)) << "no two at once";
            EXPECT_LE(updates[u].applied - updates[u].fetched, bound);
            shards.push_back(updates[u].shard);
        }
        std::ranges::sort(shards);
        EXPECT_EQ(shards, all) << "every shard once";
    }

    static void expect_model(const Case& c, std::int64_t bound, bool on_cuda = false) {
        const SampleSet set = random_set(c.sizes, c.images);
        std::vector<AppliedUpdate> mine;
        auto network = network_of(c, {bound, &mine}, on_cuda);
        network.train(set, c.training, nullptr);  // throws if the ranks' parameters differ
        EXPECT_TRUE(network.compared_copies());
        const Staleness staleness = network.staleness();
        std::vector<int> ranks;
        const std::vector<AppliedUpdate> updates = in_their_order(mine, ranks);
        if (!comm().is_root()) return;
        const int steps = Schedule(c.training, set.count()).steps_in_epoch() * c.training.epochs;
        ASSERT_EQ(updates.size(), static_cast<std::size_t>(steps * comm().size()));
        expect_all_once(updates, bound);
        EXPECT_EQ(staleness.all(), static_cast<double>(updates.size()));
        EXPECT_LE(staleness.most, bound);
        expect_same(network.parameters(), by_model(c, set, updates, ranks), course_tolerance);
    }
};

TEST_F(Async, small_is_the_serial_model_of_its_updates_in_their_order) {
    for (const std::int64_t bound : {Ledger::unbounded, std::int64_t{0}, std::int64_t{1},
                                     static_cast<std::int64_t>(comm().size())}) {
        SCOPED_TRACE("bound " + std::to_string(bound));
        expect_model(case_of_equal_shards(), bound);
    }
}

TEST_F(Async, small_leaves_an_optimizers_moments_on_their_rank) {
    Case c = case_of_equal_shards();
    c.training.rule = Adam{};
    c.training.rate = 0.01;
    expect_model(c, Ledger::unbounded);
}

TEST_F(Async, small_trains_each_rank_on_a_gpu_too) {
    if (find_cuda_devices().usable.empty()) GTEST_SKIP() << find_cuda_devices().why_none;
    expect_model(case_of_equal_shards(), Ledger::unbounded, true);
}

TEST_F(Async, small_reports_the_losses_of_all_ranks_samples) {
    const Case c = small_case(26, 26, 1);
    const SampleSet set = random_set(c.sizes, c.images);
    Listener found, right;
    found.report_every = right.report_every = 1;
    Case still = c;
    still.training.rate = 0;
    auto asynchronous = network_of(still, {});
    asynchronous.train(set, still.training, &found);
    NeuralNetwork reference(initial_of(still));
    const std::vector<std::uint32_t> samples = all_samples(set);
    reference.forward(input_columns(set, samples, unit_pixels));
    const double loss = reference.loss(target_columns(set, samples), still.training.penalty());
    EXPECT_NEAR(found.steps.at(0), loss, 1e-5);
    EXPECT_NEAR(found.epochs.at(0), loss, 1e-5);
}

TEST_F(Async, small_counts_the_bytes_of_each_update) {
    const Case c = small_case(26, 9, 1);
    const SampleSet set = random_set(c.sizes, c.images);
    auto network = network_of(c, {});
    network.train(set, c.training, nullptr);
    const double parameters = static_cast<double>(Layout(c.sizes).total());
    EXPECT_DOUBLE_EQ(network.bytes_a_step(), parameters * sizeof(nn_real));
}

TEST_F(Async, small_is_refused_where_the_set_is_not_on_every_device) {
    Case c = case_of_equal_shards();
    c.feed = FeedKind::scattered;
    const SampleSet set = random_set(c.sizes, c.images);
    auto network = network_of(c, {});
    if (comm().is_root())
        EXPECT_THROW(network.train(set, c.training, nullptr), InputError);
    else
        EXPECT_THROW(network.train(set, c.training, nullptr), InputErrorElsewhere);
}

}  // namespace
