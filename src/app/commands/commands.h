// commands.h: the table of commands: ./main NAME ...
#pragma once
#include <functional>
#include <optional>

#include "app/cli/options.h"
#include "comm/comm.h"

/// A command with its options.
struct Job {
    std::function<int(const Comm& comm)> run;  ///< collective; returns the exit code
    Settings settings;       ///< version, type, command, flags: alike on all ranks
    int ranks_per_node = 0;  ///< of Comm
};

struct Command {
    const char* name;
    /// Parses the words after the command; returns nothing after --help or --version (options.h).
    std::optional<Job> (*parse)(const Arguments& arguments, bool speaks);
};

/// Parses the whole command line. Without the name of a command, the command is `train`. Throws
/// InputError.
std::optional<Job> parse_command(Arguments arguments, bool speaks);
