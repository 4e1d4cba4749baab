// precision.h: the types in which the operands of products are held: --precision.
//
// Inputs, weights, activations and deltas are rounded to the small type before they are multiplied.
// Products are summed in float, and master weights, biases, gradients and moments stay float
// (Micikevicius et al., 2018). The formats are here, and what rounding to them means; the ways to
// do that are device/cpu/small.h and device/gpu/small.h.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "base/names.h"

enum class Precision { fp32, bf16, fp16 };

template <>
struct Names<Precision> {
    static constexpr Named<Precision> all[] = {
        {Precision::fp32, "fp32"}, {Precision::bf16, "bf16"}, {Precision::fp16, "fp16"}};
};

/// The type is smaller than float.
constexpr bool is_small(Precision precision) { return precision != Precision::fp32; }

/// A format's finite numbers are the multiples of 2^(e - digits + 1) below 2^(e + 1), for each
/// exponent e from `least` to `most`.
struct SmallFormat {
    int digits, least, most;
};
constexpr SmallFormat format_of(Precision precision) {
    return precision == Precision::bf16 ? SmallFormat{8, -126, 127} : SmallFormat{11, -14, 15};
}

/// The reference's rounding, straight from the definition: the nearest number of a small format, of
/// two the even one; beyond the largest, infinity. x itself for fp32, and if it is not finite.
inline double nearest(Precision precision, double x) {
    if (!is_small(precision) || x == 0 || !std::isfinite(x)) return x;
    const SmallFormat format = format_of(precision);
    const int exponent = std::max(std::ilogb(x), format.least);
    const double spacing = std::ldexp(1.0, exponent - format.digits + 1);
    const double rounded = std::nearbyint(x / spacing) * spacing;
    return std::abs(rounded) < std::ldexp(1.0, format.most + 1)
               ? rounded
               : std::copysign(std::numeric_limits<double>::infinity(), x);
}
