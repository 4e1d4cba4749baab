// options_others.cpp: the command lines of predict, evaluate, inspect and demo.
#include "app/cli/flags.h"
#include "app/cli/options.h"

namespace {

void add_load_flag(CommandLine& line, std::string& place) {
    line.add_required({"--load", file_name(place), "Network",
                       "the network: a file that --save or a checkpoint wrote"});
}
void add(CommandLine& line, const std::vector<Flag>& flags) {
    for (const Flag& flag : flags) line.add(flag);
}

}  // namespace

std::optional<PredictOptions> parse_predict(const Arguments& arguments, bool speaks) {
    PredictOptions o;
    CommandLine line(
        {"./main predict", "classifies pictures with a trained network",
         "--load FILE [FLAGS] IMAGES...",
         "IMAGES are PNG or PGM files of at most 10000 x 10000 pixels, light on dark or "
         "dark on light,\nand IDX files, plain or gzipped. Prints one line for each "
         "image: the file, the digit, its\nprobability.",
         "./main predict --load mnist.safetensors --show my_seven.png"});
    add_load_flag(line, o.load);
    line.add_required({"IMAGES", words(o.files), "", "images to classify"});
    line.add({"--show", yes(o.show), "Output",
              "draw the image as the network gets it, in the terminal"});
    line.add(json_flag(o.json));
    add(line, device_flags(o.device));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    if (o.show && o.json) line.refuse("--show and --json: give one of them");
    return o;
}

std::optional<EvaluateOptions> parse_evaluate(const Arguments& arguments, bool speaks) {
    EvaluateOptions o;
    CommandLine line({"./main evaluate", "measures a trained network on a test set",
                      "--load FILE [FLAGS]",
                      "Prints the accuracy with its 95 % interval, the confusion matrix, and the "
                      "precision and\nrecall of each class, for the test images of --data.",
                      "./main evaluate --load mnist.safetensors"});
    add_load_flag(line, o.load);
    line.add(data_flag(o.data));
    line.add(json_flag(o.json));
    add(line, device_flags(o.device));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    return o;
}

std::optional<InspectOptions> parse_inspect(const Arguments& arguments, bool speaks) {
    InspectOptions o;
    CommandLine line({"./main inspect", "prints what files hold", "[FLAGS] FILES...",
                      "FILES are models, checkpoints, folders of checkpoints and folders of IDX "
                      "files.",
                      "./main inspect mnist.safetensors data"});
    line.add_required({"FILES", words(o.files), "", "files and folders to look at"});
    line.add(json_flag(o.json));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    return o;
}

std::optional<DemoOptions> parse_demo(const Arguments& arguments, bool speaks) {
    enum class Which { exclusive_or };
    static constexpr Named<Which> names[] = {{Which::exclusive_or, "xor"}};
    DemoOptions o;
    Which which{};
    CommandLine line(
        {"./main demo", "trains a network that can be followed by hand", "xor [FLAGS]",
         "Trains 4-3-1 sigmoids on three samples, full batch, 200 iterations, with the "
         "same trainer\nas the other commands. Prints the configuration, the loss, the "
         "predictions and the curve.",
         "./main demo xor\nmpirun -np 3 ./main demo xor --plot xor.svg"});
    FlagValue name = choice<Which>(which, names);
    name.preset = "";
    line.add_required({"NAME", std::move(name), "", "which demo"});
    add(line, output_flags(o.files, "iteration"));
    add(line, device_flags(o.device));
    line.add(allreduce_flag(o.device));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    check_output_files(line, o.files);
    return o;
}
