// command_line.h: what the command lines of all sub-commands share.
//
// Numbers are read strictly: decimal, whole where that is meant, in range, nothing before or after
// them. Help reads like a manual's page. Every mistake becomes an InputError of one line.
#pragma once
#include <CLI/CLI.hpp>
#include <charconv>
#include <sstream>
#include <string>
#include <vector>

/// Text that is a number of type T in [least, most] and nothing else. No flag takes a number below
/// 0, so a sign is refused; and a 0 before other digits, which could be meant as octal.
template <class T>
bool is_number(const std::string& text, T least, T most, T& value) {
    if (text.starts_with('-')) return false;
    if (std::is_integral_v<T> && text.size() > 1 && text.starts_with('0')) return false;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return false;
    return value >= least && value <= most;  // false for NaN
}

/// Refuses an argument that is not a number in [least, most]. Names the range in the message.
template <class T>
CLI::Validator number(T least, T most) {
    std::ostringstream range;
    range << (std::is_integral_v<T> ? "a whole number" : "a number") << " from " << least << " to "
          << most;
    return {[=, text = range.str()](std::string& argument) {
                T value;
                return is_number(argument, least, most, value)
                           ? std::string{}
                           : "expected " + text + ", found '" + argument + "'";
            },
            ""};
}

/// The text around the flags in a sub-command's --help.
struct Manual {
    std::string command;      ///< as it is typed: "./main predict"
    std::string purpose;      ///< in one line
    std::string synopsis;     ///< what follows the command
    std::string description;  ///< whole lines
    std::string examples;     ///< whole lines
};

/// A CLI11 parser with that manual. Every command has -h, --help and --version.
class CommandLine {
  public:
    explicit CommandLine(const Manual& manual);

    CLI::App& flags() { return app_; }
    /// False after --help or --version, whose text is printed when `speaks`. Throws InputError.
    bool parse(std::vector<std::string> arguments, bool speaks);
    /// Throws InputError with `message` and where to read on.
    [[noreturn]] void refuse(const std::string& message) const;
    /// Refuses an empty name given for `flag`, which wants `what` ("a file").
    void refuse_empty(const char* flag, const std::string& value, const char* what) const;

  private:
    std::string command_;
    CLI::App app_;
};
