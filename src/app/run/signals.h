// signals.h: the signals that stop a run: SIGUSR1 and SIGTERM.
#pragma once

/// While the object lives, SIGUSR1 and SIGTERM are only noted. There may be one object at a time.
class StopSignals {
  public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    static bool seen();  ///< on this rank
};
