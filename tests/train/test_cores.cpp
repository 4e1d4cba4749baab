// test_cores.cpp: how many cores a quota allows, and that a team's threads neither miss a round nor
// return before it is over.
#include "train/cores.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "device/cpu/team.h"

namespace {

TEST(CoresOfQuota, AreTheQuotaRoundedUp) {
    const struct {
        const char* cpu_max;
        int cores;
    } cases[] = {{"150000 100000", 2}, {"100000 100000", 1},  {"100001 100000", 2},
                 {"50000 100000", 1},  {"1000 1000000", 1},   {"6400000 100000", 64},
                 {"200000 50000", 4},  {"150000 100000\n", 2}};
    for (const auto& c : cases) EXPECT_EQ(cores_of_quota(c.cpu_max), c.cores) << c.cpu_max;
}

TEST(CoresOfQuota, IsZeroWhereThereIsNoLimitOrNoSense) {
    for (const char* text :
         {"max 100000", "max", "", " ", "150000", "150000 max", "0 100000", "-1 100000", "150000 0",
          "150000 -100000", "x 100000", "150000 x", "inf 100000", "nan 100000"})
        EXPECT_EQ(cores_of_quota(text), 0) << "'" << text << "'";
}

TEST(Team, RunsEachPartOnceOnAThreadOfItsOwn) {
    for (const int threads : {1, 2, 3, 4}) {
        Team team(threads);
        ASSERT_EQ(team.size(), threads);
        std::vector<std::thread::id> first(static_cast<std::size_t>(threads));
        for (int round = 0; round < 1000; ++round) {
            std::vector<int> runs(first.size());
            std::vector<std::thread::id> on(first.size());
            team.run([&](int t) {
                ++runs[static_cast<std::size_t>(t)];
                on[static_cast<std::size_t>(t)] = std::this_thread::get_id();
            });
            ASSERT_EQ(runs, std::vector<int>(runs.size(), 1)) << "round " << round;
            if (round == 0) first = on;
            ASSERT_EQ(on, first) << "round " << round;
        }
        EXPECT_EQ(first[0], std::this_thread::get_id()) << "part 0 is the caller's";
        for (std::size_t t = 1; t < first.size(); ++t) EXPECT_NE(first[t], first[t - 1]);
    }
}

/// Each part of a round needs its neighbour's of the round before: whoever missed a round, or came
/// back before its end, shows in the sums. Pauses let the threads fall asleep now and then.
TEST(Team, FinishesARoundBeforeTheNextBegins) {
    for (const int threads : {2, 3, 4}) {
        Team team(threads);
        const auto size = static_cast<std::size_t>(threads);
        std::vector<std::uint64_t> now(size), next(size), expected(size);
        for (std::size_t t = 0; t < size; ++t) now[t] = expected[t] = t + 1;
        for (int round = 0; round < 1000; ++round) {
            const std::vector<std::uint64_t> before = expected;
            for (std::size_t t = 0; t < size; ++t)
                expected[t] = 3 * before[t] + before[(t + 1) % size];
            team.run([&](int part) {
                const auto t = static_cast<std::size_t>(part);
                next[t] = 3 * now[t] + now[(t + 1) % size];
            });
            ASSERT_EQ(next, expected) << threads << " threads, round " << round;
            std::swap(now, next);
            if (round % 100 == 99) std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
}

TEST(Team, EndsWithoutHavingRun) {
    for (const int threads : {1, 2, 4}) {
        const Team idle(threads);
        EXPECT_EQ(idle.size(), threads);
    }
}

}  // namespace
