// wait.h: waiting for another thread or rank that will be ready within microseconds.
//
// A system call would take longer than most of these waits. But whoever is waited for may need this
// very core: after a while the waiting thread lets others run between its looks.
#pragma once
#include <sched.h>

inline void pause_briefly() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

template <class Ready>
void spin_until(Ready ready) {
    constexpr int looks = 1000;  // 4 to 60 us, by the processor
    for (int i = 0; !ready(); ++i) {
        if (i < looks)
            pause_briefly();
        else
            sched_yield();
    }
}
