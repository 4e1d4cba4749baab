// workspace.h: the memory that the workers of one replica share.
//
// It has one copy of the parameters, and the activations, deltas, inputs and targets of a whole
// mini-batch. It is one block of memory, cut alike by every rank: memory of the process, or of the
// node (comm/node_memory.h), which the ranks see at different addresses.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "device/cpu/table.h"
#include "device/cpu/tiles.h"
#include "device/replica.h"

/// The memory of the first layer's inputs, in one of three forms; the others are null.
struct Inputs {
    CpuMasked masked = {};    ///< without zeros (sparse.h)
    nn_real* rows = nullptr;  ///< a full row for each sample (dense.h)
    std::size_t rows_ld = 0;
    /// Pixels in bf16 (tiles.h), with an image in each row, and with an image in each column.
    Bf16 *by_image = nullptr, *by_pixel = nullptr;
    std::size_t image_ld = 0, pixel_ld = 0;
};

/// The same, whose sample 0 is number `first`.
inline CpuLayer from_sample(int first, CpuLayer layer) {
    layer.a = layer.activations(first);
    layer.delta = layer.deltas(first);
    return layer;
}
inline CpuMasked from_sample(int first, CpuMasked inputs) {
    const std::size_t value = inputs.value_of_pixel == nullptr ? sizeof(nn_real) : 1;
    const auto count = static_cast<std::size_t>(first);
    inputs.values = static_cast<std::byte*>(inputs.values) + count * mask_bits * value;
    inputs.of_sample += count;
    return inputs;
}

struct Workspace {
    std::vector<CpuLayer> layers;  ///< layer l at l; the first is empty
    Inputs inputs;
    std::uint8_t* labels = nullptr;  ///< of a mini-batch; null if targets are numbers
    nn_real* targets = nullptr;      ///< a row of outputs numbers for each sample
    std::size_t bytes = 0;           ///< of all memory

    /// Cuts `memory`, which is 0 everywhere and begins on a cache line; if it is null, it only
    /// counts the bytes. `capacity` samples are the largest mini-batch.
    Workspace(const ReplicaShape& shape, FirstLayerKind kind, int capacity, std::byte* memory);

    /// row(place in Layout's order, the row, its elements) for all weights and biases (array 0), or
    /// their first or second moments (arrays 1 and 2).
    template <class Action>
    void for_each_row(const Layout& layout, int array, Action&& row) const {
        for (int l = 1; l <= layout.layers(); ++l) {
            const CpuLayer& layer = layers[static_cast<std::size_t>(l)];
            const std::size_t away = static_cast<std::size_t>(array) * layer.to_moment;
            for (int i = 0; i < layer.inputs; ++i)
                row(layout.weight_offset(l) + elements(layer.outputs, i), layer.weights(i) + away,
                    layer.outputs);
            row(layout.bias_offset(l), layer.bias + away, layer.outputs);
        }
    }
};
