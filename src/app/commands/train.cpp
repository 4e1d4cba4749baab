// train.cpp: the run, from the samples to the last line. Every rank runs all of it.
#include "app/commands/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "app/report/banner.h"
#include "app/report/chart.h"
#include "app/report/page.h"
#include "app/run/load.h"
#include "app/run/observer.h"
#include "app/run/output_file.h"
#include "app/run/sets.h"
#include "base/error.h"
#include "base/range.h"
#include "base/text.h"
#include "train/choose.h"
#include "train/evaluate.h"
#include "train/judge.h"
#include "train/resume.h"
#include "train/score.h"

namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The largest mini-batch.
int largest_batch(const Options& options, const Sets& sets) {
    return static_cast<int>(
        std::min<std::size_t>(static_cast<std::size_t>(options.training.batch), sets.train_count));
}

/// What MPI's counts can hold. Throws InputError.
void check_sizes(const Layout& layout, const Options& options, const Sets& sets) {
    constexpr std::size_t most = std::numeric_limits<int>::max();
    const auto batch = static_cast<std::size_t>(largest_batch(options, sets));
    if (layout.total() > most)
        throw InputError("-n: the network has " + std::to_string(layout.total()) +
                         " parameters, more than the 2147483647 that one MPI message holds; use "
                         "smaller layers");
    if (batch > most_samples_in_message(layout, sets.train.format))
        throw InputError("-b: a mini-batch of " + std::to_string(batch) +
                         " samples is more than the 2147483647 bytes that one MPI message holds; "
                         "use a smaller batch");
}

// ------------------------------------------------------------------ where a run begins

/// The parameters that the training begins with, drawn or loaded; `options` takes over what the
/// file decides. Collective.
Parameters<nn_real> first_parameters(const Comm& comm, Options& options, const Sets& sets) {
    const int inputs = static_cast<int>(sets.train.features()), outputs = sets.train.classes;
    if (options.load.empty()) {
        std::vector<int> sizes = options.hidden;
        sizes.insert(sizes.begin(), inputs);
        sizes.push_back(outputs);
        const Layout layout(sizes);
        comm.together([&] { check_sizes(layout, options, sets); });
        return initial_parameters<nn_real>(layout, options.training.seed, options.init_scale,
                                           options.init);
    }
    Model model = load_model_everywhere(comm, options.load);
    const Layout& layout = model.parameters.layout;
    comm.together([&] {
        if (layout.inputs() != inputs || layout.classes() != outputs)
            throw InputError("--load " + options.load + ": the network takes " +
                             std::to_string(layout.inputs()) + " inputs and has " +
                             std::to_string(layout.classes()) + " outputs, but the samples have " +
                             std::to_string(inputs) + " and " + std::to_string(outputs) +
                             "; load another file, or train on other samples");
        check_sizes(layout, options, sets);
    });
    options.objective.output = model.facts.objective.output;
    options.training.pixel_scale = static_cast<nn_real>(model.facts.pixel_scale);
    options.raw_pixels = model.facts.pixel_scale == 1;
    options.hidden.assign(layout.sizes().begin() + 1, layout.sizes().end() - 1);
    return std::move(model.parameters);
}

struct Start {
    Parameters<nn_real> first, now;  ///< the training's first parameters; where this run begins
    Beginning beginning;
    std::string told;                          ///< of a resumed run, for the banner
    std::unique_ptr<CheckpointFolder> folder;  ///< on rank 0, if the options name one
};

/// On rank 0: the newest checkpoint in `folder`, if it is of this run.
std::optional<Model> find_checkpoint(CheckpointFolder& folder, const Options& options,
                                     const std::string& settings, std::string& told) {
    if (!options.resume) {
        if (!folder.empty())
            throw InputError("--checkpoint " + options.checkpoint +
                             ": holds the states of an earlier run; go on with --resume, or name "
                             "another folder");
        return std::nullopt;
    }
    std::string file;
    std::optional<Model> model =
        folder.newest([](const std::string& why) { print_error("passed over " + why); }, file);
    if (!model) {
        told = "nothing valid in " + options.checkpoint + ": from the beginning";
        return model;
    }
    check_same_settings(settings, model->facts.settings, file);
    if (model->facts.state.epoch > options.training.epochs)
        throw InputError("--resume: " + file + " is after " +
                         progress_text(model->facts.state.epoch, 0) + ", more than -e " +
                         std::to_string(options.training.epochs) + "; use a larger -e");
    told = "from " + file + ", after " +
           progress_text(model->facts.state.epoch, model->facts.state.step);
    return model;
}

