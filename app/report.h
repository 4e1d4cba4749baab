// report.h: what a run tells a person: a banner, a line for each epoch, a footer.
//
// For awk: lines of the banner and the footer begin with '#', an epoch's with "epoch", a step's
// with "step", the verdict with "CHECK". Only rank 0 prints.
#pragma once
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "app/options.h"
#include "judge.h"
#include "neural_network.h"

/// Whether standard output reaches a terminal. Under mpirun a rank's own standard output is a
/// pseudo-terminal of mpirun's, whatever the user redirected, so mpirun's is looked at: that of the
/// nearest ancestor of that name.
bool on_terminal();

/// A file with a line for each epoch; no file for an empty name.
class CsvFile {
  public:
    /// Throws InputError if the file cannot be written.
    explicit CsvFile(std::string name);
    /// Throws Failure if the line cannot be written.
    void write_epoch(int epoch, double loss, double accuracy, double images_per_second,
                     double seconds);

  private:
    struct Closer {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };

    std::string name_;
    std::unique_ptr<std::FILE, Closer> file_;
};

/// What the banner tells beside the options.
struct RunFacts {
    std::string mpi_version;
    CudaDevices cuda;
    bool shared_memory = false;             ///< instead of MPI_Allreduce
    std::vector<std::string> rank_devices;  ///< "host: device" of each rank
    Layout layout;
    std::size_t train_images = 0, held_out_images = 0, test_images = 0;
    int rows = 0, cols = 0;
};
void print_banner(const Options& options, const RunFacts& facts);

/// Evaluates and prints after each epoch. `held_out` is on rank 0; its accuracy is the one shown.
class Progress : public TrainingObserver {
  public:
    /// `name` of the held-out set: "held-out" or "test".
    Progress(const Comm& comm, DataParallelNeuralNetwork& network, const Dataset& held_out,
             std::string name, std::size_t train_images, const Training& training, CsvFile& csv);

    void on_step(int epoch, int step, int steps, double loss) override;
    void on_epoch(int epoch, double loss) override;

  private:
    using Clock = std::chrono::steady_clock;
    const Comm& comm_;
    DataParallelNeuralNetwork& network_;
    const Dataset& held_out_;
    std::string name_;
    std::size_t train_images_;
    const Training& training_;
    CsvFile& csv_;
    bool terminal_;
    Clock::time_point start_ = Clock::now(), epoch_start_ = start_;
};

/// scattered_once: what was done, which may differ from what was asked.
void print_footer(const Evaluation& test, std::size_t test_images, const TimeSplit& times,
                  double total_seconds, bool asked_once, bool scattered_once);

/// One line for each tensor and the verdict. Returns whether every tensor is within `tolerance` of
/// the reference by its relative L2 difference.
bool print_comparison(const std::vector<TensorDifference>& differences, double tolerance);
