// gpu_ladder_top.cu: the upper rungs of gpu_ladder.h, which call the project's kernels.
//
// What is gained here is not in a better product of numbers, but in what surrounds it: other
// operands, more blocks for a small result, fewer kernels, fewer launches. Each rung names the file
// of device/gpu that draws its kernel.
#include <algorithm>

#include "gpu_ladder.h"

namespace {

constexpr LayerRung layers[] = {
    // gemm_fma.cu; its epilogue is Activated in product.h
    {"fused", "pixels are read as bytes, and sums become activations before they are written",
     GemmBy::fma, Split::no},
    // join_parts() in product.h
    {"joined", "blocks share a tile, each with a part of k, and the last one adds the parts",
     GemmBy::fma, Split::joined},
    // gemm_bf16x3.cu
    {"bf16x3", "tensor cores: a weight is three bf16 numbers, a pixel is one", GemmBy::bf16x3,
     Split::joined},
    // digits.cu, gemm_int8.cu
    {"int8", "whole numbers: a weight is four bytes, and no sum of products is rounded",
     GemmBy::int8, Split::joined},
};
constexpr std::size_t without_tensor_cores = 2;

constexpr StepRung steps_of_training[] = {
    // gpu_func.cu
    {"plain", "a kernel for each formula, 15 a step", make_course_replica, false, false},
    // head.cu and head_narrow.cu, and Descended in product.h
    {"fused", "three kernels a step: a layer, the head, and the gradient with the update",
     make_cuda_replica, false, false},
    // graph.h
    {"graph", "up to 64 steps are one launch, so the host is out of the way", make_cuda_replica,
     true, false},
    // persistent.cu
    {"persistent", "one kernel for all steps: weights stay in shared memory", make_cuda_replica,
     true, true},
};

}  // namespace

std::span<const LayerRung> layer_ladder(const GpuChip& chip) {
    const std::span all(layers);
    return gpu_has_bf16x3(chip) ? all : all.first(without_tensor_cores);
}

LayerByRung::LayerByRung(const Gpu& gpu, const LayerRung& rung, int m, int n, int k)
    : gpu_(gpu),
      by_(rung.by),
      m_(m),
      n_(n),
      k_(k),
      plan_(rung.plan(gpu, m, n, k)),
      joint_(joint_size(by_, plan_, m, n), gpu.stream),
      digits_(digits_size(by_, m, n, k)) {}

void LayerByRung::compute(const nn_real* w, Input x, const nn_real* bias, nn_real* a) const {
    gpu_layer(gpu_, by_, m_, n_, k_, w, x, bias, a, plan_, {}, joint_.get(), digits_.get());
}

std::span<const StepRung> step_ladder() { return steps_of_training; }

void take_steps(Replica& replica, const Steps& steps, bool at_once) {
    if (at_once && replica.run(steps)) return;
    const auto batch = static_cast<std::size_t>(steps.batch);
    for (std::size_t first = 0; first < steps.count; first += batch) {
        const auto n = static_cast<int>(std::min(batch, steps.count - first));
        replica.samples().select(Role::train, first, n);
        replica.forward(nn_real{1} / static_cast<nn_real>(n), Want::gradient);
        replica.backward_and_update(steps.update);
    }
}
