// demo.cpp: trains on three samples for 200 iterations, and prints numbers that a person can
// follow.
//
// It is the classroom's network from scratch: sigmoids on both layers, squared error, full batch,
// first weights and biases uniform in [0, 1) by NumPy's generator with seed 0.
#include "app/commands/demo.h"

#include "base/clock.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "app/report/banner.h"
#include "app/report/chart.h"
#include "app/report/notes.h"
#include "app/run/observer.h"
#include "app/run/output_file.h"
#include "base/error.h"
#include "base/range.h"
#include "base/text.h"
#include "model/model_file.h"
#include "neural_network.h"
#include "train/choose.h"
#include "train/evaluate.h"

namespace {

constexpr int every = 50;  // iterations between two lines

/// As in the notebook: it sums the gradients of half the squared error, at rate 0.1. For three
/// samples, that is the mean squared error at rate 0.15.
const Training training{.batch = 3, .epochs = 200, .rate = 0.15, .seed = 0};
constexpr Objective objective{OutputLayer::sigmoid, LossFunction::mse};

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

/// Keeps the loss of each iteration, which is an epoch, and prints some. Iterations count from 1; a
/// loss is taken before its update.
class Iterations : public TrainingObserver {
  public:
    Iterations(bool prints, RunFiles& files) : prints_(prints), files_(files) {}

    void on_step(int, int, int, double) override {}
    void on_epoch(int epoch, double loss) override {
        const double seconds = watch_.seconds();
        history.push_back({epoch + 1, loss, std::nan(""), 3 * (epoch + 1) / seconds, seconds});
        files_.csv.write_epoch(history.back(), 1);
        files_.jsonl.write_epoch(history.back(), 1);
        if (prints_ && (epoch + 1) % every == 0)
            std::printf("iteration %3d  loss %.16g\n", epoch + 1, loss);
    }
    double seconds() const { return history.back().seconds; }

    History history;

  private:
    bool prints_;
    RunFiles& files_;
    Stopwatch watch_;
};

void print_configuration(const Layout& layout, std::size_t samples, int ranks,
                         const std::string& device) {
    std::printf("# network    %d inputs, %d hidden units, %d output; sigmoids; squared error\n",
                layout.inputs(), layout.size(1), layout.classes());
    for (int l = 1; l <= layout.layers(); ++l)
        std::printf("# layer %d    W%d: %d x %d, b%d: %d\n", l, l, layout.size(l),
                    layout.size(l - 1), l, layout.size(l));
    std::printf(
        "# training   %zu samples, full batch, %d iterations, rate %g on the mean (%g on "
        "the notebook's sum), %s\n",
        samples, training.epochs, training.rate, training.rate * 2 / static_cast<double>(samples),
        nn_real_name);
    std::printf("# ranks      %d; rank 0: %s\n", ranks, device.c_str());
}

/// Says which samples the network still takes for the other class, so that nobody looks for xor.
void print_what_is_not_learned(const SampleSet& set, const std::vector<nn_real>& yhat) {
    for (std::size_t j = 0; j < set.count(); ++j)
        if (std::abs(set.targets[j] - yhat[j]) >= nn_real{0.5})
            print_note(formatted(
                "sample %zu is not learned: its target is %g, and the prediction %.2f is nearer to "
                "the other class; like the notebook, the demo stops after %d iterations",
                j + 1, static_cast<double>(set.targets[j]), static_cast<double>(yhat[j]),
                training.epochs));
}

void print_predictions(const SampleSet& set, const std::vector<nn_real>& yhat,
                       const Iterations& iterations) {
    double final_mse = 0;
    std::printf("sample  target  predicted           absolute error\n");
    for (std::size_t j = 0; j < set.count(); ++j) {
        const auto target = static_cast<double>(set.targets[j]);
        const double error = std::abs(target - static_cast<double>(yhat[j]));
        final_mse += error * error / static_cast<double>(set.count());
        std::printf("%6zu  %6g  %-18.17g  %.17g\n", j + 1, target, static_cast<double>(yhat[j]),
                    error);
    }
    const double initial = iterations.history.front().loss;
    std::printf("final MSE       %.16g\n", final_mse);
    std::printf("initial loss    %.16g\n", initial);
    std::printf("loss reduction  %.4f %%\n", 100 * (initial - final_mse) / initial);
    std::printf("# time %.4f s\n", iterations.seconds());
}

/// Prints the loss over the iterations as characters; a column stands for several iterations.
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

int demo(const Comm& comm, const DemoOptions& options) {
    const SampleSet all = three_samples();
    SampleSet set;
    if (comm.is_root()) set = all;
    const Layout layout({4, 3, 1});
    const int shard = shard_of(training.batch, 0, comm.size()).count;
    const auto count = static_cast<int>(all.count());
    comm.together([&] {
        if (!options.files.plot.empty() && comm.is_root()) check_plot(options.files.plot);
        if (!options.files.save.empty() && comm.is_root())
            check_writable("--save", options.files.save);
    });
    ChosenDevice device = choose_device(
        comm, options.device, {layout, count, training.pixel_scale, objective, all.format}, shard,
        all.density());
    std::optional<RunFiles> files;
    comm.together([&] { files.emplace(options.files, nullptr, comm.is_root(), TrainingState{}); });
    if (comm.is_root())
        print_configuration(layout, all.count(), comm.size(), device.replica->device_name());
    DataParallelNeuralNetwork network(
        comm, std::move(device.replica),
        initial_parameters<nn_real>(layout, training.seed, 0, Init::uniform),
        {std::move(device.reducer)});
    Iterations iterations(comm.is_root(), *files);
    network.train(set, training, &iterations);

    const std::vector<nn_real> yhat = Evaluator(network, set).outputs();
    const Model model{network.parameters(),
                      {.objective = objective,
                       .seed = training.seed,
                       .state = {training.epochs, 0, 0},
                       .version = program_version}};
    comm.together([&] {
        if (!comm.is_root()) return;
        files->finish();
        print_what_is_not_learned(set, yhat);
        print_predictions(set, yhat, iterations);
        print_curve(iterations.history);
        if (!options.files.plot.empty())
            write_plot(options.files.plot, iterations.history, "", "iteration");
        if (!options.files.save.empty()) save_model(options.files.save, model);
        print_written(options.files);
    });
    return exit_ok;
}
