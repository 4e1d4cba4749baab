// masks.h: which inputs of a mini-batch are not zero, as bits.
//
// 81 % of MNIST's pixels are zero. A mask tells which 64 inputs of a sample are not, or which 64
// samples have an input that is not; the products in sparse.h pass over the others. Inputs come in
// groups of 64, so that a group's pixels are one cache line and its mask one word.
#pragma once
#include <algorithm>

#include "device/cpu/table.h"
#include "device/cpu/vec.h"

namespace CPU_ISA {

/// Bit i of the mask is set if input i of the 64 is not zero.
ALWAYS_INLINE std::uint64_t nonzero(const std::uint8_t* pixels) {
#if defined(__AVX512BW__)
    const __m512i v = _mm512_loadu_si512(pixels);
    return _mm512_test_epi8_mask(v, v);
#elif defined(__x86_64__)
    std::uint64_t zero = 0;
    for (int i = 0; i < 4; ++i) {
        const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels) + i);
        const int m = _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128()));
        zero |= static_cast<std::uint64_t>(static_cast<unsigned>(m)) << (16 * i);
    }
    return ~zero;
#else
    std::uint64_t mask = 0;
    for (int i = 0; i < mask_bits; ++i) mask |= static_cast<std::uint64_t>(pixels[i] != 0) << i;
    return mask;
#endif
}
inline std::uint64_t nonzero(const nn_real* numbers) {
    std::uint64_t mask = 0;
    for (int i = 0; i < mask_bits; ++i) mask |= static_cast<std::uint64_t>(numbers[i] != 0) << i;
    return mask;
}

/// Bit c of word r becomes bit r of word c. Each stage swaps the halves of the blocks of 2 s x 2 s
/// that lie across the diagonal.
inline void transpose_bits(std::uint64_t (&a)[mask_bits]) {
    std::uint64_t low = 0x00000000ffffffffu;
    for (int s = 32; s != 0; s /= 2, low ^= low << s)
        for (int block = 0; block < mask_bits; block += 2 * s)
            for (int i = block; i < block + s; ++i) {
                const std::uint64_t t = ((a[i] >> s) ^ a[i + s]) & low;
                a[i + s] ^= t;
                a[i] ^= t << s;
            }
}

/// Stores the inputs of sample j, and their masks.
template <class X>
void take_sample(const CpuMasked& to, int j, const X* from) {
    for (int g = 0, i = 0; i < to.inputs; ++g, i += mask_bits) {
        const int count = to.inputs - i < mask_bits ? to.inputs - i : mask_bits;
        X* const group = static_cast<X*>(to.values) + to.at(g, j) * mask_bits;
        std::memcpy(group, from + i, static_cast<std::size_t>(count) * sizeof(X));
        for (int rest = count; rest < mask_bits; ++rest) group[rest] = X{};
        to.of_sample[to.at(g, j)] = nonzero(group);
    }
}
inline void take_masked(const CpuMasked& to, int j, const std::uint8_t* bytes) {
    if (to.value_of_pixel != nullptr)
        take_sample(to, j, bytes);
    else
        take_sample(to, j, static_cast<const nn_real*>(static_cast<const void*>(bytes)));
}

/// Fills of_input, for these inputs, from of_sample of n samples.
inline void turn_masks(const CpuMasked& batch, Range inputs, int n) {
    const int end = inputs.first + inputs.count;
    for (int s = 0; s < n; s += mask_bits)
        for (int i = inputs.first; i < end;) {
            const int g = i / mask_bits, last = std::min(end, (g + 1) * mask_bits);
            std::uint64_t words[mask_bits] = {};
            std::memcpy(words, batch.of_sample + batch.at(g, s),
                        static_cast<std::size_t>(std::min(mask_bits, n - s)) * sizeof words[0]);
            transpose_bits(words);
            std::memcpy(batch.masks_of_inputs(s / mask_bits) + i, words + i % mask_bits,
                        static_cast<std::size_t>(last - i) * sizeof words[0]);
            i = last;
        }
}

}  // namespace CPU_ISA
