// error.h: the ways in which the program refuses to go on, and its exit codes.
//
// InputError: what the user gave cannot be used (a flag, a file). Nothing is broken; exit code 2.
// Failure:    a call that should have worked did not (MPI, CUDA, memory). Exit code 3.
// Diverged, RanksDiffer: a training failed; thrown on every rank; exit code 1. Each holds one line
// that says what happened, to what, and what to do. main() prints it once.
#pragma once
#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

enum ExitCode : int {
    exit_ok = 0,
    exit_check_failed = 1,
    exit_bad_input = 2,
    exit_failure = 3,
    exit_stopped = 4  ///< by a signal, after a checkpoint
};

struct InputError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Training whose loss or parameters are no longer numbers. Exit code 1.
struct Diverged : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Replicas whose parameters are no longer the same. Exit code 1.
struct RanksDiffer : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Failure : std::runtime_error {
    /// `call` failed at `file`:`line` because of `reason`; `advice` says what the user can do.
    Failure(const char* file, int line, const std::string& call, const std::string& reason,
            const std::string& advice)
        : std::runtime_error(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " +
                             reason + "; " + advice) {}
};

/// Makes text from a user or a file safe to print in one line. Control characters (below U+0020,
/// U+007F to U+009F) become '?'. The text is cut after `most` bytes.
inline std::string harmless(std::string_view text, std::size_t most = 80) {
    const bool cut = text.size() > most;
    std::string line(text.substr(0, most));
    for (std::size_t i = 0; i < line.size(); ++i) {
        const auto byte = static_cast<unsigned char>(line[i]);
        const bool second = i > 0 && static_cast<unsigned char>(line[i - 1]) == 0xc2;
        if (byte < 0x20 || byte == 0x7f || (second && byte < 0xa0)) line[i] = '?';
    }
    return cut ? line + "..." : line;
}

/// Throws InputError with the line "NAME: expected THIS, found THAT; do SO".
[[noreturn]] inline void refuse(const std::string& name, const std::string& expected,
                                const std::string& found, const std::string& advice) {
    throw InputError(harmless(name, 4096) + ": expected " + expected + ", found " + found + "; " +
                     advice);
}

/// What `error`, an errno, says: that there is no such file, or the system's text in quotes.
inline std::string error_text(int error) {
    if (error == ENOENT) return "no such file";
    return "\"" + std::generic_category().message(error) + "\"";
}
