// digits.h: how the operands of a product by whole numbers lie in device memory, for digits.cu,
// which makes them, and gemm_int8.cu, which multiplies them.
//
// Four bytes that are neighbours in k make a word, as the tensor cores take them. A plane of words
// is [k / 4][line], a line being a row of A or a column of B:
//
//     line      0   1   2  ...                    word (quad, line), k = 4 quad .. 4 quad + 3:
//     quad 0  [ w | w | w | ... | 0 | 0 ]           | byte 0 | byte 1 | byte 2 | byte 3 |
//     quad 1  [ w | w | w | ... | 0 | 0 ]             4 quad            ...      4 quad + 3
//
// A has four planes, one for each digit of its numbers, the last digit first, and B, of pixels, has
// one. Zeros fill both up to whole tiles, so that nobody who multiplies asks where an edge is.
#pragma once
#include <cstdint>

#include "device/gpu/product.h"

inline constexpr int digits_of_number = 4;

/// An operand's planes. Lines are a multiple of the widest tile, and quads of a slice, 32 of k.
struct WordPlanes {
    int lines, quads;
    ON_HOST_AND_DEVICE constexpr std::size_t words() const {
        return static_cast<std::size_t>(lines) * static_cast<std::size_t>(quads);
    }
};
inline WordPlanes planes_of(int edge, int k) {
    constexpr int widest = 128, depth = 32;
    return {ceil_div(edge, widest) * widest, ceil_div(k, depth) * depth / 4};
}

/// Both operands of a product.
struct ByteOperands {
    std::uint32_t *a, *b;
    float* scales;  ///< of A's rows: an element is its whole number times this
    WordPlanes a_planes, b_planes;
};

/// Makes both: A's rows become whole numbers, and pixels words. Those are `b`'s columns [x.first,
/// x.last), by neighbours in k where `along_k`, else by neighbours along the edge.
ByteOperands make_digits(const Gpu& gpu, const Operand<float>& a, const Operand<std::uint8_t>& b,
                         bool along_k, const Extent& x, const Digits& digits);
