// real.h: the floating-point type of the whole program, chosen at build time.
//
// float by default; double with -DUSE_DOUBLE (DOUBLE_FLAG=-DUSE_DOUBLE make). This is the only file
// that looks at the flag.
#pragma once

// A formula that GPUs compute too is compiled by nvcc for both.
#ifdef __CUDACC__
#define ON_HOST_AND_DEVICE __host__ __device__
#else
#define ON_HOST_AND_DEVICE
#endif

#ifdef USE_DOUBLE
using nn_real = double;
inline constexpr const char* nn_real_name = "double";
#else
using nn_real = float;
inline constexpr const char* nn_real_name = "float";
#endif

/// 1 / x, for a number or a vector of them. A GPU divides floats here without the branch that an
/// exact division needs: the result is within 2 units in the last place, and 0 above 2^126.
template <class V>
ON_HOST_AND_DEVICE V reciprocal(V x) {
    return 1 / x;
}
#ifdef __CUDA_ARCH__
template <>
__device__ inline float reciprocal(float x) {
    return __fdividef(1.0f, x);
}
#endif
