// loss_scale.cpp: the rule by which the scale moves.
#include "train/loss_scale.h"

namespace {

constexpr double first_scale = 65536, largest_scale = 16777216;  // 2^16, 2^24
constexpr int steps_to_grow = 2000;

}  // namespace

LossScale::LossScale(const LossScaling& scaling, const LossScaleState& from)
    : is_on_(scaling.is_dynamic || scaling.fixed != 1), is_dynamic_(scaling.is_dynamic) {
    if (!is_on_) return;
    state_ = from;
    if (state_.scale == 0) state_.scale = is_dynamic_ ? first_scale : scaling.fixed;
}

bool LossScale::takes(bool is_finite) {
    if (!is_finite) {
        ++state_.skipped;
        if (!is_dynamic_) return false;
        state_.good = 0;
        if (state_.scale > 1) state_.scale /= 2;
        return false;
    }
    if (is_dynamic_ && ++state_.good == steps_to_grow) {
        state_.good = 0;
        if (state_.scale < largest_scale) state_.scale *= 2;
    }
    return true;
}
