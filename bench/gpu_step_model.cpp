// gpu_step_model.cpp: see gpu_step_model.h. What each kernel does is in src/device/gpu/head.cu,
// head_narrow.cu and parts.cu; the constants are those of src/device/gpu/plan_costs.h.
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
    return 1e-6 * (starts_early(model.chip) ? model.costs.early_node_us : model.costs.node_us);
}

namespace {

/// Inputs that head_narrow.cu takes, with at most ten classes.
int narrow_inputs(const GpuModel& model) { return model.bytes == 4 ? 1024 : 512; }

// A block has W whole. Of a round of samples each warp sums its inputs' share of the logits, over
// its lanes; a round has places for 8 samples in float and 4 in double, or for half as many where
// that is enough, and an empty one costs what a sample does.
double narrow_head_seconds(const GpuModel& model, const StepShape& s) {
    const double parts = head_parts(model, s), samples = ceil_div(s.batch, parts);
    const double most = model.bytes == 4 ? 8 : 4;
    const double places = s.batch > parts * most / 2 ? most : most / 2;
    const double warps = s.hidden <= 256 ? 8 : 16;
    const double cycles = model.costs.narrow_start +
                          ceil_div(samples, places) * places * warps * model.costs.narrow_sample;
    const double bytes = (3. * s.hidden * s.batch + 2 * parts * second_layer(s)) * model.bytes;
    return cycles / gpu_rates(model.chip.capability).clock +
           bytes / bytes_a_second(model.chip, bytes);
}

}  // namespace

// A block of 8 warps takes its samples through all windows of 256 inputs: forward, a warp takes one
// sample at a time, or four where there are more than 8 samples, and W's window is brought anew for
// each such round; back, the block takes eight at a time. Memory is waited for in each pass.
double head_seconds(const GpuModel& model, const StepShape& s) {
    if (s.hidden <= narrow_inputs(model)) return narrow_head_seconds(model, s);
    constexpr double warps = 8, window = 256;
    const GpuRates& rates = gpu_rates(model.chip.capability);
    const double parts = head_parts(model, s), samples = ceil_div(s.batch, parts);
    const double columns = samples > warps ? 4 : 1;
    const double windows = ceil_div(s.hidden, window);
    const double forward = ceil_div(samples, warps * columns), back = ceil_div(samples, warps);
    const double brought = windows == 1 ? 1 : windows * (forward + 1) - 1;  // one stays
    const double cycles = model.costs.head_start + brought * model.costs.head_window +
                          windows * (forward + back) * model.costs.head_pass;
    const double arithmetic = 3. * mnist_classes * s.hidden * samples / plain_fma_a_clock(model);
    // A is read twice and the deltas are written, eight samples at a time: few bytes are under way,
    // and the waiting for them adds up.
    const double bytes = (3. * s.hidden * s.batch + parts * second_layer(s)) * model.bytes;
    return std::max(cycles, arithmetic) / rates.clock + bytes / bytes_a_second(model.chip, bytes);
}

namespace {

constexpr double update_threads = 256, few_parts = 8;
/// Elements of the second layer that a block updates.
double of_a_block(double parts) { return parts > few_parts ? update_threads / 8 : update_threads; }

}  // namespace

double update_blocks(const GpuModel& model, const StepShape& s) {
    return ceil_div(first_layer(s), update_threads) +
           ceil_div(second_layer(s), of_a_block(head_parts(model, s)));
}

// Each number's parts are read eight at a time, and the number itself with the first. Of more than
// eight parts, eight groups of threads read an eighth each. A multiprocessor holds as many blocks
// of 256 threads as its threads allow, in rounds.
double update_seconds(const GpuModel& model, const StepShape& s, int parts) {
    const GpuRates& rates = gpu_rates(model.chip.capability);
    const double above = head_parts(model, s);
    const double resident = rates.threads / update_threads * model.chip.multiprocessors;
    const double more_waits = above > few_parts ? ceil_div(ceil_div(above, 8), 8) - 1 : 0;
    const double cycles = model.costs.update_start +
                          ceil_div(update_blocks(model, s), resident) * model.costs.update_round +
                          more_waits * l2_latency_cycles;
    const double bytes =
        ((parts + 2) * first_layer(s) + (above + 2) * second_layer(s)) * model.bytes;
    return cycles / rates.clock + bytes / bytes_a_second(model.chip, bytes);
}

namespace {

struct Sizes {
    int m, n, k;
    Split split;
};
Sizes sizes_of(FirstLayer what, GemmBy by, const StepShape& s) {
    if (what == FirstLayer::forward) return {s.hidden, s.batch, mnist_pixels, Split::joined};
    return {s.hidden, mnist_pixels + 1, s.batch,
            what == FirstLayer::gradient && by != GemmBy::int8 ? Split::left : Split::joined};
}

}  // namespace

GemmPlan plan_of(const GpuModel& model, FirstLayer what, GemmBy by, const StepShape& s) {
    const auto [m, n, k, split] = sizes_of(what, by, s);
    return plan_gemm(model.chip, by, m, n, k, split, model.costs, model.bytes);
}

double product_blocks(const GpuModel& model, FirstLayer what, GemmBy by, const StepShape& s,
                      GemmPlan plan) {
    const TileShape t = tile_shape(by, plan.tile, model.bytes);
    const Sizes sizes = sizes_of(what, by, s);
    return ceil_div(sizes.m, t.m) * ceil_div(sizes.n, t.n) * plan.splits;
}

// A descent reads the parameters where it would only write a gradient: for four fours of a thread
// it waits once. Blocks beside those of its tiles update the second layer.
double product_seconds(const GpuModel& model, FirstLayer what, GemmBy by, const StepShape& s,
                       GemmPlan plan) {
    const auto [m, n, k, split] = sizes_of(what, by, s);
    const bool descends = what == FirstLayer::descent;
    const double product =
        product_seconds(model.chip, by, plan, m, n, k, split, model.costs, model.bytes).kernel;
    if (!descends) return product;
    const TileShape t = tile_shape(by, plan.tile, model.bytes);
    const double tiles = product_blocks(model, what, by, s, {plan.tile, 1});
    const double waits = ceil_div(tiles, model.chip.multiprocessors) *
                         ceil_div(1. * t.m * t.n / t.threads() / 4, 4) * l2_latency_cycles;
    const double read = first_layer(s) * model.bytes;
    return product + waits / gpu_rates(model.chip.capability).clock +
           read / bytes_a_second(model.chip, read);
}

double step_seconds(const GpuModel& model, GemmBy by, const StepShape& s, GemmPlan forward,
                    GemmPlan descent) {
    const auto with_node = [&](FirstLayer what, GemmPlan plan) {
        return product_seconds(model, what, by, s, plan) + node_seconds(model);
    };
    return with_node(FirstLayer::forward, forward) + head_seconds(model, s) + node_seconds(model) +
           with_node(FirstLayer::descent, descent);
}
