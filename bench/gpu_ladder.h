// gpu_ladder.h: matrix multiplication on a GPU, one idea at a time.
//
// The benchmark runs every rung, so that a reader sees what each idea is worth; the project's own
// kernels (device/gpu/gemm_fma.cu, gemm_bf16x3.cu, gemm_int8.cu there) are the rungs above these.
#pragma once
#include <span>

#include "device/gpu/kernels.h"

/// C = A B: A m x k, B k x n, C m x n, column-major and packed; C overlaps neither. n is at most
/// 8 x 65535.
struct LadderRung {
    const char* name;
    const char* gain;  ///< the one thing that it does better than the rung before
    void (*multiply)(const Gpu& gpu, int m, int n, int k, const nn_real* a, const nn_real* b,
                     nn_real* c);
};

/// From the plainest to the fastest.
std::span<const LadderRung> ladder();
