// progress.cpp: prints the lines; on a terminal, each replaces the one before.
#include "app/run/progress.h"

#include <cstdio>
#include <string>

#include "app/report/terminal.h"

ProgressLines::ProgressLines(bool prints, const Sets& sets, const Training& training,
                             const TrainingState& from, const History& history)
    : prints_(prints),
      terminal_(prints && on_terminal()),
      speed_(sets.is_table ? "samples/s" : "images/s"),
      name_(sets.has_classes ? sets.evaluation_name() : ""),
      count_(sets.train_count),
      done_before_(static_cast<std::size_t>(from.step) * static_cast<std::size_t>(training.batch)),
      training_(training),
      seconds_before_(history.empty() ? 0 : history.back().seconds),
      first_epoch_(from.epoch) {}

void ProgressLines::print_step(int epoch, int step, int steps, double loss) {
    if (!prints_) return;
    std::printf("%sstep  %d:%0*d  loss %.5f%s", terminal_ ? "\r\033[K" : "", epoch,
                static_cast<int>(std::to_string(steps).size()), step, loss, terminal_ ? "" : "\n");
    open_ = terminal_;
    std::fflush(stdout);
}

void ProgressLines::epoch_ends() { epoch_seconds_ = epoch_watch_.seconds(); }
void ProgressLines::epoch_begins() {
    done_before_ = 0;
    epoch_watch_ = {};
}

EpochRow ProgressLines::row_of(int epoch, double loss, double accuracy) const {
    const double elapsed = watch_.seconds();
    return {epoch, loss, accuracy, static_cast<double>(count_ - done_before_) / epoch_seconds_,
            seconds_before_ + elapsed};
}

void ProgressLines::print_epoch(const EpochRow& row) {
    if (!prints_) return;
    const double elapsed = row.seconds - seconds_before_;
    const double left = elapsed / (row.epoch - first_epoch_) * (training_.epochs - row.epoch);
    char accuracy[100] = "";
    if (!name_.empty())
        std::snprintf(accuracy, sizeof accuracy, "  %s accuracy %6.2f %%", name_.c_str(),
                      100 * row.accuracy);
    // On a terminal the line is overwritten, so that the last one stays at the end.
    open_ = terminal_ && row.epoch < training_.epochs;
    std::printf(
        "%sepoch %*d/%d  loss %.5f%s  %9.0f %s  %5.1f s left%s", terminal_ ? "\r\033[K" : "",
        static_cast<int>(std::to_string(training_.epochs).size()), row.epoch, training_.epochs,
        row.loss, accuracy, row.images_per_second, speed_, left, open_ ? "" : "\n");
    std::fflush(stdout);
}

void ProgressLines::end_line() {
    if (open_) std::printf("\n");
    open_ = false;
}
