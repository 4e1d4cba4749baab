// gpu_ladder.h: from a plain matrix product on a GPU to an epoch in one kernel, one idea at a time.
//
// There are three ladders, each from the plainest to the fastest: the product of numbers
// (gpu_ladder.cu), a layer of pixels, and a training step (both gpu_ladder_top.cu). Rungs that are
// the project's own kernels call them, and their kernels are in device/gpu. The benchmark runs
// every rung, so that a reader sees what each idea is worth.
#pragma once
#include <memory>
#include <span>

#include "device/gpu/joint.h"
#include "device/gpu/kernels.h"
#include "device/replica.h"

// ------------------------------------------------------------------ a product

/// C = A B: A m x k, B k x n, C m x n, column-major and packed; C overlaps neither. n is at most
/// 8 x 65535.
struct LadderRung {
    const char* name;
    const char* gain;  ///< the one thing that it does better than the rung before
    void (*multiply)(const Gpu& gpu, int m, int n, int k, const nn_real* a, const nn_real* b,
                     nn_real* c);
};
std::span<const LadderRung> ladder();

// ------------------------------------------------------------------ a layer

/// A layer forward by gpu_layer, in the plan that the model prefers.
struct LayerRung {
    const char *name, *gain;
    GemmBy by;
    Split split;

    GemmPlan plan(const Gpu& gpu, int m, int n, int k) const {
        return plan_gemm(gpu.chip, by, m, n, k, split);
    }
};
/// Those that the chip has.
std::span<const LayerRung> layer_ladder(const GpuChip& chip);

/// A rung with the memory that it needs for one size.
class LayerByRung {
  public:
    LayerByRung(const Gpu& gpu, const LayerRung& rung, int m, int n, int k);
    /// A = sigmoid(W X + b): W m x k, X k x n, b m, A m x n.
    void compute(const nn_real* w, Input x, const nn_real* bias, nn_real* a) const;

  private:
    Gpu gpu_;
    GemmBy by_;
    int m_, n_, k_;
    GemmPlan plan_;
    JointMemory joint_;
    DigitsMemory digits_;
};

// ------------------------------------------------------------------ a training step

/// Steps by plain descent of one rank.
struct StepRung {
    const char *name, *gain;
    std::unique_ptr<Replica> (*make)(const ReplicaShape& shape, const CudaSettings& settings);
    bool at_once;     ///< many steps are one submission
    bool persistent;  ///< and one kernel

    std::unique_ptr<Replica> replica(const ReplicaShape& shape, int device) const {
        return make(shape, settings(shape, device));
    }
    CudaSettings settings(const ReplicaShape& shape, int device) const {
        return {.device = device, .persistent_batch = persistent ? shape.capacity : 0};
    }
};
std::span<const StepRung> step_ladder();

/// Takes the steps at once, if that is asked for and the replica can, or one by one.
void take_steps(Replica& replica, const Steps& steps, bool at_once);
