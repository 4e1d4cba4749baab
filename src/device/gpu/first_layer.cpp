// first_layer.cpp: see first_layer.h.
#include "device/gpu/first_layer.h"

#include "base/real.h"
#include "device/gpu/plan.h"

bool gpu_gains_by_bf16x3(int multiprocessors, int capability, int size, int inputs, int n) {
    if (sizeof(nn_real) > sizeof(float)) return false;  // bf16x3 is for float
    const GpuChip chip{multiprocessors, capability};
    const auto seconds = [&](GemmBy by) {
        const auto best = [&](int columns, int k, Split split) {
            const GemmPlan plan = plan_gemm(chip, by, size, columns, k, split);
            return predicted_seconds(chip, by, plan, size, columns, k, split);
        };
        return best(n, inputs, Split::joined) + best(inputs + 1, n, Split::joined);
    };
    return seconds(GemmBy::bf16x3) < seconds(GemmBy::fma);
}
