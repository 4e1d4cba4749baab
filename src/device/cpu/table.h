// table.h: the CPU's arithmetic around the GEMMs, one table of functions for each instruction
// set.
//
// device/cpu/table.cpp is compiled several times (baseline, AVX2, AVX-512), and cpu_functions()
// picks the table to use (isa.h). So one binary runs on every processor, and is fast on each. All
// matrices are column-major and packed unless a leading dimension `ld` is given. Arrays do not
// overlap unless a comment says so. No function can fail; sizes may be 0.
//
// The output layer has few rows (10 classes), too few for a GEMM library. Its matrices are padded
// to `padded` rows, a multiple of class_padding, so that a column is whole vectors.
#pragma once
#include <cstddef>
#include <cstdint>

#include "base/real.h"
#include "model/activation/activation.h"
#include "model/objective.h"
#include "model/update/update.h"

inline constexpr int class_padding = 16;
constexpr int padded_classes(int classes) {
    return (classes + class_padding - 1) / class_padding * class_padding;
}

/// What hidden layers need of one activation.
struct CpuHiddenFunctions {
    /// z (rows x n) becomes value(z + bias), bias added to each column.
    void (*activate)(int rows, int n, const nn_real* bias, nn_real* z);

    /// delta *= slope(a), element by element.
    void (*times_slope)(std::size_t count, const nn_real* a, nn_real* delta);

    /// below (inputs x n) = (w^T delta) * slope(a), where w is the output layer's, delta padded x
    /// n.
    void (*output_delta)(int classes, int inputs, int n, const nn_real* w_transposed,
                         const nn_real* delta, const nn_real* a, nn_real* below);
};

struct CpuFunctions {
    const char* name;  ///< "avx512"

    CpuHiddenFunctions hidden[std::variant_size_v<Activation>];  ///< in the order of the list
    const CpuHiddenFunctions& hidden_by(const Activation& activation) const {
        return hidden[activation.index()];
    }

    /// x_i = scale bytes_i
    void (*pixels_to_real)(std::size_t count, nn_real scale, const std::uint8_t* bytes, nn_real* x);

    /// sums_i = sum of element i over the n columns of delta (rows x n, ld >= rows).
    void (*row_sums)(int rows, int n, const nn_real* delta, int ld, nn_real* sums);

    /// p_i = rule(p_i, sum_i + reg p_i) for i in [begin, end); sum_i is the sum of element
    /// i - first of each of the `count` addends, in their order. update.reg is not used.
    void (*update)(const Update& update, nn_real reg, std::size_t begin, std::size_t end,
                   std::size_t first, const nn_real* const* addends, int count, nn_real* p);

    /// Sum of the squares, in double.
    double (*sum_of_squares)(std::size_t count, const nn_real* values);

    /// Prepares the output layer's w (classes x inputs) and bias for the functions below: w_padded
    /// (padded x inputs) has additional rows of 0, w_transposed is inputs x classes, and
    /// bias_padded has additional elements so low that their probability vanishes.
    void (*pad_output_layer)(int classes, int inputs, const nn_real* w, const nn_real* bias,
                             nn_real* w_padded, nn_real* w_transposed, nn_real* bias_padded);

    /// z (padded x n) = w_padded a + bias_padded, a inputs x n.
    void (*output_logits)(int padded, int inputs, int n, const nn_real* w_padded,
                          const nn_real* bias_padded, const nn_real* a, nn_real* z);

    /// z (padded x n) becomes yhat = softmax(z); delta = (yhat - y) scale, where y is 1 at a
    /// column's label, else 0. Both results are 0 in the additional rows. Returns the sum of -log
    /// yhat_c over the columns.
    double (*softmax_cross_entropy)(int classes, int n, const std::uint8_t* labels, nn_real scale,
                                    nn_real* z, nn_real* delta);

    /// The same for any objective, but not tuned: z becomes yhat, delta = scale dloss/dz
    /// (neural_network.h). The targets are numbers (classes x n); if those are null, labels.
    /// Returns the sum of the columns' losses.
    double (*output_loss)(Objective objective, int classes, int n, const std::uint8_t* labels,
                          const nn_real* targets, nn_real scale, nn_real* z, nn_real* delta);

    /// Columns [first, first + count) of dw (classes x inputs) = delta a^T; delta is padded x n.
    void (*output_gradient)(int classes, int inputs, int first, int count, int n,
                            const nn_real* delta, const nn_real* a, nn_real* dw);
};

/// The table of isa_taken() (isa.h).
const CpuFunctions& cpu_functions();
