// small.h: the number of a small type, bf16 or fp16, that is nearest to a float. It stays a float.
//
// The product of two such numbers is exact in float, within float's range, and sums are float's: so
// multiply-adds multiply what a GPU with that type would multiply. Device code.
#pragma once
#include "base/real.h"
#include "device/gpu/runtime.h"
#include "model/precision.h"

/// For device code: nvcc calls no host function, not even for a constant.
template <Precision P>
inline constexpr SmallFormat small_format = format_of(P);

/// To even, if two are as near; beyond the largest of the type, infinity. NaN stays NaN. The build
/// in double has no small type, and gets x.
template <Precision P>
__device__ __forceinline__ nn_real nearest_small(nn_real x) {
    if constexpr (P == Precision::fp32 || sizeof(nn_real) == sizeof(double)) {
        return x;
    } else {
        constexpr int exponent_at = 23, bias = 127;  // of a float
        constexpr SmallFormat format = small_format<P>;
        constexpr int dropped = exponent_at + 1 - format.digits;
        constexpr std::uint32_t infinity = 0x7f800000u,
                                least_normal = (format.least + bias) << exponent_at,
                                too_large = (format.most + 1 + bias) << exponent_at;
        const std::uint32_t bits = __float_as_uint(x), size = bits & 0x7fffffffu;
        if (size >= infinity) return x;
        // Just under half of the last place that stays, and that place's bit: what is to be rounded
        // up carries into it.
        std::uint32_t near = size + (1u << (dropped - 1)) - 1 + (size >> dropped & 1);
        near = near >> dropped << dropped;
        if constexpr (format.least > 1 - bias) {
            // Below the least normal number, all are multiples of the last place of the floats from
            // this one on.
            constexpr std::uint32_t first = (format.least + dropped + bias) << exponent_at;
            const float one = __uint_as_float(first);
            if (size < least_normal) near = __float_as_uint(__uint_as_float(size) + one - one);
        }
        if (near >= too_large) near = infinity;
        return __uint_as_float(near | (bits & 0x80000000u));
    }
}

/// The same for a type that is known at run time.
__device__ __forceinline__ nn_real nearest_small(Precision precision, nn_real x) {
    if (precision == Precision::bf16) return nearest_small<Precision::bf16>(x);
    if (precision == Precision::fp16) return nearest_small<Precision::fp16>(x);
    return x;
}
