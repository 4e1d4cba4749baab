// state.h: the state of a training between two steps. With the parameters, it is all that a resume
// needs.
#pragma once

/// Of the scale that keeps gradients in the range of fp16 (train/loss_scale.h).
struct LossScaleState {
    double scale = 0;  ///< 0: there is none
    int good = 0;      ///< steps with an update since the scale last changed, if it is dynamic
    int skipped = 0;   ///< steps without one, in the whole training

    bool operator==(const LossScaleState&) const = default;
};

struct TrainingState {
    int epoch = 0;    ///< complete passes
    int step = 0;     ///< steps done in the next pass, fewer than it has
    double loss = 0;  ///< sum over the samples of those steps, each before its update
    LossScaleState loss_scale = {};

    bool operator==(const TrainingState&) const = default;
};
