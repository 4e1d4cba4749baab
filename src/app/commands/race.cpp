// race.cpp: trains by each setting in its turn, and keeps of each the accuracy after each epoch.
#include "app/commands/race.h"

#include <algorithm>
#include <cstdio>

#include "app/commands/train.h"
#include "app/run/output_file.h"
#include "base/error.h"
#include "base/text.h"

namespace {

/// The epoch in which a run reached its goal; null: in none.
const EpochRow* goal_of(const History& history, double goal) {
    const auto row = std::ranges::find_if(
        history, [&](const EpochRow& epoch) { return goal > 0 && 100 * epoch.accuracy >= goal; });
    return row == history.end() ? nullptr : &*row;
}

/// "12 at 3.40 s", or why there is nothing.
std::string goal_text(const History& history, double goal) {
    if (goal == 0) return "";
    const EpochRow* const row = goal_of(history, goal);
    if (row == nullptr) return formatted("%g %% not reached", goal);
    return formatted("%g %% after epoch %d, %.2f s", goal, row->epoch, row->seconds);
}

std::string table_row(const NamedHistory& run, double goal, int name_width) {
    const std::string name = one_line(run.name);
    if (run.diverged && run.history.empty())
        return formatted("# %-*s  diverged\n", name_width, name.c_str());
    const EpochRow& last = run.history.back();
    if (run.diverged)
        return formatted("# %-*s  %6d  %8.2f  diverged after these\n", name_width, name.c_str(),
                         last.epoch, last.seconds);
    const EpochRow& best = *std::ranges::max_element(run.history, {}, &EpochRow::accuracy);
    return formatted("# %-*s  %6d  %8.2f  %6.2f %% in epoch %-4d  %s\n", name_width, name.c_str(),
                     last.epoch, last.seconds, 100 * best.accuracy, best.epoch,
                     goal_text(run.history, goal).c_str());
}

}  // namespace

std::string race_table(const std::vector<NamedHistory>& runs, double goal) {
    std::size_t width = 3;
    for (const NamedHistory& run : runs) width = std::max(width, one_line(run.name).size());
    const int name_width = static_cast<int>(width);
    std::string text =
        formatted("# %-*s  epochs   seconds  best accuracy          goal\n", name_width, "run");
    const NamedHistory* winner = nullptr;
    double least = 0;
    for (const NamedHistory& run : runs) {
        text += table_row(run, goal, name_width);
        const EpochRow* const row = run.diverged ? nullptr : goal_of(run.history, goal);
        if (row == nullptr || (winner != nullptr && row->seconds >= least)) continue;
        winner = &run;
        least = row->seconds;
    }
    if (winner != nullptr) text += "# first      " + one_line(winner->name) + "\n";
    return text;
}

int race(const Comm& comm, const RaceOptions& options) {
    comm.together([&] {
        if (comm.is_root() && !options.plot.empty()) check_writable("--plot", options.plot);
    });
    std::vector<NamedHistory> runs;
    const double goal = options.runs.front().options.until;
    for (const RaceOptions::Run& run : options.runs) {
        runs.push_back({run.name, {}});
        if (comm.is_root())
            std::printf("# race       run %zu of %zu: %s\n", runs.size(), options.runs.size(),
                        one_line(run.name).c_str());
        try {
            train(comm, run.options, &runs.back().history);
        } catch (const Diverged& error) {
            runs.back().diverged = true;
            if (comm.is_root()) print_error(error.what());
        }
    }
    comm.together([&] {
        if (!comm.is_root()) return;
        std::printf("%s", race_table(runs, goal).c_str());
        if (options.plot.empty()) return;
        write_file("--plot", options.plot, svg_race(runs, goal));
        std::printf("# written    %s\n", one_line(options.plot).c_str());
    });
    return std::ranges::any_of(runs, &NamedHistory::diverged) ? exit_check_failed : exit_ok;
}
