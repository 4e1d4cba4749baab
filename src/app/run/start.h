// start.h: what a training begins with: its samples, its first parameters, its device, and the
// checkpoint that it goes on from.
#pragma once
#include <memory>
#include <string>

#include "app/cli/options.h"
#include "app/run/observer.h"
#include "app/run/sets.h"
#include "base/clock.h"
#include "comm/comm.h"
#include "model/parameters.h"
#include "train/checkpoint.h"
#include "train/choose.h"

/// On every rank; what says so, on rank 0 alone.
struct Start {
    Stopwatch watch;
    TrainOptions options;  ///< as asked; but what a loaded file decides is the file's, and the
                           ///< device request says what was taken
    Sets sets;
    double read_seconds;        ///< for reading the sets
    Parameters<nn_real> first;  ///< of the training
    Parameters<nn_real> now;    ///< where this run begins
    ChosenDevice device;
    int capacity;                                ///< most samples that a replica takes at once
    Beginning beginning{};                       ///< how far the training is where this run begins
    std::string settings = "{}";                 ///< for checkpoints: JSON; rank 0
    std::string resumed{};                       ///< for the banner: what the run goes on from
    std::string rounding{};                      ///< and what rounds otherwise than there; rank 0
    std::unique_ptr<CheckpointFolder> folder{};  ///< rank 0, if the options name one

    double seconds() const { return watch.seconds(); }  ///< since it began
};

/// Reads, draws or loads, chooses and resumes. Collective. Throws InputError
/// where something that is asked for cannot be.
Start start_run(const Comm& comm, const TrainOptions& asked);
