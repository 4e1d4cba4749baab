// options.h: the options of each command, and the functions that parse its command line.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "app/cli/settings.h"
#include "input/image_source.h"
#include "input/input_scale.h"
#include "model/activation/activation.h"
#include "model/foreign.h"
#include "model/initial.h"
#include "model/objective.h"
#include "neural_network.h"
#include "train/choose.h"
#include "train/feed.h"

inline constexpr const char* program_version = "0.2.0";

/// The files that a run writes; a file with an empty name is not written.
struct OutputFiles {
    std::string save, csv, jsonl, plot, report, html, trace;

    struct Named {
        const char* flag;
        std::string name;
    };
    std::vector<Named> all() const {
        return {{"--save", save},     {"--csv", csv},   {"--jsonl", jsonl}, {"--plot", plot},
                {"--report", report}, {"--html", html}, {"--trace", trace}};
    }
};

struct TrainOptions {
    Training training = {.batch = 24, .epochs = 16, .decay = 0.88, .reg = 3e-5, .shuffled = true};
    Objective objective;
    std::vector<int> hidden = {200};  ///< sizes of the hidden layers
    Init init = Init::normal;
    Activation activation;  ///< of the hidden layers
    /// Whether flags set the rate and the deviation of normal first weights (initial.h); otherwise
    /// the activation does, and the rule.
    bool has_rate = false, has_init_scale = false;
    double init_scale = 0;
    // The numbers of training.rule, for the rules that have them.
    double momentum = 0.9, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    std::string load;            ///< file of the first parameters; empty: drawn
    std::string data = "data";   ///< folder of the IDX files, a .npz file, or picture_folder
    ImageForm images;            ///< the form of the images in it
    std::string picture_folder;  ///< of pictures, a subfolder a class; empty: none
    std::string csv_data;        ///< a table to train on instead of images; empty: none
    std::string target;          ///< its target columns (input/table_columns.h); empty: the last
    int target_columns = 1;      ///< the number of targets, if they are the last columns
    ScaleKind scale = ScaleKind::none;  ///< of its inputs
    std::size_t train_size = 0;  ///< samples to train on, the others are held out; 0: see below
    std::size_t hold_out = 0;    ///< or: number of samples, at the end of the set, to hold out
    /// Train on all samples. Otherwise a set without test samples holds out a sixth.
    bool train_on_all = false;
    bool raw_pixels = false;  ///< inputs 0..255 instead of 0..1
    DeviceRequest device;
    int ranks_per_node = 0;  ///< of Comm
    FeedKind feed = FeedKind::resident;
    double until = 0;        ///< percent of accuracy at which the run ends; 0: it goes on
    int patience = 0;        ///< epochs without a better one after which it ends; 0: endless
    bool keep_best = false;  ///< --save has the best epoch
    int accumulate = 1;      ///< slices of a mini-batch; training.batch has all of them
    int local_steps = 0;     ///< of each rank alone between two means; 0: ranks are never alone
    OuterUpdate outer;       ///< of the means
    std::optional<AsyncSettings> async;  ///< ranks do not wait for each other
    bool course =
        false;  ///< the course's way: scattered, MPI_Allreduce, the file's order, 1 thread
    int print_every = 0;  ///< report the loss every print_every steps; 0: never
    OutputFiles files;
    std::string checkpoint;    ///< folder of checkpoints; empty: none
    int checkpoint_every = 1;  ///< epochs
    bool resume = false;
    bool compare = false;  ///< train the reference too and compare
    int grade = 0;         ///< grading mode 1 to 4; 0: none
    std::string command;   ///< the command line as it was given, for the page
    Settings settings;     ///< the values of all flags, as given
};

/// "async", or "async:S".
std::string async_text(const AsyncSettings& async);

/// The strategy that the options ask for.
std::unique_ptr<Strategy> strategy_of(const TrainOptions& options);

/// Sets what no flag has set to what suits the activation.
void suit_activation(TrainOptions& options);

struct PredictOptions {
    std::string load;
    std::vector<std::string> files;  ///< pictures and IDX files; of a table: none
    std::string csv_data;            ///< a table to predict from instead; empty: none
    std::string target;              ///< its target, which is no input; empty: as in the training
    std::string out;                 ///< CSV file for the predictions; empty: none
    std::string submission;          ///< the two names in its heading; empty: its own heading
    ForeignFacts said;               ///< of a network of another program
    std::string explain;             ///< folder for the stages of the preparation; empty: none
    bool show = false, json = false;
    bool as_is = false;   ///< pictures have the network's size and are not prepared
    bool digits = false;  ///< each picture shows a line of digits
    DeviceRequest device;
    Settings settings;
};

struct EvaluateOptions {
    std::string load, data = "data";
    ImageForm images;            ///< the form of the images in it
    std::string picture_folder;  ///< pictures instead, a subfolder a class; empty: none
    std::string csv_data;        ///< a table to evaluate on instead of images; empty: none
    std::string target;          ///< its target; empty: as in the training
    ForeignFacts said;           ///< of a network of another program
    bool json = false;
    DeviceRequest device;
    Settings settings;
};

/// A network of another program becomes a file of this one.
struct ImportOptions {
    std::string file, out;
    ForeignFacts said;
    Settings settings;
};

/// A network becomes a page to draw in.
struct ExportOptions {
    std::string load, html;
    ForeignFacts said;  ///< of a network of another program
    Settings settings;
};

struct InspectOptions {
    std::vector<std::string> files;  ///< models, checkpoints, folders
    bool json = false;
    Settings settings;
};

struct DemoOptions {
    OutputFiles files;
    DeviceRequest device;
    Settings settings;
};

/// Parse the words after the command. They return nothing after --help or --version, and print
/// their text if `speaks`, which one rank should set. All throw InputError.
using Arguments = std::vector<std::string>;
std::optional<TrainOptions> parse_train(const Arguments& arguments, bool speaks);
std::optional<TrainOptions> parse_grade(const Arguments& arguments, bool speaks);
std::optional<PredictOptions> parse_predict(const Arguments& arguments, bool speaks);
std::optional<EvaluateOptions> parse_evaluate(const Arguments& arguments, bool speaks);
std::optional<ImportOptions> parse_import(const Arguments& arguments, bool speaks);
std::optional<ExportOptions> parse_export(const Arguments& arguments, bool speaks);
std::optional<InspectOptions> parse_inspect(const Arguments& arguments, bool speaks);
std::optional<DemoOptions> parse_demo(const Arguments& arguments, bool speaks);
