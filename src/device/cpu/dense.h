// dense.h: the CPU's matrix products, by a library that adapts itself to the processor.
//
// float on x86-64: oneDNN's sgemm (device/cpu/dense_onednn.cpp), which compiles its kernels at run
// time for the processor that it finds. oneDNN has no double, and no kernels for other processors.
// Those builds use Eigen (device/cpu/dense_eigen.cpp), compiled for several instruction sets, from
// which device/cpu/dense_by_isa.cpp takes one. A build has one of the two libraries.
#pragma once
#include "base/real.h"

enum class Transpose : bool { no, yes };

/// C (m x n) = alpha op(A) op(B) + beta C, op(A) m x k, op(B) k x n, column-major with leading
/// dimensions. If beta is 0, C is only written. It runs on the calling thread; several threads may
/// call it at once.
void cpu_gemm(Transpose op_a, Transpose op_b, int m, int n, int k, nn_real alpha, const nn_real* a,
              int lda, const nn_real* b, int ldb, nn_real beta, nn_real* c, int ldc);
