// banner.h: the text before and after a run: a banner and a footer.
//
// For awk: lines of the banner and the footer begin with '#', an epoch's with "epoch", a step's
// with "step", the verdict with "CHECK". Only rank 0 prints.
#pragma once
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "app/run/sets.h"
#include "base/clock.h"
#include "model/state.h"
#include "train/evaluate.h"

/// What the banner shows beside the options.
struct RunSummary {
    std::string mpi_version;
    std::string cuda;                       ///< "runtime 13.0; 2 devices"
    std::string reduction;                  ///< "gradients summed by MPI_Allreduce"
    int replicas = 1;                       ///< of all ranks together
    std::vector<std::string> rank_devices;  ///< "host: device" of each rank
    Layout layout;
    const Sets& sets;
    std::string resumed;   ///< which checkpoint is resumed, or that none is; empty: no --resume
    std::string rounding;  ///< settings that differ from its own and only change rounding; or empty
};
void print_banner(const TrainOptions& options, const RunSummary& summary);

/// How a run ended.
struct Outcome {
    Evaluation last;  ///< on sets.final_set()
    TimeSplit times;
    double seconds = 0;
    FeedKind asked = FeedKind::resident, feed = FeedKind::resident;  ///< feed: the one used
    double hidden = -1;        ///< share of the time of sums that rank 0 computed; -1: no such sums
    double bytes_a_step = 0;   ///< that a rank sent, of gradients or parameters; 0: none
    bool ranks_agree = false;  ///< each rank has its own copy, and this run compared them
    LossScaleState loss_scale{};  ///< at the end; scale 0: there is none
    Staleness staleness{};        ///< of the updates of all ranks, if they are asynchronous
};
/// "0: 41.0 %, 1: 52.0 %, 2-3: 7.0 %, of 20000 updates; 0.68 in the mean, 3 at most"
std::string staleness_words(const Staleness& staleness);
void print_footer(const Sets& sets, const Outcome& outcome);

/// "# written    mnist.safetensors, run.html": every file that the options name, if any.
void print_written(const OutputFiles& files);
