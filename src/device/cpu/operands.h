// operands.h: what a CPU's replica multiplies, if the type of the operands is a small one.
//
// Inputs, activations and deltas are rounded where they lie, as soon as they are computed. Weights
// have a rounded copy, behind the moments, because updates need the whole ones. In float, all of
// this does nothing.
#pragma once
#include "device/cpu/workspace.h"

class Operands {
  public:
    explicit Operands(const ReplicaShape& shape)
        : precision_(shape.precision), moments_(shape.moments) {}

    bool are_small() const { return is_small(precision_); }
    void round(std::size_t count, nn_real* values) const {
        if (are_small()) f_.round_to(precision_, count, values, values);
    }
    /// Rows of `count` numbers, of these samples.
    void round_rows(nn_real* rows, std::size_t ld, Range samples, int count) const {
        for (int j = samples.first; j < samples.first + samples.count; ++j)
            round(static_cast<std::size_t>(count), rows + static_cast<std::size_t>(j) * ld);
    }
    /// The inputs of sample j, which are numbers.
    void round_masked(const CpuMasked& inputs, int j) const {
        for (int g = 0; are_small() && g < ceil_div(inputs.inputs, mask_bits); ++g)
            round(mask_bits, static_cast<nn_real*>(inputs.values) + inputs.at(g, j) * mask_bits);
    }
    /// The layer as products see its weights.
    CpuLayer of(CpuLayer layer) const {
        if (are_small()) layer.w += to_copy(layer);
        return layer;
    }
    /// `count` weights at `w` of the layer have changed.
    void take_weights(const CpuLayer& layer, std::size_t count, const nn_real* w) const {
        if (are_small())
            f_.round_to(precision_, count, w, layer.w + (w - layer.w) + to_copy(layer));
    }
    void take_all_weights(const CpuLayer& layer) const {
        take_weights(layer, static_cast<std::size_t>(layer.inputs) * layer.ld, layer.w);
    }

  private:
    std::size_t to_copy(const CpuLayer& layer) const {
        return layer.to_moment * (static_cast<std::size_t>(moments_) + 1);
    }

    const CpuFunctions& f_ = cpu_functions();
    const Precision precision_;
    const int moments_;
};
