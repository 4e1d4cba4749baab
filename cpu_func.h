// cpu_func.h: the CPU's arithmetic, one table of functions for each instruction set.
//
// cpu_func.cpp is compiled several times (baseline, AVX2, AVX-512), and cpu_functions() picks the
// widest that this processor runs, so one binary is right everywhere and fast where it can be. All
// matrices are column-major and packed: the leading dimension is the number of rows. Arrays do not
// overlap unless a comment says so. Nothing fails; sizes may be 0.
#pragma once
#include <cstddef>
#include <cstdint>

#include "nn_real.h"

enum class Transpose : bool { no, yes };

struct CpuFunctions {
    const char* name;  ///< "AVX-512"

    /// C (m x n) = alpha op(A) op(B) + beta C, op(A) m x k, op(B) k x n. With beta 0, C is only
    /// written.
    void (*gemm)(Transpose op_a, Transpose op_b, int m, int n, int k, nn_real alpha,
                 const nn_real* a, const nn_real* b, nn_real beta, nn_real* c);

    /// x_i = scale bytes_i
    void (*pixels_to_real)(std::size_t count, nn_real scale, const std::uint8_t* bytes, nn_real* x);

    /// z (rows x n) becomes sigmoid(z + bias), bias added to each column.
    void (*bias_sigmoid)(int rows, int n, const nn_real* bias, nn_real* z);

    /// z (classes x n) becomes yhat = softmax(z + bias); delta = (yhat - y) scale, where y is 1 at
    /// a column's label. Returns the sum of -log yhat_c over the columns.
    double (*softmax_cross_entropy)(int classes, int n, const nn_real* bias,
                                    const std::uint8_t* labels, nn_real scale, nn_real* z,
                                    nn_real* delta);

    /// delta *= a (1 - a), element by element.
    void (*sigmoid_backward)(std::size_t count, const nn_real* a, nn_real* delta);

    /// sums_i = sum over the n columns of delta (rows x n) of element i.
    void (*row_sums)(int rows, int n, const nn_real* delta, nn_real* sums);

    /// p -= rate (gradient + reg p)
    void (*step)(std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient, nn_real* p);

    /// Sum of the squares, in double.
    double (*sum_of_squares)(std::size_t count, const nn_real* values);
};

/// The widest set that this processor and operating system run.
const CpuFunctions& cpu_functions();
