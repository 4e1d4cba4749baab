// start.h: what a training begins with: its samples, its first parameters, its device, and the
// checkpoint that it resumes.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "app/run/observer.h"
#include "app/run/sets.h"
#include "base/clock.h"
#include "base/file_lock.h"
#include "comm/comm.h"
#include "model/parameters.h"
#include "train/checkpoint.h"
#include "train/choose.h"

/// The members are set on every rank, unless their comment says rank 0.
struct Start {
    Stopwatch watch;
    TimeSplit times_before;  ///< of the program, when the watch began: a race has several runs
    /// As given, but with the values of a loaded file, and with the device that was chosen.
    TrainOptions options;
    Sets sets;
    double read_seconds;        ///< for reading the sets
    Parameters<nn_real> first;  ///< of the training
    Parameters<nn_real> now;    ///< where this run begins
    Moments moments{};          ///< there, of a checkpoint; empty: all are 0
    /// Rank 0: of each rank, what it had not sent there (train/residuals.h); empty: all are 0.
    std::vector<Parameters<nn_real>> residuals{};
    std::vector<nn_real> velocity{};  ///< rank 0: of a checkpoint's outer descent; empty: all 0
    ChosenDevice device;
    int capacity;                 ///< largest number of current samples
    Beginning beginning{};        ///< the state in which this run begins
    std::string settings = "{}";  ///< for checkpoints: JSON; rank 0
    std::string resumed{};        ///< for the banner (banner.h); rank 0
    /// Rank 0: settings that differ from the checkpoint's and only change rounding.
    std::string rounding{};
    std::unique_ptr<CheckpointFolder> folder{};  ///< rank 0, if the options name one
    std::unique_ptr<FileLock> lock{};            ///< on that folder

    double seconds() const { return watch.seconds(); }  ///< since it began
};

/// Brings the network, which was made of `start`, to where this run begins. Collective.
void begin(DataParallelNeuralNetwork& network, const Start& start);

/// Reads the samples, draws or loads the parameters, chooses the device, and resumes. Collective.
/// Throws InputError if something that is asked for is not possible.
Start start_run(const Comm& comm, const TrainOptions& asked);
