// idx_files.cpp: looks through a folder for the spellings of a name, the preferred one first.
#include "input/idx_files.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "input/byte_source.h"

namespace fs = std::filesystem;

namespace {

/// The names that the file `stem` may have, the preferred one first.
std::vector<std::string> spellings(const std::string& stem) {
    std::vector<std::string> stems{stem};
    if (stem.starts_with("t10k-")) stems.push_back("test-" + stem.substr(5));
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

}  // namespace

fs::path find_idx_file(const fs::path& dir, const std::string& stem) {
    const auto names = spellings(stem);
    const auto candidates = find_candidates(dir, names);
    if (candidates.empty()) {
        std::string list;
        for (const auto& name : names) list += (list.empty() ? "" : " or ") + name;
        refuse(dir.string(), list, "no such file in it",
               "put the file there, or give the directory of a set with --data DIR");
    }
    const Candidate& best = candidates.front();
    for (const auto& other : candidates)
        if (!best.prefix.empty() && other.irregular == best.irregular &&
            other.prefix != best.prefix)
            refuse(
                dir.string(), "one set",
                "both " + best.path.filename().string() + " and " + other.path.filename().string(),
                "give a directory with one set alone with --data DIR");
    return best.path;
}

bool has_idx_file(const fs::path& dir, const std::string& stem) {
    return !find_candidates(dir, spellings(stem)).empty();
}
