// sets.h: the samples of a run: the training, the held-out and the test set.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "app/run/table_facts.h"
#include "comm/comm.h"
#include "input/sample_set.h"

/// Samples are only on rank 0; sizes, kinds and counts are on every rank.
struct Sets {
    SampleSet train, held_out, test;  ///< `test` is empty if there are no test files
    std::size_t train_count = 0, held_out_count = 0, test_count = 0;
    bool is_table = false;
    TableFacts table = {};  ///< rank 0
    /// What a person must know about the samples beside every result (report/notes.h); rank 0.
    std::vector<std::string> notes = {};
    bool has_classes = true;  ///< labels, or only targets 0 and 1, so that accuracy has a meaning

    /// The set on which each epoch is evaluated, and its name: the held-out set if there is one;
    /// else the test set; else, of fewer than six samples, the training set.
    const SampleSet& evaluation_set() const;
    const char* evaluation_name() const;
    /// The set of the final evaluation: the test set, or without one evaluation_set().
    const SampleSet& final_set() const { return test_count > 0 ? test : evaluation_set(); }
    const char* final_name() const { return test_count > 0 ? "test" : evaluation_name(); }
    std::size_t final_count() const;
};

/// Rank 0 reads what the options name. Collective. Throws InputError.
Sets read_sets(const Comm& comm, const TrainOptions& options);
