// case.h: what the grader lets a submission train, drawn from a seed.
//
// The driver, which is linked with the submission, and the judge, which is not, both draw it. So
// the judge reads nothing from the submission but its answers, and no submission can know what will
// be asked: grade.py chooses the seed after the submission was built.
#pragma once
#include <cstdint>

#include "input/sample_set.h"
#include "model/parameters.h"
#include "train/settings.h"

struct GradedCase {
    Layout layout;
    Parameters<nn_real> initial;  ///< biases are not 0, so that a penalty on them shows
    SampleSet step_set;           ///< one mini-batch, which 2 to 5 ranks cannot share evenly
    SampleSet train_set;          ///< its last mini-batch is smaller than the others
    Training training;            ///< without a penalty
    double reg;                   ///< of the steps that have a penalty
};

GradedCase graded_case(std::uint64_t seed);

/// The learning rate of the single steps.
constexpr nn_real graded_rate = 0.25;
/// Of a mini-batch that goes forward in two, the samples of the second one.
constexpr int graded_second = 4;
/// What a sum of losses is added to.
constexpr double graded_so_far = 2;
/// The stopped training ends after this step of its first epoch.
constexpr int graded_stop = 2;

/// How a training ended on a rank: by itself, or by RanksDiffer or Diverged.
constexpr int trained = 0, ranks_differ = 1, diverged = 2;
