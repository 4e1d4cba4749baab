// layers.h: which tensors of a file are the weights and biases of which layer, and how they lie.
//
// A layer is a weight and a bias with one name and two endings: W1 and b1; fc1.weight and fc1.bias
// (PyTorch); dense_1/kernel:0 and dense_1/bias:0 (Keras); coefs_0 and intercepts_0 (scikit-learn);
// arr_0 and arr_1 (numpy.savez without names). Layers of one name have rising numbers. Layers of
// several names (fc1, fc2, out) are put in the one order in which each takes the outputs of the
// layer before.
//
// A matrix is outputs x inputs (PyTorch) or inputs x outputs (Keras, scikit-learn). The first layer
// that is not square tells which, by the length of its bias, and that holds for all layers.
#pragma once
#include <vector>

#include "base/names.h"
#include "model/layout.h"
#include "model/tensor_file.h"

/// How a file's matrices lie.
enum class Kernels { told, out_in, in_out };

template <>
struct Names<Kernels> {
    static constexpr Named<Kernels> all[] = {
        {Kernels::told, "told"}, {Kernels::out_in, "out-in"}, {Kernels::in_out, "in-out"}};
};

struct Layer {
    const Tensor *weight = nullptr, *bias = nullptr;
};

struct Layers {
    std::vector<Layer> layers;  ///< the first one first
    bool in_out = false;        ///< the matrices are inputs x outputs
    Layout layout;
};

/// Finds the layers of a network among `tensors`, which must outlive them. `asked` is
/// Kernels::told, or what the user says of square matrices. Throws InputError if a tensor belongs
/// to no layer, a layer lacks one, the order is not clear, shapes do not fit together, or the
/// tensors say otherwise than `asked`.
Layers find_layers(const std::vector<Tensor>& tensors, Kernels asked, const Refusal& refuse);
