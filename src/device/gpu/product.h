// product.h: what the GEMM kernels by multiply-adds and by tensor cores have in common.
//
// Both see a product as op(A) op(B) with a tile of C a block, take their operands as they lie in
// memory, and end with the same epilogues. Device code; device/gpu/gemm_fma.cu and
// device/gpu/gemm_bf16x3.cu alone include it.
#pragma once
#include <type_traits>

#include "device/gpu/kernels.h"

/// Four neighbours in memory, moved by one or two instructions.
template <class T>
struct alignas(sizeof(T) == 1 ? 4 : 16) Four {
    T at[4];
};

/// op(A) or op(B) in memory. Its lines i run along the tile's edge (rows of op(A), columns of
/// op(B)), k along the depth of the sum.
template <class T>
struct Operand {
    const T* at;
    int stride;  ///< elements between stored lines, which hold neighbours in i or in k
    int edge;    ///< lines i < edge are in memory
    bool ones;   ///< line i == edge is 1 for every k: the input of a bias
    bool fours;  ///< every stored line begins where a Four may, and holds a whole number of them
};

struct Output {
    nn_real* c;
    std::size_t part_stride;  ///< elements between the parts of a split sum
    nn_real alpha, beta;
    const nn_real* bias;
    const nn_real* a;
    int unscaled;  ///< the column that alpha does not count for, or -1
    bool fours;    ///< columns of C begin where a Four may
};

/// An m x (last - first) product, columns [first, last) of C, over k in parts of `part` each: block
/// (x, y, z) computes tile column x, tile row y, part z. A grid may be 2^31 wide and 65535 high,
/// and pixels or a batch, which are C's columns, may be many.
struct Extent {
    int m, first, last, k, part;
};

// Epilogues: what becomes of a sum s = alpha AB in row i and column j, which is element `at` of C.
// Bias and activations are read as what no store changes, so that their loads need not wait for the
// stores before.

/// s + beta c_ij
struct Scaled {
    static __device__ __forceinline__ nn_real of(nn_real s, const Output& out, const nn_real* c,
                                                 std::size_t at, int) {
        return out.beta == 0 ? s : s + out.beta * c[at];
    }
};
/// f(s + bias_i), f an activation.
template <class F>
struct Activated {
    static __device__ __forceinline__ nn_real of(nn_real s, const Output& out, const nn_real*,
                                                 std::size_t, int i) {
        return F::value(s + __ldg(out.bias + i), Exp{});
    }
};
/// s slope(a_ij)
template <class F>
struct TimesSlope {
    static __device__ __forceinline__ nn_real of(nn_real s, const Output& out, const nn_real*,
                                                 std::size_t at, int) {
        return s * F::slope(__ldg(out.a + at));
    }
};

template <class E>
__device__ __forceinline__ nn_real finished(const Output& out, nn_real sum, const nn_real* c,
                                            std::size_t at, int i, int j) {
    return E::of(j == out.unscaled ? sum : out.alpha * sum, out, c, at, i);
}

/// Writes what becomes of `count` sums in neighbouring rows of one column, where they lie in C.
template <class E, int Count>
__device__ __forceinline__ void write(const Output& out, const Extent& x, int i, int j,
                                      const nn_real* sums) {
    if (i >= x.m || j >= x.last) return;
    nn_real* const c = out.c + blockIdx.z * out.part_stride;
    const std::size_t at = position(i, j, x.m);
    if constexpr (Count == 4) {
        if (out.fours && i + 4 <= x.m) {
            Four<nn_real> values;
#pragma unroll
            for (int e = 0; e < 4; ++e)
                values.at[e] =
                    finished<E>(out, sums[e], c, at + static_cast<std::size_t>(e), i + e, j);
            *reinterpret_cast<Four<nn_real>*>(c + at) = values;
            return;
        }
    }
#pragma unroll
    for (int e = 0; e < Count; ++e)
        if (i + e < x.m)
            c[at + static_cast<std::size_t>(e)] =
                finished<E>(out, sums[e], c, at + static_cast<std::size_t>(e), i + e, j);
}

/// Constants of a tile that device code can use: nvcc calls no host function, not even for a
/// constant.
template <TileShape T>
inline constexpr int threads_of = T.threads();

/// The place of a thread's warp in the tile, and which share of each slice along k it sums.
struct WarpPlace {
    int row, col, group, lane;
};
template <TileShape T>
__device__ __forceinline__ WarpPlace warp_place() {
    constexpr int down = T.m / T.warp_m, across = T.n / T.warp_n;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    return {warp % down * T.warp_m, warp / down % across * T.warp_n, warp / (down * across),
            static_cast<int>(threadIdx.x) % 32};
}

