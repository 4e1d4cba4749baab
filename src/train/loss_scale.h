// loss_scale.h: keeps gradients in the range of a small type (--precision fp16).
//
// fp16 holds nothing below 6e-8, and many deltas of a network that is nearly right are smaller. So
// all deltas are computed times a scale, and the gradient is divided by it before the update. The
// scale is a power of two: it changes no digit of what is in range. A scale too large gives
// gradients that are not finite; then the step makes no update. With `dynamic`, such a step halves
// the scale, and 2000 good ones in a row double it, as PyTorch's GradScaler does.
#pragma once
#include "model/state.h"
#include "train/settings.h"

class LossScale {
  public:
    LossScale() = default;  ///< 1, for ever
    /// `from`: where a checkpoint has left it; a scale of 0 begins anew.
    LossScale(const LossScaling& scaling, const LossScaleState& from);

    bool is_on() const { return is_on_; }
    double value() const { return state_.scale; }
    /// A gradient is there, and finite or not. Returns whether its step makes an update.
    bool takes(bool is_finite);
    const LossScaleState& state() const { return state_; }

  private:
    LossScaleState state_{1, 0, 0};
    bool is_on_ = false, is_dynamic_ = false;
};