/// Where this run begins: with the training's first parameters, or with a checkpoint's.
Start find_start(const Comm& comm, const Options& options, const std::string& settings,
                 const Parameters<nn_real>& first) {
    Start start{first, first, {}, "", nullptr};
    if (options.checkpoint.empty()) return start;
    comm.together([&] {
        if (!comm.is_root()) return;
        start.folder = std::make_unique<CheckpointFolder>(options.checkpoint);
        const std::optional<Model> model =
            find_checkpoint(*start.folder, options, settings, start.told);
        if (!model) return;
        start.now = model->parameters;
        start.beginning = {model->facts.state, history_from(model->facts.history)};
    });
    TrainingState& state = start.beginning.state;
    state.epoch = comm.from_root(state.epoch);
    state.step = comm.from_root(state.step);
    return start;
}

// ------------------------------------------------------------------ what comes of it

/// The largest relative L2 difference of a tensor that passes: 16 u (16 + sqrt(steps)). Each step
/// rounds every parameter by up to u = 2^-24 or 2^-53 of its size, and errors of changing sign add
/// up as the root of the steps; 16 is room for amplification by the network. The constant 16 is for
/// the first steps, where biases are small differences of rounded terms. README gives measurements.
double comparison_tolerance(const Training& training, std::size_t samples) {
    const double u = std::numeric_limits<nn_real>::epsilon() / 2;
    const double batches = std::ceil(static_cast<double>(samples) / training.batch);
    return 16 * u * (16 + std::sqrt(batches * training.epochs));
}

/// -s: rank 0 trains the reference from the same start and compares. The others wait.
bool compare_with_reference(const Comm& comm, const Options& options, const Sets& sets,
                            const ReplicaShape& shape, const Parameters<nn_real>& first,
                            const Parameters<nn_real>& trained) {
    bool right = true;
    if (comm.is_root()) {
        NeuralNetwork reference(first, shape.objective, shape.activation);
        const auto start = Clock::now();
        reference.train(sets.train, options.training);
        std::printf("# reference  CPU, serial, double: %.2f s", seconds_since(start));
        if (sets.has_classes)
            std::printf(", %s accuracy %.2f %%", sets.final_name(),
                        100 * reference.accuracy(sets.final_judge(), options.training.pixel_scale));
        std::printf("\n");
        right = print_comparison(compare(trained, reference.parameters()),
                                 comparison_tolerance(options.training, sets.train_count));
    }
    return comm.from_root(right);
}

ModelFacts facts_of_files(const Options& options, const Sets& sets, const std::string& settings) {
    ModelFacts facts;
    facts.objective = options.objective;
    facts.rows = sets.is_table ? 0 : sets.train.rows;
    facts.cols = sets.is_table ? 0 : sets.train.cols;
    facts.pixel_scale = static_cast<double>(options.training.pixel_scale);
    facts.seed = options.training.seed;
    facts.settings = settings;
    facts.version = program_version;
    return facts;
}

/// The page's table of settings, in the order of the flags.
std::vector<std::pair<std::string, std::string>> settings_for_people(const RunFacts& facts,
                                                                     const Options& options) {
    const Training& t = options.training;
    const auto text = [](double value) {
        char digits[40];
        std::snprintf(digits, sizeof digits, "%g", value);
        return std::string(digits);
    };
    return {{"program", std::string("main ") + program_version + ", " + nn_real_name},
            {"MPI", facts.mpi_version},
            {"ranks", std::to_string(facts.rank_devices.size())},
            {"rank 0", facts.rank_devices.front()},
            {"samples", facts.sets.is_table ? options.csv_data : options.data},
            {"network", sizes_text(facts.layout)},
            {"output, loss", std::string(name_of(options.objective.output)) + ", " +
                                 name_of(options.objective.loss)},
            {"batch", std::to_string(t.batch)},
            {"epochs", std::to_string(t.epochs)},
            {"learning rate", text(t.rate) + " x " + text(t.decay) + " each epoch"},
            {"L2 penalty", text(t.reg)},
            {"seed", std::to_string(t.seed)}};
}

/// A training and all that is around it.
struct Run {
    const Comm& comm;
    const Options& options;
    const Sets& sets;
    const RunFacts& facts;
    DataParallelNeuralNetwork& network;
    RunObserver& observer;
};

