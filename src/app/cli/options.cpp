// options.cpp: the flags of every sub-command, their meaning and their limits.
//
// One function a command. What a grading mode fixes, or a file that is loaded, cannot be given
// beside it.
#include "app/cli/options.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include "app/cli/command_line.h"
#include "base/error.h"
#include "base/real.h"

namespace {

constexpr double largest = std::numeric_limits<float>::max();

std::vector<int> parse_sizes(const std::string& text) {
    std::vector<int> sizes;
    std::istringstream list(text + ",");
    for (std::string item; std::getline(list, item, ',');) {
        int size = 0;
        if (!is_number(item, 1, 1 << 20, size))
            throw InputError(
                "-n: expected sizes from 1 to 1048576 separated by commas, such as 100 or 512,256, "
                "found '" +
                text + "'");
        sizes.push_back(size);
    }
    return sizes;
}

/// The course's grading modes 1 to 3.
void apply_grade(Options& options) {
    const double rates[] = {0.0005, 0.001, 0.002};
    const int epochs[] = {40, 10, 1};
    Training& t = options.training;
    options.hidden = {100};
    t.rate = rates[options.grade - 1];
    t.epochs = epochs[options.grade - 1];
    t.decay = 1;
    t.batch = 800;
    t.reg = 1e-4;
    t.shuffled = false;
    options.init_scale = 0.01;
    options.raw_pixels = true;
    options.hold_out = 6000;
    options.compare = true;
}

// ------------------------------------------------------------------ flags of several commands

/// A flag that takes a name of the enum E.
template <class E>
void add_choice(CLI::App& app, const char* flag, E& place, const char* text) {
    std::vector<std::string> names;
    for (const Named<E>& known : Names<E>::all) names.emplace_back(known.name);
    app.add_option_function<std::string>(
           flag, [&place](const std::string& name) { place = *value_named<E>(name); }, text)
        ->check(CLI::IsMember(names))
        ->type_name(all_names<E>())
        ->default_str(name_of(place))
        ->group("Devices");
}

void add_device_flags(CLI::App& app, Options& o) {
    add_choice(app, "--device", o.device.device,
               "what each rank computes on; auto takes a GPU where there is one");
    app.add_option("--threads", o.device.threads,
                   "threads of each rank on the CPU; 0: as many as it has cores")
        ->type_name("N")
        ->check(number(0, 1024))
        ->group("Devices");
    add_choice(app, "--gemm", o.device.gemm,
               "the first layer's products: bf16x3 (float by three bf16, exact; needs AMX, or "
               "a GPU of compute capability 8.0), fp32, or auto");
    add_choice(app, "--isa", o.device.isa,
               "the widest instruction set that this rank may use on the CPU; all ranks take the "
               "widest that every rank has and may use");
}
void add_allreduce_flag(CLI::App& app, Options& o) {
    add_choice(app, "--allreduce", o.device.allreduce,
               "gradients by mpi (MPI_Allreduce), shared (memory of one node, on the CPU), or "
               "auto");
}
void add_data_flag(CLI::App& app, Options& o) {
    app.add_option("--data", o.data, "folder of the IDX files")->type_name("DIR")->group("Data");
}
void add_json_flag(CLI::App& app, Options& o) {
    app.add_flag("--json", o.json, "print JSON, an object a line")->group("Output");
}
/// logged: of what --csv writes a line.
void add_log_flags(CLI::App& app, Options& o, const std::string& logged) {
    const auto file = [&](const char* flag, std::string& name, const std::string& text) {
        app.add_option(flag, name, text)->type_name("FILE")->group("Output");
    };
    file("--csv", o.csv, "write a line for each " + logged + " to this file");
    file("--jsonl", o.jsonl, "the same as JSON objects");
    file("--plot", o.plot, "draw loss and accuracy: .svg, or .png by gnuplot");
    file("--save", o.save, "write the trained parameters: safetensors");
}
void check_output_files(const CommandLine& line, const Options& o) {
    const std::vector<OutputFile> files = output_files(o);
    for (const auto& [flag, name] : files) line.refuse_empty(flag, name, "a file");
    const auto place = [](const OutputFile& file) {
        return std::filesystem::path(file.name).lexically_normal();
    };
    for (auto one = files.begin(); one != files.end(); ++one)
        for (auto other = one + 1; other != files.end(); ++other)
            if (!one->name.empty() && !one->name.starts_with("/dev/") &&
                place(*one) == place(*other))
                line.refuse(std::string(one->flag) + " and " + other->flag + " both name " +
                            one->name + "; give each a file of its own");
}

// ------------------------------------------------------------------ train

/// What is parsed into text or flags before it becomes Options.
struct TrainWords {
    std::string hidden = "200", scatter = "once", output = "softmax", loss = "cross-entropy",
                init = "normal";
    bool in_order = false, in_new_order = false;
};
using Flags = std::vector<const CLI::Option*>;

/// What a grading mode fixes.
Flags add_training_flags(CLI::App& app, Options& o, TrainWords& words) {
    Training& t = o.training;
    return {
        app.add_option("-n,--hidden", words.hidden, "sizes of the hidden layers: 100 or 512,256")
            ->type_name("SIZES")
            ->group("Network"),
        app.add_option("--output", words.output, "what the output layer makes of its sums")
            ->check(CLI::IsMember({"softmax", "sigmoid"}))
            ->type_name("softmax|sigmoid")
            ->group("Network"),
        app.add_option("--init", words.init,
                       "first weights: normal, uniform in [0,1) (biases too, as NumPy draws them), "
                       "or xavier")
            ->check(CLI::IsMember({"normal", "uniform", "xavier"}))
            ->type_name("normal|uniform|xavier")
            ->group("Network"),
        app.add_option("--init-scale", o.init_scale,
                       "deviation of normal ones; 0: 1/sqrt(inputs of the layer)")
            ->type_name("X")
            ->check(number(0.0, largest))
            ->group("Network"),
        app.add_option("-b,--batch", t.batch, "samples in a mini-batch, all ranks together")
            ->type_name("N")
            ->check(number(1, std::numeric_limits<int>::max()))
            ->group("Training"),
        app.add_option("-e,--epochs", t.epochs, "passes over the training set")
            ->type_name("N")
            ->check(number(1, 1000000))
            ->group("Training"),
        app.add_option("-l,--learning-rate", t.rate, "learning rate of the first epoch")
            ->type_name("X")
            ->check(number(0.0, largest))
            ->group("Training"),
        app.add_option("--lr-decay", t.decay, "the learning rate's factor after each epoch")
            ->type_name("X")
            ->check(number(0.0, largest))
            ->group("Training"),
        app.add_option("-r,--reg", t.reg, "L2 penalty on the weights")
            ->type_name("X")
            ->check(number(0.0, largest))
            ->group("Training"),
        app.add_option("--loss", words.loss, "what is made small")
            ->check(CLI::IsMember({"cross-entropy", "mse"}))
            ->type_name("cross-entropy|mse")
            ->group("Training"),
        app.add_flag("--shuffle", words.in_new_order,
                     "a new order of the samples each epoch (default)")
            ->group("Training"),
        app.add_flag("--no-shuffle", words.in_order, "the samples in the file's order")
            ->group("Training"),
        app.add_option("--train-size", o.train_size,
                       "train on the first so many samples, hold the others out; 0: all")
            ->type_name("N")
            ->check(number<std::size_t>(0, std::numeric_limits<std::uint32_t>::max()))
            ->group("Data"),
        app.add_flag("--raw-pixels", o.raw_pixels,
                     "inputs 0..255, not 0..1; needs a much smaller -l")
            ->group("Data"),
        app.add_option("--csv-data", o.csv_data, "train on this table of numbers, not on images")
            ->type_name("FILE")
            ->group("Data"),
        app.add_option("--target-columns", o.target_columns,
                       "so many last columns of the table are targets; one under a softmax is a "
                       "class number")
            ->type_name("N")
            ->check(number(1, 255))
            ->group("Data"),
        app.add_option("--load", o.load, "begin with the parameters of this file: safetensors")
            ->type_name("FILE")
            ->group("Network"),
    };
}

const CLI::Option* add_other_flags(CLI::App& app, Options& o, TrainWords& words) {
    add_data_flag(app, o);
    app.add_option("--seed", o.training.seed, "of the first weights and the orders")
        ->type_name("N")
        ->type_name("N")
        ->check(number<std::uint64_t>(0, std::numeric_limits<std::uint64_t>::max()))
        ->group("Training");
    app.add_option("-p,--print-every", o.print_every,
                   "print and log the loss every so many steps, as epoch:step; 0: never")
        ->type_name("N")
        ->check(number(0, std::numeric_limits<int>::max()))
        ->group("Output");
    add_log_flags(app, o, "epoch, and each step that -p tells,");
    app.add_option("--report", o.report, "write a page about the run: HTML")
        ->type_name("FILE")
        ->group("Output");
    app.add_option("--checkpoint", o.checkpoint,
                   "keep the last two states in this folder; SIGUSR1 and SIGTERM then end the run "
                   "after its step, with exit code 4")
        ->type_name("DIR")
        ->group("Stopping and going on");
    app.add_option("--checkpoint-every", o.checkpoint_every, "so many epochs")
        ->type_name("N")
        ->check(number(1, 1000000))
        ->group("Stopping and going on");
    app.add_flag("--resume", o.resume, "go on from the newest valid state there, if there is one")
        ->group("Stopping and going on");
    app.add_flag("-s,--compare", o.compare, "train the CPU reference too and compare")
        ->group("Checks");
    const CLI::Option* grade = app.add_option("-g,--grade", o.grade,
                                              "grading mode: 1, 2, 3 train as the course does and "
                                              "compare; 4 judges the GEMM")
                                   ->type_name("N")
                                   ->check(number(1, 4))
                                   ->default_str("")
                                   ->group("Checks");
    add_device_flags(app, o);
    add_allreduce_flag(app, o);
    app.add_option("--scatter", words.scatter,
                   "once: the samples go to every device at the start; every-step: each mini-batch "
                   "is scattered")
        ->check(CLI::IsMember({"once", "every-step"}))
        ->type_name("once|every-step")
        ->group("Devices");
    app.add_flag("--cuda-aware", o.device.cuda_aware, "hand device memory to MPI, if it takes that")
        ->group("Devices");
    return grade;
}

/// Flags that exclude each other.
void check_train_flags(CommandLine& line, const Options& o, const TrainWords& words,
                       const Flags& fixed, const CLI::Option* grade) {
    const CLI::App& app = line.flags();
    for (const CLI::Option* option : fixed)
        if (grade->count() > 0 && option->count() > 0)
            line.refuse("--grade fixes " + option->get_name() + "; leave one of the two out");
    if (o.grade == 4)
        for (const CLI::Option* option : app.get_options())
            if (option->count() > 0 && option != grade)
                line.refuse("--grade 4 takes no other flag, found " + option->get_name());
    if (words.in_order && words.in_new_order)
        line.refuse("--shuffle and --no-shuffle: give one of them");
    check_output_files(line, o);
    line.refuse_empty("--checkpoint", o.checkpoint, "a folder");
    line.refuse_empty("--load", o.load, "a file");
    line.refuse_empty("--csv-data", o.csv_data, "a file");
    if (o.data.empty()) line.refuse("--data: expected the name of a folder, found ''");
    if (o.resume && o.checkpoint.empty())
        line.refuse("--resume: expected --checkpoint DIR beside it, the folder to go on from");
    if (app.count("--checkpoint-every") > 0 && o.checkpoint.empty())
        line.refuse("--checkpoint-every: expected --checkpoint DIR beside it");
    if (app.count("--target-columns") > 0 && o.csv_data.empty())
        line.refuse("--target-columns: expected --csv-data FILE beside it");
    for (const char* other : {"--data", "--raw-pixels"})
        if (app.count(other) > 0 && !o.csv_data.empty())
            line.refuse(std::string("--csv-data and ") + other + ": give one of them");
    if (o.device.gemm == GemmKind::bf16x3 && !o.csv_data.empty())
        line.refuse("--gemm bf16x3 is for pixels, not for --csv-data; use --gemm auto or fp32");
    for (const char* other : {"-n", "--output", "--init", "--init-scale", "--raw-pixels"})
        if (app.count(other) > 0 && !o.load.empty())
            line.refuse(std::string("--load: the file says what ") + other +
                        " would; leave one of the two out");
    if (app.count("--init-scale") > 0 && words.init != "normal")
        line.refuse("--init-scale is for --init normal; leave one of the two out");
    if (words.init == "uniform" && o.training.seed > std::numeric_limits<std::uint32_t>::max())
        line.refuse("--seed: NumPy's generator takes 0 to 4294967295; use a smaller seed");
}

const Manual train_manual{
    "./main", "trains a neural network on MNIST or on a table, data-parallel",
    "[train] [FLAGS]          or: ./main predict|evaluate|inspect|demo ...",
    "Every mini-batch is scattered over the MPI ranks; each computes its part of the gradient on\n"
    "its GPU or its CPU; the sums are the same on every rank. Other commands, each with a --help\n"
    "of its own:\n"
    "\n"
    "./main predict --load FILE IMAGES...   judges PNG, PGM or IDX images\n"
    "./main evaluate --load FILE            accuracy, confusion matrix, precision and recall\n"
    "./main inspect FILE...                 what a model, a checkpoint or a data folder holds\n"
    "./main demo xor                        three samples, by hand and in full",
    "mpirun -np 2 ./main -n 128 -e 5 -s\n"
    "mpirun -np 4 ./main --checkpoint state --resume --save mnist.safetensors --report run.html\n"
    "./main --csv-data table.csv --target-columns 2 --output sigmoid --loss mse -n 8 -e 100"};

std::optional<Options> parse_train(const std::vector<std::string>& arguments, bool speaks) {
    Options o;
    Training& t = o.training;
    t = {.batch = 24, .epochs = 16, .rate = 1.2, .decay = 0.88, .reg = 3e-5};
    TrainWords words;
    CommandLine line(train_manual);
    const Flags fixed = add_training_flags(line.flags(), o, words);
    const CLI::Option* grade = add_other_flags(line.flags(), o, words);
    if (!line.parse(arguments, speaks)) return std::nullopt;
    check_train_flags(line, o, words, fixed, grade);

    o.hidden = parse_sizes(words.hidden);
    o.objective = {words.output == "softmax" ? OutputLayer::softmax : OutputLayer::sigmoid,
                   words.loss == "mse" ? LossFunction::mse : LossFunction::cross_entropy};
    o.init = words.init == "normal"    ? Init::normal
             : words.init == "uniform" ? Init::uniform
                                       : Init::xavier;
    t.shuffled = !words.in_order;
    o.feed = words.scatter == "once" ? FeedKind::resident : FeedKind::scattered;
    if (o.grade >= 1 && o.grade <= 3) apply_grade(o);
    t.pixel_scale = o.raw_pixels ? nn_real{1} : nn_real{1} / nn_real{255};
    return o;
}

// ------------------------------------------------------------------ the other commands

void add_load_flag(CLI::App& app, Options& o) {
    app.add_option("--load", o.load, "the network, as --save or a checkpoint wrote it")
        ->type_name("FILE")
        ->required()
        ->group("Network");
}

std::optional<Options> parse_predict(const std::vector<std::string>& arguments, bool speaks) {
    Options o;
    o.command = Command::predict;
    CommandLine line({"./main predict", "judges pictures with a trained network",
                      "--load FILE [FLAGS] IMAGES...",
                      "IMAGES are PNG or PGM files of any size, light on dark or dark on light, "
                      "and IDX files,\nplain or gzipped. A line each: the file, the digit, its "
                      "probability.",
                      "./main predict --load mnist.safetensors --show my_seven.png"});
    add_load_flag(line.flags(), o);
    line.flags().add_option("IMAGES", o.files, "what to judge")->required();
    line.flags()
        .add_flag("--show", o.show, "draw what the network sees in the terminal")
        ->group("Output");
    add_json_flag(line.flags(), o);
    add_device_flags(line.flags(), o);
    if (!line.parse(arguments, speaks)) return std::nullopt;
    if (o.show && o.json) line.refuse("--show and --json: give one of them");
    line.refuse_empty("--load", o.load, "a file");
    return o;
}

std::optional<Options> parse_evaluate(const std::vector<std::string>& arguments, bool speaks) {
    Options o;
    o.command = Command::evaluate;
    CommandLine line({"./main evaluate", "measures a trained network on a test set",
                      "--load FILE [FLAGS]",
                      "Prints the accuracy with its 95 % interval, the confusion matrix, and each "
                      "class's\nprecision and recall, over the test images of --data.",
                      "./main evaluate --load mnist.safetensors"});
    add_load_flag(line.flags(), o);
    add_data_flag(line.flags(), o);
    add_json_flag(line.flags(), o);
    add_device_flags(line.flags(), o);
    if (!line.parse(arguments, speaks)) return std::nullopt;
    line.refuse_empty("--load", o.load, "a file");
    line.refuse_empty("--data", o.data, "a folder");
    return o;
}

std::optional<Options> parse_inspect(const std::vector<std::string>& arguments, bool speaks) {
    Options o;
    o.command = Command::inspect;
    CommandLine line({"./main inspect", "says what files hold", "[FLAGS] FILES...",
                      "FILES are models, checkpoints, folders of checkpoints and folders of IDX "
                      "files.",
                      "./main inspect mnist.safetensors data"});
    line.flags().add_option("FILES", o.files, "what to look at")->required();
    add_json_flag(line.flags(), o);
    if (!line.parse(arguments, speaks)) return std::nullopt;
    return o;
}

/// What the notebook does: summed gradients of half the squared error at rate 0.1 are the mean
/// squared error's, over three samples, at 0.15.
std::optional<Options> parse_demo(const std::vector<std::string>& arguments, bool speaks) {
    Options o;
    o.command = Command::demo;
    o.hidden = {3};
    o.objective = {OutputLayer::sigmoid, LossFunction::mse};
    o.init = Init::uniform;
    o.training = {.batch = 3, .epochs = 200, .rate = 0.15, .seed = 0};
    CommandLine line({"./main demo", "a network that can be followed by hand", "xor [FLAGS]",
                      "Trains 4-3-1 sigmoids on three samples, full batch, 200 iterations, by the "
                      "same trainer\nas everything else, and prints what it sees.",
                      "./main demo xor\nmpirun -np 3 ./main demo xor --plot xor.svg"});
    std::string which;
    line.flags()
        .add_option("NAME", which, "xor")
        ->required()
        ->check(CLI::IsMember({"xor"}))
        ->type_name("xor");
    add_log_flags(line.flags(), o, "iteration");
    add_device_flags(line.flags(), o);
    add_allreduce_flag(line.flags(), o);
    if (!line.parse(arguments, speaks)) return std::nullopt;
    check_output_files(line, o);
    return o;
}

}  // namespace

std::vector<OutputFile> output_files(const Options& options) {
    return {{"--save", options.save},
            {"--csv", options.csv},
            {"--jsonl", options.jsonl},
            {"--plot", options.plot},
            {"--report", options.report}};
}

std::optional<Options> parse_options(int argc, char** argv, bool speaks) {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    const std::string command = arguments.empty() ? "" : arguments.front();
    const struct {
        const char* name;
        std::optional<Options> (*parse)(const std::vector<std::string>&, bool);
    } commands[] = {{"train", parse_train},
                    {"predict", parse_predict},
                    {"evaluate", parse_evaluate},
                    {"inspect", parse_inspect},
                    {"demo", parse_demo}};
    for (const auto& known : commands) {
        if (command != known.name) continue;
        arguments.erase(arguments.begin());
        return known.parse(arguments, speaks);
    }
    if (!command.empty() && !command.starts_with('-'))
        throw InputError("'" + command +
                         "': no such command; there are train, predict, evaluate, inspect and "
                         "demo; see ./main --help");
    return parse_train(arguments, speaks);
}
