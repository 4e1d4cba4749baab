// test_ledger.cpp: whatever the order in which ranks ask, every shard is taken once, no update is
// too stale, and somebody can go on.
#include "train/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace {

/// Ranks that ask in a random order, each for a shard and then for its update.
struct Play {
    int ranks;
    std::int64_t bound, end;
    Ledger ledger{ranks, bound};
    std::vector<std::int64_t> shards{}, stalenesses{};
    std::vector<bool> owes{}, is_done{};
    std::size_t most_owed = 0;
    int of_rank_0 = 0;  ///< shards

    void ask(int rank) {
        const auto r = static_cast<std::size_t>(rank);
        const std::int64_t answer = owes[r] ? ledger.apply(rank) : ledger.fetch(rank, end);
        if (answer == Ledger::must_wait) return;
        if (answer == Ledger::none_left) {
            is_done[r] = true;
            return;
        }
        (owes[r] ? stalenesses : shards).push_back(answer);
        of_rank_0 += rank == 0 && !owes[r];
        owes[r] = !owes[r];
        most_owed = std::max(most_owed, static_cast<std::size_t>(std::ranges::count(owes, true)));
    }
    /// Rank 0 asks `hurry` times as often as another.
    void run(std::uint64_t seed, int hurry) {
        owes.assign(static_cast<std::size_t>(ranks), false);
        is_done = owes;
        Rng rng(seed);
        for (int turn = 0; std::ranges::count(is_done, true) < ranks; ++turn) {
            ASSERT_LT(turn, 1000 * static_cast<int>(end)) << "nobody goes on";
            const int die = static_cast<int>(rng.below(static_cast<unsigned>(ranks + hurry)));
            ask(die < ranks ? die : 0);
        }
    }
};

TEST(Ledger, KeepsTheBoundAndGivesEveryShardOnce) {
    for (const int ranks : {1, 2, 3, 5, 8})
        for (const std::int64_t bound : {std::int64_t{0}, std::int64_t{1}, std::int64_t{2},
                                         std::int64_t{7}, Ledger::unbounded})
            for (const int hurry : {0, 20}) {
                SCOPED_TRACE(testing::Message()
                             << ranks << " ranks, bound " << bound << ", hurry " << hurry);
                Play play{ranks, bound, 200};
                play.run(3, hurry);
                EXPECT_TRUE(std::ranges::is_sorted(play.shards));
                EXPECT_EQ(play.shards.size(), 200u);
                EXPECT_EQ(std::ranges::adjacent_find(play.shards), play.shards.end());
                EXPECT_EQ(play.ledger.applied(), 200);
                EXPECT_LE(*std::ranges::max_element(play.stalenesses), bound);
                EXPECT_LE(static_cast<std::int64_t>(play.most_owed), bound + 1);
            }
}

/// Rank 0 asks 21 times as often as rank 1.
TEST(Ledger, GivesAFastRankMoreShards) {
    Play play{2, Ledger::unbounded, 1100};
    play.run(3, 20);
    EXPECT_GE(play.of_rank_0, 1000);
    EXPECT_LT(play.of_rank_0, 1100);
}

TEST(Ledger, CountsTheOthersUpdatesBetweenFetchAndApplication) {
    Ledger ledger(3, Ledger::unbounded);
    EXPECT_EQ(ledger.fetch(0, 9), 0);
    EXPECT_EQ(ledger.fetch(1, 9), 1);
    EXPECT_EQ(ledger.apply(1), 0);
    EXPECT_EQ(ledger.fetch(1, 9), 2);
    EXPECT_EQ(ledger.apply(1), 0);
    EXPECT_EQ(ledger.apply(0), 2);
}

TEST(Ledger, LetsARankWaitThatIsTooFarAhead) {
    Ledger ledger(2, 2);
    EXPECT_EQ(ledger.fetch(0, 9), 0);
    for (int shard : {1, 2}) {
        EXPECT_EQ(ledger.fetch(1, 9), shard);
        EXPECT_EQ(ledger.apply(1), 0);
    }
    EXPECT_EQ(ledger.fetch(1, 9), 3);
    EXPECT_EQ(ledger.apply(1), Ledger::must_wait) << "rank 0's update would be staler than 2";
    EXPECT_EQ(ledger.apply(0), 2);
    EXPECT_EQ(ledger.apply(1), 1);
}

TEST(Ledger, LetsWhoWaitsLongestFetchFirst) {
    Ledger ledger(3, 0);
    EXPECT_EQ(ledger.fetch(0, 9), 0);
    EXPECT_EQ(ledger.fetch(2, 9), Ledger::must_wait);
    EXPECT_EQ(ledger.fetch(1, 9), Ledger::must_wait);
    EXPECT_EQ(ledger.apply(0), 0);
    EXPECT_EQ(ledger.fetch(0, 9), Ledger::must_wait) << "it comes after ranks 2 and 1";
    EXPECT_EQ(ledger.fetch(1, 9), Ledger::must_wait);
    EXPECT_EQ(ledger.fetch(2, 9), 1);
}

TEST(Ledger, LetsNobodyWaitForOneThatHasNoShardLeft) {
    Ledger ledger(3, 0);
    EXPECT_EQ(ledger.fetch(0, 1), 0);
    EXPECT_EQ(ledger.fetch(1, 2), Ledger::must_wait);
    EXPECT_EQ(ledger.fetch(2, 2), Ledger::must_wait);
    EXPECT_EQ(ledger.fetch(1, 1), Ledger::none_left);
    EXPECT_EQ(ledger.apply(0), 0);
    EXPECT_EQ(ledger.fetch(2, 2), 1);
}

}  // namespace
