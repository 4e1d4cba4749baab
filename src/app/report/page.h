// page.h: --report: one self-contained HTML page about a run.
//
// Made to be mailed, archived and printed: no script, no second file, nothing from the network.
// Light or dark as the reader's system is, for a telephone as for a wide window.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "app/run/history.h"
#include "base/clock.h"
#include "input/sample_set.h"
#include "neural_network.h"
#include "train/evaluate.h"
#include "train/score.h"

struct PageFacts {
    std::vector<std::pair<std::string, std::string>> settings;  ///< name, value; in order
    History history;
    std::string accuracy_name;  ///< of the history's accuracy: "held-out" or "test"
    TimeSplit times;
    double total_seconds = 0;
    Evaluation test;
};

/// The page: settings, curves, time split, confusion matrix, accuracy of each class, and the
/// worst-judged samples of `score`, at most 24: images of `test` as pictures, a table's samples by
/// their numbers, from 0. Of a score with no samples (total 0) nothing is told.
std::string html_page(const PageFacts& facts, const Score& score, const SampleSet& test);

/// Writes it. Throws InputError where the file cannot be made, Failure where writing fails.
void write_page(const std::string& file, const PageFacts& facts, const Score& score,
                const SampleSet& test);
/// Throws InputError where `file` could not be written; before training.
void check_page(const std::string& file);
