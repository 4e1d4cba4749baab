// commands.cpp: the name of each command, and the functions that parse and run it.
#include "app/commands/commands.h"

#include "app/commands/demo.h"
#include "app/commands/evaluate.h"
#include "app/commands/export.h"
#include "app/commands/grade.h"
#include "app/commands/import.h"
#include "app/commands/inspect.h"
#include "app/commands/predict.h"
#include "app/commands/race.h"
#include "app/commands/train.h"
#include "base/error.h"

namespace {

/// Trains, or runs a grading mode: `-g N` is an alias of `grade N`.
int train_or_grade(const Comm& comm, const TrainOptions& options) {
    return options.grade == 4 ? grade_gemm(comm) : train(comm, options);
}

/// Only trainings take the ranks of a machine for several nodes.
template <class Options>
int ranks_per_node(const Options&) {
    return 0;
}
int ranks_per_node(const TrainOptions& options) { return options.ranks_per_node; }
int ranks_per_node(const RaceOptions& options) {
    return options.runs.front().options.ranks_per_node;
}

template <auto parse, auto run>
std::optional<Job> job(const Arguments& arguments, bool speaks) {
    const auto options = parse(arguments, speaks);
    if (!options) return std::nullopt;
    return Job{[options = *options](const Comm& comm) { return run(comm, options); },
               options->settings, ranks_per_node(*options)};
}

constexpr Command commands[] = {
    {"train", job<parse_train, train_or_grade>},
    {"predict", job<parse_predict, predict>},
    {"evaluate", job<parse_evaluate, evaluate>},
    {"import", job<parse_import, import_model>},
    {"inspect", job<parse_inspect, inspect>},
    {"demo", job<parse_demo, demo>},
    {"export", job<parse_export, export_model>},
    {"grade", job<parse_grade, train_or_grade>},
    {"race", job<parse_race, race>},
};

/// Parses the words after the name of the command.
std::optional<Job> parse_as(const Command& command, const Arguments& arguments, bool speaks) {
    std::optional<Job> job = command.parse(arguments, speaks);
    if (job)
        job->settings.insert(job->settings.begin(), {{"the version", program_version},
                                                     {"the type of the numbers", nn_real_name},
                                                     {"the command", command.name}});
    return job;
}

}  // namespace

std::optional<Job> parse_command(Arguments arguments, bool speaks) {
    const std::string name = arguments.empty() ? "" : arguments.front();
    if (name.empty() || name.starts_with('-')) return parse_as(commands[0], arguments, speaks);
    std::string known;
    for (const Command& command : commands) {
        known += (known.empty() ? "" : ", ") + std::string(command.name);
        if (name != command.name) continue;
        arguments.erase(arguments.begin());
        return parse_as(command, arguments, speaks);
    }
    throw InputError("'" + name + "': no such command; the commands are " + known +
                     "; see ./main --help");
}
