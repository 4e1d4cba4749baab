// worker.h: the memory of one thread of a CPU's replica, which no other thread writes.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "device/cpu/buffer.h"
#include "device/cpu/table.h"
#include "device/cpu/tiles.h"
#include "device/replica.h"

struct Worker {
    alignas(64) double loss = 0;  ///< on a cache line that no other thread writes
    Buffer<nn_real> panel, waiting, tile_sums, leaf_sums;
    Buffer<std::uint32_t> tile_parts;
    std::vector<std::uint32_t> leaf_levels;

    /// `most_samples`: of a mini-batch.
    Worker(const CpuSettings& settings, const Layout& layout, int most_samples)
        : Worker(settings.first_layer == FirstLayerKind::tiles, settings.in_leaves, most_samples,
                 *std::ranges::max_element(layout.sizes())) {}
    CpuScratch scratch() { return {panel.data(), waiting.data()}; }
    Bf16Scratch tile_scratch() { return {tile_sums.data(), tile_parts.data()}; }
    CpuLeafScratch leaf_scratch() {
        return {leaf_sums.data(), leaf_levels.data(), leaf_levels.size()};
    }

  private:
    Worker(bool tiles, bool leaves, int samples, int units)
        : panel(cpu_panel),
          waiting(cpu_waiting(std::max(samples, units))),
          tile_sums(tiles ? bf16x3_sums(std::max(samples, units)) : 0),
          leaf_sums(leaves ? static_cast<std::size_t>(cpu_leaf_levels(samples)) * cpu_waiting(units)
                           : 0),
          tile_parts(tiles ? bf16x3_parts : 0),
          leaf_levels(leaves ? static_cast<std::size_t>(units) : 0) {}
};
