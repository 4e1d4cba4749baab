// sparse.h: the first layer's products, without the inputs that are zero.
//
//   forward      z_j = b + sum over the inputs i of sample j that are not zero of x_ij w_i
//   gradient     g_i = sum over the samples j whose input i is not zero of x_ij delta_j
// Both are sums of scaled rows: w_i, row i of W^T, has the weights of input i to all units. Up to
// most_sums vectors of a sum stay in registers. Rows are taken in groups of 64, so that a group of
// rows stays in the first-level cache while all samples, or inputs, pass by.
//
// Each element is one chain of fma(), by input forward and by sample in the gradient. Blocks,
// groups and workers cut a chain or move it to another core, but never reorder it. A term that is
// left out is fma(0, w, sum) = sum, for a finite w. So every split gives the same bits, and so does
// dense.h.
#pragma once
#include <bit>

#include "device/cpu/finish.h"
#include "device/cpu/masks.h"

namespace CPU_ISA {

/// Vectors of sums in registers. The widest set has 32 registers, but wider rows do not fit into
/// the first-level cache; the narrowest set needs a register for products.
inline constexpr int most_sums = vector_bytes == 16 ? 12 : 13;

/// kernel(number of vectors, first vector) for blocks of these vectors, equal to within one.
template <int most, class Kernel>
void in_blocks(Range vectors, Kernel&& kernel) {
    const int blocks = ceil_div(vectors.count, most);
    for (int b = 0; b < blocks; ++b) {
        const Range block = part_of(vectors.count, b, blocks);
        unroll<most>([&](auto i) {
            if (block.count == i + 1)
                kernel(std::integral_constant<int, i + 1>{}, vectors.first + block.first);
        });
    }
}

ALWAYS_INLINE nn_real value_of(const nn_real* value_of_pixel, std::uint8_t pixel) {
    return value_of_pixel[pixel];
}
ALWAYS_INLINE nn_real value_of(const nn_real*, nn_real number) { return number; }

/// sums += x[step k] times row k of `rows`, for every bit k of the mask.
template <int vectors, class X>
ALWAYS_INLINE void add_rows(std::uint64_t mask, const X* x, std::size_t step,
                            const nn_real* value_of_pixel, const nn_real* rows, std::size_t ld,
                            Vector* sums) {
    for (; mask != 0; mask &= mask - 1) {
        const auto k = static_cast<std::size_t>(std::countr_zero(mask));
        const Vector factor = all(value_of(value_of_pixel, x[k * step]));
        const nn_real* const row = rows + k * ld;
        unroll<vectors>([&](auto v) __attribute__((always_inline)) {
            sums[v] = fma(factor, load(row + v * lanes), sums[v]);
        });
    }
}

/// z of the samples, `vectors` vectors of units from unit `unit` on.
template <int vectors, class X>
void forward_block(const CpuLayer& layer, const CpuMasked& batch, Range samples,
                   CpuActivate activate, int unit) {
    const int groups = ceil_div(batch.inputs, mask_bits);
    for (int g = 0; g < groups; ++g) {
        const nn_real* const rows = layer.weights(g * mask_bits) + unit;
        const bool first = g == 0, last = g == groups - 1;
        for (int j = samples.first; j < samples.first + samples.count; ++j) {
            const std::uint64_t mask = batch.of_sample[batch.at(g, j)];
            if (mask == 0 && !first && !last) continue;
            nn_real* const z = layer.activations(j) + unit;
            const nn_real* const start = first ? layer.bias + unit : z;
            Vector sums[vectors];
            unroll<vectors>([&](auto v) { sums[v] = load(start + v * lanes); });
            add_rows<vectors>(mask,
                              static_cast<const X*>(batch.values) + batch.at(g, j) * mask_bits, 1,
                              batch.value_of_pixel, rows, layer.ld, sums);
            unroll<vectors>([&](auto v) { store(z + v * lanes, sums[v]); });
            if (last && activate != nullptr) activate(nullptr, vectors * lanes, z);
        }
    }
}

/// The gradient of the inputs' weights to `vectors` vectors of units, from n samples. Sums wait in
/// `waiting` between two groups of samples.
template <int vectors, class X, class Finish>
void gradient_block(const CpuLayer& layer, const CpuMasked& batch, int n, Range inputs,
                    const Finish& finish, nn_real* waiting, int unit) {
    const int groups = std::max(1, ceil_div(n, mask_bits));
    const int end = inputs.first + inputs.count;
    for (int s = 0; s < groups; ++s) {
        const std::uint64_t* const masks = batch.masks_of_inputs(s);
        const nn_real* const rows = layer.deltas(s * mask_bits) + unit;
        const bool first = s == 0, last = s == groups - 1;
        for (int i = inputs.first; i < end; ++i) {
            const std::uint64_t mask = n == 0 ? 0 : masks[i];
            if (mask == 0 && !first && !last) continue;
            if (last && i + 4 < end) finish.prefetch(i + 4, unit, vectors);
            if (mask == 0 && first && last && finish.passes_over_zero()) continue;
            nn_real* const wait = waiting + (i - inputs.first) * vectors * lanes;
            Vector sums[vectors];
            if (first)
                unroll<vectors>([&](auto v) { sums[v] = Vector{}; });
            else
                unroll<vectors>([&](auto v) { sums[v] = load(wait + v * lanes); });
            add_rows<vectors>(mask,
                              static_cast<const X*>(batch.values) +
                                  batch.at(i / mask_bits, s * mask_bits) * mask_bits +
                                  i % mask_bits,
                              mask_bits, batch.value_of_pixel, rows, layer.ld, sums);
            if (last)
                unroll<vectors>([&](auto v) __attribute__((always_inline)) {
                    finish(i, unit + v * lanes, sums[v]);
                });
            else
                unroll<vectors>([&](auto v) { store(wait + v * lanes, sums[v]); });
        }
    }
}

inline void sparse_forward(const CpuLayer& layer, const CpuMasked& batch, Range samples,
                           Range vectors, CpuActivate activate) {
    in_blocks<most_sums>(vectors, [&](auto size, int v) {
        if (batch.value_of_pixel != nullptr)
            forward_block<size, std::uint8_t>(layer, batch, samples, activate, v * lanes);
        else
            forward_block<size, nn_real>(layer, batch, samples, activate, v * lanes);
    });
}

inline void sparse_gradient(const CpuLayer& layer, const CpuMasked& batch, int n, Range inputs,
                            Range vectors, const CpuGradientUse& use, nn_real* waiting) {
    with_finish(layer, use, [&](const auto& finish) {
        in_blocks<most_sums>(vectors, [&](auto size, int v) {
            if (batch.value_of_pixel != nullptr)
                gradient_block<size, std::uint8_t>(layer, batch, n, inputs, finish, waiting,
                                                   v * lanes);
            else
                gradient_block<size, nn_real>(layer, batch, n, inputs, finish, waiting, v * lanes);
        });
    });
}

}  // namespace CPU_ISA
