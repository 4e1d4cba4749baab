// sets.cpp: rank 0 reads and divides the samples; the other ranks get the sizes.
#include "app/run/sets.h"

#include <algorithm>

#include "app/run/hold_out.h"
#include "base/error.h"
#include "input/table_reader.h"
#include "mnist_reader.h"

namespace {

void check_targets(const TrainOptions& options, const SampleSet& train) {
    if (options.objective.loss != LossFunction::cross_entropy) return;
    const auto bad = std::ranges::find_if(train.targets, [](nn_real y) { return y < 0 || y > 1; });
    if (bad != train.targets.end())
        throw InputError(options.csv_data +
                         ": expected targets from 0 to 1 for --loss cross-entropy, found " +
                         std::to_string(*bad) + "; use --loss mse, or other targets");
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
        if (has_test_set(options.data)) sets.test = read_test_set(options.data, sets.train);
    }
    hold_out(options, sets, source);
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
