// signals.h: the signals that stop a run: SIGUSR1, SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the
// terminal is gone).
#pragma once

/// While the object lives, these signals are only noted. A second SIGINT ends the process at once,
/// for a person who does not want to wait. SIGINT and SIGHUP stay ignored if they were, as nohup
/// and a shell's background jobs want it. There may be one object at a time.
class StopSignals {
  public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    static bool seen();  ///< on this rank
    /// Call it when there is no state left to keep: all but SIGUSR1, a batch system's warning of
    /// its time limit, end the process at once again.
    static void obey();
};
