// bytes.h: how a codec writes numbers into its code, and reads them.
//
// A code is bytes of this machine's own order: all ranks run the same program on the same kind of
// machine. A number may lie at any address, so it is copied.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/real.h"

template <class T>
void put(std::span<std::uint8_t> code, std::size_t at, T value) {
    std::memcpy(code.data() + at, &value, sizeof value);
}
template <class T>
T get(std::span<const std::uint8_t> code, std::size_t at) {
    T value;
    std::memcpy(&value, code.data() + at, sizeof value);
    return value;
}

/// The number of blocks of `size` that hold `count` values, of which the last may hold fewer.
constexpr std::size_t blocks_of(std::size_t count, std::size_t size) {
    return (count + size - 1) / size;
}
