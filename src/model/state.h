// state.h: what a training needs to go on, beside the parameters.
#pragma once

struct TrainingState {
    int epoch = 0;    ///< complete passes
    int step = 0;     ///< steps taken in the next one, fewer than it has
    double loss = 0;  ///< sum over the samples of those steps, each taken before its step

    bool operator==(const TrainingState&) const = default;
};
