// gpu_step_model.h: the model of a whole training step on a GPU, of which plan.h predicts the
// products: the head, the update and the nodes of the graph that runs them.
//
// bench/gpu_model.cpp prints it, bench/gpu_fit.cpp compares it with what was measured.
// Its derivation is in bench/GPU_MODEL.md. All times are in seconds.
#pragma once
#include "device/gpu/plan.h"

inline constexpr int mnist_pixels = 784, mnist_classes = 10;

/// A chip, the constants, and the bytes of a number: 4 or 8.
struct GpuModel {
    GpuChip chip;
    PlanCosts costs = {};
    int bytes = sizeof(nn_real);
};

/// A network with one hidden layer, and its mini-batch.
struct StepShape {
    int hidden, batch;
    bool operator==(const StepShape&) const = default;
};

/// Blocks of gpu_head, each of which leaves a part of the second layer's gradient: gpu_head_parts'
/// rule for few classes.
int head_parts(const GpuModel& model, const StepShape& shape);

/// Multiply-adds of a clock and multiprocessor without tensor cores.
double plain_fma_a_clock(const GpuModel& model);

/// From the end of a kernel of a graph to the start of the next.
double node_seconds(const GpuModel& model);

double head_seconds(const GpuModel& model, const StepShape& shape);

/// A step of the persistent kernel (device/gpu/persistent.cu), for one hidden layer that it takes.
double persistent_seconds(const GpuModel& model, const StepShape& shape);

/// The update of the first layer, whose gradient has so many parts, and of the second, with as many
/// parts as the head leaves.
double update_blocks(const GpuModel& model, const StepShape& shape);
double update_seconds(const GpuModel& model, const StepShape& shape, int parts);

/// The products of the first layer: forward; its gradient, in parts; its gradient with the descent.
enum class FirstLayer { forward, gradient, descent };
GemmPlan plan_of(const GpuModel& model, FirstLayer what, GemmBy by, const StepShape& shape);
double product_blocks(const GpuModel& model, FirstLayer what, GemmBy by, const StepShape& shape,
                      GemmPlan plan);
/// The kernel alone.
double product_seconds(const GpuModel& model, FirstLayer what, GemmBy by, const StepShape& shape,
                       GemmPlan plan);

/// A step on one rank: forward, head and descent, and their nodes, by the given plans.
double step_seconds(const GpuModel& model, GemmBy by, const StepShape& shape, GemmPlan forward,
                    GemmPlan descent);
