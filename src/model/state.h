// state.h: the state of a training between two steps. With the parameters, it is all that a resume
// needs.
#pragma once

struct TrainingState {
    int epoch = 0;    ///< complete passes
    int step = 0;     ///< steps done in the next pass, fewer than it has
    double loss = 0;  ///< sum over the samples of those steps, each before its update

    bool operator==(const TrainingState&) const = default;
};
