// first_layer.h: whether a GPU computes the first layer's products faster by bf16x3.
#pragma once

/// True if the model (plan.h) predicts less time by bf16x3 than by multiply-adds, for both products
/// of the layer together: W X, and the gradient. The GPU has so many multiprocessors and the
/// compute capability x 10; the layer has `size` units, `inputs` inputs and `n` samples.
bool gpu_gains_by_bf16x3(int multiprocessors, int capability, int size, int inputs, int n);
