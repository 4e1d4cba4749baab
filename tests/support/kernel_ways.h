// kernel_ways.h: every way in which a GPU can compute a product: tiles, arithmetic, kinds of GPU.
//
// The kernel runner plays GPUs of several compute capabilities, with and without asynchronous
// copies and tensor cores. A real GPU runs only as itself.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/kernel_fixture.h"

inline constexpr bool in_float = sizeof(nn_real) == sizeof(float);

inline constexpr std::pair<GemmTile, const char*> tiles[] = {{GemmTile::small, "small tile"},
                                                             {GemmTile::medium, "medium tile"},
                                                             {GemmTile::large, "large tile"}};

using Run = std::function<void(const std::string& what)>;

/// On the kernel runner as a GPU of each kind: 7.5 copies through registers, 8.6
/// asynchronously, 9.0 multiplies doubles on tensor cores. On a real GPU as that one.
inline void on_every_gpu(const std::vector<int>& capabilities, const Run& run) {
#ifdef __CUDACC__
    if (gpu.chip.capability >= capabilities.front()) run("this GPU");
#else
    const GpuChip before = gpu.chip;
    const int configured = gpuhost::config().capability;
    for (const int capability : capabilities) {
        gpuhost::config().capability = gpu.chip.capability = capability;
        run("capability " + std::to_string(capability));
    }
    gpu.chip = before;
    gpuhost::config().capability = configured;
#endif
}
inline const std::vector<int> every_kind{75, 86, 90};

/// The ways in which the first layer's products can be computed here.
inline std::vector<std::pair<GemmBy, std::vector<int>>> ways_of_pixels() {
    std::vector<std::pair<GemmBy, std::vector<int>>> ways{{GemmBy::fma, every_kind}};
    if (in_float) {
        ways.push_back({GemmBy::bf16x3, {80, 90}});
        ways.push_back({GemmBy::int8, {80, 90}});
    }
    return ways;
}
inline std::string name_of(GemmBy by) {
    return by == GemmBy::fma ? "fma" : by == GemmBy::int8 ? "int8" : "bf16x3";
}

/// Every way, GPU and tile.
inline void in_every_way(
    const std::function<void(GemmBy by, GemmTile tile, const std::string& what)>& run) {
    for (const auto& [by, capabilities] : ways_of_pixels())
        on_every_gpu(capabilities, [&, by = by](const std::string& on) {
            for (const auto& [tile, name] : tiles)
                run(by, tile, name_of(by) + ", " + name + ", " + on);
        });
}
