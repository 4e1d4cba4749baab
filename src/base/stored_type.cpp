// stored_type.cpp: see stored_type.h.
#include "base/stored_type.h"

#include <bit>
#include <cmath>
#include <cstring>

static_assert(std::endian::native == std::endian::little, "the files' numbers are little endian");

namespace {

/// IEEE 754's binary16: a sign, 5 bits of exponent, 10 of fraction.
double of_half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;
    double size = 0;
    if (exponent == 0x1f)
        size = fraction == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        size = std::ldexp(fraction, -24);
    else
        size = std::ldexp(fraction + 0x400, exponent - 25);
    return (bits & 0x8000) != 0 ? -size : size;
}

/// The upper half of a binary32.
double of_bfloat(std::uint16_t bits) {
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
}

template <class Stored>
Stored at(std::span<const std::uint8_t> data, std::size_t index) {
    Stored value;
    std::memcpy(&value, data.data() + index * sizeof value, sizeof value);
    return value;
}

}  // namespace

std::size_t width_of(StoredType type) {
    switch (type) {
        case StoredType::u8:
        case StoredType::i8:
            return 1;
        case StoredType::u16:
        case StoredType::i16:
        case StoredType::f16:
        case StoredType::bf16:
            return 2;
        case StoredType::u32:
        case StoredType::i32:
        case StoredType::f32:
            return 4;
        default:
            return 8;
    }
}

bool is_whole(StoredType type) { return type < StoredType::f16; }

double number_at(std::span<const std::uint8_t> data, StoredType type, std::size_t index) {
    switch (type) {
        case StoredType::u8:
            return at<std::uint8_t>(data, index);
        case StoredType::u16:
            return at<std::uint16_t>(data, index);
        case StoredType::u32:
            return at<std::uint32_t>(data, index);
        case StoredType::u64:
            return static_cast<double>(at<std::uint64_t>(data, index));
        case StoredType::i8:
            return at<std::int8_t>(data, index);
        case StoredType::i16:
            return at<std::int16_t>(data, index);
        case StoredType::i32:
            return at<std::int32_t>(data, index);
        case StoredType::i64:
            return static_cast<double>(at<std::int64_t>(data, index));
        case StoredType::f16:
            return of_half(at<std::uint16_t>(data, index));
        case StoredType::bf16:
            return of_bfloat(at<std::uint16_t>(data, index));
        case StoredType::f32:
            return static_cast<double>(at<float>(data, index));
        default:
            return at<double>(data, index);
    }
}
