// sets.h: the samples of a run: what it trains on, what it holds out, what it tests on.
#pragma once
#include <cstddef>
#include <string>

#include "app/cli/options.h"
#include "comm/comm.h"
#include "input/sample_set.h"

/// Samples are on rank 0 alone; sizes, kinds and counts on every rank.
struct Sets {
    SampleSet train, held_out, test;  ///< of a table, `test` stays empty
    std::size_t train_count = 0, held_out_count = 0, test_count = 0;
    bool is_table = false;
    bool has_classes = true;  ///< labels, or targets that all are 0 or 1: accuracy means something

    /// What each epoch is judged by: the held-out samples, or the test set, or, of a table without
    /// either, the training set; and what to call it.
    const SampleSet& judge() const;
    const char* judge_name() const;
    /// What the last word is spoken about: the test set, or as judge().
    const SampleSet& final_judge() const { return is_table ? judge() : test; }
    const char* final_name() const { return is_table ? judge_name() : "test"; }
    std::size_t final_count() const;
};

/// Rank 0 reads what the options name. Collective. Throws InputError.
Sets read_sets(const Comm& comm, const Options& options);
