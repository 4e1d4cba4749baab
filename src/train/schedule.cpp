// schedule.cpp: one formula for each schedule.
#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace {

/// From `begin` at 0 to `end` at 1, along half a cosine.
double along_cosine(double begin, double end, double share) {
    return end + (begin - end) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

double one_cycle(double rate, double t, double all) {
    const double top = std::max(0.3 * all - 1, 1.0);  // PyTorch's numbering of the highest step
    const double first = rate / 25, last = first / 1e4;
    if (t <= top) return along_cosine(first, rate, t / top);
    return along_cosine(rate, last, (t - top) / std::max(all - 1 - top, 1.0));
}

}  // namespace

Schedule::Schedule(const Training& training, std::size_t count)
    : training_(training),
      steps_(static_cast<std::int64_t>((count + static_cast<std::size_t>(training.batch) - 1) /
                                       static_cast<std::size_t>(training.batch))) {}

nn_real Schedule::rate(int epoch, int step) const {
    const Training& t = training_;
    const auto now = static_cast<double>(number(epoch, step)),
               all = static_cast<double>(number(t.epochs, 0));
    double rate = t.rate;
    switch (t.schedule) {
        case ScheduleKind::constant:
            break;
        case ScheduleKind::decay:
            rate *= std::pow(t.decay, epoch);
            break;
        case ScheduleKind::step:
            rate *= std::pow(t.decay, epoch / t.decay_every);
            break;
        case ScheduleKind::cosine:
            rate = along_cosine(t.rate, 0, now / all);
            break;
        case ScheduleKind::onecycle:
            rate = one_cycle(t.rate, now, all);
            break;
    }
    if (now < t.warmup) rate *= (now + 1) / t.warmup;
    return static_cast<nn_real>(rate);
}

Update Schedule::update(int epoch, int step) const {
    return update_of(rate(epoch, step), static_cast<nn_real>(training_.reg), training_.rule,
                     number(epoch, step) + 1);
}

bool Schedule::is_constant_in(int epoch) const {
    const bool rate_moves = training_.schedule == ScheduleKind::cosine ||
                            training_.schedule == ScheduleKind::onecycle ||
                            number(epoch, 0) < training_.warmup;
    // A rule's corrections only shrink, so the first and the last step tell of all.
    return !rate_moves && update(epoch, 0).is_like(update(epoch, steps_in_epoch() - 1));
}
