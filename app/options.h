// options.h: the command line becomes Options, or one line that says what is wrong with it.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "neural_network.h"
#include "objective.h"
#include "parameters.h"

inline constexpr const char* program_version = "0.2.0";

enum class Command { train, predict, evaluate, inspect, demo };

struct Options {
    Command command = Command::train;
    std::vector<int> hidden;  ///< sizes of the hidden layers
    Training training;
    Objective objective;
    Init init = Init::normal;
    double init_scale = 0.1;     ///< deviation of normal first weights; 0: 1 / sqrt(layer's inputs)
    bool raw_pixels = false;     ///< inputs 0..255 instead of 0..1
    std::size_t train_size = 0;  ///< images to train on, the rest is held out; 0: all
    std::size_t hold_out = 0;    ///< hold so many of the last training images out instead
    bool compare = false;        ///< train the reference too and compare
    int grade = 0;               ///< grading mode, 0: none
    std::string device = "auto";
    int threads = 0;  ///< of each rank on the CPU; 0: as many as it has cores
    std::string gemm = "auto";
    std::string allreduce = "auto";
    bool cuda_aware = false;  ///< hand device pointers to MPI, if it says that it takes them
    std::string data = "data";
    std::string csv_data;    ///< a table to train on instead of images; empty: none
    int target_columns = 1;  ///< of the table
    // Files; empty: none.
    std::string csv, jsonl, plot, report;
    std::string save, load;
    std::string checkpoint;  ///< folder
    int checkpoint_every = 1;
    bool resume = false;
    // predict, inspect
    std::vector<std::string> files;
    bool show = false, json = false;
};

/// What the command line asks for, or nothing after --help or --version, whose text is printed when
/// `speaks` (one rank should). Throws InputError.
std::optional<Options> parse_options(int argc, char** argv, bool speaks);
