// observer.h: what a run does beside training: evaluate, print, log, keep checkpoints, stop.
#pragma once
#include <string>

#include "app/run/goal.h"
#include "app/run/history.h"
#include "app/run/progress.h"
#include "app/run/run_log.h"
#include "app/run/sets.h"
#include "comm/comm.h"
#include "neural_network.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"

/// The files that rank 0 writes during the training. Other ranks have none.
struct RunFiles {
    RunLog csv{}, jsonl{};
    CheckpointFolder* checkpoints;  ///< or null

    /// Opens the logs that `names` names, to go on after `from`. Throws InputError; then no file
    /// has been changed.
    RunFiles(const OutputFiles& names, CheckpointFolder* folder, bool is_root,
             const TrainingState& from);
    /// Brings the logs to the disk and closes them. Throws Failure.
    void finish();
};

/// The state in which a run begins: that of the first parameters, or that of a checkpoint.
struct Beginning {
    TrainingState state;
    History history;
};

class RunObserver : public TrainingObserver {
  public:
    /// `facts` go into every checkpoint, with the current state and history.
    RunObserver(const Comm& comm, const TrainOptions& options, const Sets& sets,
                DataParallelNeuralNetwork& network, RunFiles& files, ModelFacts facts,
                const Beginning& beginning);

    void on_step(int epoch, int step, int steps, double loss) override;
    void on_epoch(int epoch, double loss) override;
    int steps_between_reports() const override { return options_.print_every; }
    bool may_stop() const override { return !options_.checkpoint.empty(); }
    bool stops() override;
    bool is_done() override { return !goal_.reached().empty(); }

    /// The current network, for a file; facts.state is `state`. Collective. Throws Diverged on
    /// every rank if a parameter is not finite.
    Model model(const TrainingState& state);
    /// Writes a checkpoint. Collective. Throws InputError on every rank if the file cannot be made.
    void keep(const TrainingState& state);
    /// Writes the network to the file of --save. Collective. Throws as keep() does.
    void save(const TrainingState& state);
    void end_line() { progress_.end_line(); }
    const History& history() const { return history_; }
    const Goal& goal() const { return goal_; }

  private:
    const Comm& comm_;
    const TrainOptions& options_;
    const Sets& sets_;
    DataParallelNeuralNetwork& network_;
    RunFiles& files_;
    ModelFacts facts_;
    History history_;
    Goal goal_;
    Evaluator evaluator_;
    ProgressLines progress_;
};
