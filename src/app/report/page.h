// page.h: --report: one self-contained HTML page about a run.
//
// The page can be mailed, archived and printed: it has no script and loads nothing, from no file
// and no network. If there is a page to draw in (digit_page.h), it links to that. It is light or
// dark as the reader's system is, and fits a telephone and a wide window.
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

struct PageSummary {
    std::vector<std::pair<std::string, std::string>> settings;  ///< name, value; in order
    History history;
    std::string accuracy_name;  ///< of the history's accuracy: "held-out" or "test"
    TimeSplit times;
    double total_seconds = 0;
    Evaluation last;                ///< of the trained network
    std::string final_name;         ///< of the set of `last`: "test", "held-out" or "training"
    std::string step_picture = {};  ///< of one step (trace.h); empty: none
    /// The learning rate of each epoch of the history, in words; empty: not known.
    std::vector<std::string> rates = {};
    std::string digit_page = {};  ///< the address of the page of --html; empty: none
};

/// The page: settings, curves, epochs, time split, one step, confusion matrix, accuracy of each
/// class, and the worst-predicted samples of `score`, at most 24: images of `test` as pictures, a
/// table's samples by their numbers, from 0. If the score has no samples (total 0), the page has no
/// sections about it.
std::string html_page(const PageSummary& summary, const Score& score, const SampleSet& test);

/// Writes the page. Throws InputError if the file cannot be made, Failure if writing fails.
void write_page(const std::string& file, const PageSummary& summary, const Score& score,
                const SampleSet& test);
/// Call it before training: throws InputError if `file` cannot be written.
void check_page(const std::string& file);

/// The address of the file `other` in a link of the page `file`: relative, so that both can move.
std::string address_from(const std::string& file, const std::string& other);
