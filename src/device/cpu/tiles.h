// tiles.h: the first layer's products in bf16 tiles (AMX), with the accuracy of float.
//
// A pixel is a whole number from 0 to 255 and exact in bf16, which has 8 bits of mantissa. A float
// has 24, so it is exactly the sum of three bf16: w = w1 + w2 + w3, each the next 8 bits. Then
// w x = w1 x + w2 x + w3 x with exact products, added up in float: no more error than sgemm makes,
// at the speed of the bf16 units. The factor that turns a pixel into an input is applied at the
// end. W1 X and dW1 = delta X^T, 98 % of the work with one hidden layer, are such products.
// "Exactly" holds down to |w| = 2^-110; below, parts become denormal, which the units take for 0.
//
// There are two implementations: device/cpu/tiles_bf16x3.cpp for float on x86-64,
// device/cpu/tiles_absent.cpp for everything else.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/real.h"

/// Bits of a bf16: the upper half of a float's.
using Bf16 = std::uint16_t;

/// Whether this processor has bf16 tiles and this system lets the process use them.
bool bf16x3_available();

/// Rows and columns of what follows are rounded up to whole tiles by their callers:
constexpr int bf16_tile = 32;
constexpr int whole_tiles(int n) { return (n + bf16_tile - 1) / bf16_tile * bf16_tile; }

/// From so many samples on it is faster than sgemm. Splitting W1 takes its time for any number of
/// samples: measured at H = 100, forward and backward, 16 samples take 80 us (sgemm 65), 32 take 97
/// (sgemm 125), on a Sapphire Rapids core with a busy neighbour.
constexpr int bf16x3_pays_from = 32;

/// `count` pixels to bf16.
void pixels_to_bf16(std::size_t count, const std::uint8_t* pixels, Bf16* x);

/// y_(i,j) = x_(j,i) for `rows` columns and `columns` rows of x, both multiples of bf16_tile.
/// Column j of x begins at x + j ldx, column i of y at y + i ldy.
void transpose_bf16(int rows, int columns, const Bf16* x, std::size_t ldx, Bf16* y,
                    std::size_t ldy);

/// What one thread needs while it multiplies; both begin on 64 bytes.
struct Bf16Scratch {
    nn_real* sums;         ///< bf16x3_sums(n) elements, for the largest n
    std::uint32_t* parts;  ///< bf16x3_parts elements
};
constexpr std::size_t bf16x3_sums(int n) {
    return static_cast<std::size_t>(whole_tiles(n)) * bf16_tile;
}
constexpr int bf16x3_depth = 32;  ///< tiles of k at a time, so that the parts of A stay in cache
constexpr std::size_t bf16x3_parts = std::size_t{bf16x3_depth} * 3 * 2 * 256;

/// C (m x n) = scale A X, A m x k, X k x n of pixels in bf16. All column-major; column j of X
/// begins at x + j ldx, on 64 bytes, and can be read for whole_tiles(k) elements, at least for one
/// tile; so can n columns, rounded up to 16. What stands there beyond k and n may be any pixels.
/// Only where bf16x3_available().
void gemm_bf16x3(int m, int n, int k, nn_real scale, const nn_real* a, int lda, const Bf16* x,
                 std::size_t ldx, nn_real* c, int ldc, Bf16Scratch scratch);
