// settings.h: the settings of a training that must be the same for the trainer and the reference.
#pragma once
#include <cstdint>

#include "base/names.h"
#include "base/real.h"
#include "model/update/update.h"

/// How the learning rate changes (schedule.h).
enum class ScheduleKind { decay, constant, step, cosine, onecycle };

template <>
struct Names<ScheduleKind> {
    static constexpr Named<ScheduleKind> all[] = {{ScheduleKind::decay, "decay"},
                                                  {ScheduleKind::constant, "constant"},
                                                  {ScheduleKind::step, "step"},
                                                  {ScheduleKind::cosine, "cosine"},
                                                  {ScheduleKind::onecycle, "onecycle"}};
};

/// What the deltas are multiplied by before they are rounded to fp16 (loss_scale.h).
struct LossScaling {
    bool is_dynamic = false;
    double fixed = 1;  ///< a power of two; if it is not dynamic
};

/// These values are for tests; the program's defaults are in app/cli.
struct Training {
    int batch = 1;       ///< samples of a mini-batch, all ranks together
    int epochs = 1;      ///< passes over the set; each takes ceil(N / batch) steps
    double rate = 0.1;   ///< learning rate, which the schedule changes
    double decay = 1.0;  ///< the learning rate is multiplied by this after each epoch
    double reg = 0.0;    ///< L2 penalty on weights
    Rule rule = {};      ///< how an update follows from the gradient
    ScheduleKind schedule = ScheduleKind::decay;
    int decay_every = 1;      ///< with ScheduleKind::step: epochs between two decays
    int warmup = 0;           ///< the learning rate rises over this number of first steps
    bool shuffled = false;    ///< a new order in each epoch; otherwise the file's order
    std::uint64_t seed = 1;   ///< of the orders
    nn_real pixel_scale = 1;  ///< input = pixel x pixel_scale
    LossScaling loss_scaling = {};

    int last_epoch = 0;  ///< the training ends after it; 0: after all epochs

    /// Epochs that are trained, of all that the schedule goes by.
    int end() const { return last_epoch > 0 ? last_epoch : epochs; }
    /// The L2 penalty that is in the loss and in the gradient.
    double penalty() const { return is_decoupled(rule) ? 0 : reg; }
};
