// half.h: numbers of 16 bits, for a file that must be small. Half precision as IEEE 754 has it.
#pragma once
#include <cmath>
#include <cstdint>

/// Infinity; larger codes without the sign are no numbers.
inline constexpr std::uint16_t half_infinity = 0x7c00;

/// The nearest number of half precision, the even one of two; infinity from 65520 on. `value` must
/// be a number.
inline std::uint16_t half_of(double value) {
    const int sign = std::signbit(value) ? 0x8000 : 0;
    const double size = std::abs(value);
    constexpr int digits = 11;  // with the first 1, which the code leaves out
    int exponent = 0;
    std::frexp(size, &exponent);  // size is from 2^(exponent - 1) to below 2^exponent
    if (exponent > 16) return static_cast<std::uint16_t>(sign | half_infinity);
    constexpr int least = -13;  // below, digits are lost
    if (size == 0 || exponent < least) exponent = least;
    const auto significand = static_cast<int>(std::nearbyint(std::ldexp(size, digits - exponent)));
    // A significand that is rounded up to the next power of two carries into the exponent.
    const int code = ((exponent - least) << (digits - 1)) + significand;
    return static_cast<std::uint16_t>(sign | (code < half_infinity ? code : half_infinity));
}
