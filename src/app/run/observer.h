// observer.h: what a run does beside training: evaluates, prints, logs, keeps checkpoints, stops.
#pragma once
#include <string>

#include "app/run/history.h"
#include "app/run/progress.h"
#include "app/run/run_log.h"
#include "app/run/sets.h"
#include "comm/comm.h"
#include "neural_network.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"

/// What rank 0 writes while it trains; on other ranks nothing.
struct RunFiles {
    RunLog csv, jsonl;
    CheckpointFolder* checkpoints;  ///< or null

    /// Opens the logs that are named, to go on after `from`. Throws InputError.
    RunFiles(const OutputFiles& names, CheckpointFolder* folder, bool is_root,
             const TrainingState& from);
};

/// Where a run begins: from the first parameters, or where a checkpoint left it.
struct Beginning {
    TrainingState state;
    History history;
};

class RunObserver : public TrainingObserver {
  public:
    /// `facts`: of every checkpoint, but for its state and history.
    RunObserver(const Comm& comm, const TrainOptions& options, const Sets& sets,
                DataParallelNeuralNetwork& network, RunFiles& files, ModelFacts facts,
                const Beginning& beginning);

    void on_step(int epoch, int step, int steps, double loss) override;
    void on_epoch(int epoch, double loss) override;
    int steps_between_reports() const override { return options_.print_every; }
    bool may_stop() const override { return !options_.checkpoint.empty(); }
    bool stops() override;

    /// The network as it stands, for a file; facts.state is `state`. Collective. Throws Diverged,
    /// on every rank, where it is not finite.
    Model model(const TrainingState& state);
    /// A checkpoint. Collective. Throws InputError on every rank where the file cannot be made.
    void keep(const TrainingState& state);
    const History& history() const { return history_; }

  private:
    const Comm& comm_;
    const TrainOptions& options_;
    const Sets& sets_;
    DataParallelNeuralNetwork& network_;
    RunFiles& files_;
    ModelFacts facts_;
    History history_;
    Evaluator evaluator_;
    ProgressLines progress_;
};
