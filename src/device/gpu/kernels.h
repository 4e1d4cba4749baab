// kernels.h: the launchers of the fast kernels, which training takes.
//
// Every matrix is column-major and packed (matrix.h), in device memory, in nn_real. Sizes may be 0:
// then nothing is launched, or an empty sum is 0. A launcher only puts work on gpu.stream and does
// not wait for it. It throws Failure if CUDA refuses the launch. Atomics only count blocks, and
// sums have one order, so equal runs give equal bits. The same step by plain kernels, to be read
// first, is gpu_func.cu.
#pragma once
#include <cstdint>
#include <span>

#include "base/range.h"
#include "base/real.h"
#include "device/gpu/matrix.h"
#include "device/gpu/plan.h"
#include "device/gpu/runtime.h"
#include "model/activation/activation.h"
#include "model/objective.h"
#include "model/precision.h"
#include "model/update/update.h"

/// Where launchers put their work.
struct Gpu {
    cudaStream_t stream;
    GpuChip chip;
};

/// Puts a kernel that begins with wait_for_kernel_before() (ptx.h) on gpu.stream.
template <class... Params, class... Args>
void gpu_start(const Gpu& gpu, void (*kernel)(Params...), dim3 grid, dim3 block, Args... args) {
    GPU_CHECK(starts_early(gpu.chip) ? gpu_launch_early(kernel, grid, block, 0, gpu.stream, args...)
                                     : gpu_launch(kernel, grid, block, 0, gpu.stream, args...));
}

/// Selects `device` for this thread and starts it, and returns what the model needs to know about
/// it. Throws GpuUnavailable if CUDA does not give the device to this process (devices.cu).
GpuChip gpu_chip(int device);

// ------------------------------------------------------------------ GEMM (gemm_fma.cu)

/// C = alpha op(A) op(B) + beta C
/// op(A): m x k, op(B): k x n, C: m x n. If A is transposed, it is stored as k x m; B as n x k. If
/// beta is 0, C is only written. C must not overlap A or B. plan.splits must be 1.
void gpu_gemm(const Gpu& gpu, Transposed op_a, Transposed op_b, int m, int n, int k, nn_real alpha,
              const nn_real* a, const nn_real* b, nn_real beta, nn_real* c, GemmPlan plan);
/// The same, with the tile that the model prefers.
void gpu_gemm(const Gpu& gpu, Transposed op_a, Transposed op_b, int m, int n, int k, nn_real alpha,
              const nn_real* a, const nn_real* b, nn_real beta, nn_real* c);

/// The input of a layer, d x n: the activations of the layer below, the network's inputs, or the
/// bytes of images. A byte counts as pixel x scale.
struct Input {
    const nn_real* activations;  ///< null: pixels
    const std::uint8_t* pixels;
    nn_real scale;  ///< of pixels
};
inline Input input_of(const nn_real* activations) { return {activations, nullptr, 1}; }
inline Input input_of(const std::uint8_t* pixels, nn_real scale) {
    return {nullptr, pixels, scale};
}

/// Where blocks that share a tile along k leave their parts, and count themselves: the last one
/// adds them, first to last, so equal runs give equal bits. joint_size() says how much is needed.
struct Joint {
    nn_real* parts = nullptr;
    unsigned* tickets = nullptr;  ///< 0 before a launch, and after it
};
struct JointSize {
    std::size_t parts, tickets;  ///< elements; none where a plan has no splits
};
JointSize joint_size(GemmBy by, const GemmPlan& plan, int m, int n);

/// Where a product by int8 keeps its operands as bytes (digits.h): an operand m x k, and pixels for
/// n columns. digits_size() says how much is needed.
struct Digits {
    std::uint32_t* words = nullptr;
    float* scales = nullptr;
};
struct DigitsSize {
    std::size_t words, scales;  ///< elements; none where `by` is not int8
};
DigitsSize digits_size(GemmBy by, int m, int n, int k);

/// A_out = f(W A_in + b), with f the activation: a whole hidden layer forward in one kernel.
/// W: m x k, A_in: k x n, b: m (added to each column), A_out: m x n, overlapping nothing.
/// by: bf16x3 or int8 for pixels alone, in float, from compute capability 8.0 (gpu_has_bf16x3);
/// int8 for k up to int8_most_depth. joint: for a plan of several splits. digits: for int8.
void gpu_layer(const Gpu& gpu, GemmBy by, int m, int n, int k, const nn_real* w, Input a_in,
               const nn_real* bias, nn_real* a_out, GemmPlan plan, const Activation& f = {},
               const Joint& joint = {}, const Digits& digits = {});

/// [dW|db] = delta [A_in; 1]^T over n samples: the data gradient of a layer's weights and biases,
/// which lie next to each other in Layout's order, as one product whose last input is 1.
/// delta: m x n, A_in: k x n, out: m x (k + 1), of which only the columns [first, first + count) of
/// [dW|db] are computed. The sum over n is split into plan.splits parts; part s is written to out +
/// s * stride. By int8 parts are joined before they are rounded, in `joint`, and one is written:
/// gradient_parts() (plan.h) says how many. `by` and digits have the same meaning as in gpu_layer,
/// with n in the place of k.
void gpu_gradient(const Gpu& gpu, GemmBy by, int m, int n, int k, const nn_real* delta, Input a_in,
                  int first, int count, nn_real* out, std::size_t stride, GemmPlan plan,
                  const Joint& joint = {}, const Digits& digits = {});

