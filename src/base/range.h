// range.h: how many elements a matrix has, and which thread or rank gets which range of them.
//
// Work is divided into ranges: part_of divides it among the threads of a rank, shard_of divides a
// mini-batch's samples among the ranks. Both only compute, so all threads or ranks agree without a
// message.
#pragma once
#include <cstddef>

#include "base/real.h"

/// Elements of a matrix.
constexpr std::size_t elements(int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
}

/// The index of element (i, j) in a column-major matrix of `rows` rows.
ON_HOST_AND_DEVICE constexpr std::size_t position(int i, int j, int rows) {
    return static_cast<std::size_t>(j) * static_cast<std::size_t>(rows) +
           static_cast<std::size_t>(i);
}

/// a / b, rounded up; a at least 0, b at least 1, a + b an int.
ON_HOST_AND_DEVICE constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

/// [first, first + count)
struct Range {
    int first, count;

    bool operator==(const Range&) const = default;
};

/// Part t of `parts` of [0, count), in units of `unit`.
constexpr Range part_of(int count, int t, int parts, int unit = 1) {
    const long long units = (static_cast<long long>(count) + unit - 1) / unit;
    const auto start = [&](int p) {
        const auto at = static_cast<int>(units * p / parts) * unit;
        return at < count ? at : count;
    };
    return {start(t), start(t + 1) - start(t)};
}

/// The shard of rank `rank` of `ranks`: its contiguous samples of a mini-batch of `batch` samples.
/// The first (batch mod ranks) ranks get one sample more.
constexpr Range shard_of(int batch, int rank, int ranks) {
    const int share = batch / ranks, extra = batch % ranks;
    return {rank * share + (rank < extra ? rank : extra), share + (rank < extra ? 1 : 0)};
}
