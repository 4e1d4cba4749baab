// test_team.cpp: a team's threads neither miss a round nor return before it is over, errors reach
// the caller, and a team that the system gives too few threads ends.
#include "device/cpu/team.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

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

TEST(Team, ThrowsTheFirstErrorAfterAllHaveEnded) {
    Team team(3);
    for (int round = 0; round < 200; ++round) {
        std::vector<int> ended(3);
        try {
            team.run([&](int t) {
                ended[static_cast<std::size_t>(t)] = 1;
                if (t > 0) throw std::runtime_error("thread " + std::to_string(t));
            });
            FAIL() << "no error came";
        } catch (const std::runtime_error& error) {
            EXPECT_STREQ(error.what(), "thread 1");
        }
        ASSERT_EQ(ended, (std::vector<int>{1, 1, 1}));
        team.run([](int) {});  // an error is thrown once
    }
}

/// In a process of its own, with memory for two or three stacks of threads.
TEST(Team, FailsWhereTheSystemGivesTooFewThreads) {
    const pid_t child = fork();
    ASSERT_NE(child, -1);
    if (child == 0) {
        alarm(20);
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        rlimit limit{};
        getrlimit(RLIMIT_STACK, &limit);
        const rlim_t stack = limit.rlim_cur == RLIM_INFINITY ? 2u << 20 : limit.rlim_cur;
        limit.rlim_cur = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + 5 * stack / 2;
        limit.rlim_max = limit.rlim_cur;
        if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(3);
        try {
            const Team team(64);
            _exit(1);
        } catch (const Failure& failure) {
            _exit(std::string(failure.what()).find("--threads") == std::string::npos ? 2 : 0);
        }
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