/// Adds the sums of the groups, first to last, into group 0's. Memory: the slices', which nobody
/// needs any more; sum e of thread t lies at [e][t], so that neighbours meet different banks.
template <TileShape T, int Count>
__device__ __forceinline__ void add_groups(nn_real (&sums)[Count], nn_real* memory) {
    constexpr int threads = threads_of<T> / T.groups;  // of a group
    const int group = static_cast<int>(threadIdx.x) / threads;
    const int thread = static_cast<int>(threadIdx.x) % threads;
    __syncthreads();  // every thread is done with the slices
    if (group > 0)
#pragma unroll
        for (int e = 0; e < Count; ++e)
            memory[((group - 1) * Count + e) * threads + thread] = sums[e];
    __syncthreads();  // the other groups' sums are there
    if (group > 0) return;
    for (int g = 1; g < T.groups; ++g)
#pragma unroll
        for (int e = 0; e < Count; ++e) sums[e] += memory[((g - 1) * Count + e) * threads + thread];
}

/// The sums of a warp's piece of the tile by tensor cores, 16 x 8 at a time. Mapping:
/// device/gpu/ptx.h's c; lane l has the rows l / 4 and l / 4 + 8, the columns 2 (l % 4) and the
/// next.
template <TileShape T>
struct FragmentSums {
    static constexpr int down = T.warp_m / 16, across = T.warp_n / 8;
    static constexpr int count = down * across * 4;
    nn_real sums[count] = {};

    /// Of the p-th 16 rows and the q-th 8 columns.
    __device__ __forceinline__ nn_real& at(int p, int q, int e) {
        return sums[(q * down + p) * 4 + e];
    }
    /// Each group adds and writes its share of the pieces, the groups' sums first to last.
    template <class E>
    __device__ __forceinline__ void write_shared(const Output& out, const Extent& x, int first_row,
                                                 int first_col, const WarpPlace& place,
                                                 nn_real* memory) const {
        constexpr int threads = threads_of<T> / T.groups;
        const int thread = static_cast<int>(threadIdx.x) % threads;
        __syncthreads();
#pragma unroll
        for (int e = 0; e < count; ++e)
            memory[(place.group * count + e) * threads + thread] = sums[e];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < count / 4 / T.groups; ++i) {
            const int piece = i * T.groups + place.group, p = piece % down, q = piece / down;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                nn_real sum = memory[(piece * 4 + e) * threads + thread];
#pragma unroll
                for (int g = 1; g < T.groups; ++g)
                    sum += memory[(g * count + piece * 4 + e) * threads + thread];
                write<E, 1>(out, x, first_row + place.row + 16 * p + 8 * (e / 2) + place.lane / 4,
                            first_col + place.col + 8 * q + 2 * (place.lane % 4) + e % 2, &sum);
            }
        }
    }
    template <class E>
    __device__ __forceinline__ void write_to(const Output& out, const Extent& x, int first_row,
                                             int first_col, const WarpPlace& place) {
#pragma unroll
        for (int q = 0; q < across; ++q)
#pragma unroll
            for (int p = 0; p < down; ++p)
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    write<E, 1>(
                        out, x, first_row + place.row + 16 * p + 8 * (e / 2) + place.lane / 4,
                        first_col + place.col + 8 * q + 2 * (place.lane % 4) + e % 2, &at(p, q, e));
    }
};

/// Whether a matrix of lines of `line` elements can be moved in Fours.
template <class T>
bool in_fours(const T* at, int line) {
    return reinterpret_cast<std::uintptr_t>(at) % alignof(Four<T>) == 0 && line % 4 == 0;
}

/// The grid for an extent, by tiles of T.
template <TileShape T>
dim3 grid_of(const Extent& x, int splits) {
    return {static_cast<unsigned>(ceil_div(x.last - x.first, T.n)),
            static_cast<unsigned>(ceil_div(x.m, T.m)), static_cast<unsigned>(splits)};
}

/// The length of each of `splits` parts of k: whole slices.
template <TileShape T>
int part_of_k(int k, int splits) {
    return ceil_div(ceil_div(k, splits), T.k) * T.k;
}

/// device/gpu/gemm_bf16x3.cu: op(A) = A in float, op(B) the pixels, with neighbours in k (a layer
/// forward, which has an activation) or, where that is null, in i (its gradient).
void launch_bf16x3(const Gpu& gpu, GemmPlan plan, const Operand<nn_real>& a,
                   const Operand<std::uint8_t>& b, const Activation* f, Extent x,
                   const Output& out);
