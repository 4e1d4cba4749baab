// gpu_step_model.cpp: see gpu_step_model.h. What each kernel does is in src/device/gpu/head.cu and
// src/device/gpu/parts.cu; the constants are those of src/device/gpu/plan_costs.h.
#include "gpu_step_model.h"

#include <algorithm>
#include <cmath>

namespace {

double ceil_div(double a, double b) { return std::ceil(a / b); }

/// Elements of the first layer's parameters, and of the second's.
double first_layer(const StepShape& s) { return 1. * s.hidden * (mnist_pixels + 1); }
double second_layer(const StepShape& s) { return 1. * mnist_classes * (s.hidden + 1); }

}  // namespace

int head_parts(const GpuModel& model, const StepShape& shape) {
    return std::min(model.chip.multiprocessors, (shape.batch + 3) / 4);
}

double plain_fma_a_clock(const GpuModel& model) {
    const GpuRates& rates = gpu_rates(model.chip.capability);
    if (model.bytes == 4) return rates.fma_float;
    const bool by_tensor_cores = rates.capability == 80 || rates.capability == 90;
    return by_tensor_cores ? rates.fma_double / 2 : rates.fma_double;
}

double node_seconds(const GpuModel& model) {
    return 1e-6 * (launched_early(model.chip) ? model.costs.early_node_us : model.costs.node_us);
}

// A block of 8 warps takes its samples through all windows of 256 inputs: forward, a warp takes one
// sample at a time, or four where there are more than 8 samples, and W's window is brought anew for
// each such round; back, the block takes eight at a time. Memory is waited for in each pass.
double head_seconds(const GpuModel& model, const StepShape& s) {
    constexpr double warps = 8, window = 256;
    const GpuRates& rates = gpu_rates(model.chip.capability);
    const double parts = head_parts(model, s), samples = ceil_div(s.batch, parts);
    const double columns = samples > warps ? 4 : 1;
    const double windows = ceil_div(s.hidden, window);
    const double forward = ceil_div(samples, warps * columns), back = ceil_div(samples, warps);
    const double brought = windows == 1 ? 1 : windows * (forward + 1);  // one window stays
    const double cycles = model.costs.head_start + brought * model.costs.head_window +
                          windows * (forward + back) * model.costs.head_pass;
    const double arithmetic = 3. * mnist_classes * s.hidden * samples / plain_fma_a_clock(model);
    // A is read twice and the deltas are written, eight samples at a time: few bytes are under way,
    // and the waiting for them adds up.
    const double bytes = (3. * s.hidden * s.batch + parts * second_layer(s)) * model.bytes;
    return std::max(cycles, arithmetic) / rates.clock + bytes / bytes_a_second(model.chip, bytes);
}

// Each number's parts are read eight at a time, and the number itself with the first. Of more than
// eight parts, eight groups of threads read an eighth each. A multiprocessor holds as many blocks
// of 256 threads as its threads allow, in rounds.
double update_seconds(const GpuModel& model, const StepShape& s, int parts, bool head) {
    constexpr double threads = 256, few_parts = 8, elements_of_many = threads / 8;
    const GpuRates& rates = gpu_rates(model.chip.capability);
    const double above = head ? head_parts(model, s) : 0, second = head ? second_layer(s) : 0;
    const double blocks = ceil_div(first_layer(s), threads) +
                          ceil_div(second, above > few_parts ? elements_of_many : threads);
    const double resident = rates.threads / threads * model.chip.multiprocessors;
    const double more_waits = above > few_parts ? ceil_div(ceil_div(above, 8), 8) - 1 : 0;
    const double cycles = model.costs.update_start +
                          ceil_div(blocks, resident) * model.costs.update_round +
                          more_waits * l2_latency_cycles;
    const double bytes = ((parts + 2) * first_layer(s) + (above + 2) * second) * model.bytes;
    return cycles / rates.clock + bytes / bytes_a_second(model.chip, bytes);
}

GemmPlan layer_plan(const GpuModel& model, GemmBy by, const StepShape& s) {
    return plan_gemm(model.chip, by, s.hidden, s.batch, mnist_pixels, Split::joined, model.costs,
                     model.bytes);
}

GemmPlan gradient_plan(const GpuModel& model, GemmBy by, const StepShape& s) {
    return plan_gemm(model.chip, by, s.hidden, mnist_pixels + 1, s.batch, Split::left, model.costs,
                     model.bytes);
}

double layer_seconds(const GpuModel& model, GemmBy by, const StepShape& s, GemmPlan plan,
                     bool chained) {
    return product_seconds(model.chip, by, plan, s.hidden, s.batch, mnist_pixels, Split::joined,
                           model.costs, model.bytes, chained)
        .kernel;
}

double gradient_seconds(const GpuModel& model, GemmBy by, const StepShape& s, GemmPlan plan,
                        bool chained) {
    return product_seconds(model.chip, by, plan, s.hidden, mnist_pixels + 1, s.batch, Split::left,
                           model.costs, model.bytes, chained)
        .kernel;
}

double step_seconds(const GpuModel& model, GemmBy by, const StepShape& s, GemmPlan layer,
                    GemmPlan gradient) {
    return layer_seconds(model, by, s, layer, false) + head_seconds(model, s) +
           gradient_seconds(model, by, s, gradient, false) +
           update_seconds(model, s, gradient.splits, true) + 4 * node_seconds(model);
}
