// small.h: numbers become the nearest ones of a small type, bf16 or fp16, and stay floats.
//
// So the products of this folder multiply what a machine with that type would multiply: the product
// of two such numbers is exact in fma(), and sums are float's. This emulates the type to the bit.
// It saves neither time nor memory.
#pragma once
#include "device/cpu/table.h"
#include "device/cpu/vec.h"

namespace CPU_ISA {

using Bits [[gnu::vector_size(vector_bytes)]] = std::uint32_t;

/// To even, if two are as near. NaN stays NaN. The build in double has no small type.
template <Precision precision, class V>
ALWAYS_INLINE V nearest_small(V v) {
    if constexpr (is_double) {
        return v;
    } else {
        constexpr std::uint32_t infinity = 0x7f800000;
        const Bits bits = reinterpret_cast<Bits>(v);
        const Bits size = bits & 0x7fffffff;
        const auto is_nan = size > infinity;
        // Adding just under half of the last place that stays, and that place's bit, carries into
        // it where v is to be rounded up. Infinity stays, and what is too large becomes it.
        if constexpr (precision == Precision::bf16) {
            const Bits near = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
            return is_nan ? v : reinterpret_cast<V>(near);
        } else {
            const Bits normal = (size + 0xfff + ((size >> 13) & 1)) & 0xffffe000;
            // Below 2^-14, all are multiples of 2^-24, the last place of floats from 0.5 on.
            const V half = all(nn_real{0.5f});
            const Bits tiny = reinterpret_cast<Bits>((reinterpret_cast<V>(size) + half) - half);
            constexpr std::uint32_t least_normal = 0x38800000, too_large = 0x47800000;
            Bits near = size < least_normal ? tiny : normal;
            near = near >= too_large ? Bits{} + infinity : near;
            return is_nan ? v : reinterpret_cast<V>(near | (bits & 0x80000000));
        }
    }
}

template <Precision precision>
void round_all(std::size_t count, const nn_real* from, nn_real* to) {
    constexpr auto l = static_cast<std::size_t>(lanes);
    std::size_t i = 0;
    for (; i + l <= count; i += l) store(to + i, nearest_small<precision>(load(from + i)));
    const int rest = static_cast<int>(count - i);
    if (rest > 0) store_some(to + i, nearest_small<precision>(load_some(from + i, rest)), rest);
}

inline void round_to(Precision precision, std::size_t count, const nn_real* from, nn_real* to) {
    if (precision == Precision::bf16) round_all<Precision::bf16>(count, from, to);
    if (precision == Precision::fp16) round_all<Precision::fp16>(count, from, to);
}

}  // namespace CPU_ISA
