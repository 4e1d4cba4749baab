// options_race.h: the command line of ./main race: flags of all its runs, and those of each.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "app/cli/options.h"

/// Several trainings on the same samples, one after another.
struct RaceOptions {
    struct Run {
        std::string name;  ///< as the user gave it; otherwise its flags
        TrainOptions options;
    };
    std::vector<Run> runs;  ///< at least one
    std::string plot;       ///< the picture; empty: none
    Settings settings;      ///< of the race and of each run
};

/// Parses the words after the command, as the functions of options.h do. Throws InputError, which
/// names the run whose flags are refused.
std::optional<RaceOptions> parse_race(const Arguments& arguments, bool speaks);
