// evaluate.h: ./main evaluate: evaluates a trained network on a test set.
#pragma once
#include <string>
#include <vector>

#include "app/cli/options.h"
#include "comm/comm.h"
#include "neural_network.h"
#include "train/score.h"

/// Evaluates the network options.load on the test set of options.data, or on a table, and prints
/// accuracy, loss, confusion matrix, precision and recall. Collective. Returns the exit code.
/// Throws InputError if the network or the set cannot be used, or if they do not fit together.
int evaluate(const Comm& comm, const EvaluateOptions& options);

/// The results of evaluate().
struct EvaluationSummary {
    std::string model, data;
    int rows, cols;  ///< of an image; of a table's sample: inputs x 1
    Layout layout;
    double loss;
    Score score;
    bool is_table = false;
    bool has_classes = true;                    ///< otherwise only the loss has a meaning
    std::vector<std::string> class_names = {};  ///< empty: classes are numbers
    std::vector<std::string> notes = {};        ///< report/notes.h
};
/// The results for people. The confusion matrix is left out if it is too wide for a terminal.
std::string evaluation_text(const EvaluationSummary& summary);
/// The same as a JSON object in one line. A value that is not defined is null.
std::string evaluation_json(const EvaluationSummary& summary);
