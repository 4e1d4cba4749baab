// gpu_func.h: the CUDA kernels of one training step, one kernel for each formula.
//
// Read these first. They are complete: --course trains by them, and device/gpu/course_replica.cu
// calls them in the order below. They take networks of any size, and nothing in them is tuned. By
// default, the kernels of src/device/gpu train.
//
// Every matrix is column-major and packed, so that a sample is a column; all arrays are in device
// memory. Sizes may be 0: then nothing is launched, or an empty sum is 0. A launcher only puts work
// on the stream and does not wait for it. It throws Failure if CUDA refuses the launch. No kernel
// uses atomics, so equal runs give equal bits.
#pragma once
#include <cstdint>

#include "base/real.h"
#include "device/gpu/matrix.h"
#include "device/gpu/runtime.h"
#include "model/activation/activation.h"
#include "model/objective.h"
#include "model/update/update.h"

// ------------------------------------------------------------------ forward

/// x_i = scale * pixel_i, i < count: the input of layer 1.
void course_numbers(cudaStream_t stream, std::size_t count, nn_real scale,
                    const std::uint8_t* pixels, nn_real* x);

/// C = alpha op(A) op(B) + beta C
/// op(A): m x k, op(B): k x n, C: m x n. If A is transposed, it is stored as k x m; B as n x k. If
/// beta is 0, C is only written. C must not overlap A or B. n is at most course_gemm_most.
inline constexpr int course_gemm_most = 16 * 65535;
void course_gemm(cudaStream_t stream, Transposed op_a, Transposed op_b, int m, int n, int k,
                 nn_real alpha, const nn_real* a, const nn_real* b, nn_real beta, nn_real* c);

/// A = f(A + b), b added to each column, f the activation: a hidden layer, after its product.
/// A: rows x n, b: rows.
void course_activate(cudaStream_t stream, int rows, int n, const nn_real* bias, nn_real* a,
                     const Activation& f = {});

/// The output layer after its product, with z = yhat + b:
///     yhat = softmax(z) or sigmoid(z),  loss,  delta = scale dloss/dz
/// by objective.h; the default is softmax, loss = -log yhat_c, delta = scale (yhat - y).
struct CourseOutput {
    Objective objective;
    int outputs, n;
    const nn_real* bias;         ///< outputs
    const std::uint8_t* labels;  ///< n, each below outputs: y is 1 there, and 0 elsewhere; or null
    const nn_real* targets;      ///< y itself, outputs x n; or null. If both are null: only yhat
    nn_real scale;
    nn_real* yhat;   ///< outputs x n; before, the product
    nn_real* delta;  ///< outputs x n; or null
    double* losses;  ///< n: the loss of sample j is added to losses[j]
};
void course_output(cudaStream_t stream, const CourseOutput& output);

// ------------------------------------------------------------------ backward and update

/// delta_i = delta_i slope(a_i), i < count: a hidden layer's delta, after the product
/// W^T delta of the layer above.
void course_delta(cudaStream_t stream, std::size_t count, const nn_real* a, nn_real* delta,
                  const Activation& f = {});

/// db_i = sum_j delta_ij. delta: rows x n, db: rows. The weights' gradient is a product, delta A^T.
void course_row_sums(cudaStream_t stream, int rows, int n, const nn_real* delta, nn_real* db);

/// p_i = rule(p_i, gradient_i + reg p_i), i < count. The moments of p_i are `to_moment` elements
/// behind it and behind each other, if the rule has them.
void course_update(cudaStream_t stream, const Rule& rule, const UpdateNumbers& numbers,
                   std::size_t count, const nn_real* gradient, nn_real* p, std::size_t to_moment);
