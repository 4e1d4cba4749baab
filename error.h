// error.h: the two ways in which the program refuses to go on, and its exit codes.
//
// InputError: what the user gave cannot be used (a flag, a file). Nothing is broken; exit code 2.
// Failure:    a call that should have worked did not (MPI, CUDA, memory). Exit code 3.
// Both carry one line that says what happened, to what, and what to do. main() prints it once.
#pragma once
#include <stdexcept>
#include <string>

enum ExitCode : int { exit_ok = 0, exit_check_failed = 1, exit_bad_input = 2, exit_failure = 3 };

struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Failure : std::runtime_error {
    /// `call` failed at `file`:`line` because of `reason`; `advice` says what the user can do.
    Failure(const char* file, int line, const std::string& call, const std::string& reason,
            const std::string& advice)
        : std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " +
                             reason + "; " + advice) {}
};
