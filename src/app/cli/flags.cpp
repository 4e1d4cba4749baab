// flags.cpp: the rows of all flags of a training.
#include "app/cli/flags.h"

#include "app/cli/flags_images.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>

namespace {

constexpr double largest = std::numeric_limits<float>::max();
constexpr int largest_int = std::numeric_limits<int>::max();
using enum OnResume;

/// The old names of --feed's values.
constexpr Named<FeedKind> scatter_names[] = {{FeedKind::resident, "once"},
                                             {FeedKind::scattered, "every-step"}};

/// "every-step"; "local:H" for H steps of each rank alone; or "async", "async:S" for updates as
/// they come, at most S others late.
FlagValue sync(TrainOptions& o) {
    constexpr int most = 1000000;
    return {[&o](const std::string& words) -> std::string {
                constexpr std::string_view local = "local:", async = "async:";
                o.local_steps = 0;
                o.async.reset();
                if (words == "every-step") return "";
                if (words.starts_with(local) &&
                    is_number(words.substr(local.size()), 1, most, o.local_steps))
                    return "";
                int bound = 0;
                const bool is_bound = words.starts_with(async) &&
                                      is_number(words.substr(async.size()), 0, most, bound);
                if (is_bound) o.async.emplace().bound = bound;
                if (words == "async") o.async.emplace();
                if (o.async) return "";
                return "every-step, local:H with a whole number H from 1 to " +
                       std::to_string(most) + ", async, or async:S with S from 0 to " +
                       std::to_string(most);
            },
            [&o] {
                if (o.async) return Json(async_text(*o.async));
                return Json(o.local_steps == 0 ? "every-step"
                                               : "local:" + std::to_string(o.local_steps));
            },
            "every-step|local:H|async[:S]", "every-step"};
}

/// A number whose default follows the activation: "1.2; tanh: 0.3; relu: 0.3".
FlagValue suited_number(double& place, double (*suited)(const Activation&)) {
    FlagValue value = number(place, 0.0, largest);
    value.preset = formatted("%g", suited({}));
    for (const auto& [activation, name] : Names<Activation>::all)
        if (activation != Activation{})
            value.preset += formatted("; %s: %g", name, suited(activation));
    return value;
}

FlagValue codec_choice(Codec& place) {
    return {[&place](const std::string& text) -> std::string {
                const std::optional<Codec> codec = codec_of(text);
                if (!codec)
                    return std::string("one of ") + codec_names + ", F above 0 and at most 1";
                place = *codec;
                return "";
            },
            [&place] { return Json(text_of(place)); }, codec_names, text_of(place)};
}

std::string text_of(const LossScaling& scaling) {
    return scaling.is_dynamic ? "dynamic" : Json(static_cast<std::int64_t>(scaling.fixed)).dump();
}
FlagValue loss_scaling(LossScaling& place) {
    constexpr const char* words = "dynamic|N";
    return {[&place](const std::string& text) -> std::string {
                if (text == "dynamic") {
                    place = {.is_dynamic = true};
                    return "";
                }
                constexpr int most_scale = 1 << 24;
                int number = 0;
                const auto [end, error] =
                    std::from_chars(text.data(), text.data() + text.size(), number);
                if (error != std::errc{} || end != text.data() + text.size() || number < 1 ||
                    number > most_scale || (number & (number - 1)) != 0)
                    return "dynamic, or a power of two from 1 to 16777216";
                place = {.is_dynamic = false, .fixed = static_cast<double>(number)};
                return "";
            },
            [&place] { return Json(text_of(place)); }, words, text_of(place)};
}

void add(std::vector<TrainFlag>& rows, std::vector<TrainFlag> more) {
    std::ranges::move(more, std::back_inserter(rows));
}

std::vector<TrainFlag> network_flags(TrainOptions& o) {
    const char* const group = "Network";
    return {
        {{"-n,--hidden", sizes(o.hidden), group, "sizes of the hidden layers: 100 or 512,256"},
         content,
         by_grade},
        {{"--activation", choice(o.activation), group, "activation of the hidden layers"},
         same,
         by_grade},
        {{"--output", choice(o.objective.output), group, "activation of the output layer"},
         same,
         by_grade},
        {{"--init", choice(o.init), group,
          "first weights: normal, uniform in [0,1) (biases too, as NumPy draws them), or xavier"},
         content,
         by_grade},
        {{"--init-scale", suited_number(o.init_scale, deviation_for), group,
          "standard deviation of normal first weights; 0: 1/sqrt(inputs of the layer), with relu "
          "sqrt(2/inputs)"},
         content,
         by_grade},
        {{"--load", file_name(o.load), group,
          "take the first parameters from this file: safetensors"},
         content,
         by_grade},
    };
}

std::vector<TrainFlag> training_flags(TrainOptions& o) {
    const char* const group = "Training";
    Training& t = o.training;
    return {
        {{"-b,--batch", number(t.batch, 1, largest_int), group,
          "samples in a mini-batch, all ranks together"},
         same,
         by_grade},
        {{"--accumulate", number(o.accumulate, 1, 1000000), group,
          "mini-batches for one update: their gradients are added before it, as if N times -b "
          "samples were one mini-batch, with the memory of -b samples"},
         same,
         by_grade},
        {{"-e,--epochs", number(t.epochs, 1, 1000000), group, "passes over the training set"},
         free,
         by_grade},
        {{"-r,--reg", number(t.reg, 0.0, largest), group, "L2 penalty on the weights"},
         same,
         by_grade},
        {{"--loss", choice(o.objective.loss), group, "loss function"}, same, by_grade},
        {{"--shuffle", yes(t.shuffled), group, "a new order of the samples each epoch (default)"},
         same,
         by_grade | by_course},
        {{"--no-shuffle", yes(t.shuffled, false), group, "the samples in the order of the file"},
         free /* --shuffle has the value */,
         by_grade | by_course},
        {{"--seed", number(t.seed, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max()),
          group, "seed of the first weights and of the orders"},
         same},
    };
}

std::vector<TrainFlag> update_flags(TrainOptions& o) {
    const char* const group = "Learning rate and update";
    constexpr double below_one = 1 - 1e-6;
    Training& t = o.training;
    FlagValue rate = suited_number(t.rate, static_cast<double (*)(const Activation&)>(rate_for));
    rate.preset += "; momentum, nesterov: times 1 - momentum; adam, adamw: 0.002";
    return {
        {{"-l,--learning-rate", std::move(rate), group, "learning rate, which --schedule changes"},
         same,
         by_grade},
        {{"--schedule", choice(t.schedule), group,
          "decay: times --lr-decay after each epoch; step: after each --decay-every epochs; "
          "cosine: "
          "down to 0; onecycle: up from a 25th, then down"},
         same,
         by_grade},
        {{"--lr-decay", number(t.decay, 0.0, largest), group,
          "the learning rate is multiplied by this after each epoch"},
         same,
         by_grade},
        {{"--decay-every", number(t.decay_every, 1, 1000000), group,
          "epochs between two decays of --schedule step"},
         same,
         by_grade},
        {{"--warmup", number(t.warmup, 0, largest_int), group,
          "the learning rate rises over this number of first steps"},
         same,
         by_grade},
        {{"--optimizer", choice(t.rule), group, "how an update follows from the gradient"},
         same,
         by_grade},
        {{"--momentum", number(o.momentum, 0.0, below_one), group,
          "part of the velocity that is kept (momentum, nesterov)"},
         same,
         by_grade},
        {{"--beta1", number(o.beta1, 0.0, below_one), group,
          "part of the mean gradient that is kept (adam, adamw)"},
         same,
         by_grade},
        {{"--beta2", number(o.beta2, 0.0, below_one), group,
          "part of the mean squared gradient that is kept (adam, adamw)"},
         same,
         by_grade},
        {{"--epsilon", number(o.epsilon, 1e-30, largest), group,
          "is added to the root of the mean squared gradient (adam, adamw)"},
         same,
         by_grade},
    };
}

std::vector<TrainFlag> sample_flags(TrainOptions& o) {
    const char* const group = "Data";
    constexpr std::size_t most_samples = std::numeric_limits<std::uint32_t>::max();
    std::vector<TrainFlag> rows{{data_flag(o.data), content}};
    for (Flag& flag : image_flags(o.images, o.picture_folder))
        rows.push_back({std::move(flag), content});
    const std::vector<TrainFlag> more{
        {{"--train-size", number(o.train_size, std::size_t{0}, most_samples), group,
          "train on the first N samples, hold out the others; 0: train on all; without this flag, "
          "a "
          "set without test files holds out a sixth"},
         content,
         by_grade},
        {{"--raw-pixels", yes(o.raw_pixels), group,
          "inputs 0..255 instead of 0..1; needs a much smaller -l"},
         same,
         by_grade},
        {{"--csv-data", file_name(o.csv_data), group,
          "train on this table instead of images: CSV, with commas, semicolons or tabs"},
         content,
         by_grade},
        {{"--target", text(o.target, "COLUMNS"), group,
          "the table's target: NAME in the heading, or NUMBER from 1, or from -1 backwards; "
          "several "
          "with commas, or a range -3..-1; without it, the last column"},
         content,
         by_grade},
        {{"--scale", choice(o.scale), group,
          "scale the table's inputs: minmax to 0..1, standard to mean 0 and deviation 1"},
         content,
         by_grade},
        {{"--target-columns", number(o.target_columns, 1, 255), group,
          "number of target columns, if they are the last: K is the same as --target -K..-1; with "
          "a "
          "softmax, one column is a class number"},
         content,
         by_grade},
    };
    add(rows, more);
    return rows;
}

std::vector<TrainFlag> file_flags(TrainOptions& o) {
    std::vector<TrainFlag> rows = {
        {{"-p,--print-every", number(o.print_every, 0, largest_int), "Output",
          "print and log the loss every N steps, as epoch:step; 0: never"},
         free}};
    for (Flag& flag : output_flags(o.files, "epoch, and for each step that -p prints,"))
        rows.push_back({std::move(flag), free});
    const char* const group = "Stopping and going on";
    add(rows,
        {{{"--report", file_name(o.files.report), "Output", "write an HTML page about the run"},
          free},
         {{"--html", file_name(o.files.html), "Output",
           "write an HTML page in which a digit is drawn and the network reads it"},
          free},
         {{"--trace", file_name(o.files.trace), "Output",
           "write what each rank did when, in the first steps: JSON for Perfetto or "
           "chrome://tracing; the page of --report shows one step"},
          free},
         {{"--until", number(o.until, 0.0, 100.0), group,
           "end the run after the epoch whose held-out accuracy is at least X percent; 0: never"},
          free,
          by_grade},
         {{"--patience", number(o.patience, 0, 1000000), group,
           "end the run after N epochs without a better held-out accuracy; 0: never"},
          free,
          by_grade},
         {{"--keep-best", yes(o.keep_best), group,
           "--save has the epoch with the best held-out accuracy, not the last one"},
          free,
          by_grade},
         {{"--checkpoint", folder_name(o.checkpoint), group,
           "keep the last two checkpoints in this folder; Ctrl-C, SIGHUP, SIGTERM and SIGUSR1 then "
           "end the run after its step (--sync local: at the next mean, async: after the epoch), "
           "with exit code 4; a second Ctrl-C ends it at once"},
          free},
         {{"--checkpoint-every", number(o.checkpoint_every, 1, 1000000), group,
           "epochs between two checkpoints"},
          free},
         {{"--resume", yes(o.resume), group,
           "continue from the newest valid checkpoint, if there is one"},
          free}});
    return rows;
}

std::vector<TrainFlag> check_flags(TrainOptions& o) {
    FlagValue mode = number(o.grade, 1, 4);
    mode.preset = "";
    return {{{"-s,--compare", yes(o.compare), "Checks",
              "do all steps again and compare each with the serial CPU reference's"},
             free},
            {{"-g,--grade", std::move(mode), "Checks", "the same as ./main grade N"}, free}};
}

std::vector<TrainFlag> way_flags(TrainOptions& o) {
    constexpr std::size_t most_bucket_bytes = std::size_t{1} << 30;
    std::vector<TrainFlag> rows;
    for (Flag& flag : device_flags(o.device)) {
        const std::string name = flag.names;
        rows.push_back({std::move(flag),
                        name == "--threads" || name == "--inputs" ? free : rounding,
                        name == "--threads" ? unsigned{by_course} : unsigned{by_nothing}});
    }
    add(rows,
        {{allreduce_flag(o.device), free /* the replicas and their sums tell it */,
          by_grade | by_course},
         {{"--bucket-size", number(o.device.bucket_bytes, std::size_t{1}, most_bucket_bytes),
           "Devices",
           "--allreduce overlap starts a sum as soon as so many bytes of the gradient are ready"},
          rounding,
          by_grade | by_course},
         {{"--compress", codec_choice(o.device.compress), "Devices",
           "each rank sends its gradient made smaller, and keeps what is lost for the next step: "
           "bf16 (2 bytes a value), int8 (1 byte), topk:F (the fraction F of the values, the "
           "largest), sign (1 bit)"},
          same,
          by_grade | by_course},
         {{"--precision", choice(o.device.precision), "Devices",
           "what is multiplied is first rounded to this type, bf16 or fp16; sums, parameters and "
           "gradients stay float; it is emulated, so it takes longer"},
          same,
          by_grade | by_course},
         {{"--loss-scale", loss_scaling(o.training.loss_scaling), "Devices",
           "with --precision fp16: deltas are computed times this power of two, and the gradient "
           "is divided by it; dynamic: it halves after a gradient that is not finite, whose step "
           "makes no update, and doubles after 2000 good steps"},
          same,
          by_grade | by_course},
         {{"--reproducible", yes(o.device.fixed_order), "Devices",
           "add in one order, whatever the ranks, threads and nodes: the same bits with all of "
           "them, on CPUs of one instruction set; slower"},
          rounding,
          by_grade | by_course},
         {{"--sync", sync(o), "Devices",
           "every-step: an update takes the gradients of all ranks; local:H: each rank trains "
           "parameters of its own for H steps, then all take the mean; async: ranks do not wait, "
           "and updates are applied as they come; async:S: after at most S others since their rank "
           "fetched the parameters"},
          same,
          by_grade | by_course},
         {{"--outer-momentum", number(o.outer.momentum, 0.0, 1 - 1e-6), "Devices",
           "Nesterov momentum on what --sync local:H has moved the mean by, as DiLoCo has it"},
          same,
          by_grade | by_course},
         {{"--outer-rate", number(o.outer.rate, 0.0, largest), "Devices",
           "that movement is multiplied by this"},
          same,
          by_grade | by_course},
         {{"--feed", choice(o.feed), "Devices",
           "resident: the training set is sent to every device once; scattered: each mini-batch is "
           "scattered over the ranks"},
          free,
          by_grade | by_course},
         {{"--scatter", choice<FeedKind>(o.feed, scatter_names), "Devices",
           "old name of --feed: once is resident, every-step is scattered"},
          free,
          by_grade | by_course},
         {{"--course", yes(o.course), "Devices",
           "the course's way: --feed scattered --allreduce mpi --no-shuffle --threads 1, and plain "
           "kernels on a GPU"},
          rounding},
         {{"--ranks-per-node", number(o.ranks_per_node, 0, largest_int), "Devices",
           "take the ranks of a machine for several nodes of N ranks each, to try on one machine "
           "what several nodes do; 0: as the machines are"},
          free /* the number of replicas tells it */},
         {{"--cuda-aware", yes(o.device.cuda_aware), "Devices",
           "require that MPI sums device memory; without it that is done where MPI says that it "
           "can, and a trial at the start comes out right"},
          rounding}});
    return rows;
}

}  // namespace

