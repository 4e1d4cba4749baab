// gpuhost_product.cpp: gathers a warp's fragments and multiplies as the tensor cores do.
#include "gpuhost_product.h"

#include <bit>
#include <cmath>
#include <cstdint>

namespace gpuhost {
namespace {
/// The operands of a whole warp. In what follows, g, t, r, s, h and i are device/gpu/ptx.h's.
struct Operands {
    double a[16][16], b[16][8];
};

/// The bf16 in the lower (0) or upper (1) half of a register: it is the upper half of a float.
double bf16(std::uint32_t pair, int half) {
    return std::bit_cast<float>(half == 0 ? pair << 16 : pair & 0xffff0000u);
}

Operands bf16_operands(std::span<const Fragments> warp) {
    Operands all;
    for (const Fragments& of : warp) {
        const int g = of.lane / 4, t = of.lane % 4;
        const auto* a = static_cast<const std::uint32_t*>(of.a);
        const auto* b = static_cast<const std::uint32_t*>(of.b);
        for (int h = 0; h < 2; ++h)
            for (int half = 0; half < 2; ++half) {
                const int k = 2 * t + 8 * h + half;
                for (int r = 0; r < 2; ++r) all.a[g + 8 * r][k] = bf16(a[2 * h + r], half);
                all.b[k][g] = bf16(b[h], half);
            }
    }
    return all;
}

Operands f64_operands(std::span<const Fragments> warp) {
    Operands all;
    for (const Fragments& of : warp) {
        const int g = of.lane / 4, t = of.lane % 4;
        const auto *a = static_cast<const double*>(of.a), *b = static_cast<const double*>(of.b);
        for (int i = 0; i < 4; ++i) {
            for (int r = 0; r < 2; ++r) all.a[g + 8 * r][4 * i + t] = a[2 * i + r];
            all.b[4 * i + t][g] = b[i];
        }
    }
    return all;
}

/// c = sum(c, row of A, column of B) for every element of C.
template <class Real, class Sum>
void for_each_element(std::span<const Fragments> warp, const Operands& operands, Sum sum) {
    for (const Fragments& of : warp) {
        const int g = of.lane / 4, t = of.lane % 4;
        for (int r = 0; r < 2; ++r)
            for (int s = 0; s < 2; ++s) {
                Real& c = static_cast<Real*>(of.c)[2 * r + s];
                c = sum(c, operands.a[g + 8 * r], &operands.b[0][2 * t + s]);
            }
    }
}

float truncated(double value) {
    const auto rounded = static_cast<float>(value);
    return std::abs(static_cast<double>(rounded)) > std::abs(value) ? std::nextafter(rounded, 0.0f)
                                                                    : rounded;
}
}  // namespace

/// Products of bf16 are exact in double, and their sum is off by a few 2^-53 of its largest term at
/// most, far below what is then cut off.
void multiply_bf16(std::span<const Fragments> warp) {
    for_each_element<float>(warp, bf16_operands(warp),
                            [](double c, const double* a, const double* b) {
                                for (int k = 0; k < 16; ++k) c += a[k] * b[8 * k];
                                return truncated(c);
                            });
}

void multiply_f64(std::span<const Fragments> warp) {
    for_each_element<double>(warp, f64_operands(warp),
                             [](double c, const double* a, const double* b) {
                                 for (int k = 0; k < 16; ++k) c = std::fma(a[k], b[8 * k], c);
                                 return c;
                             });
}
}  // namespace gpuhost
