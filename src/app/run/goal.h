// goal.h: which epoch of a run is its best, and whether the run ends before its last one.
//
// --until ends a run at an accuracy, --patience after some epochs without a better one, and
// --keep-best saves the best one. All go by the accuracy that each epoch's line shows, and by the
// earlier one of two epochs that are as good.
#pragma once
#include <string>

#include "app/cli/options.h"
#include "app/run/history.h"
#include "app/run/sets.h"

class Goal {
  public:
    /// `before`: the epochs of the run that is resumed.
    Goal(const TrainOptions& options, const Sets& sets, const History& before);

    /// Takes the next epoch.
    void take(const EpochRow& row);
    const EpochRow& best() const { return best_; }  ///< epoch 0: there was none
    bool is_best(const EpochRow& row) const { return row.epoch == best_.epoch; }
    /// Why the run ends now, for the footer: "held-out accuracy 97.10 % is at least 97 %"; empty:
    /// it goes on.
    const std::string& reached() const { return reached_; }

  private:
    double until_;  ///< percent; 0: none
    int patience_;  ///< epochs; 0: endless
    const char* name_;
    EpochRow best_;
    std::string reached_;
};

/// The options refused for this set: without classes there is no accuracy. Throws InputError.
void check_goal(const TrainOptions& options, const Sets& sets);
/// With --keep-best, a resumed run goes on with the best epoch that the file of --save holds, or
/// with a later one, if the run was killed between two checkpoints. Throws InputError if the file
/// is of another run.
void check_best_file(const TrainOptions& options, const Sets& sets, const History& before);
/// A note if the test images choose the epoch on which they are the judge afterwards; else empty.
std::string note_on_goal(const TrainOptions& options, const Sets& sets);
