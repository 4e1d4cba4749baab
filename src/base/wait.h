// wait.h: waiting for other threads, or for other ranks of the same node.
//
// Most waits end within microseconds. To put a thread to sleep and to wake it takes longer. But the
// thread that is waited for may need this core. So a waiting thread looks for a short while, and
// then sleeps until the last thread wakes all. std::atomic::wait is no help: it does not wake other
// processes, and it does not promise to sleep.
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

/// A way to sleep that every system has: short naps. No thread needs to be woken. On a virtual
/// machine, a nap takes up to 25 microseconds of a processor, so naps are not shorter.
struct Naps {
    static void sleep_while(std::atomic<std::uint32_t>&, std::uint32_t) {
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    static void wake_all(std::atomic<std::uint32_t>&) {}
};

#if defined(__linux__)
/// Linux's way to sleep. The word may lie in memory that processes share: the system knows the word
/// by its page, not by its address, because FUTEX_PRIVATE_FLAG is not set.
struct Futex {
    /// Sleeps until woken, but returns at once if the word no longer has `value`: the system
    /// compares them while nobody can wake. Returns early after a signal, and after a second: in
    /// memory in which wake-ups do not arrive, waiting is slow, but it ends.
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

/// A fixed number of threads or ranks meet here, any number of times. The barrier may lie in memory
/// that processes share, because it holds no address. With one waiter nobody waits.
///
/// No wake-up is lost. A sleeper first says that it sleeps (sleepers_), then the system looks at
/// round_ for the sleeper. The last to come first changes round_, then looks at sleepers_. All four
/// accesses are in one order (seq_cst). So either the sleeper finds a new round and does not sleep,
/// or the last one finds a sleeper and wakes it. No wake-up can fall between the sleeper's look and
/// its sleep: the system prevents that.
template <class Sleep>
class BasicBarrier {
  public:
    explicit BasicBarrier(int waiters) : waiters_(static_cast<std::uint32_t>(waiters)) {}

    /// Waits until all have called it; after it, each sees what the others wrote before it.
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

    /// Arrives without waiting. Returns true to the last one, which ends the round.
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
    /// most_patience: the time that it takes to sleep and to be woken on a free core.
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
    /// If waits are long because other programs need the cores, looking takes time away from them.
    void learn(Clock::duration took) {
        const Microseconds now(patience_.load(std::memory_order_relaxed));
        const Microseconds next = took < 2 * most_patience ? std::min(2 * now, most_patience)
                                                           : std::max(now / 2, least_patience);
        if (next != now) patience_.store(next.count(), std::memory_order_relaxed);
    }

    alignas(64) std::atomic<std::uint32_t> arrived_ = 0;
    alignas(64) std::atomic<std::uint32_t> round_ = 0;
    std::atomic<std::uint32_t> sleepers_ = 0;
    std::atomic<int> patience_ = most_patience.count();  ///< microseconds; shared by all waiters
    std::uint32_t waiters_;
};
using Barrier = BasicBarrier<SystemSleep>;
static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "shared between processes");
