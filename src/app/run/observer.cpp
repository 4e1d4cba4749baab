// observer.cpp: each epoch's evaluation, its line, its log, its checkpoint.
#include "app/run/observer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "app/run/signals.h"
#include "base/text.h"
#include "train/residuals.h"

RunFiles::RunFiles(const OutputFiles& names, CheckpointFolder* folder, bool is_root,
                   const TrainingState& from)
    : checkpoints(folder) {
    if (!is_root) return;
    RunLog::check(names.csv, RunLog::Format::csv, from);
    RunLog::check(names.jsonl, RunLog::Format::jsonl, from);
    csv = RunLog(names.csv, RunLog::Format::csv, from);
    jsonl = RunLog(names.jsonl, RunLog::Format::jsonl, from);
}

void RunFiles::finish() {
    csv.finish();
    jsonl.finish();
}

RunObserver::RunObserver(const Comm& comm, const TrainOptions& options, const Sets& sets,
                         DataParallelNeuralNetwork& network, RunFiles& files, ModelFacts facts,
                         const Beginning& beginning)
    : comm_(comm),
      options_(options),
      sets_(sets),
      network_(network),
      files_(files),
      facts_(std::move(facts)),
      history_(beginning.history),
      goal_(options, sets, beginning.history),
      evaluator_(network, sets.evaluation_set(), options.feed,
                 sets.held_out_count > 0 ? Role::held_out : Role::test),
      progress_(comm.is_root(), sets, options.training, beginning.state, history_) {}

void RunObserver::on_step(int epoch, int step, int steps, double loss) {
    progress_.print_step(epoch + 1, step, steps, loss);
    files_.csv.write_step(epoch + 1, step, loss);
    files_.jsonl.write_step(epoch + 1, step, loss);
}

void RunObserver::on_epoch(int epoch, double loss) {
    progress_.epoch_ends();
    const Evaluation result = evaluator_.evaluate();
    const double accuracy = sets_.has_classes ? result.accuracy : std::nan("");
    const EpochRow row = progress_.row_of(epoch + 1, loss, accuracy);
    history_.push_back(row);
    goal_.take(row);
    const auto batch = static_cast<std::size_t>(options_.training.batch);
    const int steps = static_cast<int>((sets_.train_count + batch - 1) / batch);
    files_.csv.write_epoch(row, steps);
    files_.jsonl.write_epoch(row, steps);
    // The checkpoint comes after the logs, which a resumed run cuts back to its state, and after
    // the best network, which a resumed run needs. It comes before the line, so that an epoch that
    // was announced is on the disk.
    if (options_.keep_best && goal_.is_best(row)) save({row.epoch, 0, 0});
    const bool last = row.epoch == options_.training.epochs || is_done();
    if (!options_.checkpoint.empty() && (row.epoch % options_.checkpoint_every == 0 || last))
        keep({row.epoch, 0, 0});
    progress_.print_epoch(row);
    progress_.epoch_begins();
}

bool RunObserver::stops() {
    // A signal may reach only some ranks, or some later. So all ranks stop together or not at all.
    return !comm_.all(!StopSignals::seen());
}

Model RunObserver::model(const TrainingState& state) {
    Model model{network_.parameters(), facts_};
    model.facts.state = state;
    // All ranks check and throw together. save_model() would throw only on rank 0, and the other
    // ranks would wait for it.
    const auto finite = [](nn_real value) { return std::isfinite(value); };
    if (!comm_.all(std::isfinite(state.loss) &&
                   std::ranges::all_of(model.parameters.values, finite)))
        throw Diverged("training diverged: a parameter or the loss is not finite after " +
                       progress_text(state.epoch, state.step) +
                       "; use a smaller learning rate (-l)");
    if (comm_.is_root()) model.facts.history = to_json(history_);
    return model;
}

void RunObserver::save(const TrainingState& state) {
    const Model now = model(state);
    comm_.together([&] {
        if (comm_.is_root()) save_model(options_.files.save, now);
    });
}

void RunObserver::keep(const TrainingState& state) {
    Model now = model(state);
    if (network_.loss_scale().is_on()) now.facts.state.loss_scale = network_.loss_scale().state();
    const Moments moments = network_.moments();
    const auto finite = [](nn_real value) { return std::isfinite(value); };
    const std::span<const nn_real> residual = network_.residual();
    if (!comm_.all(std::ranges::all_of(residual, finite)))
        throw Diverged("training diverged: what --compress has not sent is not finite after " +
                       progress_text(state.epoch, state.step) +
                       "; use a smaller learning rate (-l)");
    if (!comm_.all(std::ranges::all_of(moments, [&](const Parameters<nn_real>& moment) {
            return std::ranges::all_of(moment.values, finite);
        })))
        throw Diverged("training diverged: a moment of --optimizer is not finite after " +
                       progress_text(state.epoch, state.step) +
                       "; use smaller inputs (--scale), or a smaller learning rate (-l)");
    for (std::size_t m = 0; m < moments.size(); ++m)
        now.moments.push_back({moment_name(options_.training.rule, m), moments[m]});
    if (const auto velocity = network_.velocity(); !velocity.empty()) {
        if (!comm_.all(std::ranges::all_of(velocity, finite)))
            throw Diverged(
                "training diverged: the velocity of --outer-momentum is not finite after " +
                progress_text(state.epoch, state.step) +
                "; use a smaller --outer-rate, or a smaller learning rate (-l)");
        now.moments.push_back({outer_velocity_name, Parameters<nn_real>(network_.layout())});
        std::ranges::copy(velocity, now.moments.back().values.values.begin());
    }
    gather_residuals(comm_, residual, network_.layout(), now.moments);
    comm_.together([&] {
        if (files_.checkpoints != nullptr) files_.checkpoints->save(now);
    });
}
