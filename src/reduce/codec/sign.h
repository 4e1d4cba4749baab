// sign.h: a value becomes its sign, 1 bit, times the scale of its block.
//
// A block is 1024 values; its scale, a float, is their mean size. 1-bit SGD and EF-signSGD send
// gradients so. A value that is not finite makes the scale, and so the whole block, not finite.
#pragma once
#include <algorithm>
#include <cmath>

#include "reduce/codec/bytes.h"

struct SignCodec {
    static constexpr const char* name = "sign";
    static constexpr std::size_t block = 1024;

    std::size_t bytes(std::size_t count) const {
        return blocks_of(count, 8) + blocks_of(count, block) * sizeof(float);
    }
    void encode(std::span<const nn_real> values, std::span<std::uint8_t> code) const {
        std::size_t at = 0;
        for (std::size_t first = 0; first < values.size(); first += block) {
            const auto some = values.subspan(first, std::min(block, values.size() - first));
            nn_real sum = 0;
            for (const nn_real value : some) sum += std::abs(value);
            put(code, at, static_cast<float>(sum / static_cast<nn_real>(some.size())));
            at += sizeof(float);
            for (std::size_t i = 0; i < some.size(); i += 8) {
                unsigned bits = 0;
                for (std::size_t b = 0; b < std::min<std::size_t>(8, some.size() - i); ++b)
                    bits |= static_cast<unsigned>(std::signbit(some[i + b])) << b;
                code[at++] = static_cast<std::uint8_t>(bits);
            }
        }
    }
    void add(std::span<const std::uint8_t> code, nn_real factor, std::span<nn_real> into) const {
        std::size_t at = 0;
        for (std::size_t first = 0; first < into.size(); first += block) {
            const auto some = into.subspan(first, std::min(block, into.size() - first));
            const nn_real scale = factor * static_cast<nn_real>(get<float>(code, at));
            const nn_real by_bit[] = {scale, -scale};
            at += sizeof(float);
            for (std::size_t i = 0; i < some.size(); ++i)
                some[i] += by_bit[code[at + i / 8] >> i % 8 & 1];
            at += blocks_of(some.size(), 8);
        }
    }
    bool operator==(const SignCodec&) const = default;
};
