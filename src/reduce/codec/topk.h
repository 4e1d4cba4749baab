// topk.h: the fraction F of the values that are largest in size are sent, each as its index (4
// bytes) and its value as it is. The others count as 0.
//
// Deep Gradient Compression and sparsified SGD send gradients so. Of values of one size, the first
// are taken. NaN counts as the largest, so that it is sent.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "reduce/codec/bytes.h"

struct TopKCodec {
    static constexpr const char* name = "topk";
    double fraction = 0.01;  ///< above 0, at most 1

    std::size_t sent(std::size_t count) const {
        return static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(count)));
    }
    std::size_t bytes(std::size_t count) const { return sent(count) * bytes_of_one; }

    void encode(std::span<const nn_real> values, std::span<std::uint8_t> code) const {
        const std::size_t count = sent(values.size());
        if (count == 0) return;
        std::vector<nn_real> sizes(values.size());
        std::ranges::transform(values, sizes.begin(), size_of);
        const auto last = sizes.begin() + static_cast<std::ptrdiff_t>(count) - 1;
        std::ranges::nth_element(sizes, last, std::greater<>());
        const nn_real least = *last;
        // Those above `least` stand before it now. There is room for so many of its own size:
        auto room = count - static_cast<std::size_t>(std::count_if(
                                sizes.begin(), last, [&](nn_real size) { return size > least; }));
        std::size_t at = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const nn_real size = size_of(values[i]);
            if (size < least || (size == least && room == 0)) continue;
            if (size == least) --room;
            put(code, at, static_cast<std::uint32_t>(i));
            put(code, at + sizeof(std::uint32_t), values[i]);
            at += bytes_of_one;
        }
    }
    void add(std::span<const std::uint8_t> code, nn_real factor, std::span<nn_real> into) const {
        for (std::size_t at = 0; at < code.size(); at += bytes_of_one)
            into[get<std::uint32_t>(code, at)] +=
                factor * get<nn_real>(code, at + sizeof(std::uint32_t));
    }
    bool operator==(const TopKCodec&) const = default;

  private:
    static constexpr std::size_t bytes_of_one = sizeof(std::uint32_t) + sizeof(nn_real);

    static nn_real size_of(nn_real value) {
        return std::isnan(value) ? std::numeric_limits<nn_real>::infinity() : std::abs(value);
    }
};
