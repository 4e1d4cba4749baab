// plain_tiles.cpp: device/cpu/tiles.h in plain loops, for processors without tiles.
//
// It is linked in place of the real tiles, so that training by bf16x3 is tested on every machine:
// what the replica hands to the tiles, and what it makes of their results. It reads and writes just
// what tiles.h says.
#include <bit>
#include <cstdint>

#include "base/range.h"
#include "device/cpu/tiles.h"

bool bf16x3_available() { return sizeof(nn_real) == sizeof(float); }

void pixels_to_bf16(std::size_t count, const std::uint8_t* pixels, Bf16* x) {
    for (std::size_t i = 0; i < count; ++i)
        x[i] = static_cast<Bf16>(std::bit_cast<std::uint32_t>(static_cast<float>(pixels[i])) >> 16);
}

void transpose_bf16(int rows, int columns, const Bf16* x, std::size_t ldx, Bf16* y,
                    std::size_t ldy) {
    for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j)
            y[static_cast<std::size_t>(i) * ldy + static_cast<std::size_t>(j)] =
                x[static_cast<std::size_t>(j) * ldx + static_cast<std::size_t>(i)];
}

void gemm_bf16x3(int m, int n, int k, nn_real scale, const nn_real* a, int lda, const Bf16* x,
                 std::size_t ldx, nn_real* c, int ldc, Bf16Scratch) {
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < m; ++i) {
            double sum = 0;
            for (int p = 0; p < k; ++p) {
                const std::uint32_t bits =
                    x[static_cast<std::size_t>(j) * ldx + static_cast<std::size_t>(p)];
                sum += static_cast<double>(a[position(i, p, lda)]) *
                       static_cast<double>(std::bit_cast<float>(bits << 16));
            }
            c[position(i, j, ldc)] = static_cast<nn_real>(static_cast<double>(scale) * sum);
        }
}
