// gemm_bf16x3.cu: the first layer's products on bf16 tensor cores, with the accuracy of float.
//
// A pixel is a whole number from 0 to 255 and exact in bf16; a float is exactly the sum of three
// bf16, 8 bits of its 24 each (but for bits below 2^-133, where bf16 ends). NaN stays NaN, and an
// infinity becomes one. So W X and delta X^T are three products of bf16 matrices whose every term
// is exact, and only their addition rounds. Tensor cores are known to truncate there instead of
// rounding to nearest. Therefore they sum over 16 k only, the smallest parts first, and what they
// return is added up in float, rounded to nearest.
#include "device/gpu/product.h"

#include <algorithm>

namespace {

/// Pairs of bf16 that are neighbours in k: at[k / 2][i], the even k in the lower half. A line is 8
/// mod 32 words long, so that the four k-pairs of eight i of a fragment meet 32 banks.
template <int Depth, int Edge>
struct PairSlice {
    std::uint32_t at[Depth / 2][Edge + 8];
};

constexpr std::uint32_t upper_halves = 0x7632;  // of b and a: a selector for __byte_perm(a, b)

/// The bf16 parts of a pair of floats, each pair in one word. Cutting off the lower half of a float
/// leaves its first 8 bits, and the rest is exact: so is, twice over, the sum of the three.
struct ThreePairs {
    std::uint32_t high, middle, low;
};
__device__ __forceinline__ float first_bits(float x) {
    return __uint_as_float(__float_as_uint(x) & 0xffff0000u);
}
__device__ __forceinline__ std::uint32_t pair_of(float even, float odd) {
    return __byte_perm(__float_as_uint(even), __float_as_uint(odd), upper_halves);
}
__device__ __forceinline__ ThreePairs split(float even, float odd) {
    const float even_rest = even - first_bits(even), odd_rest = odd - first_bits(odd);
    return {pair_of(even, odd), pair_of(even_rest, odd_rest),
            pair_of(even_rest - first_bits(even_rest), odd_rest - first_bits(odd_rest))};
}

/// A byte as float: 2^23 + byte has the byte in its last bits. Byte `Place` of four.
template <int Place>
__device__ __forceinline__ float number(std::uint32_t bytes) {
    return __uint_as_float(__byte_perm(bytes, 0x4b000000u, 0x7440u + Place)) - 8388608.0f;
}

/// Whether this thread moves packs of a slice: in large blocks there are fewer packs than threads.
template <int Packs, int Threads>
__device__ __forceinline__ bool has_pack() {
    return Packs >= Threads || static_cast<int>(threadIdx.x) < Packs;
}

/// op(A): floats with neighbours in i. A thread copies two packs of four, of neighbouring k, and
/// writes four pairs of each part.
template <int Depth, int Edge, int Threads, int Ahead>
class FloatLoader {
    static constexpr int in_line = Edge / 4, count = Edge * Depth / 8;
    static constexpr int rounds = ceil_div(count, Threads);
    static_assert(count % Threads == 0 || count < Threads);

  public:
    struct Memory {
        PairSlice<Depth, Edge> parts[2][3];  ///< high, middle, low
        Four<float> raw[Ahead][2][Edge * Depth / 8];
    };
    __device__ __forceinline__ FloatLoader(Memory& memory, const Operand<float>& x, int first)
        : memory_(memory), x_(x), first_(first) {}

