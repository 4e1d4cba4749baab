// command_line.cpp: prints the help, and makes one line of each mistake. Only this file includes
// CLI11.
#include "app/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <sstream>
#include <utility>

#include "app/cli/options.h"
#include "base/error.h"
#include "base/real.h"

namespace {

std::string indented(const std::string& lines) {
    std::istringstream in(lines);
    std::string text;
    for (std::string line; std::getline(in, line);)
        text += line.empty() ? "\n" : "    " + line + "\n";
    return text;
}

/// Breaks words into lines of at most 88 characters, each beginning with `indent` spaces.
std::string wrapped(const std::string& words, std::size_t indent) {
    const std::string margin(indent, ' ');
    std::istringstream in(words);
    std::string text, line;
    for (std::string word; in >> word;) {
        if (!line.empty() && indent + line.size() + 1 + word.size() > 88)
            text += margin + std::exchange(line, "") + "\n";
        line += (line.empty() ? "" : " ") + word;
    }
    return text + margin + line + "\n";
}

/// Makes a manual's page of CLI11's list of flags.
class ManualPage : public CLI::Formatter {
  public:
    explicit ManualPage(Manual manual) : manual_(std::move(manual)) {}

    std::string make_help(const CLI::App* app, std::string,
                          CLI::AppFormatMode mode) const override {
        return "NAME\n    " + manual_.command.substr(2) + " - " + manual_.purpose +
               "\n\nSYNOPSIS\n    " + manual_.command + " " + manual_.synopsis +
               "\n\nDESCRIPTION\n" + indented(manual_.description) + "\n" + make_positionals(app) +
               make_groups(app, mode) + rules() + "\nEXIT STATUS\n" + indented(exit_codes) +
               "\nEXAMPLES\n" + indented(manual_.examples);
    }
    std::string make_group(std::string group, bool is_positional,
                           std::vector<const CLI::Option*> options) const override {
        std::ranges::transform(group, group.begin(),
                               [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        std::string text = group + "\n";
        for (const CLI::Option* option : options) text += make_option(option, is_positional);
        return is_positional ? text + "\n" : text;
    }
    std::string make_option(const CLI::Option* option, bool is_positional) const override {
        std::string names = option->get_name(is_positional, true);
        if (const auto comma = names.find(','); comma != std::string::npos)
            names.insert(comma + 1, " ");
        if (!is_positional && option->get_items_expected_max() > 0)
            names += " " + option->get_type_name();
        const std::string preset = option->get_default_str();
        return "    " + names + "\n" +
               wrapped(
                   option->get_description() + (preset.empty() ? "" : " (default: " + preset + ")"),
                   12);
    }

  private:
    std::string rules() const {
        std::string text = manual_.rules.empty() ? "" : "\nREFUSED TOGETHER\n";
        for (const std::string& rule : manual_.rules) text += "    * " + wrapped(rule, 6).substr(6);
        return text;
    }
    static constexpr const char* exit_codes =
        "0  success\n"
        "1  a check failed: a comparison, the ranks' parameters, or the training diverged\n"
        "2  a flag or an input file cannot be used\n"
        "3  a call failed: MPI, CUDA, memory, a disk\n"
        "4  a signal (Ctrl-C, SIGHUP, SIGTERM, SIGUSR1) ended the run after a checkpoint;\n"
        "   --resume continues it";
    Manual manual_;
};

constexpr const char* many_words = "TEXT";

FlagValue name_of_a(const char* what, const char* type, std::string& place) {
    return {[=, &place](const std::string& name) {
                if (name.empty()) return std::string(what);
                place = name;
                return std::string();
            },
            [&place] { return Json(place); }, type, place};
}

/// "8,5" of sizes.
std::string list_of(const std::vector<int>& numbers) {
    std::string text;
    for (const int number : numbers) text += (text.empty() ? "" : ",") + std::to_string(number);
    return text;
}

}  // namespace

FlagValue file_name(std::string& place) { return name_of_a("the name of a file", "FILE", place); }
FlagValue text(std::string& place, const char* type) { return name_of_a("a text", type, place); }
FlagValue folder_name(std::string& place) {
    return name_of_a("the name of a folder", "DIR", place);
}

FlagValue sizes(std::vector<int>& place) {
    return {[&place](const std::string& text) -> std::string {
                std::vector<int> list;
                std::istringstream items(text + ",");
                for (std::string item; std::getline(items, item, ',');) {
                    int size = 0;
                    if (!is_number(item, 1, 1 << 20, size))
                        return "sizes from 1 to 1048576 separated by commas, such as 100 or "
                               "512,256";
                    list.push_back(size);
                }
                place = list;
                return "";
            },
            [&place] { return Json(place); }, "SIZES", list_of(place)};
}

FlagValue yes(bool& place, bool value) {
    return {[&place, value](const std::string&) {
                place = value;
                return std::string();
            },
            [&place] { return Json(place); }, "", ""};
}

FlagValue words(std::vector<std::string>& place) {
    return {[&place](const std::string& word) {
                place.push_back(word);
                return std::string();
            },
            [&place] { return Json(place); }, many_words, ""};
}

std::string Flag::long_name() const {
    const std::string both = names;
    return both.substr(both.find(',') + 1);  // npos + 1 is 0
}

struct CommandLine::Parser {
    CLI::App app;

