// leaves.h: the gradients' sums over the samples in the order of base/leaves.h.
//
// A leaf is one chain in registers. Sums that wait for their other half lie on a stack in the
// first-level cache. Samples come in blocks, of 64 in sparse products and 256 in dense ones, which
// are trees of their own; a block's sum waits in memory, by its level, for the blocks that follow
// (join). A leaf without an input that is not zero is passed over. A sum may then be -0 where it
// else is 0, so 0 is added at the end.
#pragma once
#include "base/leaves.h"
#include "device/cpu/dense.h"
#include "device/cpu/sparse.h"

namespace CPU_ISA {

/// Adds what waits of one row to the sums of its block `number`, and lets the sums wait if it is
/// not the last block. `is_zero`: the block has nothing to add.
template <int vectors>
ALWAYS_INLINE void join(const CpuLeafScratch& scratch, std::size_t row, int number, bool is_last,
                        bool is_zero, Vector* sums) {
    if (number == 0 && is_last) return;
    std::uint32_t& waiting = scratch.waiting[row];
    if (number == 0) waiting = 0;
    const auto at = [&](int level) {
        return scratch.sums +
               (static_cast<std::size_t>(level) * scratch.rows + row) * vectors * lanes;
    };
    int level = 0;
    for (unsigned rest = static_cast<unsigned>(number); is_last ? rest != 0 : rest % 2 != 0;
         rest /= 2, ++level) {
        if ((waiting >> level) % 2 == 0) continue;
        unroll<vectors>([&](auto v) { sums[v] = load(at(level) + v * lanes) + sums[v]; });
        is_zero = false;
    }
    waiting = waiting >> level << level;
    if (is_last || is_zero) return;
    unroll<vectors>([&](auto v) { store(at(level) + v * lanes, sums[v]); });
    waiting |= std::uint32_t{1} << level;
}

/// The sums over up to 64 samples, of which `mask` tells; `x`, `step` and `rows` as in add_rows().
template <int vectors, class X>
ALWAYS_INLINE void sums_of_mask(std::uint64_t mask, const X* x, std::size_t step,
                                const nn_real* value_of_pixel, const nn_real* rows, std::size_t ld,
                                Vector* sums) {
    constexpr std::uint64_t leaf_bits = 0xff;
    Vector stack[3][vectors];
    int level[3], depth = 0, leaf = 0;
    const auto add = [&](int top) __attribute__((always_inline)) {
        unroll<vectors>([&](auto v) { sums[v] = stack[top][v] + sums[v]; });
    };
    for (bool first = true; mask != 0; first = false) {
        const int next = std::countr_zero(mask) / leaf_samples;
        if (!first) {
            // The level at which the two leaves' trees meet; lower ones are complete.
            const int meet = std::bit_width(static_cast<unsigned>(leaf ^ next));
            while (depth > 0 && level[depth - 1] < meet) add(--depth);
            unroll<vectors>([&](auto v) { stack[depth][v] = sums[v]; });
            level[depth++] = meet;
        }
        leaf = next;
        const std::uint64_t bits = leaf_bits << (leaf * leaf_samples);
        unroll<vectors>([&](auto v) { sums[v] = Vector{}; });
        add_rows<vectors>(mask & bits, x, step, value_of_pixel, rows, ld, sums);
        mask &= ~bits;
    }
    while (depth > 0) add(--depth);
}

template <int vectors, class X, class Finish>
void gradient_block_in_leaves(const CpuLayer& layer, const CpuMasked& batch, int n, Range inputs,
                              const Finish& finish, const CpuLeafScratch& scratch, int unit) {
    const int groups = n == 0 ? 1 : ceil_div(n, mask_bits);
    const int end = inputs.first + inputs.count;
    for (int s = 0; s < groups; ++s) {
        const std::uint64_t* const masks = batch.masks_of_inputs(s);
        const nn_real* const rows = layer.deltas(s * mask_bits) + unit;
        const bool last = s == groups - 1;
        for (int i = inputs.first; i < end; ++i) {
            const std::uint64_t mask = n == 0 ? 0 : masks[i];
            if (last && i + 4 < end) finish.prefetch(i + 4, unit, vectors);
            if (mask == 0 && s == 0 && last && finish.passes_over_zero()) continue;
            Vector sums[vectors];
            unroll<vectors>([&](auto v) { sums[v] = Vector{}; });
            sums_of_mask<vectors>(mask,
                                  static_cast<const X*>(batch.values) +
                                      batch.at(i / mask_bits, s * mask_bits) * mask_bits +
                                      i % mask_bits,
                                  mask_bits, batch.value_of_pixel, rows, layer.ld, sums);
            join<vectors>(scratch, static_cast<std::size_t>(i - inputs.first), s, last, mask == 0,
                          sums);
            if (!last) continue;
            unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                finish(i, unit + v * lanes, sums[v] + Vector{});
            });
        }
    }
}

