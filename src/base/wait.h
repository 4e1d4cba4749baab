// wait.h: waiting for other threads, or for other ranks of the same node.
//
// Those who are waited for mostly come within microseconds, sooner than the system puts anybody to
// sleep and wakes them. But they may also need this very core. So who waits looks for a short while
// and then sleeps, at no cost to others, until the last to come wakes all. std::atomic::wait does
// not wake other processes, nor does it promise to sleep.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <ctime>
#endif

inline void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

/// A way to sleep that every system has: short naps. Nobody has to be woken.
struct Naps {
    static void sleep_while(std::atomic<std::uint32_t>&, std::uint32_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    static void wake_all(std::atomic<std::uint32_t>&) {}
};

#if defined(__linux__)
/// Linux's own. The word may lie in memory that processes share: it is known by its page, not by
/// its address, as FUTEX_PRIVATE_FLAG would have it.
struct Futex {
    /// Sleeps until woken, but not if the word has another value by then: the system compares while
    /// nobody can wake. Returns early after a signal, and after a second: where the memory is of a
    /// kind in which wake-ups do not arrive, waiting is slow, but it ends.
    static void sleep_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
        const timespec second{1, 0};
        if (call(word, FUTEX_WAIT, value, &second) == 0) return;
        if (errno != EAGAIN && errno != EINTR && errno != ETIMEDOUT) Naps::sleep_while(word, value);
    }
    static void wake_all(std::atomic<std::uint32_t>& word) {
        call(word, FUTEX_WAKE, INT_MAX, nullptr);
    }

  private:
    static long call(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
                     const timespec* at_most) {
        static_assert(sizeof word == sizeof value);
        return syscall(SYS_futex, &word, operation, value, at_most, nullptr, 0);
    }
};
using SystemSleep = Futex;
#else
using SystemSleep = Naps;
#endif

/// Where a fixed number of threads or ranks meet, any number of times. It may lie in memory that
/// processes share, and holds no address; with one waiter nobody waits.
///
/// No wake-up is lost. A sleeper first says that it sleeps (sleepers_), then the system looks at
/// round_ for it. The last to come first changes round_, then looks at sleepers_. These are in one
/// order (seq_cst), so one of the two sees the other: either the sleeper finds a new round and does
/// not sleep, or the last one finds a sleeper and wakes it. The system lets no wake-up fall between
/// the sleeper's look and its sleep.
template <class Sleep>
class BasicBarrier {
  public:
    explicit BasicBarrier(int waiters) : waiters_(static_cast<std::uint32_t>(waiters)) {}

    /// Waits until all are here; what they wrote before it is seen after it.
    void wait() {
        // Nobody can end this round before this waiter has come.
        const std::uint32_t round = round_.load(std::memory_order_relaxed);
        if (arrive()) return;
        const auto start = Clock::now();
        if (!ends_soon(round, start)) {
            sleepers_.fetch_add(1);
            while (!ended(round)) Sleep::sleep_while(round_, round);
            sleepers_.fetch_sub(1, std::memory_order_relaxed);
        }
        learn(Clock::now() - start);
    }

    /// Comes without waiting. True for the last one, which ends the round.
    bool arrive() {
        const std::uint32_t round = round_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 != waiters_) return false;
        arrived_.store(0, std::memory_order_relaxed);  // before anybody can come to the next round
        round_.store(round + 1);
        if (sleepers_.load() != 0) Sleep::wake_all(round_);
        return true;
    }

  private:
    using Clock = std::chrono::steady_clock;
    using Microseconds = std::chrono::duration<int, std::micro>;
    /// As long as to sleep and be woken takes, where the core is free.
    static constexpr Microseconds most_patience{50}, least_patience{1};

    bool ended(std::uint32_t round) const {
        return round_.load(std::memory_order_acquire) != round;
    }
    bool ends_soon(std::uint32_t round, Clock::time_point start) const {
        const Microseconds patience(patience_.load(std::memory_order_relaxed));
        do {
            for (int look = 0; look < 16; ++look) {
                if (ended(round)) return true;
                pause_briefly();
            }
        } while (Clock::now() - start < patience);
        return false;
    }
    /// Where waits take long, because others need the cores too, to look is time lost for them.
    void learn(Clock::duration took) {
        const Microseconds now(patience_.load(std::memory_order_relaxed));
        const Microseconds next = took < 2 * most_patience ? std::min(2 * now, most_patience)
                                                           : std::max(now / 2, least_patience);
        if (next != now) patience_.store(next.count(), std::memory_order_relaxed);
    }

    alignas(64) std::atomic<std::uint32_t> arrived_ = 0;
    alignas(64) std::atomic<std::uint32_t> round_ = 0;
    std::atomic<std::uint32_t> sleepers_ = 0;
    std::atomic<int> patience_ = most_patience.count();  ///< microseconds; all waiters' own
    std::uint32_t waiters_;
};
using Barrier = BasicBarrier<SystemSleep>;
static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "shared between processes");
