// predict.h: ./main predict: predicts the classes of pictures by a trained network.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "app/cli/options.h"
#include "comm/comm.h"

/// Classifies options.files by the network options.load and prints a line for each picture.
/// Collective. A file that cannot be read gets a line on standard error, and the others are still
/// classified. Returns the exit code, which is exit_bad_input if a file could not be read. Throws
/// InputError if the network itself cannot be used.
int predict(const Comm& comm, const PredictOptions& options);

/// One picture of a file, and the network's answer.
struct Prediction {
    std::string file;
    std::size_t index;  ///< in an IDX file, from 0; 0 otherwise
    std::span<const nn_real> yhat;
};
/// "7.png  7  0.9987", with the index behind an IDX file's name: "t10k-images-idx3-ubyte.gz:0".
/// Throws as predicted_class().
std::string prediction_line(const Prediction& prediction, bool with_index);
/// One line: {"file":..., "index":..., "class":..., "probability":..., "probabilities":[...]}.
std::string prediction_json(const Prediction& prediction);
