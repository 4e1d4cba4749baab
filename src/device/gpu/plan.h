// plan.h: chooses the tile and the number of parts for a product on a GPU, and predicts the time.
//
// A model of the chip decides. It knows how many tiles there are for how many multiprocessors, the
// cost of a tile, and the cost of adding the parts of a split sum. It is host code without CUDA, so
// the same code chooses in the program, is tested on every machine and prints the predictions of
// bench/gpu_model.cpp. Its derivation is in bench/GPU_MODEL.md.
#pragma once

#include "base/real.h"
#include "device/gpu/plan_costs.h"

/// Multiply-adds in nn_real; or on tensor cores, bf16 parts or the digits of whole numbers.
enum class GemmBy { fma, bf16x3, int8 };
enum class GemmTile { small, medium, large };

/// The longest sum by int8: 128 x 256 x k is below 2^31, so no sum of 32 bits can overflow, nor
/// with what it gets of the digits below.
inline constexpr int int8_most_depth = 65535;

/// A block computes an m x n tile of C, over k in slices of depth k. Its warps share the tile by
/// warp_m x warp_n pieces; where there are more warps than pieces, `groups` of them share each
/// slice along k, and their sums are added at the end.
struct TileShape {
    int m, n, k, warp_m, warp_n, groups;
    constexpr int warps() const { return m / warp_m * (n / warp_n) * groups; }
    constexpr int threads() const { return 32 * warps(); }
};

/// bytes: of an element, 4 or 8; bf16x3 and int8 are for 4 alone.
constexpr TileShape tile_shape(GemmBy by, GemmTile tile, int bytes) {
    if (by == GemmBy::int8)
        return tile == GemmTile::large    ? TileShape{64, 128, 32, 32, 32, 1}
               : tile == GemmTile::medium ? TileShape{64, 64, 32, 32, 32, 1}
                                          : TileShape{32, 32, 32, 16, 16, 1};
    if (by == GemmBy::bf16x3)
        return tile == GemmTile::large    ? TileShape{128, 128, 16, 32, 32, 1}
               : tile == GemmTile::medium ? TileShape{64, 64, 16, 32, 32, 1}
                                          : TileShape{32, 32, 32, 16, 32, 2};
    if (bytes == 8)
        return tile == GemmTile::large    ? TileShape{64, 64, 16, 32, 32, 1}
               : tile == GemmTile::medium ? TileShape{64, 32, 16, 16, 32, 1}
                                          : TileShape{32, 32, 32, 16, 32, 2};
    return tile == GemmTile::large    ? TileShape{128, 128, 8, 32, 64, 1}
           : tile == GemmTile::medium ? TileShape{64, 64, 16, 32, 32, 2}
                                      : TileShape{32, 32, 32, 32, 32, 8};
}

/// What the model knows about a GPU.
struct GpuChip {
    int multiprocessors;
    int capability;  ///< compute capability x 10: 90 is 9.0
    /// The kernels were compiled for 9.0 or later: they can wait for the kernel before.
    bool waits = true;
};

/// Whether the blocks of a kernel that begins with wait_for_kernel_before() (ptx.h) may start while
/// the kernel before still runs, and wait there, which hides most of a launch.
constexpr bool starts_early(const GpuChip& chip) { return chip.capability >= 90 && chip.waits; }

/// How one product is computed. If splits > 1, that many blocks share each tile, and each sums its
/// part of k. The parts are added first to last.
struct GemmPlan {
    GemmTile tile;
    int splits;
    bool operator==(const GemmPlan&) const = default;
};

/// In how many parts a gradient is left by it: by int8 they are joined before they are rounded.
constexpr int gradient_parts(GemmBy by, const GemmPlan& plan) {
    return by == GemmBy::int8 ? 1 : plan.splits;
}

/// Who adds the parts of a sum: nobody, for there is one; whoever uses C; or the last of the blocks
/// that share a tile.
enum class Split { no, left, joined };

/// No plan splits more often.
inline constexpr int most_splits = 8;
constexpr int most_splits_of(Split split) {
    return split == Split::no ? 1 : split == Split::left ? most_splits : 16;
}

/// The plan with the least predicted time for an m x n x k product. bytes: of an element, 4 or 8.
GemmPlan plan_gemm(const GpuChip& chip, GemmBy by, int m, int n, int k, Split split,
                   const PlanCosts& costs = {}, int bytes = sizeof(nn_real));

/// What the model predicts for a product by a plan, in seconds, without its node in a graph. Both
/// are infinite where the chip has no such way to multiply.
struct ProductSeconds {
    double kernel;  ///< the kernel alone, which leaves the parts or joins them
    double adding;  ///< for whoever reads the parts that it left, beyond the first
    double sum() const { return kernel + adding; }
};
ProductSeconds product_seconds(const GpuChip& chip, GemmBy by, const GemmPlan& plan, int m, int n,
                               int k, Split split, const PlanCosts& costs = {},
                               int bytes = sizeof(nn_real));
/// Their sum, which the planner makes small.
double predicted_seconds(const GpuChip& chip, GemmBy by, const GemmPlan& plan, int m, int n, int k,
                         Split split, const PlanCosts& costs = {}, int bytes = sizeof(nn_real));

/// The figures of a typical GPU of a capability, which the model uses. Rates are multiply-adds or
/// bytes per clock and multiprocessor.
struct GpuRates {
    int capability;
    double clock;                            ///< Hz
    double fma_float, fma_double, mma_bf16;  ///< double: by tensor cores where they are faster
    double l2_bytes;
    double dram_bytes;  ///< a second
    double l2_size;     ///< bytes
    int shared_size;    ///< bytes of a multiprocessor that blocks may use
    int threads;        ///< that a multiprocessor can hold
};

/// The rates for a capability, or for the highest one below it that the model knows.
const GpuRates& gpu_rates(int capability);

/// Cycles of a load from the level-2 cache: measured on an H100.
inline constexpr double l2_latency_cycles = 282;

/// Bytes a second of the memory that so many bytes lie in: the level-2 cache, if they fit.
double bytes_a_second(const GpuChip& chip, double bytes);

/// A lower bound of every kernel's seconds: all multiply-adds at the peak rate of `by`, or every
/// matrix moved once. bf16x3 takes three multiply-adds a product and int8 four, at twice the rate;
/// both read one matrix as bytes.
double floor_seconds(const GpuChip& chip, GemmBy by, int m, int n, int k);
