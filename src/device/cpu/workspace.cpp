// workspace.cpp: cuts one block of memory into pieces, each on cache lines of its own.
#include "device/cpu/workspace.h"

namespace {

constexpr std::size_t line = 64;

class Pieces {
  public:
    explicit Pieces(std::byte* memory) : memory_(memory) {}
    std::size_t used() const { return used_; }

    template <class T>
    T* take(std::size_t count) {
        T* const piece =
            memory_ == nullptr ? nullptr : static_cast<T*>(static_cast<void*>(memory_ + used_));
        used_ += (count * sizeof(T) + line - 1) / line * line;
        return piece;
    }

  private:
    std::byte* memory_;
    std::size_t used_ = 0;
};

/// Elements of a row: whole cache lines, an odd number of them, so that the 64 rows of a group
/// begin at 64 different places of the first-level cache.
template <class T>
std::size_t odd_lines(int count) {
    constexpr std::size_t in_line = line / sizeof(T);
    return (((static_cast<std::size_t>(count) + in_line - 1) / in_line) | 1) * in_line;
}

CpuLayer take_layer(Pieces& pieces, const Layout& layout, int l, std::size_t samples, int arrays) {
    CpuLayer layer{layout.size(l - 1),
                   layout.size(l),
                   odd_lines<nn_real>(layout.size(l)),
                   nullptr,
                   nullptr,
                   nullptr,
                   nullptr,
                   0};
    layer.w = pieces.take<nn_real>(static_cast<std::size_t>(layer.inputs) * layer.ld);
    layer.bias = pieces.take<nn_real>(layer.ld);
    // The moments lie behind, each with the same rows; then, of a small type, the rounded weights.
    layer.to_moment = (static_cast<std::size_t>(layer.inputs) + 1) * layer.ld;
    pieces.take<nn_real>(layer.to_moment * static_cast<std::size_t>(arrays));
    layer.a = pieces.take<nn_real>(samples * layer.ld);
    layer.delta = pieces.take<nn_real>(samples * layer.ld);
    return layer;
}

Inputs take_inputs(Pieces& pieces, const ReplicaShape& shape, FirstLayerKind kind, int samples) {
    const int inputs = shape.layout.inputs();
    const auto capacity = static_cast<std::size_t>(samples);
    Inputs to;
    if (kind == FirstLayerKind::sparse) {
        const std::size_t groups = static_cast<std::size_t>(ceil_div(inputs, mask_bits));
        const std::size_t value = shape.format.number_inputs ? sizeof(nn_real) : 1;
        to.masked.inputs = inputs;
        to.masked.capacity = samples;
        to.masked.values = pieces.take<std::byte>(groups * capacity * mask_bits * value);
        to.masked.of_sample = pieces.take<std::uint64_t>(groups * capacity);
        to.masked.of_input =
            pieces.take<std::uint64_t>(capacity / mask_bits * static_cast<std::size_t>(inputs));
    } else if (kind == FirstLayerKind::dense) {
        to.rows_ld = odd_lines<nn_real>(inputs);
        to.rows = pieces.take<nn_real>(capacity * to.rows_ld);
    } else {
        const auto odd_tiles = [](int n) {
            return static_cast<std::size_t>((whole_tiles(n) / bf16_tile) | 1) * bf16_tile;
        };
        to.image_ld = odd_tiles(inputs);
        to.pixel_ld = odd_tiles(samples);
        // Tiles may read some rows beyond the last sample of a thread.
        to.by_image = pieces.take<Bf16>(to.image_ld * (capacity + bf16_tile));
        to.by_pixel =
            pieces.take<Bf16>(to.pixel_ld * static_cast<std::size_t>(whole_tiles(inputs)));
    }
    return to;
}

}  // namespace

Workspace::Workspace(const ReplicaShape& shape, FirstLayerKind kind, int capacity,
                     std::byte* memory) {
    Pieces pieces(memory);
    const int samples = ceil_div(capacity, mask_bits) * mask_bits;
    layers.push_back({});
    const int arrays = shape.moments + (is_small(shape.precision) ? 1 : 0);
    for (int l = 1; l <= shape.layout.layers(); ++l)
        layers.push_back(
            take_layer(pieces, shape.layout, l, static_cast<std::size_t>(samples), arrays));
    inputs = take_inputs(pieces, shape, kind, samples);
    if (shape.format.number_targets)
        targets = pieces.take<nn_real>(elements(shape.layout.classes(), samples));
    else
        labels = pieces.take<std::uint8_t>(static_cast<std::size_t>(samples));
    bytes = pieces.used();
}

bool takes_tiles(const ReplicaShape& shape) {
    return shape.layout.layers() > 1 && !shape.format.number_inputs && !is_small(shape.precision) &&
           bf16x3_available();
}

std::size_t cpu_shared_bytes(const ReplicaShape& shape, FirstLayerKind first_layer, int ranks) {
    return Workspace(shape, first_layer, shape.capacity * ranks, nullptr).bytes;
}
