// train.cpp: the run, from the samples to the last line. Every rank runs all of it.
#include "app/commands/train.h"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <exception>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/report/banner.h"
#include "app/report/chart.h"
#include "app/report/comparison.h"
#include "app/report/digit_page.h"
#include "app/report/guessing.h"
#include "app/report/notes.h"
#include "app/report/page.h"
#include "app/report/trace.h"
#include "app/report/update_text.h"
#include "app/run/gather_trace.h"
#include "app/run/observer.h"
#include "app/run/output_file.h"
#include "app/run/reference_progress.h"
#include "app/run/signals.h"
#include "app/run/start.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "base/timeline.h"
#include "train/evaluate.h"
#include "train/schedule.h"
#include "train/score.h"
#include "train/step_check.h"

namespace {

/// A training with its start, its network and its observer.
struct Run {
    const Comm& comm;
    const Start& start;
    const RunSummary& summary;
    RunFiles& files;
    DataParallelNeuralNetwork& network;
    RunObserver& observer;
    int epochs;  ///< done, with those of earlier runs
};

ModelFacts facts_of_files(const TrainOptions& options, const Sets& sets,
                          const std::string& settings) {
    ModelFacts facts;
    facts.objective = options.objective;
    facts.activation = options.activation;
    facts.rows = sets.is_table ? 0 : sets.train.rows;
    facts.cols = sets.is_table ? 0 : sets.train.cols;
    facts.pixel_scale = static_cast<double>(options.training.pixel_scale);
    facts.seed = options.training.seed;
    facts.pictures_as_is = options.images.as_is;
    facts.class_names = sets.train.class_names;
    facts.columns = to_json(sets.table);
    facts.settings = settings;
    facts.version = program_version;
    return facts;
}

/// "2026-11-27 14:05 UTC", here and now.
std::string date_text() {
    const std::time_t now = std::time(nullptr);
    std::tm here{};
    localtime_r(&now, &here);
    char text[40];
    std::strftime(text, sizeof text, "%Y-%m-%d %H:%M %Z", &here);
    return text;
}

/// "host: CPU, avx2, 1 thread; ...": what the ranks compute on, each kind once.
std::string processors_text(const std::vector<std::string>& rank_devices) {
    std::string text;
    for (const std::string& device : std::set(rank_devices.begin(), rank_devices.end()))
        text += (text.empty() ? "" : "; ") + device;
    return text;
}

/// The page's table of settings, in the order of the flags.
std::vector<std::pair<std::string, std::string>> settings_for_people(const RunSummary& summary,
                                                                     const TrainOptions& options) {
    const Training& t = options.training;
    const auto text = [](double value) {
        char digits[40];
        std::snprintf(digits, sizeof digits, "%g", value);
        return std::string(digits);
    };
    std::vector<std::pair<std::string, std::string>> settings{
        {"command", options.command},
        {"date", date_text()},
        {"program", std::string("main ") + program_version + ", " + nn_real_name},
        {"MPI", summary.mpi_version},
        {"CUDA", summary.cuda},
        {"ranks", std::to_string(summary.rank_devices.size())},
        {"processors", processors_text(summary.rank_devices)},
        {"samples", summary.sets.is_table ? options.csv_data : options.data},
        {"network", sizes_text(summary.layout)},
        {"activation", name_of(options.activation)},
        {"output, loss",
         std::string(name_of(options.objective.output)) + ", " + name_of(options.objective.loss)},
        {"batch", std::to_string(t.batch)},
        {"epochs", std::to_string(t.epochs)},
        {"learning rate", rate_text(t)},
        {"update", rule_text(t.rule)},
        {"L2 penalty", text(t.reg)},
        {"seed", std::to_string(t.seed)}};
    for (const std::string& note : summary.sets.notes) settings.emplace_back("note", note);
    return settings;
}

/// "2 devices", "1 device, without device 1: ...", "no device: ..."
std::string cuda_text(const CudaDevices& cuda) {
    if (cuda.usable.empty()) return "no device: " + cuda.why_none;
    return counted(cuda.usable.size(), "device") +
           (cuda.left_out.empty() ? "" : ", without " + cuda.left_out);
}

RunSummary summary_of(const Comm& comm, const Start& start) {
    const CudaDevices& cuda = start.device.cuda;
    const std::string runtime =
        cuda.runtime_version.empty() ? "" : "runtime " + cuda.runtime_version + "; ";
    return {
        .mpi_version = Comm::library_version(),
        .cuda = runtime + cuda_text(cuda),
        .reduction = start.device.reduction,
        .replicas = start.device.replicas,
        .rank_devices = comm.gather(Comm::host_name() + ": " + start.device.replica->device_name()),
        .layout = start.first.layout,
        .sets = start.sets,
        .resumed = start.resumed,
        .rounding = start.rounding};
}

/// The learning rate in each epoch of the history: "0.5", or "0.5 to 0.44" where it changes.
std::vector<std::string> rates_of(const Run& run) {
    const Schedule schedule(run.start.options.training, run.start.sets.train_count);
    std::vector<std::string> rates;
    for (const EpochRow& row : run.observer.history()) {
        const auto text = [&](int step) {
            return formatted("%.4g", static_cast<double>(schedule.rate(row.epoch - 1, step)));
        };
        std::string rate = text(0);
        const std::string last = text(schedule.steps_in_epoch() - 1);
        if (rate != last) rate.append(" to ").append(last);
        rates.push_back(std::move(rate));
    }
    return rates;
}

/// The page of --html: none if it is not asked for, or if the trained network is refused.
struct PageOrRefusal {
    std::optional<DigitPage> page = {};
    std::exception_ptr refusal = {};
};
PageOrRefusal make_digit_page(const OutputFiles& files, const Model& model) {
    if (files.html.empty()) return {};
    try {
        return {.page = digit_page(model, named("--html", files.html))};
    } catch (const InputError&) {
        return {.refusal = std::current_exception()};
    }
}

/// --save, --plot, --html and --report, and the end of the logs; `note` on the result, if it is not
/// empty, is on the page. Collective.
void write_files(const Run& run, const Outcome& outcome, const std::string& note) {
    const TrainOptions& options = run.start.options;
    const OutputFiles& files = options.files;
    const Sets& sets = run.start.sets;
    const Model model = run.observer.model({run.epochs, 0, 0});
    const History& history = run.observer.history();
    const std::string accuracy_name = sets.has_classes ? sets.evaluation_name() : "";
    const Trace trace = files.trace.empty() ? Trace{} : gather_trace(run.comm);
    run.comm.together([&] {
        if (!run.comm.is_root()) return;
        if (!files.save.empty() && !options.keep_best) save_model(files.save, model);
        if (!files.plot.empty()) write_plot(files.plot, history, accuracy_name, "epoch");
        if (!files.trace.empty()) {
            write_file("--trace", files.trace, trace_json(trace));
            std::printf("# trace      %s\n", trace_words(trace).c_str());
        }
        run.files.finish();
        constexpr std::size_t worst = 24;
        auto settings = settings_for_people(run.summary, options);
        if (!note.empty()) settings.emplace_back("note", note);
        const auto [page, refusal] = make_digit_page(files, model);
        if (page) write_file("--html", files.html, page->html);
        if (!files.report.empty())
            write_page(files.report,
                       {settings, history, accuracy_name, outcome.times, outcome.seconds,
                        outcome.last, sets.final_name(), step_picture(trace), rates_of(run),
                        page ? address_from(files.report, files.html) : ""},
                       score(sets.final_set(), outcome.last.yhat, worst), sets.final_set());
        if (page && page->is_half) print_note(note_half);
        if (refusal) std::rethrow_exception(refusal);  // now all other files are there
        print_written(files);
    });
}

/// -s: the steps of this run are done again, and rank 0 compares each with the reference's.
/// Meanwhile, beside it, the reference trains from the first parameters to the end.
bool compare_with_reference(const Run& run, const Parameters<nn_real>& trained, FeedKind feed) {
    const TrainOptions& options = run.start.options;
    Training training = options.training;
    training.last_epoch = run.epochs;
    const Sets& sets = run.start.sets;
    const ReplicaShape& shape = run.network.replica().shape();
    const double before = run.start.seconds();
    std::future<NeuralNetwork> whole;
    if (run.comm.is_root())
        whole = std::async(std::launch::async, [&] {
            NeuralNetwork reference(run.start.first, shape.objective, shape.activation,
                                    shape.precision);
            reference.train(sets.train, training);
            return reference;
        });
    run.network.restart(run.start.now, run.start.moments);
    ReferenceProgress progress;
    StepCheck check(run.network, sets.train, training, run.start.beginning.state,
                    [&](std::size_t done, std::size_t all) { progress.tell(done, all); });
    run.network.train(sets.train, training, &check, run.start.beginning.state);
    const bool repeated = run.network.parameters().values == trained.values;
    bool right = true;
    if (run.comm.is_root()) {
        NeuralNetwork reference = whole.get();
        std::printf("# reference  CPU, serial, double: %.2f s", run.start.seconds() - before);
        if (sets.has_classes)
            std::printf(", %s accuracy %.2f %%", sets.final_name(),
                        100 * reference.accuracy(sets.final_set(), options.training.pixel_scale));
        std::printf("\n");
        right = print_comparison(check, compare(trained, reference.parameters()), repeated,
                                 way_text(run.summary.rank_devices.size(), options.device, feed));
    }
    return run.comm.from_root(right);
}

/// Called if a signal stopped the run: writes what the run has so far.
int end_early(const Run& run, const TrainingState& state) {
    run.observer.keep(state);
    run.observer.end_line();
    if (run.comm.is_root())
        std::printf(
            "# stopped by a signal after %s; the checkpoint is in %s, and --resume continues from "
            "it\n",
            progress_text(state.epoch, state.step).c_str(), run.start.options.checkpoint.c_str());
    return exit_stopped;
}

/// A note if the network is no better than a guess; otherwise empty. Only on rank 0.
std::string note_on_guessing(const Run& run, const Evaluation& last) {
    const Sets& sets = run.start.sets;
    if (!sets.has_classes) return "";
    const auto total = static_cast<double>(sets.final_count());
    return guessing_note(
        sets.final_name(), static_cast<std::size_t>(std::lround(last.accuracy * total)),
        sets.final_count(), share_of_largest_class(sets.final_set()),
        run.start.options.raw_pixels
            ? "try a smaller -l, or pixels from 0 to 1, without --raw-pixels"
            : "try a smaller -l, or more epochs (-e), and look at the data with ./main inspect");
}

/// The network becomes that of the best epoch, which is in the file of --save, if that was asked
/// for. Collective.
void take_best(const Run& run) {
    const TrainOptions& options = run.start.options;
    if (!options.keep_best || run.observer.goal().best().epoch == run.epochs) return;
    Parameters<nn_real> best(run.network.layout());
    run.comm.together([&] {
        if (run.comm.is_root()) best = load_model(options.files.save).parameters;
    });
    run.network.restart(std::move(best));
}

void print_goal(const Run& run) {
    const Goal& goal = run.observer.goal();
    if (!goal.reached().empty())
        std::printf("# ended      after epoch %d, at %.2f s: %s\n", run.epochs,
                    run.observer.history().back().seconds, goal.reached().c_str());
    if (run.start.options.keep_best)
        std::printf("# kept       epoch %d, the best %s accuracy: %.2f %%\n", goal.best().epoch,
                    run.start.sets.evaluation_name(), 100 * goal.best().accuracy);
}

/// Called if the training is complete: the final evaluation, the files and the checks.
int finish(const Run& run) {
    const Sets& sets = run.start.sets;
    const Parameters<nn_real> trained = run.network.parameters();
    take_best(run);
    Outcome outcome;
    outcome.last = Evaluator(run.network, sets.final_set()).evaluate();
    if (!std::isfinite(outcome.last.loss))
        throw Diverged("training diverged in its last step: the " + std::string(sets.final_name()) +
                       " loss is not finite; use a smaller learning rate (-l)");
    outcome.seconds = run.start.seconds();
    outcome.times = time_split() - run.start.times_before;
    outcome.times.data += run.start.read_seconds;
    outcome.asked = run.start.options.feed;
    outcome.feed = run.network.feed_kind();
    outcome.bytes_a_step = run.network.bytes_a_step();
    const SumTimes sums = run.network.sum_times();
    if (sums.under_way > 0) outcome.hidden = sums.hidden_share();
    if (run.network.loss_scale().is_on()) outcome.loss_scale = run.network.loss_scale().state();
    outcome.ranks_agree = run.network.compared_copies();
    if (run.start.options.async) outcome.staleness = run.network.staleness();
    std::string note;
    if (run.comm.is_root()) {
        note = note_on_guessing(run, outcome.last);
        if (!note.empty()) print_note(note);
        print_goal(run);
        print_footer(sets, outcome);
    }
    write_files(run, outcome, note);
    const bool right =
        !run.start.options.compare || compare_with_reference(run, trained, outcome.feed);
    return right ? exit_ok : exit_check_failed;
}

}  // namespace