/// --save, --plot and --report. Collective.
void write_files(const Run& run, const Outcome& outcome) {
    const Options& options = run.options;
    const Sets& sets = run.sets;
    const Model model = run.observer.model({options.training.epochs, 0, 0});
    const History& history = run.observer.history();
    const std::string accuracy_name = sets.has_classes ? sets.judge_name() : "";
    run.comm.together([&] {
        if (!run.comm.is_root()) return;
        if (!options.save.empty()) save_model(options.save, model);
        if (!options.plot.empty()) write_plot(options.plot, history, accuracy_name, "epoch");
        constexpr std::size_t worst = 24;
        if (!options.report.empty())
            write_page(options.report,
                       {settings_for_people(run.facts, options), history, accuracy_name,
                        outcome.times, outcome.seconds, outcome.last},
                       score(sets.final_judge(), outcome.last.yhat, worst), sets.final_judge());
        print_written(options);
    });
}

/// Before training: what would otherwise be refused after it.
void check_files(const Options& options, const Sets& sets) {
    if (!options.plot.empty()) check_plot(options.plot);
    if (!options.report.empty()) check_page(options.report);
    if (!options.save.empty()) check_writable("--save", options.save);
    if (!options.report.empty() && !sets.has_classes)
        throw InputError(
            "--report: the page is about classes, but the table's targets are not all 0 or 1; use "
            "--plot, or --csv");
}

/// The run was told to stop: what it has is kept.
int end_early(const Run& run, const TrainingState& state) {
    run.observer.keep(state);
    if (run.comm.is_root())
        std::printf(
            "# stopped by a signal after %s; the state is in %s, and --resume goes on from it\n",
            progress_text(state.epoch, state.step).c_str(), run.options.checkpoint.c_str());
    return exit_stopped;
}

/// The training is complete: its last words, its files, its checks.
int finish(const Run& run, Clock::time_point start, double read_seconds,
           const Parameters<nn_real>& first) {
    Outcome outcome;
    outcome.last = Evaluator(run.network, run.sets.final_judge()).evaluate();
    if (!std::isfinite(outcome.last.loss))
        throw Diverged("training diverged in its last step: the " +
                       std::string(run.sets.final_name()) +
                       " loss is not finite; use a smaller learning rate (-l)");
    outcome.seconds = seconds_since(start);
    outcome.times = time_split();
    outcome.times.data += read_seconds;
    outcome.feed = run.network.feed_kind();
    if (run.comm.is_root()) {
        print_footer(run.sets, run.options.feed, outcome);
        std::printf("# ranks agree: %s\n",
                    run.facts.shared_memory ? "they share one copy" : "all hold the same bits");
    }
    write_files(run, outcome);
    const bool right =
        !run.options.compare ||
        compare_with_reference(run.comm, run.options, run.sets, run.network.replica().shape(),
                               first, run.network.parameters());
    return right ? exit_ok : exit_check_failed;
}

}  // namespace

int train(const Comm& comm, const Options& asked) {
    const auto start = Clock::now();
    Options options = asked;
    std::optional<StopSignals> signals;
    if (!options.checkpoint.empty()) signals.emplace();
    const Sets sets = read_sets(comm, options);
    const double read_seconds = seconds_since(start);
    const Parameters<nn_real> first = first_parameters(comm, options, sets);
    const Layout& layout = first.layout;
    const std::string settings = comm.is_root() ? settings_of(options, sets.train, first) : "{}";
    comm.together([&] {
        if (comm.is_root()) check_files(options, sets);
    });
    const Start begin = find_start(comm, options, settings, first);

    const int slice = shard_of(largest_batch(options, sets), 0, comm.size()).count;
    const int capacity = std::max(slice, 256);
    ChosenDevice device = choose_device(
        comm, options.device,
        {layout, capacity, options.training.pixel_scale, options.objective, sets.train.format},
        slice);
    std::optional<RunFiles> files;
    comm.together(
        [&] { files.emplace(options, begin.folder.get(), comm.is_root(), begin.beginning.state); });
    const RunFacts facts{
        .mpi_version = Comm::library_version(),
        .cuda = device.cuda,
        .shared_memory = device.reducer && !device.reducer->has_copies(),
        .rank_devices = comm.gather(Comm::host_name() + ": " + device.replica->device_name()),
        .layout = layout,
        .sets = sets,
        .resumed = begin.told};
    if (comm.is_root()) print_banner(options, facts);

    DataParallelNeuralNetwork network(comm, std::move(device.replica), begin.now,
                                      {std::move(device.reducer), options.feed});
    RunObserver observer(comm, options, sets, network, *files,
                         facts_of_files(options, sets, settings), begin.beginning);
    const Run run{comm, options, sets, facts, network, observer};
    const TrainingState state =
        network.train(sets.train, options.training, &observer, begin.beginning.state);
    if (state.epoch < options.training.epochs) return end_early(run, state);
    return finish(run, start, read_seconds, begin.first);
}
