// signals.cpp: notes the two signals instead of obeying them.
#include "app/run/signals.h"

#include <signal.h>

#include <atomic>

namespace {

std::atomic<bool> signal_came = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a handler may write it, on any thread");
void note_signal(int) { signal_came = true; }

constexpr int stopping[] = {SIGUSR1, SIGTERM};
struct sigaction before[2];

}  // namespace

StopSignals::StopSignals() {
    signal_came = false;
    struct sigaction noting = {};
    noting.sa_handler = note_signal;
    noting.sa_flags = SA_RESTART;
    for (int i = 0; i < 2; ++i) sigaction(stopping[i], &noting, &before[i]);
}
StopSignals::~StopSignals() {
    for (int i = 0; i < 2; ++i) sigaction(stopping[i], &before[i], nullptr);
}
bool StopSignals::seen() { return signal_came; }
