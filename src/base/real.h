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
