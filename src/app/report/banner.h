// banner.h: what a run tells a person: a banner, a line for each epoch, a footer.
//
// For awk: lines of the banner and the footer begin with '#', an epoch's with "epoch", a step's
// with "step", the verdict with "CHECK". Only rank 0 prints.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "app/run/history.h"
#include "app/run/sets.h"
#include "base/clock.h"
#include "neural_network.h"
#include "train/evaluate.h"
#include "train/judge.h"

/// Whether standard output reaches a terminal. Under mpirun a rank's own standard output is a
/// pseudo-terminal of mpirun's, whatever the user redirected, so mpirun's is looked at: that of the
/// nearest ancestor of that name.
bool on_terminal();

/// What the banner tells beside the options.
struct RunFacts {
    std::string mpi_version;
    CudaDevices cuda;
    bool shared_memory = false;             ///< instead of MPI_Allreduce
    std::vector<std::string> rank_devices;  ///< "host: device" of each rank
    Layout layout;
    const Sets& sets;
    std::string resumed;  ///< what it goes on from; empty: nothing
};
void print_banner(const Options& options, const RunFacts& facts);

/// The lines of epochs and steps, and their clock.
class ProgressLines {
  public:
    /// `name` of the set whose accuracy is shown; empty: none is. The training begins at `from`,
    /// of whose time before the last row of `history` tells.
    ProgressLines(bool prints, const Sets& sets, const Training& training, TrainingState from,
                  const History& history);

    void print_step(int epoch, int step, int steps, double loss);
    /// Between the two the clock of the epoch stands still.
    void epoch_ends();
    void epoch_begins();
    /// What there is to say of the epoch (from 1) that ended last; and its line.
    EpochRow row_of(int epoch, double loss, double accuracy) const;
    void print_epoch(const EpochRow& row) const;

  private:
    using Clock = std::chrono::steady_clock;
    bool prints_, terminal_;
    std::string name_;
    std::size_t count_, done_before_;  ///< samples of an epoch; those of the first one done before
    const Training& training_;
    double seconds_before_, epoch_seconds_ = 0;
    int first_epoch_;
    Clock::time_point start_ = Clock::now(), epoch_start_ = start_;
};

/// How a run ended.
struct Outcome {
    Evaluation last;  ///< on sets.final_judge()
    TimeSplit times;
    double seconds = 0;
    FeedKind feed = FeedKind::resident;  ///< what was done, which may differ from what was asked
};
void print_footer(const Sets& sets, FeedKind asked, const Outcome& outcome);

/// "# written    mnist.safetensors, run.html": every file that the options name, if any.
void print_written(const Options& options);

/// One line for each tensor and the verdict. Returns whether every tensor is within `tolerance` of
/// the reference by its relative L2 difference.
bool print_comparison(const std::vector<TensorDifference>& differences, double tolerance);
