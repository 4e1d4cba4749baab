// rules.h: which flags of a training go together. One table: it refuses what makes no sense, and
// --help prints it.
//
// A flag alone has its own checks (command_line.h). What only the ranks or the samples show is
// refused later, where it is known (train/choose.h, app/run).
#pragma once
#include <string>
#include <vector>

#include "app/cli/command_line.h"
#include "app/cli/options.h"

/// What a command line asks for.
struct Asked {
    const CommandLine& line;
    const TrainOptions& options;
};

/// A flag that is given, or a value that the options have: "--allreduce mpi".
struct Setting {
    const char* text;
    bool (*holds)(const Asked&) = nullptr;  ///< null: the flag `text` is given

    bool is_in(const Asked& asked) const;
};

/// How each of some settings goes with others.
struct FlagRule {
    enum class Kind { excludes, needs, is_for };
    std::vector<Setting> settings;
    Kind kind;
    std::vector<Setting> others;  ///< excludes: any of them; needs, is_for: one of them must hold
    const char* why = "";         ///< excludes: the reason, and what to do

    /// For the help: the rule in words.
    std::string text() const;
    /// The message if the command line breaks the rule; otherwise empty.
    std::string broken_by(const Asked& asked) const;
};

const std::vector<FlagRule>& flag_rules();

/// Refuses the first rule that is broken.
void check_flag_rules(const Asked& asked);
