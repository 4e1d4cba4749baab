// test_train_comm.cpp: what ranks that train stand on: memory of a node, scatters, rank 0's values.
#include <thread>

#include "tests/support/train_fixture.h"

namespace {

TEST(Shared, small_memory_of_every_rank_is_seen_by_the_next_one_after_each_barrier) {
    if (comm().node_size() < comm().size()) GTEST_SKIP() << "the ranks are on several nodes";
    const int count = 37, ranks = comm().size(), rank = comm().rank();
    NodeMemory shared(comm().all_ranks(), sizeof(int) * static_cast<std::size_t>(count * ranks),
                      ranks);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(shared.data()) % 64, 0u);
    int* const all = static_cast<int*>(static_cast<void*>(shared.data()));
    for (int i = 0; i < count; ++i) ASSERT_EQ(all[rank * count + i], 0) << "element " << i;
    for (int round = 1; round < 200; ++round) {
        std::fill_n(all + rank * count, count, 1000 * round + rank);
        shared.barrier().wait();
        const int next = (rank + 1) % ranks;
        for (int i = 0; i < count; ++i)
            ASSERT_EQ(all[next * count + i], 1000 * round + next)
                << "rank " << next << ", element " << i << ", round " << round;
        shared.barrier().wait();
    }
}

TEST(Scatters, small_parts_of_any_size_reach_their_ranks_while_others_go_on) {
    std::vector<int> counts;
    for (int r = 0; r < comm().size(); ++r) counts.push_back(r % 3 == 1 ? 0 : 1000 * r + 1);
    const auto part = [&](int r) {
        return static_cast<std::size_t>(counts[static_cast<std::size_t>(r)]);
    };
    std::vector<std::uint8_t> all[2], mine[2];
    for (int s : {0, 1}) {
        if (comm().is_root())
            for (int r = 0; r < comm().size(); ++r)
                all[s].insert(all[s].end(), part(r), static_cast<std::uint8_t>(10 * r + s));
        mine[s].resize(part(comm().rank()));
    }
    Scatter first(comm().all_ranks()), second(comm().all_ranks()),
        never_started(comm().all_ranks());
    never_started.finish();
    for (int round = 0; round < 3; ++round) {
        for (auto& bytes : mine) std::ranges::fill(bytes, std::uint8_t{255});
        first.start(all[0], counts, mine[0]);
        second.start(all[1], counts, mine[1]);
        EXPECT_EQ(comm().sum(1.0), comm().size()) << "a sum meanwhile";
        second.finish();
        first.finish();
        for (int s : {0, 1})
            EXPECT_EQ(mine[s],
                      std::vector<std::uint8_t>(mine[s].size(),
                                                static_cast<std::uint8_t>(10 * comm().rank() + s)))
                << "scatter " << s << ", round " << round;
    }
}

/// Rank 0 comes late, and its parts are too large to be on their way before MPI is called again.
TEST(Scatters, small_finish_waits_for_what_rank_0_has_not_sent_yet) {
    const std::size_t part = std::size_t{1} << 20;
    const auto ranks = static_cast<std::size_t>(comm().size());
    const std::vector<int> counts(ranks, static_cast<int>(part));
    std::vector<std::uint8_t> all, mine(part, 255);
    if (comm().is_root()) {
        for (std::size_t r = 0; r < ranks; ++r)
            all.insert(all.end(), part, static_cast<std::uint8_t>(r));
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    Scatter scatter(comm().all_ranks());
    scatter.start(all, counts, mine);
    scatter.finish();
    EXPECT_EQ(mine, std::vector<std::uint8_t>(part, static_cast<std::uint8_t>(comm().rank())));
}

TEST(FromRoot, small_values_of_any_type_are_rank_0s) {
    struct Pair {
        int first;
        double second;
    };
    const int rank = comm().rank();
    EXPECT_EQ(comm().from_root(rank + 7), 7);
    EXPECT_EQ(comm().from_root(rank == 0), true);
    const auto [first, second] = comm().from_root(Pair{rank + 1, rank + 0.5});
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 0.5);
}
TEST(Least, small_value_of_all_ranks_is_everybodys) {
    EXPECT_EQ(comm().least(comm().size() - comm().rank()), 1);
    EXPECT_EQ(comm().least(comm().rank() - 3), -3);
}

}  // namespace
