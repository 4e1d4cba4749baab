// signals.h: how a run is told to stop: SIGUSR1 and SIGTERM.
#pragma once

/// While it lives, SIGUSR1 and SIGTERM are only noted. One object at a time, made before the
/// threads that compute.
class StopSignals {
  public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    static bool seen();  ///< on this rank
};
