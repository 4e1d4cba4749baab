// start.cpp: prepares samples, first parameters, device and checkpoint, in this order.
#include "app/run/start.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

#include "app/cli/flags.h"
#include "app/report/chart.h"
#include "app/report/page.h"
#include "app/run/load.h"
#include "app/run/output_file.h"
#include "base/error.h"
#include "base/range.h"
#include "base/text.h"
#include "train/residuals.h"
#include "train/resume.h"

namespace {

/// The largest mini-batch, or slice of one.
int largest_batch(const TrainOptions& options, const Sets& sets) {
    return static_cast<int>(std::min<std::size_t>(
        static_cast<std::size_t>(options.training.batch / options.accumulate), sets.train_count));
}

/// Throws InputError if sizes are too large for MPI's counts.
void check_sizes(const Layout& layout, const TrainOptions& options, const Sets& sets) {
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

/// The first parameters of the training, drawn or loaded. If they are loaded, `options` gets the
/// file's values. Collective.
Parameters<nn_real> first_parameters(const Comm& comm, TrainOptions& options, Sets& sets) {
    const int inputs = static_cast<int>(sets.train.features()), outputs = sets.train.classes;
    if (options.load.empty()) {
        std::vector<int> sizes = options.hidden;
        sizes.insert(sizes.begin(), inputs);
        sizes.push_back(outputs);
        const Layout layout(sizes);
        comm.together([&] { check_sizes(layout, options, sets); });
        return initial_parameters<nn_real>(layout, options.training.seed, options.init_scale,
                                           options.init, options.activation);
    }
    Model model = load_model_everywhere(comm, options.load);
    const Layout& layout = model.parameters.layout;
    comm.together([&] {
        check_kind(model, options.load, sets.is_table);
        if (layout.inputs() != inputs || layout.classes() != outputs)
            throw InputError("--load " + options.load + ": the network takes " +
                             std::to_string(layout.inputs()) + " inputs and has " +
                             std::to_string(layout.classes()) + " outputs, but the samples have " +
                             std::to_string(inputs) + " and " + std::to_string(outputs) +
                             "; load another file, or train on other samples");
        check_sizes(layout, options, sets);
    });
    options.activation = model.facts.activation;
    suit_activation(options);
    sets.notes.insert(sets.notes.end(), model.notes.begin(), model.notes.end());
    options.objective.output = model.facts.objective.output;
    options.training.pixel_scale = static_cast<nn_real>(model.facts.pixel_scale);
    options.raw_pixels = model.facts.pixel_scale == 1;
    options.hidden.assign(layout.sizes().begin() + 1, layout.sizes().end() - 1);
    return std::move(model.parameters);
}

/// Refuses a file to write that is also read, so that a log does not replace its table; and one
/// that is also the folder of checkpoints.
void check_names(const TrainOptions& options) {
    const auto place = [](const std::string& name) {
        return (std::filesystem::absolute(name) / "").lexically_normal();
    };
    for (const auto& [flag, name] : options.files.all()) {
        if (name.empty() || name.starts_with("/dev/")) continue;
        const std::pair<const char*, std::string> others[] = {
            {"--csv-data", options.csv_data},
            {"--checkpoint", options.checkpoint},
            // A network may replace the one that it began from.
            {"--load", std::string(flag) == "--save" ? "" : options.load}};
        for (const auto& [other, taken] : others)
            if (!taken.empty() && place(taken) == place(name))
                throw InputError(named(flag, name) + ": " + other +
                                 " has the same name; give each a file of its own");
    }
}

/// Refuses, before training, what would otherwise be refused after it.
void check_files(const TrainOptions& options, const Sets& sets) {
    check_names(options);
    if (!options.files.plot.empty()) check_plot(options.files.plot);
    if (!options.files.report.empty()) check_page(options.files.report);
    if (!options.files.trace.empty()) check_writable("--trace", options.files.trace);
    if (!options.files.save.empty()) check_writable("--save", options.files.save);
    if (!options.files.csv.empty()) check_writable("--csv", options.files.csv, true);
    if (!options.files.jsonl.empty()) check_writable("--jsonl", options.files.jsonl, true);
    if (!options.files.report.empty() && !sets.has_classes)
        throw InputError(
            "--report: the page shows classes, but the targets of the table are not all 0 or 1; "
            "use "
            "--plot, or --csv");
}

/// What adds the replicas' gradients, by the name of its order of additions.
std::string sums_name(const DeviceRequest& taken) {
    const bool by_mpi = taken.allreduce == AllreduceKind::hierarchical;
    return name_of(by_mpi ? AllreduceKind::mpi : taken.allreduce);
}

/// The settings that decide the parameters at the end of this run. Only on rank 0, which has the
/// samples.
RunSettings settings_of(const Start& start) {
    RunSettings settings{Json::object({{"sizes", start.first.layout.sizes()}}),
                         flag_values(start.options, OnResume::rounding)};
    const Json same = flag_values(start.options, OnResume::same);
    for (const auto& [name, value] : same.members()) settings.same.add(name, value);
    const ScheduleKind schedule = start.options.training.schedule;
    if (schedule == ScheduleKind::cosine || schedule == ScheduleKind::onecycle)
        settings.same.add("epochs", start.options.training.epochs);
    settings.same.add("type", nn_real_name);
    settings.same.add("samples", start.sets.train.count());
    settings.same.add("checksum of the samples", checksum_of(start.sets.train));
    settings.same.add("checksum of the first parameters", checksum_of(start.first));
    if (start.options.device.own_copies)
        settings.same.add("replicas", start.device.replicas);
    else if (!start.options.device.fixed_order)
        settings.rounding.add("replicas", start.device.replicas);
    // The only replica's sums are its own. With --compress, the sums are the flag's.
    if (start.device.replicas > 1 && start.device.reducer)
        settings.rounding.add("sums", sums_name(start.options.device));
    return settings;
}

/// On rank 0: two runs in one folder would mix their states, so the second is refused.
void lock_folder(Start& start) {
    const std::string name = named("--checkpoint", start.options.checkpoint);
    start.lock = std::make_unique<FileLock>(start.options.checkpoint + "/lock");
    if (start.lock->state() == FileLock::State::taken)
        throw InputError(name + ": another run uses this folder (" + start.lock->why() +
                         "); wait for its end, or name another folder");
    if (start.lock->state() == FileLock::State::unsupported)
        start.sets.notes.push_back(name + ": this folder cannot be locked (" + start.lock->why() +
                                   "); let no other run use it meanwhile");
}

/// The checkpoint's moments in the order of the rule. Throws InputError if one is missing, or if
/// there are others.
Moments moments_for(const Rule& rule, const Model& model, const std::string& file) {
    const auto wrong = [&](const std::string& what) {
        return InputError("--resume: " + file + " " + what +
                          "; remove this checkpoint, or begin anew in another folder");
    };
    Moments moments;
    for (int m = 0; m < moments_of(rule); ++m) {
        const std::string name = moment_name(rule, static_cast<std::size_t>(m));
        const auto found = std::ranges::find(model.moments, name, &NamedMoment::name);
        if (found == model.moments.end()) throw wrong("lacks what its optimizer keeps: " + name);
        moments.push_back(found->values);
    }
    if (model.moments.size() != moments.size()) throw wrong("has moments of another optimizer");
    return moments;
}

/// The velocity of the checkpoint's outer descent, which is taken out of the model; empty without
/// --outer-momentum.
std::vector<nn_real> velocity_for(const OuterUpdate& outer, Model& model, const std::string& file) {
    if (outer.momentum == 0) return {};
    const auto found = std::ranges::find(model.moments, outer_velocity_name, &NamedMoment::name);
    if (found == model.moments.end())
        throw InputError(
            "--resume: " + file +
            " lacks the velocity of --outer-momentum; remove this checkpoint, or begin "
            "anew in another folder");
    std::vector<nn_real> velocity = std::move(found->values.values);
    model.moments.erase(found);
    return velocity;
}

/// The checkpoint's residuals, which are taken out of the model. With another number of ranks, they
/// are nobody's: none are returned, and a note says so.
std::vector<Parameters<nn_real>> residuals_for(Start& start, int ranks, Model& model) {
    std::vector<Parameters<nn_real>> residuals = take_residuals(model.moments);
    if (residuals.size() == static_cast<std::size_t>(ranks)) return residuals;
    if (!residuals.empty())
        start.sets.notes.push_back("--resume: the checkpoint is of " +
                                   counted(residuals.size(), "rank") + ", and there are " +
                                   std::to_string(ranks) +
                                   " now; what --compress had not sent of the gradients is lost");
    return {};
}

/// On rank 0: opens the folder of checkpoints. With --resume, it takes the newest checkpoint, and
/// refuses one of another run. Without, it refuses a folder that holds checkpoints.
void take_checkpoint(Start& start, const RunSettings& settings, int ranks) {
    const TrainOptions& options = start.options;
    start.folder = std::make_unique<CheckpointFolder>(options.checkpoint);
    lock_folder(start);
    if (!options.resume) {
        if (start.folder->empty()) return;
        throw InputError("--checkpoint " + options.checkpoint +
                         ": the folder holds checkpoints of an earlier run; continue that run with "
                         "--resume, or name another folder");
    }
    std::string file;
    std::optional<Model> model = start.folder->newest(
        [](const std::string& why) { print_error("passed over " + why); }, file);
    if (!model) {
        start.resumed = "nothing valid in " + options.checkpoint + ": from the beginning";
        return;
    }
    check_same_settings(settings, model->facts.settings, file);
    const TrainingState& state = model->facts.state;
    const int epochs = options.training.epochs;
    if (state.epoch > epochs || (state.epoch == epochs && state.step > 0))
        throw InputError("--resume: " + file + " is after " +
                         progress_text(state.epoch, state.step) + ", more than -e " +
                         std::to_string(epochs) + "; use a larger -e");
    start.resumed = "from " + file + ", after " + progress_text(state.epoch, state.step);
    start.rounding = rounding_differences(settings, model->facts.settings);
    start.now = model->parameters;
    start.residuals = residuals_for(start, ranks, *model);
    start.velocity = velocity_for(options.outer, *model, file);
    start.moments = moments_for(options.training.rule, *model, file);
    start.beginning = {state, history_from(model->facts.history)};
    check_best_file(options, start.sets, start.beginning.history);
}

/// Finds the state in which this run begins: the training's first parameters, or a checkpoint.
void find_beginning(const Comm& comm, Start& start) {
    comm.together([&] {
        if (!comm.is_root()) return;
        const RunSettings settings = settings_of(start);
        start.settings = settings.text();
        if (!start.options.checkpoint.empty()) take_checkpoint(start, settings, comm.size());
    });
    TrainingState& state = start.beginning.state;
    state.epoch = comm.from_root(state.epoch);
    state.step = comm.from_root(state.step);
    const auto moments = comm.from_root(start.moments.size());
    start.moments.resize(moments, Parameters<nn_real>(start.first.layout));
}

}  // namespace

void begin(DataParallelNeuralNetwork& network, const Start& start) {
    if (!start.moments.empty()) network.restart(start.now, start.moments);
    const Comm& comm = network.comm();
    if (comm.from_root(!start.residuals.empty()))
        hand_out_residuals(comm, start.residuals, network.residual());
    if (comm.from_root(!start.velocity.empty())) {
        std::ranges::copy(start.velocity, network.velocity().begin());
        comm.broadcast(network.velocity());
    }
}

Start start_run(const Comm& comm, const TrainOptions& asked) {
    const Stopwatch watch;
    const TimeSplit times_before = time_split();
    TrainOptions options = asked;
    Sets sets = read_sets(comm, options);
    const double read_seconds = watch.seconds();
    Parameters<nn_real> first = first_parameters(comm, options, sets);
    comm.together([&] {
        check_goal(options, sets);
        if (comm.is_root()) check_files(options, sets);
    });
    if (const std::string note = note_on_goal(options, sets); !note.empty())
        sets.notes.push_back(note);
    const int most = largest_batch(options, sets);
    const int shard = most_dealt(comm.size(), most, {.in_leaves = options.device.fixed_order});
    const int capacity = std::max(shard, 256);
    ChosenDevice device = choose_device(
        comm, options.device,
        {first.layout, capacity, options.training.pixel_scale, options.objective, sets.train.format,
         options.activation, moments_of(options.training.rule), options.device.precision},
        shard, comm.from_root(sets.train.density()));
    options.device = device.taken;
    Parameters<nn_real> now = first;
    Start start{.watch = watch,
                .times_before = times_before,
                .options = std::move(options),
                .sets = std::move(sets),
                .read_seconds = read_seconds,
                .first = std::move(first),
                .now = std::move(now),
                .device = std::move(device),
                .capacity = capacity};
    find_beginning(comm, start);
    return start;
}
