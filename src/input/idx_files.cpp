// idx_files.cpp: looks through a folder for the spellings of a name, the preferred one first.
#include "input/idx_files.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "input/byte_source.h"
#include "input/folder_hint.h"

namespace fs = std::filesystem;

namespace {

/// The names that the file `stem` may have, the preferred one first.
std::vector<std::string> spellings(const std::string& stem) {
    std::vector<std::string> stems{stem};
    if (stem.starts_with("t10k-")) stems.push_back("test-" + stem.substr(5));
    constexpr std::string_view labels = "labels-idx1-ubyte";
    if (stem.ends_with(labels))  // QMNIST's
        for (std::size_t i = 0, n = stems.size(); i < n; ++i)
            stems.push_back(stems[i].substr(0, stems[i].size() - labels.size()) +
                            "labels-idx2-int");
    std::vector<std::string> names;
    for (const auto& dashed : stems) {
        std::string dotted = dashed;
        if (const auto at = dotted.rfind("-idx"); at != std::string::npos) dotted[at] = '.';
        names.insert(names.end(), {dashed, dashed + ".gz", dotted, dotted + ".gz"});
    }
    return names;
}

/// A file of the directory that may be the wanted one. The order < puts the best one first.
struct Candidate {
    bool irregular;  ///< a directory, or the like
    std::string prefix;
    std::size_t spelling;
    fs::path path;
    auto operator<=>(const Candidate&) const = default;
};

std::vector<Candidate> find_candidates(const fs::path& dir, const std::vector<std::string>& names) {
    require_type(dir, fs::file_type::directory);
    std::vector<Candidate> candidates;
    try {
        for (const auto& entry : fs::directory_iterator(dir)) {
            const std::string name = entry.path().filename().string();
            const auto spelling = std::find_if(names.begin(), names.end(),
                                               [&](auto& end) { return name.ends_with(end); });
            if (spelling == names.end() || name.starts_with('.')) continue;
            std::error_code ignored;  // opening such a file reports it
            candidates.push_back(
                {!entry.is_regular_file(ignored), name.substr(0, name.size() - spelling->size()),
                 static_cast<std::size_t>(spelling - names.begin()), entry.path()});
        }
    } catch (const fs::filesystem_error& e) {
        refuse(dir.string(), "a directory that can be read", "\"" + e.code().message() + "\"",
               "check its permissions, or give another set with --data DIR");
    }
    std::sort(candidates.begin(), candidates.end());
    return candidates;
}

/// Leaves the candidates of the set that is asked for: those whose names begin with it, or if there
/// are none, those without a prefix.
void leave_asked(std::vector<Candidate>& candidates, const std::string& set) {
    if (set.empty()) return;
    const auto is_asked = [&](const Candidate& candidate) {
        return candidate.prefix.starts_with(set) &&
               candidate.prefix.find_first_not_of("-_.", set.size()) == std::string::npos;
    };
    const bool any = std::ranges::any_of(candidates, is_asked);
    std::erase_if(candidates, [&](const Candidate& candidate) {
        return any ? !is_asked(candidate) : !candidate.prefix.empty();
    });
}

/// Refuses a second file that could be meant.
void check_alone(const fs::path& dir, const std::vector<Candidate>& candidates) {
    const Candidate& best = candidates.front();
    const auto both = [&](const Candidate& other) {
        return "both " + best.path.filename().string() + " and " + other.path.filename().string();
    };
    for (const Candidate& other : candidates) {
        if (other.irregular != best.irregular || other.path == best.path) continue;
        if (!best.prefix.empty() && other.prefix != best.prefix)
            refuse(dir.string(), "one set", both(other),
                   "say which one with --set " + best.prefix.substr(0, best.prefix.size() - 1) +
                       ", or give a folder with one set alone with --data DIR");
        if (!best.irregular && other.prefix == best.prefix &&
            !have_same_content(best.path, other.path))
            refuse(dir.string(), "one file, or several with the same content",
                   both(other) + ", which differ", "remove the wrong one");
    }
}

}  // namespace

fs::path find_idx_file(const fs::path& dir, const std::string& stem, const std::string& set) {
    const auto names = spellings(stem);
    auto candidates = find_candidates(dir, names);
    leave_asked(candidates, set);
    if (candidates.empty()) {
        std::string list;
        for (const auto& name : names) list += (list.empty() ? "" : " or ") + name;
        const std::string hint = hint_about(dir);
        refuse(dir.string(), (set.empty() ? "" : set + "-") + list, "no such file in it",
               hint.empty() ? "put the file there, or give the directory of a set with --data DIR"
                            : hint);
    }
    check_alone(dir, candidates);
    return candidates.front().path;
}

std::string prefix_of(const fs::path& file, const std::string& stem) {
    const std::string name = file.filename().string();
    for (const std::string& end : spellings(stem))
        if (name.ends_with(end)) return name.substr(0, name.size() - end.size());
    return "";
}

bool has_idx_file(const fs::path& dir, const std::string& stem, const std::string& set) {
    auto candidates = find_candidates(dir, spellings(stem));
    leave_asked(candidates, set);
    return !candidates.empty();
}
