// picture_folder.cpp: see picture_folder.h.
#include "input/picture_folder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "base/error.h"
#include "input/picture.h"

namespace fs = std::filesystem;

namespace {

bool is_passed_over(const std::string& name) {
    constexpr std::array<std::string_view, 2> windows{"Thumbs.db", "desktop.ini"};
    return name.starts_with('.') || std::ranges::find(windows, name) != windows.end();
}

/// The names in a folder: of folders, or of files.
std::vector<std::string> names_in(const fs::path& folder, bool folders) {
    std::vector<std::string> names;
    try {
        for (const auto& entry : fs::directory_iterator(folder)) {
            const std::string name = entry.path().filename().string();
            if (!is_passed_over(name) && entry.is_directory() == folders) names.push_back(name);
        }
    } catch (const fs::filesystem_error& error) {
        refuse(folder.string(), "a folder of pictures that can be read",
               error_text(error.code().value()), "check its name and its permissions");
    }
    std::ranges::sort(names);
    return names;
}

bool is_number(const std::string& name) {
    return !name.empty() && name.size() < 10 &&
           name.find_first_not_of("0123456789") == std::string::npos;
}

std::vector<std::string> classes_in(const fs::path& folder) {
    constexpr std::size_t most = 256;
    std::vector<std::string> classes = names_in(folder, true);
    if (std::ranges::all_of(classes, is_number))
        std::ranges::stable_sort(classes, {},
                                 [](const std::string& name) { return std::stoi(name); });
    if (classes.size() < 2 || classes.size() > most)
        refuse(folder.string(), "from 2 to 256 subfolders, one for each class",
               std::to_string(classes.size()),
               "put the pictures of each class into a folder of its "
               "name");
    return classes;
}

/// Reads the pictures of one class. A picture that cannot be used is counted, and the first said.
struct Reader {
    SampleSet& set;
    bool as_is;
    std::size_t unusable = 0, changed_own_size = 0, squeezed = 0;
    std::string first_reason = {}, first_squeezed = {};

    /// What is prepared already is not asked for two digits: its class says that it shows one.
    std::vector<std::uint8_t> input_of(const Picture& picture, const std::string& file) {
        if (as_is) return as_it_is(picture, set.rows, set.cols, file);
        auto input = prepared_already(picture, set.rows, set.cols);
        if (!input.empty()) return input;
        Preparation told;
        input = as_network_input(picture, set.rows, set.cols, file, &told);
        if (told.changed_own_size) ++changed_own_size;
        if (told.digits.front().was_squeezed && squeezed++ == 0) first_squeezed = file;
        return input;
    }

    void read(const fs::path& folder, std::uint8_t label) {
        const auto pictures = names_in(folder, false);
        if (pictures.empty())
            refuse(folder.string(), "pictures", "none",
                   "put the pictures of this class there, or remove the folder");
        for (const std::string& name : pictures) {
            const fs::path file = folder / name;
            try {
                const auto input = input_of(read_picture(file), file.string());
                set.pixels.insert(set.pixels.end(), input.begin(), input.end());
                set.labels.push_back(label);
            } catch (const InputError& error) {
                if (unusable++ == 0) first_reason = error.what();
            }
        }
    }
};

std::vector<std::string> notes_on(const Reader& reader, const std::string& folder) {
    const std::string of_all = " of " + std::to_string(reader.set.labels.size()) + " pictures in " +
                               harmless(folder, 4096) + " ";
    std::vector<std::string> notes;
    if (reader.changed_own_size > 0)
        notes.push_back(std::to_string(reader.changed_own_size) + of_all +
                        "have the network's own size and were prepared as any other; if they are "
                        "as the network takes them, give --as-is");
    if (reader.squeezed > 0)
        notes.push_back(std::to_string(reader.squeezed) + of_all +
                        "show a drawing wider than a digit, which was made narrower; cut them if "
                        "they show two digits that touch; the first: " +
                        harmless(reader.first_squeezed, 4096));
    return notes;
}

}  // namespace

SampleSet read_picture_folder(const std::string& folder, int rows, int cols,
                              std::vector<std::string>& notes,
                              const std::vector<std::string>& names, bool as_is) {
    const std::vector<std::string> here = classes_in(folder);
    SampleSet set{.rows = rows, .cols = cols};
    set.class_names = names.empty() ? here : names;
    set.classes = static_cast<int>(set.class_names.size());
    Reader reader{set, as_is};
    for (const std::string& name : here) {
        const auto place = std::ranges::find(set.class_names, name);
        if (place == set.class_names.end())
            refuse((fs::path(folder) / name).string(), "a class of the network", "another one",
                   "give a folder whose subfolders have the names of its classes");
        reader.read(fs::path(folder) / name,
                    static_cast<std::uint8_t>(place - set.class_names.begin()));
    }
    if (reader.unusable > 0)
        throw InputError(std::to_string(reader.unusable) + " of " +
                         std::to_string(reader.unusable + set.labels.size()) + " pictures in " +
                         harmless(folder, 4096) +
                         " cannot be used; remove or mend them; the first: " + reader.first_reason);
    std::ranges::copy(notes_on(reader, folder), std::back_inserter(notes));
    return set;
}
