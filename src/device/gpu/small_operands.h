// small_operands.h: what a GPU's replica multiplies, if the type of the operands is a small one.
//
// Weights have a rounded copy, because updates need the whole ones, and so have the inputs, which
// are the training set's. Activations and deltas are rounded where they lie, as soon as they are
// computed. In float, all of this does nothing.
#pragma once
#include "base/range.h"
#include "device/gpu/kernels.h"
#include "device/gpu/owned.h"
#include "device/replica.h"

class SmallOperands {
  public:
    explicit SmallOperands(const ReplicaShape& shape)
        : precision_(shape.precision),
          inputs_per_sample_(shape.layout.inputs()),
          parameters_(are_small() ? shape.layout.total() : 0),
          inputs_(are_small() ? elements(inputs_per_sample_, shape.capacity) : 0) {}

    bool are_small() const { return is_small(precision_); }
    Precision precision() const { return precision_; }

    /// Before a forward pass: the parameters of now, and the inputs of n samples.
    void take(const Gpu& gpu, const nn_real* parameters, Input inputs, int n) const {
        if (!are_small()) return;
        gpu_round(gpu, precision_, parameters_.size(), parameters, parameters_.data());
        gpu_round_input(gpu, precision_, elements(inputs_per_sample_, n), inputs, inputs_.data());
    }
    /// Activations or deltas.
    void round(const Gpu& gpu, std::size_t count, nn_real* values) const {
        if (are_small()) gpu_round(gpu, precision_, count, values, values);
    }
    /// As products see them, of what take() took.
    const nn_real* parameters(const nn_real* whole) const {
        return are_small() ? parameters_.data() : whole;
    }
    Input inputs(Input whole) const { return are_small() ? input_of(inputs_.data()) : whole; }

  private:
    const Precision precision_;
    const int inputs_per_sample_;
    DeviceArray<nn_real> parameters_, inputs_;
};
