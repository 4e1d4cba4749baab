// codec_model.h: what each codec makes of values, from its definition, in the plainest way.
//
// It shares no code with src/reduce/codec. So it can check the codecs, and a serial model of error
// feedback can be made of it.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/real.h"

/// The bf16 numbers on both sides of the value, and the nearer one; of two that are as near, the
/// one whose last bit is 0.
inline nn_real nearest_bf16(nn_real exact) {
    const auto value = static_cast<float>(exact);
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    const std::uint32_t below_bits = bits & 0xffff0000u, above_bits = below_bits + 0x10000u;
    float below, above;
    std::memcpy(&below, &below_bits, sizeof below);
    std::memcpy(&above, &above_bits, sizeof above);
    const double down = std::abs(static_cast<double>(value) - below),
                 up = std::abs(static_cast<double>(above) - value);
    const bool takes_below = down < up || (down == up && (below_bits >> 16 & 1) == 0);
    return static_cast<nn_real>(takes_below ? below : above);
}

/// The values that rank's code stands for. `codec`: "int8", "topk:0.25".
inline std::vector<nn_real> decoded_by_model(const std::string& codec,
                                             const std::vector<nn_real>& values) {
    std::vector<nn_real> result(values.size());
    const auto in_blocks = [&](std::size_t block, auto change) {
        for (std::size_t first = 0; first < values.size(); first += block)
            change(first, std::min(first + block, values.size()));
    };
    if (codec == "bf16") {
        std::ranges::transform(values, result.begin(), nearest_bf16);
    } else if (codec == "int8") {
        in_blocks(256, [&](std::size_t first, std::size_t end) {
            nn_real largest = 0;
            for (std::size_t i = first; i < end; ++i)
                largest = std::max(largest, std::abs(values[i]));
            const auto scale = static_cast<nn_real>(static_cast<float>(largest / 127));
            for (std::size_t i = first; i < end && scale > 0; ++i)
                result[i] = scale * std::clamp<nn_real>(std::round(values[i] / scale), -127, 127);
        });
    } else if (codec == "sign") {
        in_blocks(1024, [&](std::size_t first, std::size_t end) {
            nn_real sum = 0;
            for (std::size_t i = first; i < end; ++i) sum += std::abs(values[i]);
            const auto scale =
                static_cast<nn_real>(static_cast<float>(sum / static_cast<nn_real>(end - first)));
            for (std::size_t i = first; i < end; ++i)
                result[i] = std::signbit(values[i]) ? -scale : scale;
        });
    } else if (codec.starts_with("topk:")) {
        const double fraction = std::stod(codec.substr(5));
        std::vector<std::size_t> order(values.size());
        std::iota(order.begin(), order.end(), std::size_t{0});
        std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
            return std::abs(values[a]) > std::abs(values[b]);
        });
        order.resize(
            static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(values.size()))));
        for (const std::size_t i : order) result[i] = values[i];
    } else {
        throw std::logic_error("no model of " + codec);
    }
    return result;
}