/// A range of the flat parameters whose gradient was summed in parts. Each part lies `stride`
/// elements behind the one before.
struct Parts {
    std::size_t first, count;  ///< elements of the flat array
    std::size_t penalised;     ///< number of weights, which come first; reg applies only to them
    const nn_real* gradient;
    std::size_t stride;
    int parts;
};

/// The same for all of [dW|db] (m is at least 1), which is not kept, with the update of all
/// parameters by plain descent, in one kernel. p: the flat parameters, with the layer's [W|b] at p
/// + first. others: the runs of the other layers, at most most_other_runs. numbers: on the device.
/// joint: for a plan of several splits.
void gpu_gradient_and_descent(const Gpu& gpu, GemmBy by, int m, int n, int k, const nn_real* delta,
                              Input a_in, const UpdateNumbers* numbers, nn_real* p,
                              std::size_t first, std::span<const Parts> others, GemmPlan plan,
                              const Joint& joint = {}, const Digits& digits = {});
inline constexpr std::size_t most_other_runs = 8;

/// delta_below = (W^T delta) * slope(a): W: m x k, delta: m x n, a and delta_below: k x n.
void gpu_delta_below(const Gpu& gpu, int m, int n, int k, const nn_real* w, const nn_real* delta,
                     const nn_real* a, nn_real* delta_below, GemmPlan plan,
                     const Activation& f = {}, const Joint& joint = {});

/// True if gpu_layer and gpu_gradient can use bf16x3 and int8: in float, on a GPU whose tensor
/// cores have both, from compute capability 8.0 on.
bool gpu_has_bf16x3(const GpuChip& chip);

// ------------------------------------------------- the head (head.cu, head_narrow.cu)

/// The output layer, the loss and all work of the backward pass there, in one kernel:
///     z = W A + b,  yhat = softmax(z) or sigmoid(z),  loss,  delta = scale dloss/dz,
///     delta_below = (W^T delta) * slope(a),  [dW|db] = delta [A; 1]^T
/// W: classes x k, A: k x n, b: classes, at most gpu_head_most_classes(). yhat, loss and dloss/dz
/// are the objective's (objective.h, neural_network.h); by default softmax, loss = sum -log yhat_c,
/// delta = (yhat - y) scale. Pointers may be null: without labels and targets no loss is computed,
/// without `gradient` nothing of the backward pass; yhat is always computed.
struct Head {
    Objective objective = {};
    int classes, n, k;
    const nn_real* w;
    const nn_real* bias;
    Input a;
    const std::uint8_t* labels;  ///< n, each below classes: y is 1 there, and 0 elsewhere; or null
    const nn_real* targets;      ///< y itself, classes x n; or null
    nn_real scale;
    nn_real* yhat;          ///< classes x n
    nn_real* delta_below;   ///< k x n; null if A is the network's input
    nn_real* gradient;      ///< gpu_head_parts() parts of classes x (k + 1), back to back; or null
    double* loss;           ///< gpu_head_parts() doubles; each part adds its losses to its own
    Activation below = {};  ///< of the layer below, which made A
    Precision precision = Precision::fp32;  ///< to which delta is rounded before it is multiplied
};
void gpu_head(const Gpu& gpu, const Head& head);
int gpu_head_most_classes();
/// The number of parts of gpu_head's gradient, for n samples and `classes` classes. It grows with
/// n, up to most_head_parts.
int gpu_head_parts(const GpuChip& chip, int classes, int n);
inline constexpr int most_head_parts = 512;

// ------------------------------------------------------------------ the rest (parts.cu)

/// p_i = rule(p_i, g_i + reg p_i), over all runs; g_i is the sum of its parts, first to last. p:
/// the flat parameters, and `to_moment` elements behind them their first moments, and as far behind
/// those the second. numbers: on the device, so that a recorded graph can be used with others.
void gpu_update(const Gpu& gpu, std::span<const Parts> runs, const Rule& rule,
                const UpdateNumbers* numbers, nn_real* p, std::size_t to_moment);
/// *to = numbers, in the stream's order (numbers.cu).
void gpu_set_numbers(const Gpu& gpu, const UpdateNumbers& numbers, UpdateNumbers* to);
/// gradient_i = the sum of its parts, for a gradient that MPI will sum.
void gpu_add_parts(const Gpu& gpu, std::span<const Parts> runs, nn_real* gradient);

/// Copies the samples samples_0 .. samples_(n-1) of a set, in this order. inputs: input_bytes x N
/// bytes, targets: target_bytes x N; inputs_out and targets_out: as many rows, n columns.
void gpu_gather(const Gpu& gpu, std::size_t input_bytes, std::size_t target_bytes, int n,
                const std::uint32_t* samples, const std::uint8_t* inputs,
                const std::uint8_t* targets, std::uint8_t* inputs_out, std::uint8_t* targets_out);

/// to_i = from_i rounded to a small type (small.cu, in float), i < count. `to` may be `from`.
void gpu_round(const Gpu& gpu, Precision precision, std::size_t count, const nn_real* from,
               nn_real* to);
/// The same for a network's inputs; a pixel counts as pixel x scale.
void gpu_round_input(const Gpu& gpu, Precision precision, std::size_t count, Input from,
                     nn_real* to);

/// Number of doubles in the partial sums of gpu_sum_of_squares.
inline constexpr int gpu_square_slots = 64;

/// The sum of partial's gpu_square_slots doubles is the sum of values_i^2, i < count.
void gpu_sum_of_squares(const Gpu& gpu, std::size_t count, const nn_real* values, double* partial);
