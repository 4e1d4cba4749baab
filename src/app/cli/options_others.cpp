// options_others.cpp: the command lines of all commands that do not train on samples.
#include "app/cli/flags.h"
#include "app/cli/flags_foreign.h"
#include "app/cli/flags_images.h"
#include "app/cli/options.h"

namespace {

void add_load_flag(CommandLine& line, std::string& place) {
    line.add_required({"--load", file_name(place), "Network",
                       "the network: a file that --save or a checkpoint wrote"});
}
void add(CommandLine& line, const std::vector<Flag>& flags) {
    for (const Flag& flag : flags) line.add(flag);
}

void check_target(const CommandLine& line) {
    if (line.given("--target") && !line.given("--csv-data"))
        line.refuse("--target is a column of a table: give --csv-data, or leave it out");
}

/// Refuses flags of predict that need another one, or exclude each other.
void check_predict(const CommandLine& line, const PredictOptions& o) {
    const bool table = !o.csv_data.empty();
    if (o.files.empty() && !table)
        line.refuse("IMAGES: expected images, or --csv-data with a table");
    if (!o.files.empty() && table) line.refuse("IMAGES and --csv-data: give one of them");
    check_target(line);
    if (o.show && o.json) line.refuse("--show and --json: give one of them");
    if (o.show && table) line.refuse("--show draws images, and a table has none; leave it out");
    if (!o.out.empty() && (o.show || o.json))
        line.refuse("--out writes a CSV file; leave --show and --json out");
    for (const char* flag : {"--as-is", "--digits", "--explain"})
        if (table && line.given(flag))
            line.refuse(std::string(flag) +
                        " is about pictures, and a table has none; leave it out");
    for (const char* flag : {"--digits", "--explain"})
        if (o.as_is && line.given(flag))
            line.refuse("--as-is and " + std::string(flag) + ": give one of them");
    if (o.digits && !o.out.empty())
        line.refuse("--out has a row for each image, not for a line of digits; leave --digits out");
    if (o.submission.empty()) return;
    if (o.out.empty()) line.refuse("--submission: expected --out FILE beside it");
    const auto comma = o.submission.find(',');
    if (comma == 0 || comma >= o.submission.size() - 1 || comma != o.submission.rfind(','))
        line.refuse("--submission: expected two names, as ImageId,Label, found '" + o.submission +
                    "'");
}

}  // namespace

std::optional<PredictOptions> parse_predict(const Arguments& arguments, bool speaks) {
    PredictOptions o;
    CommandLine line(
        {"./main predict", "classifies pictures with a trained network",
         "--load FILE [FLAGS] IMAGES...       or: --load FILE [FLAGS] --csv-data TABLE",
         "IMAGES are pictures (PNG, JPEG, BMP, PPM, PGM, PBM) of one digit each, dark on light or\n"
         "light on dark, and IDX files, plain or gzipped. Prints one line for each image: the\n"
         "file, the digit, its probability. Of a table, each row gets a line. The network knows\n"
         "its columns and their scale.",
         "./main predict --load mnist.safetensors --show my_seven.png\n"
         "./main predict --load digits.safetensors --csv-data test.csv --out "
         "answer.csv"});
    add_load_flag(line, o.load);
    line.add({"IMAGES", words(o.files), "", "images to classify"});
    add(line, table_flags(o.csv_data, o.target, "predict from"));
    line.add({"--digits", yes(o.digits), "Pictures",
              "each picture shows a line of several digits: print the number, and each digit"});
    line.add({"--as-is", yes(o.as_is), "Pictures",
              "the pictures have the network's size and are not prepared"});
    line.add({"--show", yes(o.show), "Output",
              "draw the image as the network gets it, in the terminal"});
    line.add(json_flag(o.json));
    line.add(
        {"--explain", folder_name(o.explain), "Output",
         "write there what each step of the preparation made of the pictures, as PNG files, in "
         "place of those of an earlier run"});
    line.add({"--out", file_name(o.out), "Output",
              "write the predictions to this CSV file instead: file, index from 0, class, "
              "probability"});
    line.add({"--submission", text(o.submission, "ID,CLASS"), "Output",
              "the columns of --out: a number from 1, and the class, under these two names: "
              "ImageId,Label for Kaggle's digits"});
    add(line, foreign_flags(o.said));
    add(line, device_flags(o.device));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    check_predict(line, o);
    return o;
}

std::optional<EvaluateOptions> parse_evaluate(const Arguments& arguments, bool speaks) {
    EvaluateOptions o;
    CommandLine line({"./main evaluate", "measures a trained network on a test set",
                      "--load FILE [FLAGS]",
                      "Prints the accuracy with its 95 % interval, the confusion matrix, and the "
                      "precision and\nrecall of each class, for the test images of --data, or for "
                      "a table with --csv-data.",
                      "./main evaluate --load mnist.safetensors"});
    add_load_flag(line, o.load);
    line.add(data_flag(o.data));
    add(line, image_flags(o.images, o.picture_folder));
    add(line, table_flags(o.csv_data, o.target, "evaluate on"));
    line.add(json_flag(o.json));
    add(line, foreign_flags(o.said));
    add(line, device_flags(o.device));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    if (line.given("--data") && line.given("--csv-data"))
        line.refuse("--data and --csv-data: give one of them");
    check_target(line);
    check_image_flags(line);
    if (!o.picture_folder.empty()) o.data = o.picture_folder;
    return o;
}

std::optional<ImportOptions> parse_import(const Arguments& arguments, bool speaks) {
    ImportOptions o;
    CommandLine line({"./main import", "makes a network of another program one of this program",
                      "FILE -o OUT [FLAGS]",
                      "FILE is a safetensors or a .npz file of fully connected layers, as PyTorch, "
                      "Keras or NumPy\nwrite them. What was done to the inputs is folded into the "
                      "first layer. OUT is as --save\nwrites it, for predict, evaluate and --load.",
                      "./main import mlp.safetensors -o mlp_here.safetensors --activation relu "
                      "--input-mean 0.1307 --input-std 0.3081"});
    line.add_required({"FILE", file_name(o.file), "", "the network of another program"});
    line.add_required({"-o,--out", file_name(o.out), "Output", "the file to write"});
    add(line, foreign_flags(o.said));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    return o;
}

std::optional<ExportOptions> parse_export(const Arguments& arguments, bool speaks) {
    ExportOptions o;
    CommandLine line({"./main export", "makes a page in which a digit is drawn and read",
                      "--load FILE --html FILE",
                      "The page is one file of at most 1.5 MB with the network in it, and loads "
                      "nothing. It prepares\nwhat is drawn as predict does, and shows what each "
                      "layer makes of it while one draws.",
                      "./main export --load mnist.safetensors --html digit.html"});
    add_load_flag(line, o.load);
    line.add_required({"--html", file_name(o.html), "Output", "the page to write"});
    add(line, foreign_flags(o.said));
    if (!line.parse(arguments, speaks)) return std::nullopt;
    o.settings = line.settings();
    return o;
}

std::optional<InspectOptions> parse_inspect(const Arguments& arguments, bool speaks) {
    InspectOptions o;
    CommandLine line(
        {"./main inspect", "prints what files hold", "[FLAGS] FILES...",
         "FILES are models, checkpoints, folders of checkpoints, folders of IDX files, and "
         "tables\n(.csv, .tsv, .tab, .txt).",
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
