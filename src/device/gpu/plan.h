// plan.h: which tile, and in how many parts, a product is computed on a GPU; and how long that
// should take.
//
// A model of the chip decides: how many tiles there are for how many multiprocessors, what a tile
// costs on them, and what it costs to add up the parts of a sum that was split. It is host code
// without CUDA, so that the same lines choose in the program, are tested on every machine and print
// the predictions of bench/gpu_model.cpp. Its derivation is in bench/GPU_MODEL.md.
#pragma once

enum class GemmBy { fma, bf16x3 };  ///< multiply-adds in nn_real, or bf16 parts on tensor cores
enum class GemmTile { small, medium, large };

/// A block computes an m x n tile of C, over k in slices of depth k. Its warps share the tile by
/// warp_m x warp_n pieces; where there are more warps than pieces, `groups` of them share each
/// slice along k, and their sums are added at the end.
struct TileShape {
    int m, n, k, warp_m, warp_n, groups;
    constexpr int warps() const { return m / warp_m * (n / warp_n) * groups; }
    constexpr int threads() const { return 32 * warps(); }
};

/// bytes: of an element, 4 or 8; bf16x3 is for 4 alone.
constexpr TileShape tile_shape(GemmBy by, GemmTile tile, int bytes) {
    if (by == GemmBy::bf16x3)
        return tile == GemmTile::large    ? TileShape{128, 128, 16, 32, 64, 1}
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

/// What the model knows of a GPU.
struct GpuChip {
    int multiprocessors;
    int capability;  ///< compute capability x 10: 90 is 9.0
};

/// How one product is computed. splits > 1: that many blocks share each tile, each sums its part of
/// k, and whoever uses C adds the parts, first to last.
struct GemmPlan {
    GemmTile tile;
    int splits;
    bool operator==(const GemmPlan&) const = default;
};

/// No plan splits more often.
inline constexpr int most_splits = 8;

/// The plan with the least predicted time for an m x n x k product. splits is 1 unless may_split.
GemmPlan plan_gemm(const GpuChip& chip, GemmBy by, int m, int n, int k, bool may_split);

/// Seconds that the model predicts for a product by a plan, without its launch, with the addition
/// of its parts.
double predicted_seconds(const GpuChip& chip, GemmBy by, const GemmPlan& plan, int m, int n, int k);

/// What the model takes a GPU of a capability for: a typical one's figures. Rates are per clock and
/// multiprocessor, multiply-adds or bytes.
struct GpuRates {
    int capability;
    double clock;                            ///< Hz
    double fma_float, fma_double, mma_bf16;  ///< double: by tensor cores where they are faster
    double l2_bytes;
    double dram_bytes;  ///< a second
    double l2_size;     ///< bytes
    int shared_size;    ///< bytes of a multiprocessor that blocks may use
    int threads;        ///< that a multiprocessor holds
};

/// The rates for a capability, or for the highest one below it that the model knows.
const GpuRates& gpu_rates(int capability);

/// Seconds that no kernel can go below: all multiply-adds at the peak rate of `by`, or every matrix
/// moved once. bf16x3 takes three multiply-adds a product, and reads one matrix as bytes.
double floor_seconds(const GpuChip& chip, GemmBy by, int m, int n, int k);