    __device__ __forceinline__ void fetch(int t, int k0, int k_end) {
        if (!has_pack<count, Threads>()) return;
#pragma unroll
        for (int round = 0; round < rounds; ++round)
#pragma unroll
            for (int odd = 0; odd < 2; ++odd) {
                const int pack = pack_of(round), i = first_ + pack % in_line * 4;
                const int k = k0 + pack / in_line * 2 + odd;
                const float* const from = x_.at + position(i, k, x_.stride);
                Four<float>& to = memory_.raw[t % Ahead][odd][pack];
                if (x_.fours) {  // an edge lies between two packs
                    copy_async<16>(&to, from, i < x_.edge && k < k_end);
                    continue;
                }
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    to.at[e] = i + e < x_.edge && k < k_end ? from[e] : 0.0f;
            }
    }
    __device__ __forceinline__ void deliver(int t) {
        if (!has_pack<count, Threads>()) return;
#pragma unroll
        for (int round = 0; round < rounds; ++round) {
            const int pack = pack_of(round), i = pack % in_line * 4, pair = pack / in_line;
            const Four<float> even = memory_.raw[t % Ahead][0][pack];
            const Four<float> odd = memory_.raw[t % Ahead][1][pack];
            Four<std::uint32_t> high, middle, low;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const ThreePairs parts = split(even.at[e], odd.at[e]);
                high.at[e] = parts.high;
                middle.at[e] = parts.middle;
                low.at[e] = parts.low;
            }
            auto& to = memory_.parts[t % 2];
            store_four(to[0], pair, i, high);
            store_four(to[1], pair, i, middle);
            store_four(to[2], pair, i, low);
        }
    }
    static __device__ __forceinline__ void store_four(PairSlice<Depth, Edge>& to, int pair, int i,
                                                      const Four<std::uint32_t>& words) {
        *reinterpret_cast<Four<std::uint32_t>*>(&to.at[pair][i]) = words;
    }

  private:
    static __device__ __forceinline__ int pack_of(int round) {
        return static_cast<int>(threadIdx.x) + round * Threads;
    }
    Memory& memory_;
    const Operand<float>& x_;
    int first_;
};

/// op(B): pixels. Where they have neighbours in k, a thread copies four bytes and writes two pairs;
/// where they have neighbours in i, it copies four bytes of two neighbouring k and writes four.
template <int Depth, int Edge, int Threads, int Ahead, bool AlongK>
class PixelLoader {
    static constexpr int copies = AlongK ? 1 : 2;
    static constexpr int count = Edge * Depth / 4 / copies, rounds = ceil_div(count, Threads);
    static constexpr int in_line = AlongK ? Depth / 4 : Edge / 4;
    static_assert(count % Threads == 0 || count < Threads);

  public:
    struct Memory {
        alignas(16) PairSlice<Depth, Edge> pairs[2];
        std::uint32_t raw[Ahead][copies][count];
    };
    __device__ __forceinline__ PixelLoader(Memory& memory, const Operand<std::uint8_t>& x,
                                           int first)
        : memory_(memory), x_(x), first_(first) {}

    __device__ __forceinline__ void fetch(int t, int k0, int k_end) {
        if (!has_pack<count, Threads>()) return;
#pragma unroll
        for (int round = 0; round < rounds; ++round)
#pragma unroll
            for (int copy = 0; copy < copies; ++copy) {
                const int pack = pack_of(round);
                const int i = first_ + i_of(pack), k = k0 + k_of(pack) + copy;
                std::uint32_t& to = memory_.raw[t % Ahead][copy][pack];
                // In Fours an edge lies between two packs, and so does k_end along k.
                if (x_.fours && !(x_.ones && i == x_.edge))
                    copy_async<4>(&to, x_.at + address(i, k), i < x_.edge && k < k_end);
                else
                    to = byte(i, k, 0, k_end) | byte(i, k, 1, k_end) << 8 |
                         byte(i, k, 2, k_end) << 16 | byte(i, k, 3, k_end) << 24;
            }
    }
    __device__ __forceinline__ void deliver(int t) {
        if (!has_pack<count, Threads>()) return;
#pragma unroll
        for (int round = 0; round < rounds; ++round) {
            const int pack = pack_of(round), i = i_of(pack), pair = k_of(pack) / 2;
            auto& to = memory_.pairs[t % 2].at;
            const std::uint32_t first = memory_.raw[t % Ahead][0][pack];
            if constexpr (AlongK) {
                to[pair][i] = pair_of(number<0>(first), number<1>(first));
                to[pair + 1][i] = pair_of(number<2>(first), number<3>(first));
            } else {
                const std::uint32_t second = memory_.raw[t % Ahead][1][pack];
                *reinterpret_cast<Four<std::uint32_t>*>(&to[pair][i]) = {
                    {pair_of(number<0>(first), number<0>(second)),
                     pair_of(number<1>(first), number<1>(second)),
                     pair_of(number<2>(first), number<2>(second)),
                     pair_of(number<3>(first), number<3>(second))}};
            }
        }
    }

