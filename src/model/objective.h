// objective.h: the activation of the output layer, and the loss function.
//
// For one sample, with the sums z, the target y and k outputs:
//     softmax:        yhat_c = exp z_c / sum_i exp z_i
//     sigmoid:        yhat_c = 1 / (1 + exp -z_c)
//     cross-entropy:  - sum_c y_c log yhat_c                                        over a softmax
//                     - (1/k) sum_c (y_c log yhat_c + (1 - y_c) log(1 - yhat_c))    over sigmoids
//     mse:            (1/k) sum_c (yhat_c - y_c)^2
// A mini-batch's loss is the mean over its samples. A label stands for a y that is 1 at the label,
// else 0.
#pragma once
#include "base/names.h"

enum class OutputLayer { softmax, sigmoid };
enum class LossFunction { cross_entropy, mse };

struct Objective {
    OutputLayer output = OutputLayer::softmax;
    LossFunction loss = LossFunction::cross_entropy;

    bool operator==(const Objective&) const = default;
};

template <>
struct Names<OutputLayer> {
    static constexpr Named<OutputLayer> all[] = {{OutputLayer::softmax, "softmax"},
                                                 {OutputLayer::sigmoid, "sigmoid"}};
};
template <>
struct Names<LossFunction> {
    static constexpr Named<LossFunction> all[] = {{LossFunction::cross_entropy, "cross-entropy"},
                                                  {LossFunction::mse, "mse"}};
};

/// The class of yhat or y: the index of the largest of the `outputs` numbers, the first one if
/// several are equal. If there is only one number: 1 if it is at least 0.5, else 0.
template <class Real>
int class_of(const Real* values, int outputs) {
    if (outputs == 1) return values[0] >= Real{0.5} ? 1 : 0;
    int largest = 0;
    for (int c = 1; c < outputs; ++c)
        if (values[c] > values[largest]) largest = c;
    return largest;
}
