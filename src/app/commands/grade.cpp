// grade.cpp: runs the course's GEMM sizes, and compares each result with plain sums in higher
// precision.
#include "app/commands/grade.h"

#include "base/clock.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "device/cpu/product.h"
#include "device/gpu/gemm_timing.h"
#include "train/judge.h"

namespace {

std::vector<nn_real> random_matrix(int rows, int cols, Rng& rng) {
    std::vector<nn_real> values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    for (auto& value : values) value = static_cast<nn_real>(2 * rng.uniform() - 1);
    return values;
}

GemmTiming time_cpu_gemm(const GemmProblem& p, int repeats, nn_real* c) {
    const auto product = [&](nn_real* out) {
        cpu_product(p.m, p.n, p.k, p.alpha, p.a, p.b, p.beta, out);
    };
    product(c);
    std::vector<nn_real> scratch(c,
                                 c + static_cast<std::size_t>(p.m) * static_cast<std::size_t>(p.n));
    std::vector<double> seconds;
    for (int r = 0; r < repeats; ++r) {
        const Stopwatch watch;
        product(scratch.data());
        seconds.push_back(watch.seconds());
    }
    std::ranges::nth_element(seconds, seconds.begin() + repeats / 2);
    return {seconds[static_cast<std::size_t>(repeats) / 2], ""};
}

struct Contender {
    const char* name;
    GemmTiming (*run)(const GemmProblem&, int, nn_real*);
};
constexpr Contender contenders[] = {{"hand-written kernel", time_our_gemm},
                                    {"cuBLAS", time_cublas_gemm},
                                    {"hand-written on CPU", time_cpu_gemm}};

/// Prints a contender's line. Returns true if its result is right, and nothing if the contender is
/// not on this machine.
std::optional<bool> judge_contender(const Contender& contender, const GemmProblem& p,
                                    const std::vector<nn_real>& c0) {
    std::vector<nn_real> c = c0;
    const GemmTiming timing = contender.run(p, 20, c.data());
    std::printf("%4d x %4d x %4d  %-20s ", p.m, p.n, p.k, contender.name);
    if (!timing.missing.empty()) {
        std::printf("SKIPPED: %s\n", timing.missing.c_str());
        return std::nullopt;
    }
    const GemmVerdict verdict =
        judge_gemm(false, false, p.m, p.n, p.k, p.alpha, p.a, p.b, p.beta, c0.data(), c.data());
    std::printf("error %.3f  %10.6f ms  %9.1f GFLOP/s  %s\n", verdict.worst, timing.seconds * 1e3,
                2e-9 * p.m * p.n * p.k / timing.seconds,
                verdict.right() ? "OK" : ("FAILED: " + verdict.text()).c_str());
    return verdict.right();
}

bool judge_all() {
    constexpr int sizes[][3] = {{800, 1000, 784}, {800, 10, 1000}};
    bool right = true, judged_kernel = false;
    std::printf("# C = 2 A B + 5 C in %s; error: as a part of its bound, at most 1\n",
                nn_real_name);
    for (const auto [m, n, k] : sizes) {
        Rng rng(1);
        const auto a = random_matrix(m, k, rng), b = random_matrix(k, n, rng),
                   c0 = random_matrix(m, n, rng);
        for (const Contender& contender : contenders) {
            const std::optional<bool> judged =
                judge_contender(contender, {m, n, k, 2, a.data(), b.data(), 5}, c0);
            right = right && judged.value_or(true);
            judged_kernel = judged_kernel || (judged && contender.run == time_our_gemm);
        }
    }
    std::printf("CHECK %s: GEMM at the course's sizes%s\n", right ? "PASSED" : "FAILED",
                judged_kernel ? "" : ", on the CPU only");
    return right;
}

}  // namespace

int grade_gemm(const Comm& comm) {
    const bool right = !comm.is_root() || judge_all();
    return comm.from_root(right) != 0 ? exit_ok : exit_check_failed;
}
