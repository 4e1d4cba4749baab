// test_signals.cpp: a training that is told to stop hears it, and comes to no harm.
//
// The handler runs on any thread, in the middle of a product too. That is safe only as long as no
// product borrows the stack pointer: what the system puts on such a stack destroys the heap.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "app/run/signals.h"
#include "device/cpu/product.h"

namespace {

/// While it lives, the process gets a signal every 100 microseconds.
class Sender {
  public:
    explicit Sender(int number)
        : thread_([this, number] {
              while (!over_) {
                  kill(getpid(), number);
                  std::this_thread::sleep_for(std::chrono::microseconds(100));
              }
          }) {}
    ~Sender() {
        over_ = true;
        thread_.join();
    }
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;

  private:
    std::atomic<bool> over_ = false;
    std::thread thread_;
};

class StopSignal : public testing::TestWithParam<int> {};

TEST_P(StopSignal, IsSeenOnceItHasCome) {
    const StopSignals signals;
    EXPECT_FALSE(StopSignals::seen()) << "before any signal";
    kill(getpid(), GetParam());
    EXPECT_TRUE(StopSignals::seen());
    EXPECT_TRUE(StopSignals::seen()) << "the second time";
}

TEST_P(StopSignal, IsForgottenByTheNextTraining) {
    {
        const StopSignals signals;
        kill(getpid(), GetParam());
    }
    const StopSignals signals;
    EXPECT_FALSE(StopSignals::seen());
}

/// All but SIGINT, the second of which ends the process.
class ManySignals : public testing::TestWithParam<int> {};

TEST_P(ManySignals, DoNoHarmToAProductThatTheyInterrupt) {
    const StopSignals signals;
    constexpr int m = 32, n = 256, k = 784;  // a shard of images through the first layer
    std::vector<nn_real> a(m * k), b(k * n), undisturbed(m * n), c(m * n);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<nn_real>(i % 7) - 3;
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<nn_real>(i % 5) - 2;
    const auto multiply = [&](std::vector<nn_real>& to) {
        cpu_product(m, n, k, 1, a.data(), b.data(), 0, to.data());
    };
    multiply(undisturbed);
    const Sender sender(GetParam());
    for (int i = 0; i < 2000; ++i) {
        std::ranges::fill(c, nn_real{-1});
        multiply(c);
        ASSERT_EQ(c, undisturbed) << "product " << i;
    }
}

std::string name_of_signal(const testing::TestParamInfo<int>& number) {
    return std::string("SIG") + sigabbrev_np(number.param);
}
INSTANTIATE_TEST_SUITE_P(Each, StopSignal, testing::Values(SIGUSR1, SIGTERM, SIGHUP, SIGINT),
                         name_of_signal);
INSTANTIATE_TEST_SUITE_P(Each, ManySignals, testing::Values(SIGUSR1, SIGTERM, SIGHUP),
                         name_of_signal);

TEST(StopSignals, ThatATerminalSendsStayIgnored) {
    for (const int number : {SIGINT, SIGHUP}) {
        std::signal(number, SIG_IGN);
        {
            const StopSignals signals;
            kill(getpid(), number);
            EXPECT_FALSE(StopSignals::seen()) << number;
        }
        EXPECT_EQ(std::signal(number, SIG_DFL), SIG_IGN) << number;
    }
}

TEST(StopSignals, TheSecondCtrlCEndsAtOnce) {
    EXPECT_EXIT(
        {
            const StopSignals signals;
            kill(getpid(), SIGINT);
            kill(getpid(), SIGINT);
        },
        testing::KilledBySignal(SIGINT), "");
}

TEST(StopSignals, AreObeyedAgainWhenThereIsNoStateLeftToKeep) {
    for (const int number : {SIGTERM, SIGHUP, SIGINT})
        EXPECT_EXIT(
            {
                const StopSignals signals;
                StopSignals::obey();
                kill(getpid(), number);
            },
            testing::KilledBySignal(number), "");
    const StopSignals signals;
    StopSignals::obey();
    kill(getpid(), SIGUSR1);
    EXPECT_TRUE(StopSignals::seen());
}

}  // namespace
