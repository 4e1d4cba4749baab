// folder_hint.cpp: looks through names, and never into files.
#include "input/folder_hint.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <system_error>

#include "base/error.h"

namespace fs = std::filesystem;

namespace {

bool ends_with_any(std::string name, std::initializer_list<std::string_view> ends) {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    return std::ranges::any_of(ends, [&](std::string_view end) { return name.ends_with(end); });
}

/// What was seen; each the first one by name.
struct Seen {
    fs::path idx, pictures, archive, npz, table;

    static void keep(fs::path& first, const fs::path& other) {
        if (first.empty() || other < first) first = other;
    }
};

Seen look_through(const fs::path& folder) {
    constexpr int deepest = 3, most = 5000;
    Seen seen;
    std::error_code error;
    fs::recursive_directory_iterator at(folder, fs::directory_options::skip_permission_denied,
                                        error);
    for (int count = 0; !error && at != fs::recursive_directory_iterator() && count < most;
         at.increment(error), ++count) {
        if (at.depth() >= deepest) at.disable_recursion_pending();
        const fs::path& path = at->path();
        const std::string name = path.filename().string();
        if (name.find("-idx3-ubyte") != name.npos || name.find(".idx3-ubyte") != name.npos)
            Seen::keep(seen.idx, path.parent_path());
        else if (ends_with_any(name, {".png", ".pgm", ".jpg", ".jpeg", ".bmp", ".ppm"})) {
            if (at.depth() > 0) Seen::keep(seen.pictures, path.parent_path().parent_path());
        } else if (ends_with_any(name, {".zip", ".tar", ".tar.gz", ".tgz", ".7z", ".rar"}))
            Seen::keep(seen.archive, path);
        else if (ends_with_any(name, {".npz"}))
            Seen::keep(seen.npz, path);
        else if (ends_with_any(name, {".csv", ".tsv"}))
            Seen::keep(seen.table, path);
    }
    return seen;
}

std::string shown(const fs::path& path) { return harmless(path.string(), 1000); }

}  // namespace

std::string hint_about(const fs::path& folder) {
    const Seen seen = look_through(folder);
    if (!seen.idx.empty() && seen.idx != folder)
        return "a set is in the folder within: give --data " + shown(seen.idx);
    if (!seen.npz.empty()) return "give NumPy's archive itself: --data " + shown(seen.npz);
    if (!seen.pictures.empty())
        return "for pictures, one subfolder a class, give --picture-folder " + shown(seen.pictures);
    if (!seen.table.empty()) return "for a table give --csv-data " + shown(seen.table);
    if (!seen.archive.empty()) return "unpack " + shown(seen.archive) + " first";
    return "";
}