inline void sparse_gradient_in_leaves(const CpuLayer& layer, const CpuMasked& batch, int n,
                                      Range inputs, Range vectors, const CpuGradientUse& use,
                                      const CpuLeafScratch& scratch) {
    with_finish(layer, use, [&](const auto& finish) {
        in_blocks<most_sums>(vectors, [&](auto size, int v) {
            if (batch.value_of_pixel != nullptr)
                gradient_block_in_leaves<size, std::uint8_t>(layer, batch, n, inputs, finish,
                                                             scratch, v * lanes);
            else
                gradient_block_in_leaves<size, nn_real>(layer, batch, n, inputs, finish, scratch,
                                                        v * lanes);
        });
    });
}

/// The order of dense() (dense.h): leaves.
struct InLeaves {
    CpuLeafScratch scratch;
    int first_column;

    template <int vectors, int columns, class Finish>
    ALWAYS_INLINE void operator()(const PanelPlace& place, Panel a, Operand b, int column, int unit,
                                  const Finish& finish) const {
        constexpr int most_levels = std::bit_width(unsigned{depth_block / leaf_samples});
        Vector stack[most_levels][columns][vectors], sums[columns][vectors] = {};
        const auto add = [&](const auto& other) __attribute__((always_inline)) {
            unroll<columns>([&](auto j) __attribute__((always_inline)) {
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    sums[j][v] = other[j][v] + sums[j][v];
                });
            });
        };
        int depth = 0;
        for (int k = 0, leaf = 0; k == 0 || k < place.count; k += leaf_samples, ++leaf) {
            const int rest = place.count - k;
            unroll<columns>([&](auto j) __attribute__((always_inline)) {
                unroll<vectors>([&](auto v)
                                    __attribute__((always_inline)) { sums[j][v] = Vector{}; });
            });
            tile<vectors, columns>(
                rest < leaf_samples ? rest : leaf_samples,
                {a.at + static_cast<std::size_t>(k) * a.ld, a.ld},
                {b.at + static_cast<std::size_t>(k) * b.by_k, b.by_k, b.by_column}, sums);
            const bool is_last = rest <= leaf_samples;
            for (int bits = leaf; is_last ? depth > 0 : bits % 2 != 0; bits /= 2)
                add(stack[--depth]);
            if (is_last) break;
            unroll<columns>([&](auto j) __attribute__((always_inline)) {
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    stack[depth][j][v] = sums[j][v];
                });
            });
            ++depth;
        }
        unroll<columns>([&](auto j) __attribute__((always_inline)) {
            join<vectors>(scratch, static_cast<std::size_t>(column + j - first_column),
                          place.k / depth_block, place.is_last, false, sums[j]);
            if (place.is_last)
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    finish(column + j, unit + v * lanes, sums[j][v] + Vector{});
                });
        });
    }
};

inline void dense_gradient_in_leaves(const CpuLayer& layer, const nn_real* below,
                                     std::size_t below_ld, int n, Range inputs, Range vectors,
                                     const CpuGradientUse& use, const CpuScratch& scratch,
                                     const CpuLeafScratch& leaves) {
    with_finish(layer, use, [&](const auto& finish) {
        dense(vectors, inputs, n, Operand{below, below_ld, 1},
              RowsPanel{layer.delta, layer.ld, scratch.panel}, finish,
              InLeaves{leaves, inputs.first});
    });
}

/// Of one vector of biases: the leaves from `first` on, of n samples.
inline Vector bias_sum(const CpuLayer& layer, int n, int unit) {
    Vector stack[32], sum{};
    int depth = 0;
    for (int j = 0, leaf = 0; j < n; j += leaf_samples, ++leaf) {
        sum = Vector{};
        const int end = n - j < leaf_samples ? n : j + leaf_samples;
        for (int i = j; i < end; ++i) sum += load(layer.deltas(i) + unit);
        if (end == n) break;
        for (int bits = leaf; bits % 2 != 0; bits /= 2) sum = stack[--depth] + sum;
        stack[depth++] = sum;
    }
    while (depth > 0) sum = stack[--depth] + sum;
    return sum + Vector{};
}

inline void bias_gradient_in_leaves(const CpuLayer& layer, int n, Range vectors,
                                    const CpuGradientUse& use) {
    of_biases(layer, use, [&](const auto& finish) {
        for (int unit = vectors.first * lanes; unit < (vectors.first + vectors.count) * lanes;
             unit += lanes)
            finish(0, unit, bias_sum(layer, n, unit));
    });
}

}  // namespace CPU_ISA
