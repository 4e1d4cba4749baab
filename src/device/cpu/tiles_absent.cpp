// tiles_absent.cpp: replaces device/cpu/tiles_bf16x3.cpp in double, whose 53 bits of mantissa would
// take seven bf16, and on processors other than x86-64.
#include "device/cpu/tiles.h"

#include <cstdlib>

bool bf16x3_available() { return false; }

void pixels_to_bf16(std::size_t, const std::uint8_t*, Bf16*) { std::abort(); }
void transpose_bf16(int, int, const Bf16*, std::size_t, Bf16*, std::size_t) { std::abort(); }
void gemm_bf16x3(int, int, int, nn_real, const nn_real*, int, const Bf16*, std::size_t, nn_real*,
                 int, Bf16Scratch) {
    std::abort();
}
