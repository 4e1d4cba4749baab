// report.cpp: the text of a run.
#include "app/report.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

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

CsvFile::CsvFile(std::string name) : name_(std::move(name)) {
    if (name_.empty()) return;
    file_.reset(std::fopen(name_.c_str(), "w"));
    if (!file_)
        throw InputError("--csv " + name_ + ": cannot be written (" + std::strerror(errno) +
                         "); name a file in a folder that exists and is yours");
    std::fprintf(file_.get(), "epoch,loss,accuracy,images_per_second,seconds\n");
}

void CsvFile::write_epoch(int epoch, double loss, double accuracy, double images_per_second,
                          double seconds) {
    if (!file_) return;
    std::fprintf(file_.get(), "%d,%.9g,%.6f,%.0f,%.3f\n", epoch, loss, accuracy, images_per_second,
                 seconds);
    if (std::fflush(file_.get()) != 0)
        throw Failure(__FILE__, __LINE__, "writing --csv " + name_, std::strerror(errno),
                      "free some space, or name another file");
}

namespace {

std::string joined_sizes(const Layout& layout) {
    std::string text;
    for (int size : layout.sizes()) text += (text.empty() ? "" : "-") + std::to_string(size);
    return text;
}

}  // namespace

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
    std::printf("# data       %s: %zu training, %zu held out, %zu test images of %d x %d\n",
                options.data.c_str(), facts.train_images, facts.held_out_images, facts.test_images,
                facts.rows, facts.cols);
    std::printf("# network    %s, %zu parameters\n", joined_sizes(facts.layout).c_str(),
                facts.layout.total());
    std::printf("# training   %s, batch %d, rate %g x %g each epoch, reg %g, seed %llu\n",
                counted(static_cast<std::size_t>(t.epochs), "epoch").c_str(), t.batch, t.rate,
                t.decay, t.reg, static_cast<unsigned long long>(t.seed));
    std::printf("# images     %s, pixels %s\n",
                t.shuffled ? "shuffled each epoch" : "in the file's order",
                options.raw_pixels ? "0..255" : "0..1");
    std::fflush(stdout);
}

Progress::Progress(const Comm& comm, DataParallelNeuralNetwork& network, const Dataset& held_out,
                   std::string name, std::size_t train_images, const Training& training,
                   CsvFile& csv)
    : comm_(comm),
      network_(network),
      held_out_(held_out),
      name_(std::move(name)),
      train_images_(train_images),
      training_(training),
      csv_(csv),
      terminal_(comm.is_root() && on_terminal()) {}

void Progress::on_step(int epoch, int step, int steps, double loss) {
    if (!comm_.is_root()) return;
    std::printf("%sstep  %d:%0*d  loss %.5f%s", terminal_ ? "\r\033[K" : "", epoch + 1,
                static_cast<int>(std::to_string(steps).size()), step, loss, terminal_ ? "" : "\n");
    std::fflush(stdout);
}

void Progress::on_epoch(int epoch, double loss) {
    const double seconds = std::chrono::duration<double>(Clock::now() - epoch_start_).count();
    const Evaluation seen = network_.evaluate(held_out_);
    if (comm_.is_root()) {
        const auto now = Clock::now();
        const double elapsed = std::chrono::duration<double>(now - start_).count();
        const double left = elapsed / (epoch + 1) * (training_.epochs - epoch - 1);
        const double rate = static_cast<double>(train_images_) / seconds;
        // On a terminal the line is drawn anew, so that the last one stands there in the end.
        std::printf(
            "%sepoch %*d/%d  loss %.5f  %s accuracy %6.2f %%  %9.0f images/s  %5.1f s left%s",
            terminal_ ? "\r\033[K" : "", static_cast<int>(std::to_string(training_.epochs).size()),
            epoch + 1, training_.epochs, loss, name_.c_str(), 100 * seen.accuracy, rate, left,
            terminal_ && epoch + 1 < training_.epochs ? "" : "\n");
        std::fflush(stdout);
        csv_.write_epoch(epoch + 1, loss, seen.accuracy, rate, elapsed);
    }
    epoch_start_ = Clock::now();
}

void print_footer(const Evaluation& test, std::size_t test_images, const TimeSplit& times,
                  double total_seconds, bool asked_once, bool scattered_once) {
    const long correct = std::lround(test.accuracy * static_cast<double>(test_images));
    std::printf("# test accuracy %.2f %% (%ld of %zu), loss %.5f\n", 100 * test.accuracy, correct,
                test_images, test.loss);
    std::printf(
        "# time %.2f s: data %.2f, compute %.2f, communication %.2f, evaluation %.2f, "
        "other %.2f (rank 0)\n",
        total_seconds, times.data, times.compute, times.communication, times.evaluation,
        total_seconds - times.data - times.compute - times.communication - times.evaluation);
    std::printf("# images scattered %s%s\n", scattered_once ? "once" : "every step",
                asked_once && !scattered_once ? ": the set does not fit every rank's device" : "");
    std::fflush(stdout);
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
