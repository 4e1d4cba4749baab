// table.h: the CPU's arithmetic, one table of functions for each instruction set.
//
// device/cpu/table.cpp is compiled several times (baseline, AVX2, AVX-512), and cpu_functions()
// picks the table to use (isa.h). So one binary runs on every processor, and is fast on each.
//
// Matrices are rows of numbers, `ld` apart, that begin on cache lines: a row of W^T has the weights
// of one input to all units; a row of activations or deltas belongs to one sample. A row is padded
// to whole vectors, and its padding stays finite: weights, deltas and the biases of hidden layers
// are 0 there. No function can fail; sizes may be 0.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/range.h"
#include "base/real.h"
#include "model/activation/activation.h"
#include "model/objective.h"
#include "model/precision.h"
#include "model/update/update.h"

/// Inputs, or samples, that one mask tells of.
inline constexpr int mask_bits = 64;

/// One layer: W is outputs x inputs.
struct CpuLayer {
    int inputs, outputs;
    std::size_t ld;      ///< of all its rows, a multiple of a cache line
    nn_real *w, *bias;   ///< inputs rows; one row
    nn_real *a, *delta;  ///< a row for each sample
    /// From each weight and bias to its first moment, and from that to the second (update.h).
    std::size_t to_moment;

    nn_real* weights(int input) const { return w + static_cast<std::size_t>(input) * ld; }
    nn_real* activations(int sample) const { return a + static_cast<std::size_t>(sample) * ld; }
    nn_real* deltas(int sample) const { return delta + static_cast<std::size_t>(sample) * ld; }
};

/// A mini-batch's inputs with masks of those that are not zero. `capacity` is in whole masks.
struct CpuMasked {
    int inputs, capacity;
    void* values;                   ///< [group of inputs][sample][64], bytes or nn_real
    std::uint64_t* of_sample;       ///< [group of inputs][sample]: its inputs that are not zero
    std::uint64_t* of_input;        ///< [group of samples][input]: samples where it is not zero
    const nn_real* value_of_pixel;  ///< of the 256 bytes; null if the values are numbers

    std::size_t at(int group, int sample) const {
        return static_cast<std::size_t>(group) * static_cast<std::size_t>(capacity) +
               static_cast<std::size_t>(sample);
    }
    std::uint64_t* masks_of_inputs(int sample_group) const {
        return of_input + static_cast<std::size_t>(sample_group) * static_cast<std::size_t>(inputs);
    }
};

/// What becomes of a gradient: it is stored if `store` is not null, row i at
/// store + (i outputs - skipped); otherwise it updates the weights, by a rule without moments.
struct CpuGradientUse {
    Update update;
    nn_real* store;
    std::size_t skipped = 0;  ///< numbers before those that are stored
};

/// Memory of one worker. Both arrays begin on a cache line.
struct CpuScratch {
    nn_real* panel;    ///< cpu_panel elements
    nn_real* waiting;  ///< cpu_waiting(rows) elements, for the most samples and the most inputs
};
inline constexpr std::size_t cpu_panel = std::size_t{256} * 3 * 16;
constexpr std::size_t cpu_waiting(int rows) {  // 13 vectors of 64 bytes
    return static_cast<std::size_t>(rows) * 13 * (64 / sizeof(nn_real));
}

/// Memory of one worker for sums in leaves (leaves.h): of `rows` rows, sums that wait at each of
/// `levels` levels, and bits that say at which ones they do.
struct CpuLeafScratch {
    nn_real* sums;           ///< levels x cpu_waiting(rows) elements, on a cache line
    std::uint32_t* waiting;  ///< a word for each row
    std::size_t rows;        ///< the most that a call has, which are inputs
};
/// The levels at which blocks of 64 samples, or more, wait in a mini-batch of `samples`.
constexpr int cpu_leaf_levels(int samples) {
    return std::bit_width(static_cast<unsigned>(samples) / 64);
}

/// z becomes value(z + bias), `count` elements, whole vectors; bias may be null.
using CpuActivate = void (*)(const nn_real* bias, int count, nn_real* z);
/// delta *= slope(a), `count` elements, whole vectors.
using CpuTimesSlope = void (*)(int count, const nn_real* a, nn_real* delta);

/// What hidden layers need of one activation.
struct CpuHiddenFunctions {
    CpuActivate activate;
    CpuTimesSlope times_slope;
};

