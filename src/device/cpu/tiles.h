// tiles.h: the first layer's products in bf16 tiles (AMX), with the accuracy of float.
//
// A pixel is a whole number from 0 to 255, so it is exact in bf16, which has 8 bits of mantissa. A
// float has 24 bits, so it is exactly the sum of three bf16: w = w1 + w2 + w3, each with the next 8
// bits. Then w x = w1 x + w2 x + w3 x with exact products, which are summed in float. The error is
// no larger than that of a product in float, at the speed of the bf16 units. The factor that turns
// a pixel into an input is applied at the end. W1 X and dW1 = delta X^T, 98 % of the work with one
// hidden layer, are such products. "Exactly" holds down to |w| = 2^-110; below that, parts become
// denormal, and the units take them for 0.
//
// There are two implementations: device/cpu/tiles_bf16x3.cpp for float on x86-64,
// device/cpu/tiles_absent.cpp for everything else.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/real.h"

/// The bits of a bf16: the upper half of a float's bits.
using Bf16 = std::uint16_t;

/// True if this processor has bf16 tiles and this system lets the process use them.
bool bf16x3_available();

/// Callers of the functions below round numbers of rows and columns up to whole tiles.
constexpr int bf16_tile = 32;
constexpr int whole_tiles(int n) { return (n + bf16_tile - 1) / bf16_tile * bf16_tile; }

/// True if a step of `shard` samples, of whose inputs the fraction `density` is not zero, is faster
/// in tiles than by leaving out zeros (sparse.h) or by dense.h. On two Xeon cores with AMX, H = 100
/// to 512, tiles were 1.0 to 1.2 times as fast as the best of the others at MNIST's density of
/// 0.19, 1.5 times at 0.35 and 1.8 to 2.0 at 0.5; but 0.6 and 1.1 times with 32 samples.
constexpr bool tiles_pay(int shard, double density) { return shard >= 64 && density >= 0.3; }

/// Converts `count` pixels to bf16.
void pixels_to_bf16(std::size_t count, const std::uint8_t* pixels, Bf16* x);

/// y_(i,j) = x_(j,i); x has `columns` rows and `rows` columns, both multiples of bf16_tile. Column
/// j of x begins at x + j ldx, column i of y at y + i ldy.
void transpose_bf16(int rows, int columns, const Bf16* x, std::size_t ldx, Bf16* y,
                    std::size_t ldy);

/// The memory that one thread needs while it multiplies; both arrays begin on 64 bytes.
struct Bf16Scratch {
    nn_real* sums;         ///< bf16x3_sums(n) elements, for the largest n
    std::uint32_t* parts;  ///< bf16x3_parts elements
};
constexpr std::size_t bf16x3_sums(int n) {
    return static_cast<std::size_t>(whole_tiles(n)) * bf16_tile;
}
constexpr int bf16x3_depth = 32;  ///< tiles of k at a time, so that the parts of A stay in cache
constexpr std::size_t bf16x3_parts = std::size_t{bf16x3_depth} * 3 * 2 * 256;

/// C (m x n) = scale A X, A m x k, X k x n of pixels in bf16. All are column-major. Column j of X
/// begins at x + j ldx, on 64 bytes. For each column, whole_tiles(k) elements, at least one tile,
/// must be readable, and n columns, rounded up to 16. Beyond k and n, X may hold any pixels. Call
/// it only if bf16x3_available().
void gemm_bf16x3(int m, int n, int k, nn_real scale, const nn_real* a, int lda, const Bf16* x,
                 std::size_t ldx, nn_real* c, int ldc, Bf16Scratch scratch);