int train(const Comm& comm, const TrainOptions& asked, History* history) {
    std::optional<StopSignals> signals;
    if (!asked.checkpoint.empty()) signals.emplace();
    Start start = start_run(comm, asked);
    const TrainOptions& options = start.options;
    std::optional<RunFiles> files;
    comm.together([&] {
        if (comm.is_root() && !options.files.html.empty()) {
            check_writable("--html", options.files.html);
            check_digit_page(start.first.layout, facts_of_files(options, start.sets, ""),
                             named("--html", options.files.html));
        }
        files.emplace(options.files, start.folder.get(), comm.is_root(), start.beginning.state);
    });
    const RunSummary summary = summary_of(comm, start);
    if (comm.is_root()) print_banner(options, summary);

    DataParallelNeuralNetwork network(comm, std::move(start.device.replica), start.now,
                                      {std::move(start.device.reducer), options.feed,
                                       strategy_of(options), start.device.fixed_order});
    begin(network, start);
    RunObserver observer(comm, options, start.sets, network, *files,
                         facts_of_files(options, start.sets, start.settings), start.beginning);
    constexpr std::size_t events = 100000;
    if (!options.files.trace.empty()) timeline::start(events);
    const auto keep_history = [&] {
        if (history != nullptr) *history = observer.history();
    };
    TrainingState state;
    try {
        state = network.train(start.sets.train, options.training, &observer, start.beginning.state);
    } catch (const Diverged&) {
        keep_history();
        throw;
    }
    timeline::stop();
    const Run run{comm, start, summary, *files, network, observer, state.epoch};
    if (state.epoch < options.training.epochs && !observer.is_done()) return end_early(run, state);
    if (signals) StopSignals::obey();
    keep_history();
    return finish(run);
}
