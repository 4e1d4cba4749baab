// bf16.h: a value becomes the nearest bf16 number: the upper half of a float, 2 bytes.
//
// A bf16 number has the range of a float and 8 significant bits. Google's TPUs and PyTorch's
// bf16_compress_hook send gradients so.
#pragma once
#include <bit>
#include <cmath>

#include "reduce/codec/bytes.h"

struct Bf16Codec {
    static constexpr const char* name = "bf16";

    std::size_t bytes(std::size_t count) const { return count * sizeof(std::uint16_t); }

    void encode(std::span<const nn_real> values, std::span<std::uint8_t> code) const {
        for (std::size_t i = 0; i < values.size(); ++i)
            put(code, i * sizeof(std::uint16_t), nearest(static_cast<float>(values[i])));
    }
    void add(std::span<const std::uint8_t> code, nn_real factor, std::span<nn_real> into) const {
        for (std::size_t i = 0; i < into.size(); ++i) {
            const auto half = get<std::uint16_t>(code, i * sizeof(std::uint16_t));
            into[i] += factor * static_cast<nn_real>(
                                    std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16));
        }
    }
    bool operator==(const Bf16Codec&) const = default;

  private:
    /// To even, if two are as near.
    static std::uint16_t nearest(float value) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        if (std::isnan(value)) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
        return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
};
