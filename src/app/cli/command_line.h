// command_line.h: the functions that parse the command lines of all commands.
//
// A flag is a row: its names, the value that it sets, and the help. A number must be decimal, in
// range, and whole if the value is; nothing may stand before or after it. Every mistake becomes an
// InputError of one line. The library behind this is slow to compile, so only one source file
// includes it: command_line.cpp.
#pragma once
#include <charconv>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "app/cli/settings.h"
#include "base/json.h"
#include "base/names.h"
#include "base/text.h"

/// A value of the options, and the functions by which a flag sets and shows it.
struct FlagValue {
    /// Stores the value in the text. Returns "" if the text is right, else what it should have
    /// been: "a whole number from 1 to 9".
    std::function<std::string(const std::string&)> read;
    std::function<Json()> tell;  ///< returns the current value
    std::string type;            ///< for the help: "N", "auto|cuda|cpu"; empty: a switch
    std::string preset;          ///< for the help: the value without the flag; empty: not shown
};

/// True if the text is a number of type T in [least, most] and nothing else. No flag takes a number
/// below 0, so a sign is refused. A 0 before other digits is refused too, because it could mean
/// octal.
template <class T>
bool is_number(const std::string& text, T least, T most, T& value) {
    if (text.starts_with('-')) return false;
    if (std::is_integral_v<T> && text.size() > 1 && text.starts_with('0')) return false;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return false;
    return value >= least && value <= most;  // false for NaN
}

/// A number in [least, most].
template <class T>
FlagValue number(T& place, T least, T most) {
    const auto text = [](T value) { return formatted("%.10g", static_cast<double>(value)); };
    std::string wanted =
        (std::is_integral_v<T>
             ? "a whole number from " + Json(least).dump() + " to " + Json(most).dump()
             : "a number from " + text(least) + " to " + text(most));
    return {[=, &place](const std::string& words) {
                T value{};
                if (!is_number(words, least, most, value)) return wanted;
                place = value;
                return std::string();
            },
            [&place] { return Json(place); }, std::is_integral_v<T> ? "N" : "X",
            std::is_integral_v<T> ? Json(place).dump() : text(place)};
}

/// A name from a table; by default from the table of the enum itself.
template <class E>
FlagValue choice(E& place, std::span<const Named<E>> names = Names<E>::all) {
    std::string all;
    const char* preset = "";
    for (const Named<E>& known : names) {
        all += (all.empty() ? "" : "|") + std::string(known.name);
        if (is_named(known.value, place)) preset = known.name;
    }
    const auto find = [names](const std::string& name) -> const Named<E>* {
        for (const Named<E>& known : names)
            if (name == known.name) return &known;
        return nullptr;
    };
    return {[=, &place](const std::string& name) {
                const Named<E>* const known = find(name);
                if (known == nullptr) return "one of " + all;
                place = known->value;
                return std::string();
            },
            [=, &place] {
                for (const Named<E>& known : names)
                    if (is_named(known.value, place)) return Json(known.name);
                return Json();
            },
            all, preset};
}

/// The name of a file ("FILE") or of a folder ("DIR"); not an empty one.
FlagValue file_name(std::string& place);
FlagValue folder_name(std::string& place);
/// Any text but the empty one; `type` is for the help.
FlagValue text(std::string& place, const char* type);
/// Sizes separated by commas: "512,256".
FlagValue sizes(std::vector<int>& place);
/// A switch: it sets `place` to `value`.
FlagValue yes(bool& place, bool value = true);
/// Any number of words, for a positional argument.
FlagValue words(std::vector<std::string>& place);

struct Flag {
    const char* names;  ///< "-b,--batch"; without dashes: a positional argument
    FlagValue value;
    const char* group;  ///< its heading in the help
    std::string text;
    bool differs = false;  ///< ranks may have different values

    std::string long_name() const;  ///< "--batch", or a positional argument's name
};

/// The text around the flags in a command's --help.
struct Manual {
    std::string command;      ///< as it is typed: "./main predict"
    std::string purpose;      ///< in one line
    std::string synopsis;     ///< what follows the command
    std::string description;  ///< whole lines
    std::string examples;     ///< whole lines
    /// Which flags do not go together, a rule each; none: the page does not speak of it.
    std::vector<std::string> rules{};
};

/// A parser with that manual. Every command has -h, --help, --version and --separate-runs.
class CommandLine {
  public:
    explicit CommandLine(const Manual& manual);
    ~CommandLine();

    void add(const Flag& flag);
    void add_required(const Flag& flag);
    /// Returns false after --help or --version, and prints their text if `speaks`. Throws
    /// InputError.
    bool parse(std::vector<std::string> arguments, bool speaks);
    /// True if the command line had the flag: "-b" or "--batch".
    bool given(const std::string& flag) const;
    /// The present values of all flags that must be alike on all ranks.
    Settings settings() const;
    /// Throws InputError with `message` and a hint at --help.
    [[noreturn]] void refuse(const std::string& message) const;

  private:
    struct Parser;
    std::string command_;
    bool separate_runs_ = false;
    std::vector<Flag> flags_;
    std::unique_ptr<Parser> parser_;
};
