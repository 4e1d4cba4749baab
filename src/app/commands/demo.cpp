// demo.cpp: three samples, 200 iterations, and every number that a person may want to follow.
//
// It is the classroom's network from scratch: sigmoids on both layers, squared error, full batch,
// first weights and biases uniform in [0, 1) by NumPy's generator with seed 0.
#include "app/commands/demo.h"
#include "train/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "app/report/banner.h"
#include "app/report/chart.h"
#include "app/run/run_log.h"
#include "base/error.h"
#include "base/range.h"
#include "model/model_file.h"
#include "neural_network.h"
#include "train/choose.h"
#include "train/evaluate.h"

namespace {

constexpr int every = 50;  // iterations between two lines

SampleSet three_samples() {
    SampleSet set;
    set.rows = 4;
    set.cols = 1;
    set.classes = 1;
    set.inputs = {1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1};
    set.targets = {1, 1, 0};
    set.format = {.number_inputs = true, .number_targets = true};
    return set;
}

/// Keeps each iteration's loss, which is the epoch's, and prints some. Iterations count from 1; a
/// loss is taken before its step.
class Iterations : public TrainingObserver {
  public:
    Iterations(bool prints, RunLog& csv, RunLog& jsonl)
        : prints_(prints), csv_(csv), jsonl_(jsonl) {}

    void on_step(int, int, int, double) override {}
    void on_epoch(int epoch, double loss) override {
        const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
        history.push_back({epoch + 1, loss, std::nan(""), 3 * (epoch + 1) / seconds, seconds});
        csv_.write_epoch(history.back(), 1);
        jsonl_.write_epoch(history.back(), 1);
        if (prints_ && (epoch + 1) % every == 0)
            std::printf("iteration %3d  loss %.16g\n", epoch + 1, loss);
    }
    double seconds() const { return history.back().seconds; }

    History history;

  private:
    using Clock = std::chrono::steady_clock;
    bool prints_;
    RunLog &csv_, &jsonl_;
    Clock::time_point start_ = Clock::now();
};

void print_configuration(const Layout& layout, const Options& options, std::size_t samples,
                         int ranks, const std::string& device) {
    std::printf("# network    %d inputs, %d hidden units, %d output; sigmoids; squared error\n",
                layout.inputs(), layout.size(1), layout.classes());
    for (int l = 1; l <= layout.layers(); ++l)
        std::printf("# layer %d    W%d: %d x %d, b%d: %d\n", l, l, layout.size(l),
                    layout.size(l - 1), l, layout.size(l));
    std::printf(
        "# training   %zu samples, full batch, %d iterations, rate %g on the mean (%g on "
        "the notebook's sum), %s\n",
        samples, options.training.epochs, options.training.rate,
        options.training.rate * 2 / static_cast<double>(samples), nn_real_name);
    std::printf("# ranks      %d; rank 0: %s\n", ranks, device.c_str());
}

void print_predictions(const SampleSet& set, const std::vector<nn_real>& yhat,
                       const Iterations& iterations) {
    double final_mse = 0;
    std::printf("sample  target  predicted            error\n");
    for (std::size_t j = 0; j < set.count(); ++j) {
        const auto target = static_cast<double>(set.targets[j]);
        const double error = target - static_cast<double>(yhat[j]);
        final_mse += error * error / static_cast<double>(set.count());
        std::printf("%6zu  %6g  %-18.17g  % .17g\n", j + 1, target, static_cast<double>(yhat[j]),
                    error);
    }
    const double initial = iterations.history.front().loss;
    std::printf("final MSE       %.16g\n", final_mse);
    std::printf("initial loss    %.16g\n", initial);
    std::printf("loss reduction  %.4f %%\n", 100 * (initial - final_mse) / initial);
    std::printf("# time %.4f s\n", iterations.seconds());
}

/// The loss over the iterations, in characters: a column is several of them.
void print_curve(const History& history) {
    constexpr int height = 10, width = 60;
    const auto [low, high] = std::ranges::minmax(history, {}, &EpochRow::loss);
    const double span = high.loss > low.loss ? high.loss - low.loss : 1;
    std::vector<std::string> rows(height, std::string(width, ' '));
    for (int x = 0; x < width; ++x) {
        const std::size_t i = static_cast<std::size_t>(x) * (history.size() - 1) /
                              static_cast<std::size_t>(width - 1);
        const double down = (high.loss - history[i].loss) / span * (height - 1);
        rows[static_cast<std::size_t>(std::lround(down))][static_cast<std::size_t>(x)] = '*';
    }
    std::printf("\n");
    for (int y = 0; y < height; ++y)
        std::printf("%8.5f |%s\n", high.loss - span * y / (height - 1),
                    rows[static_cast<std::size_t>(y)].c_str());
    std::printf("         +%s\n          1%*d  iteration\n", std::string(width, '-').c_str(),
                width - 1, history.back().epoch);
}

}  // namespace

int demo(const Comm& comm, const Options& options) {
    const SampleSet all = three_samples();
    SampleSet set;
    if (comm.is_root()) set = all;
    const Layout layout({4, options.hidden.front(), 1});
    const int slice = shard_of(options.training.batch, 0, comm.size()).count;
    const auto count = static_cast<int>(all.count());
    comm.together([&] {
        if (!options.plot.empty() && comm.is_root()) check_plot(options.plot);
        if (!options.save.empty() && comm.is_root()) check_writable("--save", options.save);
    });
    ChosenDevice device = choose_device(
        comm, options.device,
        {layout, count, options.training.pixel_scale, options.objective, all.format}, slice);
    if (comm.is_root())
        print_configuration(layout, options, all.count(), comm.size(),
                            device.replica->device_name());
    DataParallelNeuralNetwork network(
        comm, std::move(device.replica),
        initial_parameters<nn_real>(layout, options.training.seed, 0, options.init),
        {std::move(device.reducer)});
    std::optional<RunLog> csv, jsonl;
    comm.together([&] {
        csv.emplace(comm.is_root() ? options.csv : "", RunLog::Format::csv, TrainingState{});
        jsonl.emplace(comm.is_root() ? options.jsonl : "", RunLog::Format::jsonl, TrainingState{});
    });
    Iterations iterations(comm.is_root(), *csv, *jsonl);
    network.train(set, options.training, &iterations);

    const std::vector<nn_real> yhat = Evaluator(network, set).outputs();
    const Model model{network.parameters(),
                      {.objective = options.objective,
                       .seed = options.training.seed,
                       .state = {options.training.epochs, 0, 0},
                       .version = program_version}};
    comm.together([&] {
        if (!comm.is_root()) return;
        print_predictions(set, yhat, iterations);
        print_curve(iterations.history);
        if (!options.plot.empty()) write_plot(options.plot, iterations.history, "", "iteration");
        if (!options.save.empty()) save_model(options.save, model);
        print_written(options);
    });
    return exit_ok;
}
