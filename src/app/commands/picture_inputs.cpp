// picture_inputs.cpp: see picture_inputs.h.
#include "app/commands/picture_inputs.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string_view>

#include "app/report/notes.h"
#include "base/error.h"
#include "base/text.h"
#include "base/whole_file.h"
#include "input/picture.h"
#include "mnist_reader.h"

namespace fs = std::filesystem;

namespace {

void make_folder(const fs::path& folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error)
        throw InputError("--explain " + one_line(folder.string()) + ": cannot make the folder (" +
                         error.message() + "); name another");
}

/// Whether a file's name is that of a stage of the picture `stem`: stem-1-grey.png.
bool is_stage_of(const std::string& stem, const std::string& name) {
    constexpr std::array<std::string_view, 6> stages{"grey",  "ground", "ink",
                                                     "drawn", "digit",  "input"};
    if (!name.starts_with(stem + "-") || !name.ends_with(".png")) return false;
    const std::string rest = name.substr(stem.size() + 1, name.size() - stem.size() - 5);
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    return digits > 0 && rest.substr(digits).starts_with("-") &&
           std::ranges::find(stages, std::string_view(rest).substr(digits + 1)) != stages.end();
}

/// Removes what an earlier run wrote of this picture: it may have come further, or known more
/// digits.
void remove_older_stages(const fs::path& folder, const std::string& stem) {
    std::vector<fs::path> older;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
        if (is_stage_of(stem, entry.path().filename().string())) older.push_back(entry.path());
    for (const fs::path& file : older) {
        if (!fs::remove(file, error))
            throw InputError("--explain: cannot remove the older " + one_line(file.string()) +
                             " (" + error.message() + "); name another folder");
    }
}

/// FOLDER/PICTURE-1-grey.png, FOLDER/PICTURE-2-ground.png and so on, in place of older ones.
void write_stages(const fs::path& folder, const std::string& file,
                  const std::vector<Stage>& stages) {
    make_folder(folder);
    remove_older_stages(folder, fs::path(file).stem().string());
    const std::string stem = (folder / fs::path(file).stem()).string();
    for (std::size_t i = 0; i < stages.size(); ++i)
        write_whole_file(stem + "-" + std::to_string(i + 1) + "-" + stages[i].name + ".png",
                         png_of(stages[i].picture));
    print_note(stem + "-*.png: " + counted(stages.size(), "stage") + " of the preparation", stderr);
}

std::vector<std::vector<std::uint8_t>> prepared(const std::string& file, const ModelFacts& facts,
                                                const PredictOptions& options, Preparation& told,
                                                OwnSize& own_size) {
    const Picture picture = read_picture(file);
    if (options.as_is) return {as_it_is(picture, facts.rows, facts.cols, file)};
    if (options.digits) return as_network_inputs(picture, facts.rows, facts.cols, file, &told);
    std::vector<std::vector<std::uint8_t>> inputs;
    try {
        inputs.push_back(as_network_input(picture, facts.rows, facts.cols, file, &told));
    } catch (const InputError& error) {
        if (told.drawings < 2) throw;
        throw InputError(std::string(error.what()) + ", or let it be read as a line: --digits");
    }
    if (told.changed_own_size) ++own_size.prepared;
    return inputs;
}

PictureInputs read_prepared(const std::string& file, const ModelFacts& facts,
                            const PredictOptions& options, OwnSize& own_size) {
    SampleSet set;
    set.rows = facts.rows;
    set.cols = facts.cols;
    set.format.without_targets = true;
    Preparation told;
    const auto explain = [&] {
        if (!options.explain.empty() && !told.stages.empty())
            write_stages(options.explain, file, told.stages);
    };
    try {
        for (const auto& input : prepared(file, facts, options, told, own_size))
            set.pixels.insert(set.pixels.end(), input.begin(), input.end());
    } catch (const InputError&) {
        explain();
        throw;
    }
    explain();
    return {std::move(set), std::move(told.digits)};
}

}  // namespace

PictureInputs read_inputs(const std::string& file, const ModelFacts& facts,
                          const PredictOptions& options, OwnSize& own_size) {
    if (!is_idx_or_gzip(file)) return read_prepared(file, facts, options, own_size);
    if (options.digits || !options.explain.empty())
        throw InputError(one_line(file) +
                         ": expected a picture, found an IDX file, whose images are prepared "
                         "already; leave out --digits and --explain");
    SampleSet set = read_idx_images(file);
    if (set.rows != facts.rows || set.cols != facts.cols)
        throw InputError(
            formatted("%s: expected images of %d x %d pixels, as the network takes, "
                      "found %d x %d; give it images of its size, or pictures, which are scaled",
                      file.c_str(), facts.rows, facts.cols, set.rows, set.cols));
    return {std::move(set)};
}

void check_explain(const PredictOptions& options) {
    if (options.explain.empty()) return;
    std::set<std::string> stems;
    for (const std::string& file : options.files)
        if (!stems.insert(fs::path(file).stem().string()).second)
            throw InputError("--explain: two pictures are named " +
                             one_line(fs::path(file).stem().string()) +
                             ", and would write the same files; give one of them");
    for (const std::string& file : options.files) {
        const fs::path path(file);
        std::error_code error;
        if (!fs::equivalent(path.has_parent_path() ? path.parent_path() : ".", options.explain,
                            error))
            continue;
        for (const std::string& stem : stems)
            if (is_stage_of(stem, path.filename().string()))
                throw InputError("--explain: the picture " + one_line(file) +
                                 " would be replaced by a stage of " + one_line(stem) +
                                 "; name another folder");
    }
}