    CLI::Option* add(const Flag& flag) {
        const FlagValue& value = flag.value;
        const auto read = value.read;
        if (value.type.empty())
            return app
                .add_flag_callback(
                    flag.names, [read] { read(""); }, flag.text)
                ->group(flag.group);
        // The validator also stores the value, so that the text is read only once.
        CLI::Option* const option =
            value.type == many_words
                ? app.add_option_function<std::vector<std::string>>(
                      flag.names, [](const std::vector<std::string>&) {}, flag.text)
                : app.add_option_function<std::string>(
                      flag.names, [](const std::string&) {}, flag.text);
        if (!value.preset.empty()) option->default_str(value.preset);
        const auto check = [read](std::string& text) {
            const std::string wanted = read(text);
            return wanted.empty() ? "" : "expected " + wanted + ", found '" + text + "'";
        };
        if (*flag.group != 0) option->group(flag.group);  // a positional argument has its own
        return option->type_name(value.type)->check(CLI::Validator(check, ""));
    }
};

namespace {

/// Rewrites CLI11's message about a flag that was given twice, without its value, or with a value
/// that it does not take. The message begins with the flag's name, sometimes without its dashes.
std::string without_value_or_twice(const CLI::App& app, const std::string& words) {
    std::string name =
        (words.starts_with('-') ? "" : "--") + words.substr(0, words.find_first_of(": "));
    // All names, for CLI11's one may not be the one that was typed.
    if (const CLI::Option* const option = app.get_option_no_throw(name))
        name = option->get_name(false, true);
    if (const auto comma = name.find(','); comma != std::string::npos) name.insert(comma + 1, " ");
    if (words.find("override") != std::string::npos) return name + ": this flag takes no value";
    return name + (words.find("At Most") != std::string::npos ? ": given twice; give it once"
                                                              : ": expected a value behind it");
}

}  // namespace

CommandLine::CommandLine(const Manual& manual)
    : command_(manual.command), parser_(std::make_unique<Parser>()) {
    CLI::App& app = parser_->app;
    app.option_defaults()->disable_flag_override();
    app.formatter(std::make_shared<ManualPage>(manual));
    app.set_help_flag("-h,--help", "print this help and exit");
    app.set_version_flag("--version",
                         std::string("main ") + program_version + " (" + nn_real_name + ")",
                         "print the version and the type of the numbers, and exit");
    add({"--separate-runs", yes(separate_runs_), app.get_help_ptr()->get_group().c_str(),
         "this is one of several runs of one rank each, which a launcher started side by side"});
}
CommandLine::~CommandLine() = default;

void CommandLine::add(const Flag& flag) {
    flags_.push_back(flag);
    parser_->add(flag);
}
void CommandLine::add_required(const Flag& flag) {
    flags_.push_back(flag);
    parser_->add(flag)->required();
}

Settings CommandLine::settings() const {
    Settings all;
    for (const Flag& flag : flags_)
        if (!flag.differs) all.emplace_back(flag.long_name(), flag.value.tell().dump());
    return all;
}

bool CommandLine::parse(std::vector<std::string> arguments, bool speaks) {
    CLI::App& app = parser_->app;
    std::ranges::reverse(arguments);  // as CLI11 wants them
    try {
        app.parse(arguments);
        for (const CLI::Option* const option : app.get_options())  // CLI11 lets a switch pass
            if (option->get_items_expected_max() == 0 && option->count() > 1)
                refuse(without_value_or_twice(app, option->get_name() + ": At Most 1"));
        return true;
    } catch (const CLI::CallForHelp&) {
        if (speaks) std::printf("%s", app.help().c_str());
        return false;
    } catch (const CLI::CallForVersion&) {
        if (speaks) std::printf("%s\n", app.version().c_str());
        return false;
    } catch (const CLI::ExtrasError&) {
        std::string unknown;
        for (const std::string& argument : app.remaining()) {
            if (argument.starts_with("-="))
                refuse("'" + argument.substr(1) +
                       "' behind a flag of one letter; write -b 24 or --batch=24");
            unknown += " '" + argument + "'";
        }
        refuse("argument not expected:" + unknown);
    } catch (const CLI::ArgumentMismatch& error) {
        refuse(without_value_or_twice(app, error.what()));
    } catch (const CLI::ParseError& error) {
        refuse(error.what());
    }
}

bool CommandLine::given(const std::string& flag) const {
    const CLI::Option* const option = parser_->app.get_option_no_throw(flag);
    return option != nullptr && option->count() > 0;
}

void CommandLine::refuse(const std::string& message) const {
    throw InputError(message + "; see " + command_ + " --help");
}
