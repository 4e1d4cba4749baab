// options_race.cpp: which words are the race's own, which go to every run, and which to one.
#include "app/cli/options_race.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "app/cli/command_line.h"
#include "app/cli/flags.h"
#include "base/error.h"

namespace {

const Manual race_manual{
    "./main race", "trains with several settings, one after another, and compares them",
    "--run [NAME:]FLAGS [--run ...] [FLAGS]      or: --runs FILE [FLAGS]",
    "FLAGS are those of a training (./main --help). Those in quotes behind --run are one run's;\n"
    "all others are every run's. All runs have the same samples and, without --seed, the same\n"
    "seed. Prints each training and then a table: epochs, seconds, the best accuracy, and when\n"
    "the run reached --until. Seconds are those of training and of its evaluations. A run that\n"
    "diverges does not end the race. Runs write no files.",
    "./main race --until 98 --run \"--optimizer adam\" --run \"--schedule onecycle -l 3\"\n"
    "mpirun -np 2 ./main race --until 97 --run plain: --run \"fast: --optimizer nesterov\""};

/// The race's own words, each flag with its value as one word, and those of every run.
struct Words {
    Arguments own, of_all;
};

Words sorted(const Arguments& arguments) {
    Words words;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        const std::string name = word.substr(0, word.find('='));
        const bool has_value = name == "--run" || name == "--runs" || name == "--plot";
        if (has_value && name == word && i + 1 < arguments.size())
            words.own.push_back(word + "=" + arguments[++i]);
        else if (has_value || word == "-h" || word == "--help" || word == "--version" ||
                 word == "--separate-runs")
            words.own.push_back(word);
        else
            words.of_all.push_back(word);
    }
    return words;
}

/// The lines of a file, but for empty ones and those that begin with '#'.
std::vector<std::string> lines_in(const std::string& file) {
    std::ifstream in(file);
    if (!in) throw InputError("--runs " + harmless(file) + ": cannot be read; name a text file");
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        const std::size_t first = line.find_first_not_of(" \t\r");
        if (first == std::string::npos || line[first] == '#') continue;
        lines.push_back(line.substr(first, line.find_last_not_of(" \t\r") + 1 - first));
    }
    return lines;
}

/// "NAME: FLAGS", or flags alone, whose first character is '-'.
struct NamedFlags {
    std::string name;
    Arguments flags;

    explicit NamedFlags(const std::string& text) : name(text) {
        std::string words = text;
        const std::size_t colon = text.find(':');
        if (!text.starts_with('-') && colon != std::string::npos) {
            name = text.substr(0, colon);
            words = text.substr(colon + 1);
        }
        std::istringstream in(words);
        for (std::string word; in >> word;) flags.push_back(word);
    }
};

/// The first flag that gives a run other samples than the first run has; "" if none does.
std::string flag_of_other_samples(const TrainOptions& run, const TrainOptions& first) {
    const Json ours = flag_values(run, OnResume::content);
    const Json theirs = flag_values(first, OnResume::content);
    for (const char* flag : {"data", "picture-folder", "as-is", "set", "first-label", "transposed",
                             "inverted", "train-size", "csv-data", "target", "target-columns"})
        if (ours[flag].dump() != theirs[flag].dump()) return std::string("--") + flag;
    return "";
}

/// What a race does not do in a run, or what its runs must have alike; "" if all is well.
std::string why_not(const TrainOptions& run, const TrainOptions& first) {
    for (const auto& [flag, file] : run.files.all())
        if (!file.empty())
            return std::string(flag) + ": a run of a race writes no file; leave it out";
    if (!run.checkpoint.empty()) return "--checkpoint: a race cannot be resumed; leave it out";
    if (run.compare || run.grade > 0)
        return "-s (--compare) and --grade: a race compares runs alone; leave them out";
    if (const std::string flag = flag_of_other_samples(run, first); !flag.empty())
        return flag +
               ": the samples are not those of the first run; give it to all runs, outside "
               "the quotes";
    if (run.until != first.until)
        return "--until: the goal is not that of the first run; give it to all runs, outside the "
               "quotes";
    if (run.ranks_per_node != first.ranks_per_node)
        return "--ranks-per-node: the nodes are those of all runs; give it outside the quotes";
    return "";
}

/// A run by the words of all and its own. Its flags are in the race's settings under its number.
RaceOptions::Run parsed(const std::string& text, const Arguments& of_all, RaceOptions& race) {
    const NamedFlags named(text);
    const std::string number = std::to_string(race.runs.size() + 1);
    const std::string where = "run " + number + " of the race, '" + harmless(named.name) + "': ";
    Arguments words = of_all;
    words.insert(words.end(), named.flags.begin(), named.flags.end());
    std::optional<TrainOptions> options;
    try {
        options = parse_train(words, false);
    } catch (const InputError& error) {
        throw InputError(where + error.what());
    }
    if (!options) throw InputError(where + "it asks for help or the version; leave that out");
    const TrainOptions& first = race.runs.empty() ? *options : race.runs.front().options;
    if (const std::string why = why_not(*options, first); !why.empty())
        throw InputError(where + why);
    const std::string run = "run " + number + " ";
    for (const auto& [name, value] : options->settings)
        race.settings.emplace_back(std::string(run).append(name), value);
    return {named.name, *options};
}

}  // namespace

std::optional<RaceOptions> parse_race(const Arguments& arguments, bool speaks) {
    RaceOptions race;
    std::vector<std::string> texts;
    std::string file;
    CommandLine line(race_manual);
    line.add({"--run", words(texts), "Race", "a run: its flags, or a name, a colon and its flags"});
    line.add({"--runs", file_name(file), "Race",
              "a file of runs, a line each; a line that begins with # is a remark"});
    line.add({"--plot", file_name(race.plot), "Race",
              "draw the accuracy of all runs over the seconds: .svg"});
    const Words sorted_words = sorted(arguments);
    if (!line.parse(sorted_words.own, speaks)) return std::nullopt;
    race.settings = line.settings();
    if (!file.empty()) std::ranges::move(lines_in(file), std::back_inserter(texts));
    if (texts.empty()) line.refuse("--run: expected at least one run, or --runs FILE with some");
    if (!race.plot.empty() && !race.plot.ends_with(".svg"))
        line.refuse("--plot: expected a name that ends in .svg, found '" + harmless(race.plot) +
                    "'");
    for (const std::string& text : texts)
        race.runs.push_back(parsed(text, sorted_words.of_all, race));
    return race;
}
