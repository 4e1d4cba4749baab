// predict.h: ./main predict: predicts the classes of pictures, or the targets of a table's rows, by
// a trained network.
#pragma once
#include "app/cli/options.h"
#include "comm/comm.h"

/// Classifies options.files, or the rows of options.csv_data, by the network options.load. Prints a
/// line for each, or writes them to options.out, which is whole or not there. Collective. A file
/// that cannot be read gets a line on standard error, and the others are still classified. Returns
/// the exit code, which is exit_bad_input if a file could not be read. Throws InputError if the
/// network itself cannot be used.
int predict(const Comm& comm, const PredictOptions& options);
