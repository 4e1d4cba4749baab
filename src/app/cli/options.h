// options.h: the command line becomes Options, or one line that says what is wrong with it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "model/initial.h"
#include "model/objective.h"
#include "neural_network.h"
#include "train/choose.h"

inline constexpr const char* program_version = "0.2.0";

enum class Command { train, predict, evaluate, inspect, demo };

struct Options {
    Command command = Command::train;
    Init init = Init::normal;
    std::vector<int> hidden;  ///< sizes of the hidden layers
    Training training;
    Objective objective;
    double init_scale = 0.1;  ///< deviation of normal first weights; 0: 1 / sqrt(layer's inputs)
    FeedKind feed = FeedKind::resident;
    int print_every = 0;         ///< report the loss every so many steps; 0: never
    std::size_t train_size = 0;  ///< samples to train on, the rest is held out; 0: all
    std::size_t hold_out = 0;    ///< hold so many of the last training images out instead
    DeviceRequest device;
    std::string data = "data";
    std::string csv_data;  ///< a table to train on instead of images; empty: none
    std::string csv, jsonl, plot, report, save, load;  ///< files; empty: none
    std::string checkpoint;                            ///< folder; empty: none
    std::vector<std::string> files;                    ///< of predict and inspect
    int grade = 0;                                     ///< grading mode, 0: none
    int target_columns = 1;                            ///< of the table
    int checkpoint_every = 1;
    bool resume = false;
    bool compare = false;     ///< train the reference too and compare
    bool raw_pixels = false;  ///< inputs 0..255 instead of 0..1
    bool show = false, json = false;
};

/// A file that a run writes: its flag, and its name, which is empty where the flag was not given.
struct OutputFile {
    const char* flag;
    std::string name;
};
std::vector<OutputFile> output_files(const Options& options);

/// What the command line asks for, or nothing after --help or --version, whose text is printed when
/// `speaks` (one rank should). Throws InputError.
std::optional<Options> parse_options(int argc, char** argv, bool speaks);