  private:
    static __device__ __forceinline__ int pack_of(int round) {
        return static_cast<int>(threadIdx.x) + round * Threads;
    }
    static __device__ __forceinline__ int i_of(int pack) {
        return AlongK ? pack / in_line : pack % in_line * 4;
    }
    static __device__ __forceinline__ int k_of(int pack) {
        return AlongK ? pack % in_line * 4 : pack / in_line * 2;
    }
    __device__ __forceinline__ std::size_t address(int i, int k) const {
        return AlongK ? position(k, i, x_.stride) : position(i, k, x_.stride);
    }
    /// Element e of a pack; 0 where there is none, 1 where the operand has ones.
    __device__ __forceinline__ std::uint32_t byte(int i, int k, int e, int k_end) const {
        const int ie = AlongK ? i : i + e, ke = AlongK ? k + e : k;
        if (ke >= k_end || ie > x_.edge) return 0;
        if (ie == x_.edge) return x_.ones ? 1 : 0;
        return x_.at[address(ie, ke)];
    }
    Memory& memory_;
    const Operand<std::uint8_t>& x_;
    int first_;
};

/// A warp's piece of the tile. Mapping: device/gpu/ptx.h's fragments.
template <TileShape T>
struct PieceOfTile : FragmentSums<T> {
    using FragmentSums<T>::down, FragmentSums<T>::across;

    template <class SliceA, class SliceB>
    __device__ __forceinline__ void multiply(const SliceA (&a)[3], const SliceB& b,
                                             const WarpPlace& place) {
        static_assert(T.k / T.groups == 16);
        const int line = place.lane / 4, pair = place.group * 8 + place.lane % 4;
        std::uint32_t y[across][2];
#pragma unroll
        for (int q = 0; q < across; ++q)
#pragma unroll
            for (int e = 0; e < 2; ++e) y[q][e] = b.at[pair + 4 * e][place.col + 8 * q + line];
#pragma unroll
        for (int p = 0; p < down; ++p) {
            std::uint32_t x[3][4];
#pragma unroll
            for (int part = 0; part < 3; ++part)
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    x[part][e] =
                        a[part].at[pair + 4 * (e / 2)][place.row + 16 * p + 8 * (e % 2) + line];
            float c[across][4] = {};
            // An mma waits for the one before that it adds to, so others come between them.
#pragma unroll
            for (int part = 2; part >= 0; --part)
#pragma unroll
                for (int q = 0; q < across; ++q) mma_bf16(c[q], x[part], y[q]);
#pragma unroll
            for (int q = 0; q < across; ++q)
#pragma unroll
                for (int e = 0; e < 4; ++e) this->at(p, q, e) += c[q][e];
        }
    }
};

struct Bf16x3Arguments {
    Operand<float> a;
    Operand<std::uint8_t> b;
    Extent x;
    Output out;
};

/// Slices of raw bytes under way: as many as static shared memory holds beside two slices of pairs,
/// four at most.
template <TileShape T>
inline constexpr int bytes_of_pairs = T.k / 2 * (3 * (T.m + 8) + T.n + 8) * 4;
template <TileShape T>
inline constexpr int slices_ahead = std::min((48 * 1024 - 2 * bytes_of_pairs<T>) /
                                                 (T.k * (4 * T.m + T.n)),
                                             4);

