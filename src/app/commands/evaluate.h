// evaluate.h: ./main evaluate: how well a trained network classifies a test set.
#pragma once
#include <string>

#include "app/cli/options.h"
#include "comm/comm.h"
#include "neural_network.h"
#include "train/score.h"

/// Evaluates the test set of options.data by the network options.load and prints accuracy, loss,
/// confusion matrix, precision and recall. Collective. Returns the exit code. Throws InputError
/// where the network or the set cannot be used, or do not fit together.
int evaluate(const Comm& comm, const EvaluateOptions& options);

/// What evaluate() found.
struct EvaluationFacts {
    std::string model, data;
    int rows, cols;  ///< of an image
    Layout layout;
    double loss;
    Score score;
};
/// For people. The confusion matrix is left out where it would be wider than any terminal.
std::string evaluation_text(const EvaluationFacts& facts);
/// The same as a JSON object in one line; what is not defined is null.
std::string evaluation_json(const EvaluationFacts& facts);
