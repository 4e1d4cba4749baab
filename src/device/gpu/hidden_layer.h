// hidden_layer.h: the memory that a hidden layer has on a GPU, beside its parameters. It is
// allocated once, for the largest shard.
#pragma once
#include "base/range.h"
#include "device/gpu/owned.h"

/// The memory of a hidden layer of `size` units: activations and delta, size x capacity; and
/// `splits` parts of [dW|db], `stride` elements each.
struct HiddenLayer {
    std::size_t stride;
    int splits;
    DeviceArray<nn_real> activations, delta, gradient;

    HiddenLayer(int size, int below, int capacity, int parts)
        : stride((elements(size, below + 1) + 3) / 4 * 4),  // each part begins at 16 bytes
          splits(parts),
          activations(elements(size, capacity)),
          delta(elements(size, capacity)),
          gradient(stride * static_cast<std::size_t>(parts)) {}
};
