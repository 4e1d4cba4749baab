// gpuhost_product.cpp: gathers a warp's fragments and multiplies as the tensor cores do.
#include "gpuhost_product.h"

#include <algorithm>
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

/// The exponent of what a float holds; of zero, one below that of every product of two others.
int exponent_of(double value) {
    return static_cast<int>(std::bit_cast<std::uint64_t>(value) >> 52 & 0x7ff) - 1023;
}
double power_of_two(int exponent) {
    return std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
}

/// c and eight products, added as tensor cores do: all are shifted to the largest exponent, what
/// falls below the last bit of a float of that exponent is cut off each, and the sum is cut again.
/// A product's exponent is the sum of its factors', as before it is normalised.
float aligned_sum(float c, const double* a, const double* b) {
    double products[8], plain = c;
    int exponent = exponent_of(c);
    for (int k = 0; k < 8; ++k) {
        products[k] = a[k] * b[8 * k];
        plain += products[k];
        exponent = std::max(exponent, exponent_of(a[k]) + exponent_of(b[8 * k]));
    }
    if (!std::isfinite(plain) || exponent < -800) return static_cast<float>(plain);
    const double in_units = power_of_two(23 - exponent);
    auto sum = static_cast<std::int64_t>(c * in_units);
    for (const double product : products) sum += static_cast<std::int64_t>(product * in_units);
    return truncated(static_cast<double>(sum) / in_units);
}
}  // namespace

/// Chips are reported to add 8 or 16 products at once and to keep one or two bits more (Khattak and
/// Mikaitis, arXiv 2512.07004). Here are as few of both as there may be: a bound that holds here
/// holds there.
void multiply_bf16(std::span<const Fragments> warp) {
    for_each_element<float>(warp, bf16_operands(warp),
                            [](float c, const double* a, const double* b) {
                                return aligned_sum(aligned_sum(c, a, b), a + 8, b + 64);
                            });
}

/// Whole numbers: the order of the sum is nothing, and what 32 bits cannot hold wraps around.
void multiply_s8u8(std::span<const Fragments> warp) {
    std::int32_t a[16][32], b[32][8];
    for (const Fragments& of : warp) {
        const int g = of.lane / 4, t = of.lane % 4;
        const auto *words_a = static_cast<const std::uint32_t*>(of.a),
                   *words_b = static_cast<const std::uint32_t*>(of.b);
        for (int h = 0; h < 2; ++h)
            for (int e = 0; e < 4; ++e) {
                const int k = 4 * t + 16 * h + e;
                for (int r = 0; r < 2; ++r)
                    a[g + 8 * r][k] = static_cast<std::int8_t>(words_a[2 * h + r] >> 8 * e & 0xff);
                b[k][g] = static_cast<std::uint8_t>(words_b[h] >> 8 * e & 0xff);
            }
    }
    for (const Fragments& of : warp) {
        const int g = of.lane / 4, t = of.lane % 4;
        for (int r = 0; r < 2; ++r)
            for (int s = 0; s < 2; ++s) {
                std::int32_t& c = static_cast<std::int32_t*>(of.c)[2 * r + s];
                std::int64_t sum = c;
                for (int k = 0; k < 32; ++k) sum += a[g + 8 * r][k] * b[k][2 * t + s];
                c = static_cast<std::int32_t>(sum);
            }
    }
}

void multiply_f64(std::span<const Fragments> warp) {
    for_each_element<double>(warp, f64_operands(warp),
                             [](double c, const double* a, const double* b) {
                                 for (int k = 0; k < 16; ++k) c = std::fma(a[k], b[8 * k], c);
                                 return c;
                             });
}
}  // namespace gpuhost
