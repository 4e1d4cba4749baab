// comparison.cpp: a line for each tensor, and the verdict.
#include "app/report/comparison.h"

#include <cmath>
#include <cstdio>
#include <limits>

#include "base/real.h"
#include "base/text.h"

double comparison_tolerance(const Training& training, std::size_t samples) {
    const double u = std::numeric_limits<nn_real>::epsilon() / 2;
    const double batches = std::ceil(static_cast<double>(samples) / training.batch);
    return 16 * u * (16 + std::sqrt(batches * training.epochs));
}

std::string way_text(std::size_t ranks, const DeviceRequest& taken, FeedKind feed) {
    std::string text = counted(ranks, "rank") +
                       (taken.device == DeviceKind::cpu ? ", CPU"
                        : taken.course                  ? ", GPU, plain kernels"
                                                        : ", GPU") +
                       ", feed " + name_of(feed);
    if (ranks > 1) text += std::string(", allreduce ") + name_of(taken.allreduce);
    return text;
}

bool print_comparison(const std::vector<TensorDifference>& differences, double tolerance,
                      const std::string& way) {
    bool right = true;
    std::printf("# tensor  shape         max difference  L2 relative  at most\n");
    for (const TensorDifference& d : differences) {
        const bool near = d.l2_relative <= tolerance;
        right = right && near;
        const std::string shape = std::to_string(d.rows) + " x " + std::to_string(d.cols);
        std::printf("# %-7s %-13s %14.3e %12.3e %8.1e%s\n", d.name.c_str(), shape.c_str(),
                    d.max_either, d.l2_relative, tolerance, near ? "" : "  <- differs");
    }
    std::printf("CHECK %s: %s: parameters %swithin %.1e of the CPU reference\n",
                right ? "PASSED" : "FAILED", way.c_str(), right ? "" : "not ", tolerance);
    std::fflush(stdout);
    return right;
}
