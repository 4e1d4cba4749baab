// parameters.h: a flat array of parameters, or of their gradient, with its layout.
#pragma once
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "model/layout.h"

template <class Real>
struct Parameters {
    Layout layout;
    std::vector<Real> values;

    explicit Parameters(Layout shape) : layout(std::move(shape)), values(layout.total()) {}

    std::span<Real> weights(int l) {
        return {values.data() + layout.weight_offset(l), layout.weights(l)};
    }
    std::span<const Real> weights(int l) const {
        return {values.data() + layout.weight_offset(l), layout.weights(l)};
    }
    std::span<Real> bias(int l) {
        return {values.data() + layout.bias_offset(l), static_cast<std::size_t>(layout.size(l))};
    }
    std::span<const Real> bias(int l) const {
        return {values.data() + layout.bias_offset(l), static_cast<std::size_t>(layout.size(l))};
    }
};

/// A rule's moments of all parameters, each in the layout of the parameters.
using Moments = std::vector<Parameters<nn_real>>;
