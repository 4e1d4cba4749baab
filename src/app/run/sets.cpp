// sets.cpp: rank 0 reads and divides the samples; the other ranks get the sizes.
#include "app/run/sets.h"

#include <algorithm>

#include "app/run/check_targets.h"
#include "app/run/hold_out.h"
#include "base/error.h"
#include "base/text.h"
#include "input/image_source.h"
#include "input/picture_folder.h"
#include "input/row_numbers.h"
#include "input/set_notes.h"
#include "input/shared_images.h"
#include "input/table_reader.h"

namespace {

/// Reads the table to train on. A loaded network says its output, which changes `objective`, and,
/// if it was trained on a table, its columns.
void read_table_on_root(const TrainOptions& options, Objective& objective, Sets& sets) {
    const std::string& file = options.csv_data;
    if (!options.load.empty()) {
        const Model model = load_model(options.load);
        check_takes_tables(model, options.load);
        objective.output = model.facts.objective.output;
        sets.table = table_facts_of(model, options.load);
        if (sets.table.columns.count > 0) {
            if (!options.target.empty() || options.scale != ScaleKind::none)
                throw InputError("--load " + options.load +
                                 ": the file has the targets and the scale; leave --target and "
                                 "--scale out");
            sets.train = read_raw_table_for(model, sets.table, {file}, sets.notes);
            return;
        }
    }
    Table table =
        read_table(file, TableWish{options.target, objective.output == OutputLayer::softmax});
    sets.train = std::move(table.set);
    sets.notes.insert(sets.notes.end(), table.notes.begin(), table.notes.end());
    sets.table = {.columns = std::move(table.columns)};
}

/// Scales the inputs by what the training samples say, or by what a loaded network says.
void scale_on_root(const TrainOptions& options, Sets& sets) {
    TableFacts& table = sets.table;
    if (options.scale != ScaleKind::none)
        table.scale = InputScale::of(options.scale, sets.train, options.csv_data);
    for (SampleSet* set : {&sets.train, &sets.held_out}) table.scale.apply(*set, options.csv_data);
    constexpr std::size_t longest = std::size_t{1} << 23;  // bytes; a model's header has 16 MiB
    if (to_json(table).size() > longest)
        throw InputError(options.csv_data +
                         ": the scale of so many inputs is too long for a model file; scale the "
                         "table itself, and leave --scale out");
    const Reach reach = reach_of(sets.train);
    table.rms = rms_of(sets.train);
    constexpr double far = 10;
    if (table.scale.kind == ScaleKind::none && options.load.empty() && reach.value > far)
        sets.notes.push_back(formatted(
            "inputs reach %.6g in %s, and a network learns best where they reach about 1: try "
            "--scale minmax",
            reach.value, table.columns.described(table.columns.inputs()[reach.input]).c_str()));
}

/// How many samples are held out of `whole`. A set without test samples holds out a sixth, unless
/// --train-size says otherwise.
std::size_t held_out_of(const TrainOptions& options, const Sets& sets, const std::string& source) {
    const std::size_t whole = sets.train.count();
    if (options.train_size > whole)
        throw InputError(source + ": expected at least " + std::to_string(options.train_size) +
                         (sets.is_table ? " rows" : " training images") + ", found " +
                         std::to_string(whole) + "; use a smaller --train-size, or another set");
    if (options.hold_out >= whole)
        throw InputError(source + ": expected more than " + std::to_string(options.hold_out) +
                         " training images, for a grading mode holds out the last " +
                         std::to_string(options.hold_out) + ", found " + std::to_string(whole) +
                         "; use a larger set");
    if (options.train_size > 0) return whole - options.train_size;
    if (options.hold_out > 0) return options.hold_out;
    return options.train_on_all || sets.test.count() > 0 ? 0 : a_sixth(whole);
}

void hold_out(const TrainOptions& options, Sets& sets, const std::string& source) {
    const std::size_t whole = sets.train.count(), count = held_out_of(options, sets, source);
    const bool drawn = options.train_size == 0 && options.training.shuffled;
    sets.held_out = take_out(sets.train, drawn ? drawn_samples(whole, count, options.training.seed)
                                               : last_samples(whole, count));
}

/// The images that the options name, with what looks wrong in them.
void read_images_on_root(const TrainOptions& options, Sets& sets) {
    constexpr int side = 28;  // of MNIST's images, as which pictures are prepared
    const auto note = [&](const std::vector<std::string>& notes) {
        sets.notes.insert(sets.notes.end(), notes.begin(), notes.end());
    };
    if (!options.picture_folder.empty()) {
        sets.train = read_picture_folder(options.picture_folder, side, side, sets.notes, {},
                                         options.images.as_is);
    } else {
        ImageSet train = read_images(options.data, options.images, Split::train);
        sets.train = std::move(train.samples);
        note(train.notes);
        if (has_test_images(options.data, options.images))
            sets.test = read_test_images(options.data, options.images, sets.train);
        note(notes_on_images(sets.train, options.raw_pixels));
        note(notes_on_difference(sets.train, sets.test));
        if (const std::string shared = note_on_shared_images(sets.train, sets.test);
            !shared.empty())
            note({shared});
    }
    hold_out(options, sets, options.data);
}

void read_on_root(const TrainOptions& options, Sets& sets) {
    Objective objective = options.objective;
    if (!sets.is_table) {
        read_images_on_root(options, sets);
    } else {
        read_table_on_root(options, objective, sets);
        check_reachable(sets.train, objective, options.csv_data);
        sets.has_classes = sets.table.has_classes =
            std::ranges::all_of(sets.train.targets, [](nn_real y) { return y == 0 || y == 1; });
        for (const std::size_t input : row_numbers_in(sets.train)) {
            const TableColumns& columns = sets.table.columns;
            sets.notes.push_back(
                columns.described(columns.inputs()[input]) +
                " only counts the rows, which says nothing about another row: take "
                "it out of the table");
        }
        hold_out(options, sets, options.csv_data);
        check_varied(sets.train, objective, sets.table.columns, options.csv_data);
        scale_on_root(options, sets);
    }
    const auto notes = notes_on_classes(sets.train, objective);
    sets.notes.insert(sets.notes.end(), notes.begin(), notes.end());
}

}  // namespace

const SampleSet& Sets::evaluation_set() const {
    return held_out_count > 0 ? held_out : test_count > 0 ? test : train;
}
const char* Sets::evaluation_name() const {
    return held_out_count > 0 ? "held-out" : test_count > 0 ? "test" : "training";
}
std::size_t Sets::final_count() const {
    return test_count > 0 ? test_count : held_out_count > 0 ? held_out_count : train_count;
}

Sets read_sets(const Comm& comm, const TrainOptions& options) {
    Sets sets;
    sets.is_table = !options.csv_data.empty();
    comm.together([&] {
        if (comm.is_root()) read_on_root(options, sets);
    });
    for (SampleSet* set : {&sets.train, &sets.held_out, &sets.test}) {
        for (int* field : {&set->rows, &set->cols, &set->classes}) *field = comm.from_root(*field);
        for (bool* field : {&set->format.number_inputs, &set->format.number_targets})
            *field = comm.from_root(*field);
    }
    sets.train_count = comm.from_root(sets.train.count());
    sets.held_out_count = comm.from_root(sets.held_out.count());
    sets.test_count = comm.from_root(sets.test.count());
    sets.has_classes = comm.from_root(sets.has_classes);
    return sets;
}