std::string TrainFlag::key() const { return long_name().substr(2); }

std::vector<TrainFlag> train_flags(TrainOptions& options) {
    std::vector<TrainFlag> rows;
    for (const auto& part : {network_flags, training_flags, update_flags, sample_flags, file_flags,
                             check_flags, way_flags})
        add(rows, part(options));
    return rows;
}

Json flag_values(const TrainOptions& options, OnResume on_resume) {
    TrainOptions copy = options;
    Json values = Json::object();
    for (const TrainFlag& flag : train_flags(copy))
        if (flag.on_resume == on_resume) values.add(flag.key(), flag.value.tell());
    return values;
}

Flag data_flag(std::string& place) {
    return {"--data", folder_name(place), "Data", "folder of the IDX files, or a .npz file"};
}
std::vector<Flag> table_flags(std::string& place, std::string& target, const std::string& verb) {
    return {{"--csv-data", file_name(place), "Data", verb + " this table instead of images"},
            {"--target", text(target, "COLUMNS"), "Data",
             "the table's target, if it is not where the training had it: NAME in the heading, or "
             "NUMBER from 1, or from -1 backwards; several with commas, or a range -3..-1"}};
}
Flag json_flag(bool& place) {
    return {"--json", yes(place), "Output", "print JSON, one object a line"};
}

