// history.h: the results of each epoch, for the logs, the plot, the page and checkpoints.
#pragma once
#include <string>
#include <vector>

struct EpochRow {
    int epoch = 0;        ///< from 1
    double loss = 0;      ///< on the training set, with the penalty
    double accuracy = 0;  ///< of the held-out samples, or the test set: 0 to 1; NaN: no classes
    double images_per_second = 0;
    double seconds = 0;  ///< since the run began
};
using History = std::vector<EpochRow>;

/// A history as JSON, and back. A text that cannot be read gives an empty history.
std::string to_json(const History& history);
History history_from(const std::string& json);
