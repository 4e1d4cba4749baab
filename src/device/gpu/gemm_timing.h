// gemm_timing.h: runs one GEMM on the GPU, by our kernel or by cuBLAS, from host arrays.
//
// For grading mode 4, the tests and the benchmarks; training never uses it. cuBLAS is loaded when
// it is asked for, so that the program starts fast and also runs without cuBLAS.
#pragma once
#include <string>

#include "base/real.h"

/// C = alpha A B + beta C on host arrays: A m x k, B k x n, C m x n, column-major and packed.
struct GemmProblem {
    int m, n, k;
    nn_real alpha;
    const nn_real *a, *b;
    nn_real beta;
};

struct GemmTiming {
    double seconds = 0;   ///< of one product on the device, median
    std::string missing;  ///< why nothing was run; empty when it was
};

/// Both compute one product, starting from the content of c, and write the result to c. Then they
/// time more of them, `repeats` times twenty in a row.
GemmTiming time_our_gemm(const GemmProblem& problem, int repeats, nn_real* c);
GemmTiming time_cublas_gemm(const GemmProblem& problem, int repeats, nn_real* c);
