// sets.cpp: rank 0 reads and divides the samples; the other ranks get the sizes.
#include "app/run/sets.h"

#include <algorithm>

#include "base/error.h"
#include "input/table_reader.h"
#include "mnist_reader.h"

namespace {

template <class T>
void move_tail(std::vector<T>& from, std::size_t first, std::vector<T>& to) {
    if (from.empty()) return;
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(first);
    to.assign(begin, from.end());
    from.erase(begin, from.end());
}

/// Moves the samples of `set` from index `count` on into a new set.
SampleSet cut_off(SampleSet& set, std::size_t count) {
    SampleSet rest{
        .rows = set.rows, .cols = set.cols, .classes = set.classes, .format = set.format};
    const auto outputs = static_cast<std::size_t>(set.classes);
    move_tail(set.pixels, count * set.features(), rest.pixels);
    move_tail(set.inputs, count * set.features(), rest.inputs);
    move_tail(set.labels, count, rest.labels);
    move_tail(set.targets, count * outputs, rest.targets);
    return rest;
}

void check_targets(const TrainOptions& options, const SampleSet& train) {
    if (options.objective.loss != LossFunction::cross_entropy) return;
    const auto bad = std::ranges::find_if(train.targets, [](nn_real y) { return y < 0 || y > 1; });
    if (bad != train.targets.end())
        throw InputError(options.csv_data +
                         ": expected targets from 0 to 1 for --loss cross-entropy, found " +
                         std::to_string(*bad) + "; use --loss mse, or other targets");
}

void read_on_root(const TrainOptions& options, Sets& sets) {
    const std::string source = sets.is_table ? options.csv_data : options.data;
    if (sets.is_table) {
        const bool as_classes =
            options.objective.output == OutputLayer::softmax && options.target_columns == 1;
        sets.train = read_table(options.csv_data, options.target_columns, as_classes);
        check_targets(options, sets.train);
        sets.has_classes =
            std::ranges::all_of(sets.train.targets, [](nn_real y) { return y == 0 || y == 1; });
    } else {
        sets.train = read_mnist(options.data, Split::train);
        sets.test = read_test_set(options.data, sets.train);
    }
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
    sets.held_out =
        cut_off(sets.train, options.train_size > 0 ? options.train_size : whole - options.hold_out);
}

}  // namespace

const SampleSet& Sets::evaluation_set() const {
    return held_out_count > 0 ? held_out : is_table ? train : test;
}
const char* Sets::evaluation_name() const {
    return held_out_count > 0 ? "held-out" : is_table ? "training" : "test";
}
std::size_t Sets::final_count() const {
    return !is_table ? test_count : held_out_count > 0 ? held_out_count : train_count;
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