std::vector<Flag> device_flags(DeviceRequest& device) {
    const char* const group = "Devices";
    return {
        {"--device", choice(device.device), group,
         "what each rank computes on; auto: a GPU if every rank has one, else the CPU"},
        {"--threads", number(device.threads, 0, 1024), group,
         "threads of each rank on the CPU; 0: as many as it has cores", true},
        {"--gemm", choice(device.gemm), group,
         "products of the first layer: fp32; bf16x3 (each float as three bf16, exact; needs AMX, "
         "or a GPU of compute capability 8.0); int8 (each number as a whole one of 31 bits, with a "
         "scale for each row, summed exactly; needs such a GPU); persistent: on a GPU, whole steps "
         "of a small network by one kernel, or as by auto where it cannot take them; auto: the "
         "faster one of fp32 and bf16x3"},
        {"--inputs", choice(device.inputs), group,
         "on the CPU, the first layer leaves out zeros (sparse) or takes them along (dense); "
         "auto: the faster one for the training set"},
        {"--isa", choice(device.isa), group,
         "widest instruction set that this rank may use on the CPU, which it must have; all "
         "ranks use the widest one that every rank has and may use",
         true}};
}

Flag allreduce_flag(DeviceRequest& device) {
    return {
        "--allreduce", choice(device.allreduce), "Devices",
        "mpi: each rank has a copy of the network, and MPI_Allreduce sums the gradients; shared: "
        "all ranks, of one node, work on one copy (CPU); hierarchical: the ranks of each node do, "
        "and MPI_Allreduce sums over the nodes; ring, tree: as mpi, but gradients are added by "
        "messages in a ring of ranks, or in a tree; overlap: as mpi, but sums start while the "
        "gradient is computed; nccl: as mpi, but NCCL sums, on GPUs, of which each rank has its "
        "own; auto: shared or hierarchical where it can be"};
}

std::vector<Flag> output_flags(OutputFiles& files, const std::string& logged) {
    const char* const group = "Output";
    return {
        {"--csv", file_name(files.csv), group, "write a line for each " + logged + " to this file"},
        {"--jsonl", file_name(files.jsonl), group, "the same lines as JSON objects"},
        {"--plot", file_name(files.plot), group,
         "draw the loss and the accuracy: .svg, or .png with gnuplot"},
        {"--save", file_name(files.save), group, "write the trained parameters: safetensors"}};
}

void check_output_files(const CommandLine& line, const OutputFiles& outputs) {
    const auto files = outputs.all();
    const auto place = [](const OutputFiles::Named& file) {
        return std::filesystem::path(file.name).lexically_normal();
    };
    for (auto one = files.begin(); one != files.end(); ++one)
        for (auto other = one + 1; other != files.end(); ++other)
            if (!one->name.empty() && !one->name.starts_with("/dev/") &&
                place(*one) == place(*other))
                line.refuse(std::string(one->flag) + " and " + other->flag + " both name " +
                            one->name + "; give each a file of its own");
}