/// C = what the epilogue makes of scale A B for pixels along k, of scale A B^T for pixels along the
/// edge.
/// Mapping: a block computes a tile of C (Extent says which), its warps pieces of it (TileShape).
/// Memory: two slices of pairs, one in use and one being made, and the raw slices under way, at
/// most 48 KiB; at the end the groups' sums take their place. Barriers: one a slice. It says that
/// slice t has been made and that nobody reads slice t - 1 any more, whose place slice t + 1 takes.
/// Each thread waits for its own copies alone, for nobody else makes pairs of them.
template <TileShape T, class E, bool BAlongK>
__global__ void __launch_bounds__(threads_of<T>, 1)
    gemm_bf16x3_kernel(const Bf16x3Arguments g, const typename E::Others others) {
    wait_for_kernel_before();
    constexpr int ahead = slices_ahead<T>;
    using LoaderA = FloatLoader<T.k, T.m, threads_of<T>, ahead>;
    using LoaderB = PixelLoader<T.k, T.n, threads_of<T>, ahead, BAlongK>;
    struct Slices {
        typename LoaderA::Memory a;
        typename LoaderB::Memory b;
    };
    union Memory {
        Slices slices;
        Four<nn_real> groups[T.groups > 1 ? T.groups* T.m* T.n / 4 : 1];
    };
    GPU_SHARED(Memory, memory, );
    if (works_on_others<T, E>(g.x, others, &memory)) return;
    const int first_row = static_cast<int>(blockIdx.y) * T.m;
    const int first_col = g.x.first + static_cast<int>(blockIdx.x) * T.n;
    const WarpPlace at = warp_place<T>();
    const int k_begin = static_cast<int>(blockIdx.z) * g.x.part;
    const int k_end = g.x.k - k_begin < g.x.part ? g.x.k : k_begin + g.x.part;
    const int slices = k_end > k_begin ? ceil_div(k_end - k_begin, T.k) : 0;
    LoaderA a(memory.slices.a, g.a, first_row);
    LoaderB b(memory.slices.b, g.b, first_col);
    const auto fetch = [&](int t) {
        if (t < slices) {
            a.fetch(t, k_begin + t * T.k, k_end);
            b.fetch(t, k_begin + t * T.k, k_end);
        }
        copy_async_commit();
    };
    const auto deliver = [&](int t) {
        copy_async_wait<ahead - 1>();
        if (t >= slices) return;
        a.deliver(t);
        b.deliver(t);
    };

    PieceOfTile<T> piece;
    for (int t = 0; t < ahead; ++t) fetch(t);
    deliver(0);
    for (int t = 0; t < slices; ++t) {
        __syncthreads();  // slice t is complete, and slice t - 1 has been read by all
        fetch(t + ahead);
        piece.multiply(memory.slices.a.parts[t % 2], memory.slices.b.pairs[t % 2], at);
        deliver(t + 1);
    }
    finish<T, E>(piece, g.out, g.x, first_row, first_col, at, &memory);
}

template <TileShape T, class E, bool BAlongK>
void launch_tile(const Gpu& gpu, int splits, Bf16x3Arguments g, const typename E::Others& others) {
    g.x = in_parts<T>(g.x, splits);
    gpu_start(gpu, gemm_bf16x3_kernel<T, E, BAlongK>, grid_of<T, E>(g.x), dim3(T.threads()), g,
              others);
}

template <TileShape T>
void launch_along(const Gpu& gpu, int splits, const Activation* f, const OtherRuns* others,
                  const Bf16x3Arguments& g) {
    if (others != nullptr) return launch_tile<T, Descended, false>(gpu, splits, g, *others);
    if (f == nullptr) return launch_tile<T, Scaled, false>(gpu, splits, g, {});
    std::visit([&]<class F>(F) { launch_tile<T, Activated<F>, true>(gpu, splits, g, {}); }, *f);
}

}  // namespace

void launch_bf16x3(const Gpu& gpu, GemmPlan plan, const Operand<nn_real>& a,
                   const Operand<std::uint8_t>& b, const Activation* f, const OtherRuns* others,
                   const Extent& x, const Output& out) {
    if (x.m == 0 || x.first >= x.last) return;
    const Bf16x3Arguments g{a, b, x, out};
    constexpr TileShape small = tile_shape(GemmBy::bf16x3, GemmTile::small, 4),
                        medium = tile_shape(GemmBy::bf16x3, GemmTile::medium, 4),
                        large = tile_shape(GemmBy::bf16x3, GemmTile::large, 4);
    if (plan.tile == GemmTile::small) launch_along<small>(gpu, plan.splits, f, others, g);
    if (plan.tile == GemmTile::medium) launch_along<medium>(gpu, plan.splits, f, others, g);
    if (plan.tile == GemmTile::large) launch_along<large>(gpu, plan.splits, f, others, g);
}
