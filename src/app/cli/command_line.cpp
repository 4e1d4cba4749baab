// command_line.cpp: the manual's page and the one line that a mistake gets.
#include "app/cli/command_line.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
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

/// Words in lines of at most 88 characters, each begun by `indent` spaces.
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

/// CLI11's list of flags as a manual's page.
class ManualPage : public CLI::Formatter {
  public:
    explicit ManualPage(Manual manual) : manual_(std::move(manual)) {}

    std::string make_help(const CLI::App* app, std::string,
                          CLI::AppFormatMode mode) const override {
        return "NAME\n    " + manual_.command.substr(2) + " - " + manual_.purpose +
               "\n\nSYNOPSIS\n    " + manual_.command + " " + manual_.synopsis +
               "\n\nDESCRIPTION\n" + indented(manual_.description) + "\n" + make_positionals(app) +
               make_groups(app, mode) + "\nEXIT STATUS\n" + indented(exit_codes) + "\nEXAMPLES\n" +
               indented(manual_.examples);
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
        if (!is_positional && option->get_items_expected_max() > 0) names += " " + type_of(*option);
        const std::string preset = option->get_default_str();
        const bool tells =
            !preset.empty() && preset != "[]" && option->get_items_expected_max() > 0;
        return "    " + names + "\n" +
               wrapped(option->get_description() + (tells ? " (default: " + preset + ")" : ""), 12);
    }

  private:
    /// Without the validator's own words, which CLI11 puts behind a colon.
    static std::string type_of(const CLI::Option& option) {
        const std::string name = option.get_type_name();
        return name.substr(0, name.find(':'));
    }

    static constexpr const char* exit_codes =
        "0  right\n"
        "1  a check failed: a comparison, or training diverged\n"
        "2  bad use or input\n"
        "3  a call failed: MPI, CUDA, memory, a disk\n"
        "4  stopped by SIGUSR1 or SIGTERM, after a checkpoint; --resume goes on";
    Manual manual_;
};

}  // namespace

CommandLine::CommandLine(const Manual& manual) : command_(manual.command) {
    app_.option_defaults()->always_capture_default()->disable_flag_override();
    app_.formatter(std::make_shared<ManualPage>(manual));
    app_.set_help_flag("-h,--help", "print this and exit");
    app_.set_version_flag("--version",
                          std::string("main ") + program_version + " (" + nn_real_name + ")",
                          "print the version and the type of its numbers, and exit");
}

bool CommandLine::parse(std::vector<std::string> arguments, bool speaks) {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    try {
        app_.parse(arguments);
        return true;
    } catch (const CLI::CallForHelp&) {
        if (speaks) std::printf("%s", app_.help().c_str());
        return false;
    } catch (const CLI::CallForVersion&) {
        if (speaks) std::printf("%s\n", app_.version().c_str());
        return false;
    } catch (const CLI::ExtrasError&) {
        std::string unknown;
        for (const std::string& argument : app_.remaining()) unknown += " '" + argument + "'";
        refuse("argument not expected:" + unknown);
    } catch (const CLI::ArgumentMismatch& error) {
        // CLI11 names the flag without its dashes here.
        const std::string what = error.what();
        refuse((what.starts_with('-') ? "" : "--") + what);
    } catch (const CLI::ParseError& error) {
        refuse(error.what());
    }
}

void CommandLine::refuse(const std::string& message) const {
    throw InputError(message + "; see " + command_ + " --help");
}

void CommandLine::refuse_empty(const char* flag, const std::string& value, const char* what) const {
    const CLI::Option* const option = app_.get_option_no_throw(flag);
    if (option != nullptr && option->count() > 0 && value.empty())
        refuse(std::string(flag) + ": expected the name of " + what + ", found ''");
}
