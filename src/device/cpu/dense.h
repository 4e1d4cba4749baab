// dense.h: products of full matrices, for the hidden layers and for inputs that are mostly not
// zero.
//
//   c(m, j) = start(m) + sum over k of a(k, m) b(k, j),   m along the vectors
//
// in tiles whose sums stay in registers. A panel of a, `depth_block` values of k at a time, is
// packed so that a tile reads it in a row; if few columns use it, it is read where it lies. Longer
// sums wait in memory between two panels. Each sum is one chain of fma() by k, whatever the tile,
// or of the gradients a tree of such chains (leaves.h). What becomes of a sum is up to `finish`, so
// that no activation or update is a pass of its own.
#pragma once
#include <algorithm>

#include "device/cpu/finish.h"
#include "device/cpu/sparse.h"

namespace CPU_ISA {

inline constexpr int depth_block = 256;
/// A tile is 3 vectors x 8 columns, 2 x 12 or 1 x 16 with 32 registers; with 16 registers it is
/// 3 x 4, 2 x 6 or 1 x 8, and without fma(), whose products need a register, 2 x 4 or 1 x 8.
inline constexpr int tile_vectors = vector_bytes == 16 ? 2 : 3;
constexpr int tile_columns(int vectors) {
    if (vector_bytes == 64) return vectors == 3 ? 8 : vectors == 2 ? 12 : 16;
    if (vector_bytes == 16) return vectors == 2 ? 4 : 8;
    return vectors == 3 ? 4 : vectors == 2 ? 6 : 8;
}

/// b(k, j) is at[k by_k + j by_column].
struct Operand {
    const nn_real* at;
    std::size_t by_k, by_column;
};
/// a(k, m) of a block of vectors is at[k ld + m].
struct Panel {
    const nn_real* at;
    std::size_t ld;
};

template <int vectors, int columns>
ALWAYS_INLINE void tile(int depth, Panel a, Operand b, Vector (&sums)[columns][vectors]) {
    for (int k = 0; k < depth; ++k, a.at += a.ld, b.at += b.by_k) {
        Vector part[vectors];
        unroll<vectors>([&](auto v)
                            __attribute__((always_inline)) { part[v] = load(a.at + v * lanes); });
        unroll<columns>([&](auto j) __attribute__((always_inline)) {
            const Vector factor = all(b.at[static_cast<std::size_t>(j) * b.by_column]);
            unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                sums[j][v] = fma(part[v], factor, sums[j][v]);
            });
        });
    }
}

/// A panel's values of k, from `k` on, among all.
struct PanelPlace {
    int k, count;
    bool is_last;
};

/// An order of the sums: each is one chain, which begins with start(m), or with 0 if start is null.
struct InChains {
    const nn_real* start;
    nn_real* waiting;  ///< the sums of the panels before
    int first_column;

    /// The columns [column, column + columns) of one panel.
    template <int vectors, int columns, class Finish>
    ALWAYS_INLINE void operator()(const PanelPlace& place, Panel a, Operand b, int column, int unit,
                                  const Finish& finish) const {
        nn_real* const wait = waiting + (column - first_column) * vectors * lanes;
        Vector sums[columns][vectors];
        unroll<columns>([&](auto j) __attribute__((always_inline)) {
            unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                if (place.k != 0)
                    sums[j][v] = load(wait + (j * vectors + v) * lanes);
                else if (start != nullptr)
                    sums[j][v] = load(start + unit + v * lanes);
                else
                    sums[j][v] = Vector{};
            });
        });
        tile<vectors, columns>(place.count, a, b, sums);
        if (place.is_last)
            unroll<columns>([&](auto j) __attribute__((always_inline)) {
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    finish(column + j, unit + v * lanes, sums[j][v]);
                });
                finish.column(column + j, unit, vectors * lanes);
            });
        else
            unroll<columns>([&](auto j) __attribute__((always_inline)) {
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    store(wait + (j * vectors + v) * lanes, sums[j][v]);
                });
            });
    }
};

/// panel(k, count, first unit, vectors, tiles) gives a(k .. k + count) of some vectors to so many
/// tiles. `order` adds, and gives finished sums to `finish`.
template <class MakePanel, class Finish, class Order>
void dense(Range vectors, Range columns, int depth, Operand b, const MakePanel& panel,
           const Finish& finish, const Order& order) {
    in_blocks<tile_vectors>(vectors, [&](auto size, int v) {
        constexpr int width = size, together = tile_columns(width);
        const int unit = v * lanes, end = columns.first + columns.count;
        int k = 0;
        do {  // a sum of nothing must be finished, too
            const int count = std::min(depth_block, depth - k);
            const PanelPlace place{k, count, k + count == depth};
            const Panel a = panel(k, count, unit, width, ceil_div(columns.count, together));
            const auto some = [&](auto number, int j) __attribute__((always_inline)) {
                const Operand from{b.at + static_cast<std::size_t>(k) * b.by_k +
                                       static_cast<std::size_t>(j) * b.by_column,
                                   b.by_k, b.by_column};
                order.template operator()<width, number>(place, a, from, j, unit, finish);
            };
            int j = columns.first;
            for (; j + together <= end; j += together)
                some(std::integral_constant<int, together>{}, j);
            for (; j + 4 <= end; j += 4) some(std::integral_constant<int, 4>{}, j);
            for (; j < end; ++j) some(std::integral_constant<int, 1>{}, j);
            k += count;
        } while (k < depth);
    });
}

