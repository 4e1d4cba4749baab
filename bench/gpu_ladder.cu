// gpu_ladder.cu: the product of numbers in gpu_ladder.h, to be read from top to bottom.
//
// Each kernel differs from the one before in one thing, which its comment names. From the
// register-blocked one on, all use the same tile and the same registers, so that what is gained
// comes from that thing alone. The last two are device/gpu/gemm_fma.cu, which training takes.
#include "gpu_ladder.h"

#include "gpu_func.h"

namespace {

constexpr int block_threads = 256;

template <class Kernel>
void launch(const Gpu& gpu, Kernel kernel, int tile_m, int tile_n, int threads, int m, int n, int k,
            const nn_real* a, const nn_real* b, nn_real* c) {
    if (m == 0 || n == 0) return;
    const dim3 grid(static_cast<unsigned>(ceil_div(m, tile_m)),
                    static_cast<unsigned>(ceil_div(n, tile_n)));
    GPU_CHECK(gpu_launch(kernel, grid, dim3(static_cast<unsigned>(threads)), 0, gpu.stream, m, n, k,
                         a, b, c));
}

// ------------------------------------------------------------------ 1. naive

constexpr int naive_m = 32, naive_n = block_threads / naive_m;

/// Mapping: a thread computes one element of C; a warp 32 neighbouring rows of one column, so that
/// its reads of A and its writes are neighbours, and its read of B is one word. Memory: none.
/// Every product costs two reads through the caches: they, not the arithmetic, set the time.
__global__ void __launch_bounds__(block_threads)
    naive_kernel(int m, int n, int k, const nn_real* __restrict__ a, const nn_real* __restrict__ b,
                 nn_real* __restrict__ c) {
    const int t = static_cast<int>(threadIdx.x);
    const int i = static_cast<int>(blockIdx.x) * naive_m + t % naive_m;
    const int j = static_cast<int>(blockIdx.y) * naive_n + t / naive_m;
    if (i >= m || j >= n) return;
    nn_real sum = 0;
    for (int p = 0; p < k; ++p) sum += a[position(i, p, m)] * b[position(p, j, k)];
    c[position(i, j, m)] = sum;
}

void naive(const Gpu& gpu, int m, int n, int k, const nn_real* a, const nn_real* b, nn_real* c) {
    launch(gpu, naive_kernel, naive_m, naive_n, block_threads, m, n, k, a, b, c);
}

// ------------------------------------------------------------------ 2. tiled

/// Gain: a block reads each element of A and B once for 16 products, not once for each. The kernel
/// is the course's, gemm_kernel of gpu_func.cu.
void tiled(const Gpu& gpu, int m, int n, int k, const nn_real* a, const nn_real* b, nn_real* c) {
    course_gemm(gpu.stream, Transposed::no, Transposed::no, m, n, k, 1, a, b, 0, c);
}

// ------------------------------------------------------------------ 3. register-blocked

/// The tile of this rung and of those above: 128 x 128 in slices of 8, a thread has 8 x 8 elements.
constexpr int tile = 128, depth = 8, own = 8, lanes = tile / own;

/// Slices of A and B, both [p][i or j]. Rows are padded by 16 bytes, so that the threads of a warp
/// which write eight rows of B's slice meet different banks.
constexpr int pack_size = 16 / static_cast<int>(sizeof(nn_real));
struct alignas(16) Slice {
    nn_real at[depth][tile + pack_size];
};

/// Gain: a value from shared memory is used for 8 products, not for one: 16 reads feed 64
/// multiply-adds, where the tiled kernel needs 128.
/// Mapping: 256 threads as 16 x 16; thread (x, y) computes the rows x + 16 r and the columns
/// y + 16 s of the tile, so that neighbours read neighbouring words of A's slice, two different
/// words of B's, and write neighbours. Memory: two Slices, 8 KiB in float.
__global__ void __launch_bounds__(block_threads)
    register_blocked_kernel(int m, int n, int k, const nn_real* __restrict__ a,
                            const nn_real* __restrict__ b, nn_real* __restrict__ c) {
    GPU_SHARED(Slice, slice_a, );
    GPU_SHARED(Slice, slice_b, );
    const int t = static_cast<int>(threadIdx.x), x = t % lanes, y = t / lanes;
    const int row = static_cast<int>(blockIdx.x) * tile, col = static_cast<int>(blockIdx.y) * tile;
    nn_real sum[own][own] = {};
    for (int k0 = 0; k0 < k; k0 += depth) {
        for (int e = t; e < tile * depth; e += block_threads) {
            const int i = e % tile, pa = e / tile, j = e / depth, pb = e % depth;
            slice_a.at[pa][i] =
                row + i < m && k0 + pa < k ? a[position(row + i, k0 + pa, m)] : nn_real{0};
            slice_b.at[pb][j] =
                col + j < n && k0 + pb < k ? b[position(k0 + pb, col + j, k)] : nn_real{0};
        }
        __syncthreads();  // both slices are complete before any thread reads them
#pragma unroll
        for (int p = 0; p < depth; ++p) {
            nn_real of_a[own], of_b[own];
#pragma unroll
            for (int r = 0; r < own; ++r) of_a[r] = slice_a.at[p][x + r * lanes];
#pragma unroll
            for (int s = 0; s < own; ++s) of_b[s] = slice_b.at[p][y + s * lanes];
#pragma unroll
            for (int r = 0; r < own; ++r)
#pragma unroll
                for (int s = 0; s < own; ++s) sum[r][s] += of_a[r] * of_b[s];
        }
        __syncthreads();  // every thread has read the slices before they are filled anew
    }
#pragma unroll
    for (int s = 0; s < own; ++s)
#pragma unroll
        for (int r = 0; r < own; ++r) {
            const int i = row + x + r * lanes, j = col + y + s * lanes;
            if (i < m && j < n) c[position(i, j, m)] = sum[r][s];
        }
}

void register_blocked(const Gpu& gpu, int m, int n, int k, const nn_real* a, const nn_real* b,
                      nn_real* c) {
    launch(gpu, register_blocked_kernel, tile, tile, block_threads, m, n, k, a, b, c);
}

// ------------------------------------------------------------------ 4. vectorised, 5. warp-tiled

/// Sixteen bytes, moved by one instruction. Addresses must be multiples of 16.
struct alignas(16) Pack {
    nn_real at[pack_size];
};

/// Elements first .. first + pack_size of a line of `length` elements, 0 beyond its end. Whole: the
/// line starts at a multiple of 16 bytes and is a whole number of packs long.
template <bool Whole>
__device__ __forceinline__ Pack load_pack(const nn_real* __restrict__ line, int first, int length) {
    Pack pack = {};
    if constexpr (Whole) {
        if (first < length) pack = *reinterpret_cast<const Pack*>(line + first);
    } else {
#pragma unroll
        for (int e = 0; e < pack_size; ++e)
            if (first + e < length) pack.at[e] = line[first + e];
    }
    return pack;
}

/// Both slices from packs: those of A lie along i, as the slice does; those of B along k, so that
/// their elements go to rows of the slice.
template <bool Whole>
__device__ __forceinline__ void load_slices(Slice& slice_a, Slice& slice_b,
                                            const nn_real* __restrict__ a,
                                            const nn_real* __restrict__ b, int row, int col, int k0,
                                            int m, int n, int k) {
    constexpr int of_line = tile / pack_size, of_depth = depth / pack_size;
    const int t = static_cast<int>(threadIdx.x);
#pragma unroll
    for (int e = t; e < tile * depth / pack_size; e += block_threads) {
        const int i = e % of_line * pack_size, pa = e / of_line;
        const Pack of_a =
            k0 + pa < k ? load_pack<Whole>(a + position(0, k0 + pa, m), row + i, m) : Pack{};
        *reinterpret_cast<Pack*>(&slice_a.at[pa][i]) = of_a;
        const int j = e / of_depth, pb = e % of_depth * pack_size;
        const Pack of_b =
            col + j < n ? load_pack<Whole>(b + position(0, col + j, k), k0 + pb, k) : Pack{};
#pragma unroll
        for (int q = 0; q < pack_size; ++q) slice_b.at[pb + q][j] = of_b.at[q];
    }
}

/// Gain of the vectorised kernel (Piece 128 x 128): global and shared memory are read sixteen bytes
/// at a time: a quarter of the load instructions in float, a half in double.
/// Gain of the warp-tiled kernel (Piece 32 x 64): a warp's 32 threads lie within 32 x 64 elements
/// of the tile, not across 128 x 16: in each step along k they read 96 different words of shared
/// memory, not 144.
/// Mapping: PieceM x PieceN elements of the tile belong to PieceM / 8 x PieceN / 8 threads; thread
/// (x, y) of them computes the packs x, x + PieceM / 8, ... of rows and y, ... of columns. Memory:
/// two Slices, 8 KiB in float.
template <int PieceM, int PieceN, bool Whole>
__global__ void __launch_bounds__(block_threads)
    packed_kernel(int m, int n, int k, const nn_real* __restrict__ a, const nn_real* __restrict__ b,
                  nn_real* __restrict__ c) {
    constexpr int lanes_m = PieceM / own, piece_threads = lanes_m * (PieceN / own);
    constexpr int lanes_n = PieceN / own, packs = own / pack_size;
    GPU_SHARED(Slice, slice_a, );
    GPU_SHARED(Slice, slice_b, );
    const int t = static_cast<int>(threadIdx.x);
    const int piece = t / piece_threads, x = t % piece_threads % lanes_m,
              y = t % piece_threads / lanes_m;
    const int row = static_cast<int>(blockIdx.x) * tile, col = static_cast<int>(blockIdx.y) * tile;
    const int own_row = piece % (tile / PieceM) * PieceM + x * pack_size;
    const int own_col = piece / (tile / PieceM) * PieceN + y * pack_size;
    nn_real sum[own][own] = {};
    for (int k0 = 0; k0 < k; k0 += depth) {
        load_slices<Whole>(slice_a, slice_b, a, b, row, col, k0, m, n, k);
        __syncthreads();  // both slices are complete before any thread reads them
#pragma unroll
        for (int p = 0; p < depth; ++p) {
            Pack of_a[packs], of_b[packs];
#pragma unroll
            for (int q = 0; q < packs; ++q) {
                of_a[q] = *reinterpret_cast<const Pack*>(
                    &slice_a.at[p][own_row + q * lanes_m * pack_size]);
                of_b[q] = *reinterpret_cast<const Pack*>(
                    &slice_b.at[p][own_col + q * lanes_n * pack_size]);
            }
#pragma unroll
            for (int r = 0; r < own; ++r)
#pragma unroll
                for (int s = 0; s < own; ++s)
                    sum[r][s] += of_a[r / pack_size].at[r % pack_size] *
                                 of_b[s / pack_size].at[s % pack_size];
        }
        __syncthreads();  // every thread has read the slices before they are filled anew
    }
#pragma unroll
    for (int s = 0; s < own; ++s)
#pragma unroll
        for (int r = 0; r < own; ++r) {
            const int i = row + own_row + r / pack_size * lanes_m * pack_size + r % pack_size;
            const int j = col + own_col + s / pack_size * lanes_n * pack_size + s % pack_size;
            if (i < m && j < n) c[position(i, j, m)] = sum[r][s];
        }
}

template <int PieceM, int PieceN>
void packed(const Gpu& gpu, int m, int n, int k, const nn_real* a, const nn_real* b, nn_real* c) {
    const auto lines_of_packs = [](const nn_real* x, int line) {
        return reinterpret_cast<std::uintptr_t>(x) % sizeof(Pack) == 0 && line % pack_size == 0;
    };
    launch(gpu,
           lines_of_packs(a, m) && lines_of_packs(b, k) ? packed_kernel<PieceM, PieceN, true>
                                                        : packed_kernel<PieceM, PieceN, false>,
           tile, tile, block_threads, m, n, k, a, b, c);
}

// ----------------------------------------------------------- 6. pipelined, 7. shared by warps

/// Gain of the large tile: slices are copied asynchronously, several ahead of the one that is
/// multiplied, and a slice takes one barrier instead of two.
/// Gain of the small tile: a small C has few large tiles, and leaves most multiprocessors idle.
/// Tiles of 32 x 32 are 16 times as many in float, and the 8 warps of a block share each slice
/// along k; in double it is 4 times as many, and 2 shares.
template <GemmTile Tile>
void by_gemm(const Gpu& gpu, int m, int n, int k, const nn_real* a, const nn_real* b, nn_real* c) {
    gpu_gemm(gpu, Transposed::no, Transposed::no, m, n, k, 1, a, b, 0, c, {Tile, 1});
}

constexpr LadderRung rungs[] = {
    {"naive", "a thread for each element", naive},
    {"tiled", "shared memory: 16 products from each read of the caches", tiled},
    {"register-blocked", "8 products from each read of shared memory", register_blocked},
    {"vectorised", "sixteen bytes with each load", packed<tile, tile>},
    {"warp-tiled", "a warp reads 96 words of shared memory a step, not 144", packed<32, 64>},
    {"pipelined", "the next slices are copied while this one is multiplied",
     by_gemm<GemmTile::large>},
    {"shared by warps", "small tiles for more blocks, whose warps share each slice along k",
     by_gemm<GemmTile::small>},
};

}  // namespace

std::span<const LadderRung> ladder() { return rungs; }
