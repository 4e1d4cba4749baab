// progress.h: the lines that a training prints while it runs, and its clock.
#pragma once
#include <string>

#include "app/run/history.h"
#include "app/run/sets.h"
#include "base/clock.h"
#include "neural_network.h"

/// The lines of epochs and steps, and their clock.
class ProgressLines {
  public:
    /// The training begins at `from`. The time spent before `from` is in the last row of `history`.
    ProgressLines(bool prints, const Sets& sets, const Training& training,
                  const TrainingState& from, const History& history);

    void print_step(int epoch, int step, int steps, double loss);
    /// Between these two calls, the clock of the epoch stands still.
    void epoch_ends();
    void epoch_begins();
    /// The row of the epoch (from 1) that ended last; and its line.
    EpochRow row_of(int epoch, double loss, double accuracy) const;
    void print_epoch(const EpochRow& row);
    /// On a terminal: what is printed next does not stand behind the last line.
    void end_line();

  private:
    bool prints_, terminal_, open_ = false;  ///< open: the last line has no end yet
    const char* speed_;                      ///< its unit
    std::string name_;
    /// Samples of an epoch, and those of the first epoch that an earlier run has done.
    std::size_t count_, done_before_;
    const Training& training_;
    double seconds_before_, epoch_seconds_ = 0;
    int first_epoch_;
    Stopwatch watch_, epoch_watch_;
};
