// int8.h: a value becomes a whole number from -127 to 127 times the scale of its block, 1 byte.
//
// A block is 256 values; its scale, a float, is the largest size in it over 127. NCCL-based
// frameworks and QSGD send gradients so. A value that is not finite makes its whole block NaN, so
// that no code hides it.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "reduce/codec/bytes.h"

struct Int8Codec {
    static constexpr const char* name = "int8";
    static constexpr std::size_t block = 256;

    std::size_t bytes(std::size_t count) const {
        return count + blocks_of(count, block) * sizeof(float);
    }
    void encode(std::span<const nn_real> values, std::span<std::uint8_t> code) const {
        std::size_t at = 0;
        for (std::size_t first = 0; first < values.size(); first += block) {
            const auto some = values.subspan(first, std::min(block, values.size() - first));
            const auto scale = static_cast<float>(largest(some) / most);
            put(code, at, scale);
            at += sizeof scale;
            for (const nn_real value : some)
                code[at++] = static_cast<std::uint8_t>(number(value, static_cast<nn_real>(scale)));
        }
    }
    void add(std::span<const std::uint8_t> code, nn_real factor, std::span<nn_real> into) const {
        std::size_t at = 0;
        for (std::size_t first = 0; first < into.size(); first += block) {
            const auto some = into.subspan(first, std::min(block, into.size() - first));
            const auto scale = factor * static_cast<nn_real>(get<float>(code, at));
            at += sizeof(float);
            for (nn_real& value : some)
                value += scale * static_cast<nn_real>(static_cast<std::int8_t>(code[at++]));
        }
    }
    bool operator==(const Int8Codec&) const = default;

  private:
    static constexpr nn_real most = 127;

    /// The largest size; NaN if a value is not finite.
    static nn_real largest(std::span<const nn_real> values) {
        nn_real result = 0;
        for (const nn_real value : values) {
            if (!std::isfinite(value)) return std::numeric_limits<nn_real>::quiet_NaN();
            result = std::max(result, std::abs(value));
        }
        return result;
    }
    /// The nearest whole number to value / scale. Of a scale that is tiny, and so rounded, the
    /// quotient may be above 127.
    static std::int8_t number(nn_real value, nn_real scale) {
        if (!(scale > 0)) return 0;
        const nn_real quotient = std::clamp(value / scale, -most, most);
        return static_cast<std::int8_t>(quotient + std::copysign(nn_real{0.5}, quotient));
    }
};
