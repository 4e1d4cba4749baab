// signals.cpp: notes the signals instead of obeying them.
#include "app/run/signals.h"

#include <signal.h>

#include <array>
#include <atomic>
#include <cstddef>

namespace {

std::atomic<bool> signal_came = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a handler may write it, on any thread");
void note_signal(int) { signal_came = true; }

constexpr std::array stopping = {SIGUSR1, SIGTERM, SIGINT, SIGHUP};
std::array<struct sigaction, stopping.size()> before;

bool is_a_terminals(int number) { return number == SIGINT || number == SIGHUP; }

}  // namespace

StopSignals::StopSignals() {
    signal_came = false;
    for (std::size_t i = 0; i < stopping.size(); ++i) {
        sigaction(stopping[i], nullptr, &before[i]);
        if (is_a_terminals(stopping[i]) && before[i].sa_handler == SIG_IGN) continue;
        struct sigaction noting = {};
        noting.sa_handler = note_signal;
        noting.sa_flags = SA_RESTART;
        if (stopping[i] == SIGINT) noting.sa_flags |= static_cast<int>(SA_RESETHAND);
        sigaction(stopping[i], &noting, nullptr);
    }
}
StopSignals::~StopSignals() {
    for (std::size_t i = 0; i < stopping.size(); ++i) sigaction(stopping[i], &before[i], nullptr);
}
void StopSignals::obey() {
    for (std::size_t i = 0; i < stopping.size(); ++i)
        if (stopping[i] != SIGUSR1) sigaction(stopping[i], &before[i], nullptr);
}
bool StopSignals::seen() { return signal_came; }
