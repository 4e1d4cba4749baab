// test_wait.cpp: at a barrier nobody passes too early and no wake-up is lost, between threads and
// between processes, by futex and by naps; and who waits long takes no processor time.
#include "base/wait.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <new>
#include <random>
#include <semaphore>
#include <thread>
#include <vector>

namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

void work_for(microseconds time) {
    const auto end = steady_clock::now() + time;
    while (steady_clock::now() < end) pause_briefly();
}

/// Sleeps as the system does, every other time so late that the wake-up often comes first. Counts
/// wake-ups that did not come: sleeps that only their time limit ended, though the word had
/// changed.
struct Watched {
    static inline std::atomic<int> sleeps = 0, lost = 0;

    static void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
        if (++sleeps % 2 == 0) work_for(microseconds(40));
        const auto start = steady_clock::now();
        SystemSleep::sleep_while(word, value);
        const bool timed_out = steady_clock::now() - start > std::chrono::milliseconds(990);
        if (timed_out && word.load() != value) ++lost;
    }
    static void wake_all(std::atomic<std::uint32_t>& word) { SystemSleep::wake_all(word); }
};

constexpr int most_waiters = 4;
/// What waiters write for each other, beside the barrier at which they meet.
template <class Sleep>
struct Meeting {
    BasicBarrier<Sleep> barrier;
    std::array<int, most_waiters> rounds{};
    int waiters;
    explicit Meeting(int number) : barrier(number), waiters(number) {}

    /// Waiter w's part of `count` rounds. Delays lie on both sides of what a waiter looks for.
    /// Returns how often somebody was not in the same round.
    int run(int w, int count) {
        std::minstd_rand random(static_cast<unsigned>(w + 1));
        int wrong = 0;
        for (int round = 1; round <= count; ++round) {
            if (random() % 2 == 0) work_for(microseconds(random() % 150));
            rounds[static_cast<std::size_t>(w)] = round;
            barrier.wait();
            for (int other = 0; other < waiters; ++other)
                wrong += rounds[static_cast<std::size_t>(other)] != round;
            barrier.wait();
        }
        return wrong;
    }
};

template <class Sleep>
class Waiting : public testing::Test {};
using Sleeps = testing::Types<Watched, Naps>;
TYPED_TEST_SUITE(Waiting, Sleeps);

TYPED_TEST(Waiting, ThreadsPassTogetherInEveryRound) {
    for (int waiters = 1; waiters <= most_waiters; ++waiters) {
        Meeting<TypeParam> meeting(waiters);
        std::vector<int> wrong(static_cast<std::size_t>(waiters), -1);
        std::vector<std::thread> threads;
        for (int w = 0; w < waiters; ++w)
            threads.emplace_back(
                [&, w] { wrong[static_cast<std::size_t>(w)] = meeting.run(w, 1000); });
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(wrong, std::vector<int>(wrong.size(), 0)) << waiters << " threads";
    }
}

TYPED_TEST(Waiting, ProcessesPassTogetherInEveryRound) {
    using Shared = Meeting<TypeParam>;
    void* const memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    for (int waiters = 2; waiters <= 3; ++waiters) {
        auto* const meeting = new (memory) Shared(waiters);
        std::vector<pid_t> children;
        for (int w = 1; w < waiters; ++w) {
            const pid_t child = fork();
            ASSERT_NE(child, -1);
            if (child == 0) {
                alarm(60);
                const int before = Watched::lost;
                _exit(meeting->run(w, 1000) == 0 && Watched::lost == before ? 0 : 1);
            }
            children.push_back(child);
        }
        EXPECT_EQ(meeting->run(0, 1000), 0);
        for (const pid_t child : children) {
            int status = 0;
            waitpid(child, &status, 0);
            EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
        }
    }
    munmap(memory, sizeof(Shared));
}

TEST(WaitingBySystem, SleepsAndLosesNoWakeUp) {
    Watched::sleeps = Watched::lost = 0;
    Meeting<Watched> meeting(2);
    std::thread other([&] { meeting.run(1, 10000); });
    EXPECT_EQ(meeting.run(0, 10000), 0);
    other.join();
    EXPECT_GT(Watched::sleeps, 100) << "nobody slept, so nothing was shown";
    EXPECT_EQ(Watched::lost, 0);
}

TYPED_TEST(Waiting, TakesNoProcessorTimeWhileItIsLong) {
    BasicBarrier<TypeParam> barrier(2);
    double waited = 0, used = 0;
    std::binary_semaphore begins(0);
    std::thread waiter([&] {
        const auto processor_seconds = [] {
            timespec time{};
            clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
            return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
        };
        const auto start = steady_clock::now();
        const double before = processor_seconds();
        begins.release();
        barrier.wait();
        used = processor_seconds() - before;
        waited = std::chrono::duration<double>(steady_clock::now() - start).count();
    });
    begins.acquire();  // on a busy machine a thread may start late
    std::this_thread::sleep_for(std::chrono::milliseconds(350));
    barrier.wait();
    waiter.join();
    EXPECT_GT(waited, 0.2);
    EXPECT_LT(used, 0.1 * waited);
}

TEST(Barrier, IsPassedWhenOthersComeWithoutWaiting) {
    Barrier barrier(3);
    EXPECT_FALSE(barrier.arrive());
    EXPECT_FALSE(barrier.arrive());
    barrier.wait();  // the third
    Barrier alone(1);
    EXPECT_TRUE(alone.arrive());
    alone.wait();
}

}  // namespace
