// options_train.cpp: the command lines of a training, and what a grading mode or --course sets.
#include <limits>

#include "app/cli/flags.h"
#include "app/cli/flags_images.h"
#include "app/cli/options.h"
#include "app/cli/rules.h"
#include "base/error.h"

namespace {

const Manual train_manual{
    "./main", "trains a neural network on MNIST or on a table, data-parallel",
    "[train] [FLAGS]  or: main race|predict|evaluate|export|import|inspect|demo|grade ...",
    "The MPI ranks share every mini-batch. Each rank computes its part of the gradient on its GPU\n"
    "or its CPU, and every rank gets the same sum. Each other command has a --help of its own:\n"
    "\n"
    "./main race --run FLAGS --run FLAGS    several trainings: which gets to --until first\n"
    "./main predict --load FILE IMAGES...   classifies pictures and IDX images\n"
    "./main evaluate --load FILE            accuracy, confusion matrix, precision and recall\n"
    "./main export --load FILE --html OUT   a page in which a digit is drawn and read\n"
    "./main import FILE -o OUT              takes over a network of PyTorch, Keras or NumPy\n"
    "./main inspect FILE...                 what a model, a checkpoint or a data folder holds\n"
    "./main demo xor                        a network small enough to print every number of it\n"
    "./main grade N                         the course's grading modes 1 to 4",
    "mpirun -np 2 ./main -n 128 -e 5 -s\n"
    "mpirun -np 4 ./main --checkpoint checkpoints --resume --save mnist.safetensors\n"
    "mpirun -np 4 ./main -n 512,256 -b 64 -e 10 --report run.html\n"
    "./main --csv-data train.csv --target label --scale minmax --save digits.safetensors"};

const Manual grade_manual{
    "./main grade", "runs one of the course's grading modes", "MODE [FLAGS]",
    "1, 2, 3  train 784-100-10 with batch 800 in the file's order on pixels 0..255: 40 epochs at\n"
    "         rate 0.0005, 10 at 0.001, 1 at 0.002; each mini-batch is scattered, gradients are\n"
    "         summed by MPI_Allreduce, and the CPU reference checks the parameters\n"
    "4        checks and times the matrix product at the course's sizes; takes no flags",
    "mpirun -np 2 ./main grade 3\n"
    "./main grade 4"};

/// The command line as one types it, in quotes where the shell needs them.
std::string as_typed(std::string command, const Arguments& arguments) {
    for (const std::string& word : arguments) {
        std::string quoted;
        for (const char c : word) quoted += c == '\'' ? "'\\''" : std::string(1, c);
        const bool plain =
            !word.empty() && word.find_first_not_of(
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789-_=+,.:/@%") == std::string::npos;
        command += " " + (plain ? word : "'" + quoted + "'");
    }
    return command;
}

/// The course's grading modes 1 to 3.
void apply_grade(TrainOptions& o) {
    const double rates[] = {0.0005, 0.001, 0.002};
    const int epochs[] = {40, 10, 1};
    Training& t = o.training;
    o.hidden = {100};
    t.rate = rates[o.grade - 1];
    t.epochs = epochs[o.grade - 1];
    t.decay = 1;
    t.batch = 800;
    t.reg = 1e-4;
    t.shuffled = false;
    o.init_scale = 0.01;
    o.raw_pixels = true;
    o.hold_out = 6000;
    o.compare = true;
    o.feed = FeedKind::scattered;
    o.device.allreduce = AllreduceKind::mpi;
}

void apply_course(TrainOptions& o) {
    o.feed = FeedKind::scattered;
    o.device.allreduce = AllreduceKind::mpi;
    o.device.threads = 1;
    o.device.course = true;
    o.training.shuffled = false;
}

/// Refuses a flag whose value a grading mode or --course sets.
void check_fixed(const CommandLine& line, const TrainOptions& o,
                 const std::vector<TrainFlag>& flags) {
    for (const TrainFlag& flag : flags) {
        const std::string name = flag.long_name();
        if (!line.given(name)) continue;
        if (o.grade == 4 && name != "--grade")
            line.refuse("--grade 4 takes no other flag, found " + name);
        if (o.grade > 0 && (flag.fixed_by & by_grade) != 0)
            line.refuse("--grade fixes " + name + "; leave one of the two out");
        if (o.course && (flag.fixed_by & by_course) != 0)
            line.refuse("--course fixes " + name + "; leave one of the two out");
    }
}

void set_numbers_of_rule(TrainOptions& o) {
    std::visit(
        [&](auto& r) {
            using R = std::decay_t<decltype(r)>;
            if constexpr (HasMu<R>) r.mu = static_cast<nn_real>(o.momentum);
            if constexpr (HasBetas<R>) {
                r.beta1 = static_cast<nn_real>(o.beta1);
                r.beta2 = static_cast<nn_real>(o.beta2);
                r.epsilon = static_cast<nn_real>(o.epsilon);
            }
        },
        o.training.rule);
}

/// Checks the flags, and sets the values that a grading mode or --course sets.
TrainOptions complete(const CommandLine& line, const std::vector<TrainFlag>& flags,
                      TrainOptions o) {
    check_fixed(line, o, flags);
    check_flag_rules({line, o});
    check_image_flags(line);
    check_output_files(line, o.files);
    if (o.init == Init::uniform && o.training.seed > std::numeric_limits<std::uint32_t>::max())
        line.refuse("--seed: --init uniform takes seeds from 0 to 4294967295; use a smaller seed");
    if (!o.picture_folder.empty()) o.data = o.picture_folder;
    o.train_on_all = line.given("--train-size") && o.train_size == 0;
    if (line.given("--target-columns")) o.target = "-" + std::to_string(o.target_columns) + "..-1";
    o.has_rate = line.given("--learning-rate");
    o.has_init_scale = line.given("--init-scale");
    set_numbers_of_rule(o);
    suit_activation(o);
    if (o.training.batch > std::numeric_limits<int>::max() / o.accumulate)
        line.refuse("--accumulate: -b times K is more than 2147483647 samples; use a smaller K");
    o.training.batch *= o.accumulate;
    LossScaling& scaling = o.training.loss_scaling;
    if (o.device.precision == Precision::fp16 && !line.given("--loss-scale") &&
        o.local_steps == 0 && !o.async && !compresses(o.device.compress))
        scaling.is_dynamic = true;
    o.device.lends_gradient = o.accumulate > 1 || scaling.is_dynamic || scaling.fixed != 1;
    o.device.own_copies = o.local_steps > 0 || o.async;
    o.device.as_they_come = o.async.has_value();
    if (o.grade >= 1 && o.grade <= 3) apply_grade(o);
    if (o.course) apply_course(o);
    o.training.pixel_scale = o.raw_pixels ? nn_real{1} : nn_real{1} / nn_real{255};
    return o;
}

}  // namespace

std::string async_text(const AsyncSettings& async) {
    return async.bound == Ledger::unbounded ? "async" : "async:" + std::to_string(async.bound);
}

std::unique_ptr<Strategy> strategy_of(const TrainOptions& options) {
    if (options.async) return make_async(*options.async);
    if (options.local_steps > 0) return make_local(options.local_steps, options.outer);
    return options.accumulate > 1 ? make_accumulate(options.training.batch / options.accumulate)
                                  : make_every_step();
}

void suit_activation(TrainOptions& options) {
    if (!options.has_rate)
        options.training.rate =
            rate_for(options.training.rule, rate_for(options.activation), options.momentum);
    if (!options.has_init_scale) options.init_scale = deviation_for(options.activation);
}

std::optional<TrainOptions> parse_train(const Arguments& arguments, bool speaks) {
    TrainOptions options;
    Manual manual = train_manual;
    for (const FlagRule& rule : flag_rules()) manual.rules.push_back(rule.text());
    CommandLine line(manual);
    const std::vector<TrainFlag> flags = train_flags(options);
    for (const TrainFlag& flag : flags) line.add(flag);
    if (!line.parse(arguments, speaks)) return std::nullopt;
    options.settings = line.settings();
    options.command = as_typed(train_manual.command, arguments);
    return complete(line, flags, options);
}

std::optional<TrainOptions> parse_grade(const Arguments& arguments, bool speaks) {
    TrainOptions options;
    CommandLine line(grade_manual);
    FlagValue mode = number(options.grade, 1, 4);
    mode.preset = "";
    line.add_required({"MODE", std::move(mode), "", "1, 2, 3 or 4"});
    std::vector<TrainFlag> flags = train_flags(options);
    std::erase_if(flags, [](const TrainFlag& flag) {
        return (flag.fixed_by & by_grade) != 0 || flag.long_name() == "--grade";
    });
    for (const TrainFlag& flag : flags) line.add(flag);
    if (!line.parse(arguments, speaks)) return std::nullopt;
    options.settings = line.settings();
    options.command = as_typed(grade_manual.command, arguments);
    return complete(line, flags, options);
}
