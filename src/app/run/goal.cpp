// goal.cpp: compares each epoch's accuracy with what was asked for and with the best one.
#include "app/run/goal.h"

#include <filesystem>
#include <utility>

#include "app/run/output_file.h"
#include "base/error.h"
#include "base/text.h"
#include "model/model_file.h"

Goal::Goal(const TrainOptions& options, const Sets& sets, const History& before)
    : until_(options.until), patience_(options.patience), name_(sets.evaluation_name()) {
    for (const EpochRow& row : before) take(row);
}

void Goal::take(const EpochRow& row) {
    if (best_.epoch == 0 || row.accuracy > best_.accuracy) best_ = row;
    if (until_ > 0 && 100 * row.accuracy >= until_)
        reached_ =
            formatted("%s accuracy %.2f %% is at least %g %%", name_, 100 * row.accuracy, until_);
    else if (patience_ > 0 && row.epoch - best_.epoch >= patience_)
        reached_ = formatted("%d epochs without a better %s accuracy than %.2f %%", patience_,
                             name_, 100 * best_.accuracy);
}

void check_goal(const TrainOptions& options, const Sets& sets) {
    if (sets.has_classes) return;
    const std::pair<const char*, bool> flags[] = {{"--until", options.until > 0},
                                                  {"--patience", options.patience > 0},
                                                  {"--keep-best", options.keep_best}};
    for (const auto& [flag, given] : flags)
        if (given)
            throw InputError(std::string(flag) +
                             " goes by the accuracy, but the targets of the table are not all 0 or "
                             "1, so there is none; leave it out");
}

void check_best_file(const TrainOptions& options, const Sets& sets, const History& before) {
    const EpochRow best = Goal(options, sets, before).best();
    if (!options.keep_best || best.epoch == 0) return;
    const std::string& file = options.files.save;
    const bool there = std::filesystem::exists(file);
    if (there) {
        const History saved = history_from(load_model(file).facts.history);
        const auto first = [](const History& history, std::size_t count) {
            return to_json({history.begin(), history.begin() + static_cast<std::ptrdiff_t>(count)});
        };
        const auto best_rows = static_cast<std::size_t>(best.epoch);
        if (saved.size() == best_rows && first(saved, best_rows) == first(before, best_rows))
            return;
        // The run was killed after a later epoch than its checkpoint's, which it now does again.
        if (saved.size() > before.size() && first(saved, before.size()) == to_json(before)) return;
    }
    throw InputError(named("--save", file) + ": --keep-best needs epoch " +
                     std::to_string(best.epoch) + " in it, the best of the run that is resumed, " +
                     (there ? "but it holds another network" : "but there is no such file") +
                     "; name the file that this run saved, or leave --keep-best out");
}

std::string note_on_goal(const TrainOptions& options, const Sets& sets) {
    const bool chooses = options.until > 0 || options.patience > 0 || options.keep_best;
    if (!chooses || sets.held_out_count > 0) return "";
    return std::string("the ") + sets.evaluation_name() +
           " accuracy decides when the run ends or what it keeps, so that figure flatters the "
           "network; hold samples out with --train-size";
}
