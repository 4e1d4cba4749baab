// comparison.cpp: a line for each tensor, and the verdict.
#include "app/report/comparison.h"

#include <cstdio>

#include "base/text.h"

namespace {

/// "epoch:step", as the lines of -p have it.
std::string step_text(const StepVerdict& verdict) {
    return std::to_string(verdict.epoch) + ":" + std::to_string(verdict.step);
}

/// The bound as a part of the reference's norm, as TensorDifference::l2_relative is.
double relative_bound(const StepVerdict& verdict) {
    const double norm = verdict.difference.reference_norm;
    return norm > 0 ? verdict.bound / norm : verdict.bound;
}

/// The verdict in words, behind "CHECK PASSED" or "CHECK FAILED".
std::string verdict_text(const StepCheck& check, bool repeated) {
    const StepVerdict& wrong = check.first_wrong();
    if (!wrong.right())
        return "step " + step_text(wrong) +
               " is not the CPU reference's: " + wrong.difference.name +
               formatted(" differs by %.1e, and rounding explains %.1e",
                         wrong.difference.l2_relative, relative_bound(wrong));
    if (!repeated) return "the same steps, done again, did not end in the same bits";
    return counted(static_cast<std::size_t>(check.steps()), "step") +
           " within rounding of the CPU reference";
}

}  // namespace

std::string way_text(std::size_t ranks, const DeviceRequest& taken, FeedKind feed) {
    std::string text = counted(ranks, "rank") +
                       (taken.device == DeviceKind::cpu ? ", CPU"
                        : taken.course                  ? ", GPU, plain kernels"
                                                        : ", GPU") +
                       ", feed " + name_of(feed);
    if (taken.fixed_order)
        text += ", sums in a fixed order";
    else if (ranks > 1)
        text += std::string(", allreduce ") + name_of(taken.allreduce);
    return text;
}

bool print_comparison(const StepCheck& check, const std::vector<TensorDifference>& whole,
                      bool repeated, const std::string& way) {
    if (check.all() == 0) {
        std::printf("CHECK SKIPPED: %s: no step was left to train, so there is none to compare\n",
                    way.c_str());
        return true;
    }
    if (static_cast<std::size_t>(check.steps()) < check.all()) {
        std::printf(
            "CHECK FAILED: %s: train() asked its observer's stops() after %d of %zu steps, and a "
            "step is compared there: ask after every step\n",
            way.c_str(), check.steps(), check.all());
        return false;
    }
    std::printf("# tensor  shape         step L2  at most  in step     whole L2  max difference\n");
    for (std::size_t i = 0; i < whole.size(); ++i) {
        const StepVerdict& worst = check.worst()[i];
        const TensorDifference &step = worst.difference, &all = whole[i];
        const std::string shape = std::to_string(all.rows) + " x " + std::to_string(all.cols);
        std::printf("# %-7s %-12s %8.1e %8.1e  %-10s %9.1e %15.1e%s\n", all.name.c_str(),
                    shape.c_str(), step.l2_relative, relative_bound(worst),
                    step_text(worst).c_str(), all.l2_relative, all.max_either,
                    worst.right() ? "" : "  <- differs");
    }
    const bool right = check.first_wrong().right() && repeated;
    std::printf("CHECK %s: %s: %s\n", right ? "PASSED" : "FAILED", way.c_str(),
                verdict_text(check, repeated).c_str());
    std::fflush(stdout);
    return right;
}