struct CpuFunctions {
    const char* name;  ///< "avx512"
    int lanes;         ///< elements of a vector
    /// With a smaller fraction of inputs that are not zero, the sparse products are faster than the
    /// dense ones. Measured on a Zen 5: docs/performance.md.
    double sparse_pays_below;

    CpuHiddenFunctions hidden[std::variant_size_v<Activation>];  ///< in the order of the list
    const CpuHiddenFunctions& hidden_by(const Activation& activation) const {
        return hidden[activation.index()];
    }

    /// x_i = scale bytes_i
    void (*pixels_to_real)(std::size_t count, nn_real scale, const std::uint8_t* bytes, nn_real* x);
    /// Stores sample j, whose inputs are `bytes`, with its masks.
    void (*take_masked)(const CpuMasked& to, int j, const std::uint8_t* bytes);
    /// Fills of_input of these inputs from of_sample of n samples.
    void (*turn_masks)(const CpuMasked& batch, Range inputs, int n);

    /// z = W x + b of these samples, these vectors of units; a hidden layer activates it.
    void (*sparse_forward)(const CpuLayer& layer, const CpuMasked& batch, Range samples,
                           Range vectors, CpuActivate activate);
    /// The gradient of these inputs' weights to these vectors of units, from n samples.
    void (*sparse_gradient)(const CpuLayer& layer, const CpuMasked& batch, int n, Range inputs,
                            Range vectors, const CpuGradientUse& use, nn_real* waiting);
    /// The same two, from full rows `below`, and a hidden layer's delta from the one above it:
    /// delta = (W_above^T delta_above) * slope(a).
    void (*dense_forward)(const CpuLayer& layer, const nn_real* below, std::size_t below_ld,
                          Range samples, Range vectors, CpuActivate activate,
                          const CpuScratch& scratch);
    void (*dense_delta)(const CpuLayer& layer, const CpuLayer& above, Range samples,
                        CpuTimesSlope times_slope, const CpuScratch& scratch);
    void (*dense_gradient)(const CpuLayer& layer, const nn_real* below, std::size_t below_ld, int n,
                           Range inputs, Range vectors, const CpuGradientUse& use,
                           const CpuScratch& scratch);
    /// The gradient of these vectors of biases, from n samples. No penalty is added.
    void (*bias_gradient)(const CpuLayer& layer, int n, Range vectors, const CpuGradientUse& use);
    /// The three gradients again, with sums in the order of base/leaves.h.
    void (*sparse_gradient_in_leaves)(const CpuLayer& layer, const CpuMasked& batch, int n,
                                      Range inputs, Range vectors, const CpuGradientUse& use,
                                      const CpuLeafScratch& scratch);
    void (*dense_gradient_in_leaves)(const CpuLayer& layer, const nn_real* below,
                                     std::size_t below_ld, int n, Range inputs, Range vectors,
                                     const CpuGradientUse& use, const CpuScratch& scratch,
                                     const CpuLeafScratch& leaves);
    void (*bias_gradient_in_leaves)(const CpuLayer& layer, int n, Range vectors,
                                    const CpuGradientUse& use);

    /// p_i = rule(p_i, gradient_i + update.reg p_i) for i < count. The moments of p_i are at
    /// p + i + to_moment and p + i + 2 to_moment, if the rule has them.
    void (*update)(const Update& update, std::size_t count, const nn_real* gradient, nn_real* p,
                   std::size_t to_moment);
    /// to_i becomes the number of a small type that is nearest to from_i; from may be to.
    void (*round_to)(Precision precision, std::size_t count, const nn_real* from, nn_real* to);
    /// Sum of the squares, in double.
    double (*sum_of_squares)(std::size_t count, const nn_real* values);

    /// The samples' z of the output layer become yhat = softmax(z); delta = (yhat - y) scale, where
    /// y is 1 at a sample's label, else 0. Returns the sum of -log yhat_label.
    double (*softmax_cross_entropy)(const CpuLayer& top, Range samples, const std::uint8_t* labels,
                                    nn_real scale);
    /// The same for any objective, but not tuned: z becomes yhat, delta = scale dloss/dz
    /// (neural_network.h). A sample's targets are its row of outputs numbers; if those are null,
    /// its label. Returns the sum of the samples' losses.
    double (*output_loss)(Objective objective, const CpuLayer& top, Range samples,
                          const std::uint8_t* labels, const nn_real* targets, nn_real scale);
};

/// The padding of the output layer's biases: its exponential is 0.
inline constexpr nn_real no_logit = nn_real{-1e30f};

/// The table of isa_taken() (isa.h).
const CpuFunctions& cpu_functions();
