// gpu_func.h: the hand-written CUDA kernels' launchers.
//
// Every matrix is column-major and packed (its leading dimension is its number of rows), in device
// memory, in nn_real. Sizes may be 0: nothing is launched, or what would be summed is 0. Every
// launcher only puts work on gpu.stream; it throws Failure if CUDA refuses the launch. No kernel
// uses atomics, so that equal runs give equal bits.
#pragma once
#include <cstdint>

#include "gpu_runtime.h"
#include "nn_real.h"

/// Where launchers put their work.
struct Gpu {
    cudaStream_t stream;
    int multiprocessors;  ///< the GEMM's tile is chosen to keep them all busy
};

enum class Transposed : bool { no, yes };

/// Block tile of the GEMM; automatic: the largest that gives every multiprocessor a block.
enum class GemmTile { automatic, small, medium, large };

/// C = alpha op(A) op(B) + beta C
/// op(A): m x k, op(B): k x n, C: m x n; A is stored k x m where it is transposed, B n x k. With
/// beta 0, C is only written. C must not overlap A or B.
void gpu_gemm(const Gpu& gpu, Transposed op_a, Transposed op_b, int m, int n, int k, nn_real alpha,
              const nn_real* a, const nn_real* b, nn_real beta, nn_real* c,
              GemmTile tile = GemmTile::automatic);

/// A_out = W A_in + b, or sigmoid of it: a whole layer forward in one kernel.
/// W: m x k, A_in: k x n, b: m (added to each column), A_out: m x n, overlapping nothing.
enum class Activation { none, sigmoid };
void gpu_layer(const Gpu& gpu, Activation activation, int m, int n, int k, const nn_real* w,
               const nn_real* a_in, const nn_real* bias, nn_real* a_out,
               GemmTile tile = GemmTile::automatic);

/// Number of doubles in the loss of gpu_softmax_cross_entropy.
inline constexpr int gpu_loss_slots = 512;

/// yhat = softmax(z), column by column; delta = (yhat - y) scale; loss += -log yhat_c
/// z: classes x n, becomes yhat in place. labels: n, each below classes; y is 1 at the label, 0
/// elsewhere. delta: classes x n. loss: gpu_loss_slots doubles, whose sum grows by the columns'
/// losses; each slot is always written by the same columns, in the same order.
void gpu_softmax_cross_entropy(const Gpu& gpu, int classes, int n, const std::uint8_t* labels,
                               nn_real scale, nn_real* z, nn_real* delta, double* loss);

/// delta_i *= a_i (1 - a_i), i < count
void gpu_sigmoid_backward(const Gpu& gpu, std::size_t count, const nn_real* a, nn_real* delta);

/// sums_i = sum_j delta_ij
/// delta: rows x n; sums: rows. The order of summation depends on n alone.
void gpu_row_sums(const Gpu& gpu, int rows, int n, const nn_real* delta, nn_real* sums);

/// p_i -= rate (gradient_i + reg p_i), i < count
void gpu_step(const Gpu& gpu, std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient,
              nn_real* p);

/// x_ij = scale pixels_(i, s_j); labels_out_j = labels_(s_j)
/// s_j is samples_j, or j where samples is null. pixels: d x N bytes, x: d x n, labels: N,
/// labels_out: n.
void gpu_gather_pixels(const Gpu& gpu, int d, int n, const std::uint32_t* samples, nn_real scale,
                       const std::uint8_t* pixels, const std::uint8_t* labels, nn_real* x,
                       std::uint8_t* labels_out);

/// Number of doubles in the partial sums of gpu_sum_of_squares.
inline constexpr int gpu_square_slots = 64;

/// The sum of partial's gpu_square_slots doubles is the sum of values_i^2, i < count.
void gpu_sum_of_squares(const Gpu& gpu, std::size_t count, const nn_real* values, double* partial);
