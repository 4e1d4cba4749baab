// banner.cpp: the text of a run.
#include "app/report/banner.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/text.h"

namespace {

/// The name and the parent of a process of this machine; parent 0 if it cannot be read.
struct Process {
    std::string name;
    int parent = 0;

    explicit Process(int id) {
        std::ifstream status("/proc/" + std::to_string(id) + "/status");
        for (std::string line; std::getline(status, line);) {
            std::istringstream words(line);
            std::string key;
            words >> key;
            if (key == "Name:") words >> name;
            if (key == "PPid:") words >> parent;
        }
    }
};

bool starts_ranks(const std::string& name) {
    for (const char* launcher : {"mpirun", "mpiexec", "orterun", "prterun", "orted", "prted"})
        if (name == launcher) return true;
    return false;
}

/// "1 rank", "2 ranks"
std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

bool on_terminal() {
    if (isatty(STDOUT_FILENO) == 0) return false;
    if (std::getenv("OMPI_COMM_WORLD_SIZE") == nullptr) return true;
    int id = getppid();
    while (id > 1 && !starts_ranks(Process(id).name)) id = Process(id).parent;
    if (!starts_ranks(Process(id).name)) return false;
    std::error_code unreadable;
    const auto target =
        std::filesystem::read_symlink("/proc/" + std::to_string(id) + "/fd/1", unreadable);
    return !unreadable && target.string().starts_with("/dev/") && target != "/dev/null";
}

void print_banner(const Options& options, const RunFacts& facts) {
    const Training& t = options.training;
    std::printf("# main %s, %s\n", program_version, nn_real_name);
    const std::size_t ranks = facts.rank_devices.size();
    std::printf("# MPI        %s, %s%s\n", facts.mpi_version.c_str(),
                counted(ranks, "rank").c_str(),
                ranks == 1            ? ""
                : facts.shared_memory ? ", gradients added up in shared memory"
                                      : ", gradients added up by MPI_Allreduce");
    std::printf("# CUDA       %s%s\n",
                facts.cuda.runtime_version.empty()
                    ? ""
                    : ("runtime " + facts.cuda.runtime_version + "; ").c_str(),
                facts.cuda.count > 0
                    ? counted(static_cast<std::size_t>(facts.cuda.count), "device").c_str()
                    : ("no device: " + facts.cuda.why_none).c_str());
    for (std::size_t r = 0; r < facts.rank_devices.size(); ++r)
        std::printf("# rank %-5zu %s\n", r, facts.rank_devices[r].c_str());
    const Sets& sets = facts.sets;
    if (sets.is_table)
        std::printf(
            "# data       %s: %zu training, %zu held out samples of %zu inputs, %d outputs\n",
            options.csv_data.c_str(), sets.train_count, sets.held_out_count, sets.train.features(),
            sets.train.classes);
    else
        std::printf("# data       %s: %zu training, %zu held out, %zu test images of %d x %d\n",
                    options.data.c_str(), sets.train_count, sets.held_out_count, sets.test_count,
                    sets.train.rows, sets.train.cols);
    std::printf("# network    %s, %zu parameters; %s, %s\n", sizes_text(facts.layout).c_str(),
                facts.layout.total(), name_of(options.objective.output),
                name_of(options.objective.loss));
    std::printf("# training   %s, batch %d, rate %g x %g each epoch, reg %g, seed %llu\n",
                counted(static_cast<std::size_t>(t.epochs), "epoch").c_str(), t.batch, t.rate,
                t.decay, t.reg, static_cast<unsigned long long>(t.seed));
    std::printf("# samples    %s%s\n", t.shuffled ? "shuffled each epoch" : "in the file's order",
                sets.is_table        ? ""
                : options.raw_pixels ? ", pixels 0..255"
                                     : ", pixels 0..1");
    if (!facts.resumed.empty()) std::printf("# resume     %s\n", facts.resumed.c_str());
    std::fflush(stdout);
}

ProgressLines::ProgressLines(bool prints, const Sets& sets, const Training& training,
                             TrainingState from, const History& history)
    : prints_(prints),
      terminal_(prints && on_terminal()),
      name_(sets.has_classes ? sets.judge_name() : ""),
      count_(sets.train_count),
      done_before_(static_cast<std::size_t>(from.step) * static_cast<std::size_t>(training.batch)),
      training_(training),
      seconds_before_(history.empty() ? 0 : history.back().seconds),
      first_epoch_(from.epoch) {}

void ProgressLines::print_step(int epoch, int step, int steps, double loss) {
    if (!prints_) return;
    std::printf("%sstep  %d:%0*d  loss %.5f%s", terminal_ ? "\r\033[K" : "", epoch,
                static_cast<int>(std::to_string(steps).size()), step, loss, terminal_ ? "" : "\n");
    std::fflush(stdout);
}

void ProgressLines::epoch_ends() {
    epoch_seconds_ = std::chrono::duration<double>(Clock::now() - epoch_start_).count();
}
void ProgressLines::epoch_begins() {
    done_before_ = 0;
    epoch_start_ = Clock::now();
}

EpochRow ProgressLines::row_of(int epoch, double loss, double accuracy) const {
    const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
    return {epoch, loss, accuracy, static_cast<double>(count_ - done_before_) / epoch_seconds_,
            seconds_before_ + elapsed};
}

void ProgressLines::print_epoch(const EpochRow& row) const {
    if (!prints_) return;
    const double elapsed = row.seconds - seconds_before_;
    const double left = elapsed / (row.epoch - first_epoch_) * (training_.epochs - row.epoch);
    char judged[100] = "";
    if (!name_.empty())
        std::snprintf(judged, sizeof judged, "  %s accuracy %6.2f %%", name_.c_str(),
                      100 * row.accuracy);
    // On a terminal the line is drawn anew, so that the last one stands there in the end.
    std::printf("%sepoch %*d/%d  loss %.5f%s  %9.0f images/s  %5.1f s left%s",
                terminal_ ? "\r\033[K" : "",
                static_cast<int>(std::to_string(training_.epochs).size()), row.epoch,
                training_.epochs, row.loss, judged, row.images_per_second, left,
                terminal_ && row.epoch < training_.epochs ? "" : "\n");
    std::fflush(stdout);
}

void print_footer(const Sets& sets, FeedKind asked, const Outcome& outcome) {
    const Evaluation& last = outcome.last;
    const TimeSplit& times = outcome.times;
    if (sets.has_classes)
        std::printf("# %s accuracy %.2f %% (%ld of %zu), loss %.5f\n", sets.final_name(),
                    100 * last.accuracy,
                    std::lround(last.accuracy * static_cast<double>(sets.final_count())),
                    sets.final_count(), last.loss);
    else
        std::printf("# %s loss %.5f\n", sets.final_name(), last.loss);
    std::printf(
        "# time %.2f s: data %.2f, compute %.2f, communication %.2f, evaluation %.2f, "
        "other %.2f (rank 0)\n",
        outcome.seconds, times.data, times.compute, times.communication, times.evaluation,
        outcome.seconds - times.data - times.compute - times.communication - times.evaluation);
    std::printf("# %s scattered %s%s\n", sets.is_table ? "samples" : "images",
                outcome.feed == FeedKind::resident ? "once" : "every step",
                asked == FeedKind::resident && outcome.feed != asked
                    ? ": the set does not fit every rank's device"
                    : "");
    std::fflush(stdout);
}

void print_written(const Options& options) {
    std::string files;
    for (const auto& [flag, name] : output_files(options))
        if (!name.empty()) files += (files.empty() ? "" : ", ") + one_line(name);
    if (!files.empty()) std::printf("# written    %s\n", files.c_str());
}

bool print_comparison(const std::vector<TensorDifference>& differences, double tolerance) {
    bool right = true;
    std::printf("# tensor  shape         max difference  L2 relative  at most\n");
    for (const TensorDifference& d : differences) {
        const bool near = d.l2_relative <= tolerance;
        right = right && near;
        const std::string shape = std::to_string(d.rows) + " x " + std::to_string(d.cols);
        std::printf("# %-7s %-13s %14.3e %12.3e %8.1e%s\n", d.name.c_str(), shape.c_str(),
                    d.max_either, d.l2_relative, tolerance, near ? "" : "  <- differs");
    }
    std::printf("CHECK %s: parameters of the ranks and of the CPU reference\n",
                right ? "PASSED" : "FAILED");
    std::fflush(stdout);
    return right;
}
