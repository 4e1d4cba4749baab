// signals.cpp: notes the two signals instead of obeying them.
#include "app/run/signals.h"

#include <signal.h>

#include <csignal>

namespace {

volatile std::sig_atomic_t signal_seen = 0;
void note_signal(int number) { signal_seen = number; }

const int stopping[] = {SIGUSR1, SIGTERM};
struct sigaction before[2];
sigset_t mask_before;

}  // namespace

// No handler may run on a thread that computes: oneDNN's sgemm uses the stack pointer for something
// else meanwhile (uxlfoundation/oneDNN issue 4845, up to 3.11), and what the system puts on that
// stack for a handler destroys the heap. So this thread, and all that it starts from now on, block
// the signals. MPI's threads do not, and would obey them without the handler.
StopSignals::StopSignals() {
    signal_seen = 0;
    sigset_t blocked;
    sigemptyset(&blocked);
    for (const int number : stopping) sigaddset(&blocked, number);
    pthread_sigmask(SIG_BLOCK, &blocked, &mask_before);
    struct sigaction noting = {};
    noting.sa_handler = note_signal;
    noting.sa_flags = SA_RESTART;
    for (int i = 0; i < 2; ++i) sigaction(stopping[i], &noting, &before[i]);
}
StopSignals::~StopSignals() {
    pthread_sigmask(SIG_SETMASK, &mask_before, nullptr);  // pending signals are noted now
    for (int i = 0; i < 2; ++i) sigaction(stopping[i], &before[i], nullptr);
}
bool StopSignals::seen() {
    sigset_t pending;
    sigpending(&pending);
    for (const int number : stopping)
        if (sigismember(&pending, number) == 1) return true;
    return signal_seen != 0;
}
