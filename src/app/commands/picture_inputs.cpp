// picture_inputs.cpp: see picture_inputs.h.
#include "app/commands/picture_inputs.h"

#include <algorithm>
#include <filesystem>
#include <set>

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

/// FOLDER/PICTURE-1-grey.png, FOLDER/PICTURE-2-ground.png and so on.
void write_stages(const fs::path& folder, const std::string& file, const Stages& stages) {
    make_folder(folder);
    const std::string stem = (folder / fs::path(file).stem()).string();
    for (std::size_t i = 0; i < stages.size(); ++i)
        write_whole_file(stem + "-" + std::to_string(i + 1) + "-" + stages[i].name + ".png",
                         png_of(stages[i].picture));
    print_note(stem + "-*.png: " + counted(stages.size(), "stage") + " of the preparation", stderr);
}

std::vector<std::vector<std::uint8_t>> prepared(const std::string& file, const ModelFacts& facts,
                                                const PredictOptions& options, Stages& stages,
                                                OwnSize& own_size) {
    const Picture picture = read_picture(file);
    if (options.as_is) return {as_it_is(picture, facts.rows, facts.cols, file)};
    if (options.digits) return as_network_inputs(picture, facts.rows, facts.cols, file, &stages);
    const auto input = as_network_input(picture, facts.rows, facts.cols, file, &stages);
    // What is prepared already has no other stage.
    if (picture.width == facts.cols && picture.height == facts.rows && stages.size() > 1)
        ++own_size.prepared;
    return {input};
}

SampleSet read_prepared(const std::string& file, const ModelFacts& facts,
                        const PredictOptions& options, OwnSize& own_size) {
    SampleSet set;
    set.rows = facts.rows;
    set.cols = facts.cols;
    set.format.without_targets = true;
    Stages stages;
    const auto explain = [&] {
        if (!options.explain.empty() && !stages.empty())
            write_stages(options.explain, file, stages);
    };
    try {
        for (const auto& input : prepared(file, facts, options, stages, own_size))
            set.pixels.insert(set.pixels.end(), input.begin(), input.end());
    } catch (const InputError&) {
        explain();
        throw;
    }
    explain();
    return set;
}

}  // namespace

SampleSet read_inputs(const std::string& file, const ModelFacts& facts,
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
                      "found %d x %d; give it images of its size, or PNG files, which are scaled",
                      file.c_str(), facts.rows, facts.cols, set.rows, set.cols));
    return set;
}

void check_explain(const PredictOptions& options) {
    if (options.explain.empty()) return;
    std::set<std::string> stems;
    for (const std::string& file : options.files)
        if (!stems.insert(fs::path(file).stem().string()).second)
            throw InputError("--explain: two pictures are named " +
                             one_line(fs::path(file).stem().string()) +
                             ", and would write the same files; give one of them");
}
