// output.h: the output layer's activation and loss, and its delta.
//
// A row belongs to one sample. Its padding holds logits so low that their exponentials are 0; yhat
// and delta are 0 there.
#pragma once
#include <cmath>
#include <limits>

#include "device/cpu/elementwise.h"

namespace CPU_ISA {

/// v with every element moved by `by` places, cyclically.
template <int by, int... i>
Vector turned(Vector v, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(v, v, ((i + by) % lanes)...);
}
/// Puts op over all elements of v into every element, by folding halves together.
template <int by = lanes / 2, class Op>
Vector fold(Vector v, Op op) {
    v = op(v, turned<by>(v, std::make_integer_sequence<int, lanes>()));
    if constexpr (by > 1)
        return fold<by / 2>(v, op);
    else
        return v;
}

/// Puts the largest of a sample's logits into every element.
inline Vector largest_of(int padded, const nn_real* z) {
    Vector largest = load(z);
    const auto larger = [](Vector a, Vector b) { return a < b ? b : a; };
    for (int i = lanes; i < padded; i += lanes) largest = larger(largest, load(z + i));
    return fold(largest, larger);
}
/// z becomes exp(z - largest). Returns the sum of these in every element.
inline Vector exponentials(int padded, Vector largest, nn_real* z) {
    Vector sum{};
    for (int i = 0; i < padded; i += lanes) {
        const Vector e = exp_of(load(z + i) - largest);
        store(z + i, e);
        sum += e;
    }
    return fold(sum, [](Vector a, Vector b) { return a + b; });
}
constexpr int whole_vectors(int count) { return ceil_div(count, lanes) * lanes; }

/// One sample of softmax_cross_entropy. Returns sum of exp(z - largest), and z_label - largest.
struct SampleLoss {
    nn_real sum, shifted;
};
inline SampleLoss softmax_of_sample(int outputs, int label, nn_real scale, nn_real* z,
                                    nn_real* delta) {
    const int padded = whole_vectors(outputs);
    const Vector largest = largest_of(padded, z);
    const nn_real shifted = z[label] - largest[0];
    const Vector sum = exponentials(padded, largest, z);
    for (int i = 0; i < padded; i += lanes) {
        const Vector yhat = load(z + i) / sum;
        store(z + i, yhat);
        store(delta + i, yhat * scale);
    }
    delta[label] = (z[label] - 1) * scale;
    return {sum[0], shifted};
}

inline double softmax_cross_entropy(const CpuLayer& top, Range samples, const std::uint8_t* labels,
                                    nn_real scale) {
    // -log yhat_c = log(sum) - shifted. The logarithm of a product of sums takes the time of one
    // logarithm. Each sum is from 1 to the number of outputs, so the product of 16 is far from
    // overflow.
    constexpr int together = 16;
    double loss = 0, product = 1;
    for (int i = 0; i < samples.count; ++i) {
        const int j = samples.first + i;
        const SampleLoss sample =
            softmax_of_sample(top.outputs, labels[j], scale, top.activations(j), top.deltas(j));
        loss -= static_cast<double>(sample.shifted);
        product *= static_cast<double>(sample.sum);
        if (i % together == together - 1 || i == samples.count - 1) {
            loss += std::log(product);
            product = 1;
        }
    }
    return loss;
}

/// The target of one sample of output_loss: numbers, or a label.
struct Target {
    const nn_real* numbers;
    int label;
    nn_real at(int c) const {
        return numbers != nullptr ? numbers[c] : static_cast<nn_real>(c == label ? 1 : 0);
    }
};

/// z becomes softmax(z). Returns sum_c y_c (-log yhat_c), in double, by log sum exp(z - largest).
inline double softmax_and_loss(int outputs, const Target& y, nn_real* z) {
    const int padded = whole_vectors(outputs);
    const Vector largest = largest_of(padded, z);
    double sum_of_y = 0, loss = 0;
    for (int c = 0; c < outputs; ++c) {
        const double wanted = static_cast<double>(y.at(c));
        sum_of_y += wanted;
        loss -= wanted * (static_cast<double>(z[c]) - static_cast<double>(largest[0]));
    }
    const Vector sum = exponentials(padded, largest, z);
    for (int i = 0; i < padded; i += lanes) store(z + i, load(z + i) / sum);
    return loss + sum_of_y * std::log(static_cast<double>(sum[0]));
}

/// z becomes sigmoid(z). Returns -sum_c (y_c log yhat_c + (1 - y_c) log(1 - yhat_c)), in double.
/// -log yhat_c and -log(1 - yhat_c) are log(1 + exp(-|z|)), one of them plus |z|.
inline double sigmoid_and_loss(int outputs, const Target& y, nn_real* z) {
    double loss = 0;
    for (int c = 0; c < outputs; ++c) {
        const double wanted = static_cast<double>(y.at(c)), logit = static_cast<double>(z[c]);
        const double size = logit < 0 ? -logit : logit;
        const double least = std::log1p(std::exp(-size));
        loss += wanted * (logit < 0 ? least + size : least) +
                (1 - wanted) * (logit > 0 ? least + size : least);
    }
    for (int i = 0; i < whole_vectors(outputs); i += lanes)
        store(z + i, value_of<Sigmoid>(load(z + i)));
    return loss;
}

/// delta = scale dloss/dz of a sample. Returns the sum of (yhat - y)^2.
inline double sample_delta(const Objective& objective, int outputs, const Target& y, nn_real scale,
                           const nn_real* yhat, nn_real* delta) {
    const bool softmax = objective.output == OutputLayer::softmax;
    const bool mse = objective.loss == LossFunction::mse;
    const nn_real share = (mse ? 2 : 1) * scale / static_cast<nn_real>(outputs);
    nn_real sum_of_y = 0, mean_error = 0;  // mean_error: weighted by yhat
    double squares = 0;
    for (int c = 0; c < outputs; ++c) {
        const nn_real wanted = y.at(c), error = yhat[c] - wanted;
        sum_of_y += wanted;
        mean_error += error * yhat[c];
        squares += static_cast<double>(error) * static_cast<double>(error);
    }
    for (int c = 0; c < outputs; ++c) {
        const nn_real wanted = y.at(c), error = yhat[c] - wanted;
        if (mse)
            delta[c] = share * (yhat[c] * (softmax ? error - mean_error : error * (1 - yhat[c])));
        else
            delta[c] = softmax ? (sum_of_y * yhat[c] - wanted) * scale : error * share;
    }
    return squares;
}

inline double output_loss(Objective objective, const CpuLayer& top, Range samples,
                          const std::uint8_t* labels, const nn_real* targets, nn_real scale) {
    const int outputs = top.outputs;
    const bool softmax = objective.output == OutputLayer::softmax;
    double loss = 0;
    for (int j = samples.first; j < samples.first + samples.count; ++j) {
        nn_real *const z = top.activations(j), *const delta = top.deltas(j);
        const Target y{targets != nullptr ? targets + elements(outputs, j) : nullptr,
                       targets != nullptr ? 0 : labels[j]};
        const double entropy = (softmax ? softmax_and_loss : sigmoid_and_loss)(outputs, y, z);
        for (int c = outputs; c < whole_vectors(outputs); ++c) z[c] = delta[c] = 0;
        const double squares = sample_delta(objective, outputs, y, scale, z, delta);
        if (objective.loss == LossFunction::mse)
            loss += squares / outputs;
        else
            loss += softmax ? entropy : entropy / outputs;
    }
    return loss;
}

}  // namespace CPU_ISA