/// a(k, m) = from[k ld + m].
struct RowsPanel {
    const nn_real* from;
    std::size_t ld;
    nn_real* packed;

    Panel operator()(int k, int count, int unit, int vectors, int tiles) const {
        const nn_real* row = from + static_cast<std::size_t>(k) * ld + unit;
        if (tiles <= 2) return {row, ld};
        nn_real* to = packed;
        for (int i = 0; i < count; ++i, row += ld)
            for (int v = 0; v < vectors; ++v, to += lanes) store(to, load(row + v * lanes));
        return {packed, static_cast<std::size_t>(vectors * lanes)};
    }
};

/// A square of lanes x lanes elements, transposed. Each stage swaps the halves of the blocks of
/// 2 s x 2 s that lie across the diagonal.
template <int s>
ALWAYS_INLINE void swap_halves(Vector (&rows)[lanes]) {
    unroll<lanes>([&](auto number) __attribute__((always_inline)) {
        constexpr int i = number;
        if constexpr ((i & s) == 0)
            [&]<int... c>(std::integer_sequence<int, c...>) __attribute__((always_inline)) {
                const Vector upper = rows[i], lower = rows[i + s];
                rows[i] =
                    __builtin_shufflevector(upper, lower, ((c & s) == 0 ? c : lanes + c - s)...);
                rows[i + s] =
                    __builtin_shufflevector(upper, lower, ((c & s) == 0 ? c + s : lanes + c)...);
            }
        (std::make_integer_sequence<int, lanes>{});
    });
}
ALWAYS_INLINE void transpose_square(Vector (&rows)[lanes]) {
    if constexpr (lanes >= 16) swap_halves<8>(rows);
    if constexpr (lanes >= 8) swap_halves<4>(rows);
    if constexpr (lanes >= 4) swap_halves<2>(rows);
    swap_halves<1>(rows);
}

/// a(k, m) = from[m ld + k], and 0 for m >= rows. Each row has whole vectors.
struct ColumnsPanel {
    const nn_real* from;
    std::size_t ld;
    int rows;
    nn_real* packed;

    Panel operator()(int k, int count, int unit, int vectors, int) const {
        const int width = vectors * lanes;
        for (int v = 0; v < vectors; ++v)
            for (int i = 0; i < count; i += lanes) {
                Vector square[lanes];
                for (int m = 0; m < lanes; ++m) {
                    const int row = unit + v * lanes + m;
                    square[m] = row < rows ? load(from + static_cast<std::size_t>(row) * ld + k + i)
                                           : Vector{};
                }
                transpose_square(square);
                for (int r = 0; r < lanes && i + r < count; ++r)
                    store(packed + (i + r) * width + v * lanes, square[r]);
            }
        return {packed, static_cast<std::size_t>(width)};
    }
};

/// z goes to the layer's activations; hidden layers activate it there.
struct FinishForward {
    const CpuLayer& layer;
    CpuActivate activate;
    ALWAYS_INLINE void operator()(int j, int unit, Vector z) const {
        store(layer.activations(j) + unit, z);
    }
    ALWAYS_INLINE void column(int j, int unit, int count) const {
        if (activate != nullptr) activate(nullptr, count, layer.activations(j) + unit);
    }
};
/// delta = sums * slope(a)
struct FinishDelta {
    const CpuLayer& layer;
    CpuTimesSlope times_slope;
    ALWAYS_INLINE void operator()(int j, int unit, Vector sums) const {
        store(layer.deltas(j) + unit, sums);
    }
    ALWAYS_INLINE void column(int j, int unit, int count) const {
        times_slope(count, layer.activations(j) + unit, layer.deltas(j) + unit);
    }
};
template <class Finish>
struct FinishGradient : Finish {
    void column(int, int, int) const {}
};

/// Samples `samples` of the layer: z = W below + b, activated if `activate` is not null.
inline void dense_forward(const CpuLayer& layer, const nn_real* below, std::size_t below_ld,
                          Range samples, Range vectors, CpuActivate activate,
                          const CpuScratch& scratch) {
    dense(vectors, samples, layer.inputs, Operand{below, 1, below_ld},
          RowsPanel{layer.w, layer.ld, scratch.panel}, FinishForward{layer, activate},
          InChains{layer.bias, scratch.waiting, samples.first});
}
/// delta = (W_above^T delta_above) * slope(a) of the samples.
inline void dense_delta(const CpuLayer& layer, const CpuLayer& above, Range samples,
                        CpuTimesSlope times_slope, const CpuScratch& scratch) {
    dense({0, ceil_div(layer.outputs, lanes)}, samples, above.outputs,
          Operand{above.delta, 1, above.ld},
          ColumnsPanel{above.w, above.ld, layer.outputs, scratch.panel},
          FinishDelta{layer, times_slope}, InChains{nullptr, scratch.waiting, samples.first});
}
/// The gradient of the weights of these inputs, from n samples of `below`.
inline void dense_gradient(const CpuLayer& layer, const nn_real* below, std::size_t below_ld, int n,
                           Range inputs, Range vectors, const CpuGradientUse& use,
                           const CpuScratch& scratch) {
    with_finish(layer, use, [&](const auto& finish) {
        dense(vectors, inputs, n, Operand{below, below_ld, 1},
              RowsPanel{layer.delta, layer.ld, scratch.panel},
              FinishGradient<std::remove_cvref_t<decltype(finish)>>{finish},
              InChains{nullptr, scratch.waiting, inputs.first});
    });
}

}  // namespace CPU_ISA
