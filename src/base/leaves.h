// leaves.h: one order for the sums over a mini-batch, whichever replica has which samples.
//
// The samples of a mini-batch, in their order, are cut into leaves of 8. A leaf is added sample by
// sample, and leaves are added in a binary tree: the sum of n leaves is that of the first ones, as
// many as the largest power of two below n, plus that of the others. So any 2^k leaves that begin
// at a multiple of 2^k are a tree of their own, and a replica that has all of them can add them up
// alone. With such sums, no number of replicas changes a bit.
#pragma once
#include <bit>
#include <cstddef>
#include <span>
#include <utility>

#include "base/range.h"

inline constexpr int leaf_samples = 8;

constexpr int leaves_of(int samples) { return ceil_div(samples, leaf_samples); }

/// Part t of `parts` of the leaves of a mini-batch. Large parts end at multiples of a power of two
/// of at most an eighth of them, so that they are few trees.
constexpr Range part_of_leaves(int leaves, int t, int parts) {
    const auto eighth = static_cast<unsigned>(leaves / parts / 8);
    const long long unit = eighth == 0 ? 1 : std::bit_floor(eighth);
    const auto start = [&](int p) {
        if (p == parts) return leaves;
        const long long nearest = (2LL * leaves * p / unit + parts) / (2LL * parts) * unit;
        return nearest < leaves ? static_cast<int>(nearest) : leaves;
    };
    return {start(t), start(t + 1) - start(t)};
}

/// The two halves of a tree of two leaves or more. Both are ranges of leaves.
constexpr std::pair<Range, Range> halves_of(Range tree) {
    const int left = static_cast<int>(std::bit_floor(static_cast<unsigned>(tree.count - 1)));
    return {{tree.first, left}, {tree.first + left, tree.count - left}};
}

/// found(tree) for the largest whole trees within the leaves `mine`, in their order; `tree` is the
/// whole mini-batch's.
template <class Found>
void for_each_tree(Range tree, Range mine, Found&& found) {
    const int end = tree.first + tree.count, my_end = mine.first + mine.count;
    if (tree.count == 0 || mine.first >= end || my_end <= tree.first) return;
    if (mine.first <= tree.first && end <= my_end) return found(tree);
    const auto [left, right] = halves_of(tree);
    for_each_tree(left, mine, found);
    for_each_tree(right, mine, found);
}

/// True if two neighbouring trees are the halves of a tree, of `leaves` leaves in the mini-batch.
constexpr bool are_halves(Range left, Range right, int leaves) {
    const int size = left.count;
    const int rest = leaves - right.first;
    return std::has_single_bit(static_cast<unsigned>(size)) && left.first % (2 * size) == 0 &&
           right.first == left.first + size && right.count == (rest < size ? rest : size);
}

/// The sum of numbers, in leaves.
inline double sum_in_leaves(std::span<const double> values) {
    const auto add = [&](auto&& self, Range tree) -> double {
        if (tree.count > 1) {
            const auto [left, right] = halves_of(tree);
            return self(self, left) + self(self, right);
        }
        double sum = 0;
        const std::size_t first = elements(tree.first, leaf_samples);
        for (std::size_t i = first; i < values.size() && i < first + leaf_samples; ++i)
            sum += values[i];
        return sum;
    };
    return add(add, {0, leaves_of(static_cast<int>(values.size()))});
}
