// product.h: what the GEMM kernels by multiply-adds and by tensor cores have in common.
//
// Both see a product as op(A) op(B) with a tile of C a block, take their operands as they lie in
// memory, and end with the same epilogues. Device code; device/gpu/gemm_*.cu and digits.cu alone
// include it.
#pragma once
#include <type_traits>

#include "device/gpu/kernels.h"
#include "device/gpu/runs.h"

/// Four neighbours in memory, moved by one or two instructions.
template <class T>
struct alignas(sizeof(T) == 1 ? 4 : 16) Four {
    T at[4];
};
__device__ __forceinline__ void add(Four<nn_real>& to, const Four<nn_real>& more) {
#pragma unroll
    for (int e = 0; e < 4; ++e) to.at[e] += more.at[e];
}

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
    int unscaled;      ///< the column that alpha does not count for, or -1
    bool fours;        ///< columns of C begin where a Four may
    Joint joint = {};  ///< null unless the last of a tile's blocks joins their parts
    const UpdateNumbers* numbers = nullptr;  ///< of an update
    int biases = 0;                          ///< the column of C that holds them
};

/// An m x (last - first) product, columns [first, last) of C, over k in parts of `part` each: block
/// (x, y, z) computes tile column x, tile row y, part z. A grid may be 2^31 wide and 65535 high,
/// and pixels or a batch, which are C's columns, may be many.
struct Extent {
    int m, first, last, k;
    int part = 0, parts = 1;  ///< set by the launch: the length of a part, and how many there are
};

/// An element of C: its place there, its row and column, and what was there, if E::reads().
struct Place {
    std::size_t at;
    int i, j;
    nn_real old;
};

// Epilogues: what becomes of a sum s = alpha AB. Bias and activations are read as what no store
// changes, so that their loads need not wait for the stores before. Others: what blocks do that
// come beside those of the product. `together`: how many fours are read before any of them is
// written.

struct NoOthers {};

/// s + beta c_ij
struct Scaled {
    using Others = NoOthers;
    static constexpr int together = 1;
    __device__ __forceinline__ explicit Scaled(const Output&) {}
    static __device__ __forceinline__ bool reads(const Output& out) { return out.beta != 0; }
    __device__ __forceinline__ nn_real of(nn_real s, const Output& out, const Place& c) const {
        return out.beta == 0 ? s : s + out.beta * c.old;
    }
};
/// f(s + bias_i), f an activation.
template <class F>
struct Activated {
    using Others = NoOthers;
    static constexpr int together = 1;
    const nn_real* bias;
    __device__ __forceinline__ explicit Activated(const Output& out)
        : bias(from_here_on(out.bias)) {}
    static __device__ __forceinline__ bool reads(const Output&) { return false; }
    __device__ __forceinline__ nn_real of(nn_real s, const Output&, const Place& c) const {
        return F::value(s + load_unchanged(bias + c.i), Exp{});
    }
};
/// s slope(a_ij)
template <class F>
struct TimesSlope {
    using Others = NoOthers;
    static constexpr int together = 1;
    const nn_real* a;
    __device__ __forceinline__ explicit TimesSlope(const Output& out) : a(from_here_on(out.a)) {}
    static __device__ __forceinline__ bool reads(const Output&) { return false; }
    __device__ __forceinline__ nn_real of(nn_real s, const Output&, const Place& c) const {
        return s * F::slope(load_unchanged(a + c.at));
    }
};
/// C holds parameters, and s is their gradient: plain descent, sgd.h's. The last column holds
/// biases. Other blocks update the parameters of other layers.
struct Descended {
    using Others = OtherRuns;
    static constexpr int together = 4;
    const UpdateNumbers now;
    __device__ __forceinline__ explicit Descended(const Output& out)
        : Descended(from_here_on(out.numbers)) {}
    __device__ __forceinline__ explicit Descended(const UpdateNumbers* numbers)
        : now{load_unchanged(&numbers->rate), load_unchanged(&numbers->reg)} {}
    static __device__ __forceinline__ bool reads(const Output&) { return true; }
    __device__ __forceinline__ nn_real of(nn_real s, const Output& out, const Place& c) const {
        return Sgd{}(c.old, c.j < out.biases ? s + now.reg * c.old : s,
                     static_cast<nn_real*>(nullptr), now, Root{});
    }
};
template <class E>
inline constexpr bool has_others = !std::is_same_v<typename E::Others, NoOthers>;

/// Whether `Count` elements in neighbouring rows can be moved as one Four.
template <int Count>
__device__ __forceinline__ bool as_four(const Output& out, const Extent& x, int i) {
    return Count == 4 && out.fours && i + 4 <= x.m;
}

/// Replaces `Count` sums in neighbouring rows of one column by what becomes of them.
template <class E, int Count>
__device__ __forceinline__ void complete(const E& epilogue, const Output& out, const Extent& x,
                                         int i, int j, nn_real* sums) {
    if (i >= x.m || j >= x.last) return;
    const std::size_t at = position(i, j, x.m);
    nn_real old[4] = {};
    if (E::reads(out)) {
        if (as_four<Count>(out, x, i)) {
            const auto four = *reinterpret_cast<const Four<nn_real>*>(out.c + at);
#pragma unroll
            for (int e = 0; e < 4; ++e) old[e] = four.at[e];
        } else {
#pragma unroll
            for (int e = 0; e < Count; ++e)
                if (i + e < x.m) old[e] = out.c[at + static_cast<std::size_t>(e)];
        }
    }
    const nn_real alpha = j == out.unscaled ? nn_real{1} : out.alpha;
#pragma unroll
    for (int e = 0; e < Count; ++e)
        if (i + e < x.m)
            sums[e] = epilogue.of(alpha * sums[e], out,
                                  {at + static_cast<std::size_t>(e), i + e, j, old[e]});
}

/// Writes them where they lie in C.
template <int Count>
__device__ __forceinline__ void store(const Output& out, const Extent& x, int i, int j,
                                      const nn_real* values) {
    if (i >= x.m || j >= x.last) return;
    nn_real* const c = out.c + blockIdx.z * out.part_stride + position(i, j, x.m);
    if constexpr (Count == 4) {
        if (as_four<Count>(out, x, i)) {
            *reinterpret_cast<Four<nn_real>*>(c) = {{values[0], values[1], values[2], values[3]}};
            return;
        }
    }
#pragma unroll
    for (int e = 0; e < Count; ++e)
        if (i + e < x.m) c[e] = values[e];
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

/// A thread's sums once those of all groups are added, in fours: each group has its share of them.
template <TileShape T, int Count>
struct OwnSums {
    static constexpr int fours = Count / 4 / T.groups;
    static_assert(fours * 4 * T.groups == Count);
    Four<nn_real> at[fours];

    /// The number, among the fours of a thread, of the i-th that a group has.
    static __device__ __forceinline__ int number(int i, int group) { return i * T.groups + group; }
};

/// Adds the sums of the groups, first to last. Every group adds its share, for one alone would keep
/// the others waiting. Memory: the slices', which nobody needs any more; four f of thread t of
/// group g lies at [g][f][t], so that neighbours write side by side.
template <TileShape T, int Count>
__device__ __forceinline__ OwnSums<T, Count> add_groups(const nn_real (&sums)[Count],
                                                        void* memory) {
    using Own = OwnSums<T, Count>;
    constexpr int threads = threads_of<T> / T.groups, all_fours = Count / 4;
    const int group = static_cast<int>(threadIdx.x) / threads;
    const int thread = static_cast<int>(threadIdx.x) % threads;
    auto* const all = static_cast<Four<nn_real>*>(memory);
    Own own;
    if constexpr (T.groups == 1) {
#pragma unroll
        for (int e = 0; e < Count; ++e) own.at[e / 4].at[e % 4] = sums[e];
        return own;
    }
    __syncthreads();  // every thread is done with the slices
#pragma unroll
    for (int f = 0; f < all_fours; ++f)
        all[(group * all_fours + f) * threads + thread] = {
            {sums[4 * f], sums[4 * f + 1], sums[4 * f + 2], sums[4 * f + 3]}};
    __syncthreads();  // the groups' sums are there
#pragma unroll
    for (int i = 0; i < Own::fours; ++i) {
        const int f = Own::number(i, group);
        own.at[i] = all[f * threads + thread];
#pragma unroll
        for (int g = 1; g < T.groups; ++g)
            add(own.at[i], all[(g * all_fours + f) * threads + thread]);
    }
    return own;
}

/// Adds the parts of a tile that its blocks computed, first to last, in the block that comes last.
/// The others leave their part in joint.parts, and false is returned: they are done.
/// One thread takes the block's ticket, which publishes the part and, in the last block, shows it
/// those of the others. Pack: a Four, or other 16 bytes that can be added.
template <TileShape T, class Pack, int Fours>
__device__ __forceinline__ bool join_parts(const Joint& joint, unsigned parts, Pack (&own)[Fours],
                                           void* memory) {
    constexpr int threads = threads_of<T>;
    constexpr unsigned ahead = 7;  // parts on their way at a time
    const std::size_t tile = static_cast<std::size_t>(blockIdx.y) * gridDim.x + blockIdx.x;
    auto* const all =
        reinterpret_cast<Pack*>(joint.parts) + tile * parts * Fours * threads + threadIdx.x;
#pragma unroll
    for (int f = 0; f < Fours; ++f) all[(blockIdx.z * Fours + f) * threads] = own[f];
    __syncthreads();  // all of the part is written, and nobody uses `memory` any more
    auto* const ticket = static_cast<unsigned*>(memory);
    if (threadIdx.x == 0) *ticket = take_ticket(joint.tickets + tile, parts);
    __syncthreads();  // all threads see the ticket, and what earlier tickets published
    if (*ticket + 1 < parts) return false;
#pragma unroll
    for (int f = 0; f < Fours; ++f) {
        const auto* const from = all + f * threads;
        own[f] = load_published(from);
        for (unsigned first = 1; first < parts; first += ahead) {
            Pack more[ahead];
#pragma unroll
            for (unsigned z = 0; z < ahead; ++z)
                more[z] = first + z < parts ? load_published(from + (first + z) * Fours * threads)
                                            : Pack{};
#pragma unroll
            for (unsigned z = 0; z < ahead; ++z)
                if (first + z < parts) add(own[f], more[z]);
        }
    }
    return true;
}

/// Completes a thread's sums and writes them to C. What an epilogue reads of C for E::together
/// fours is on its way before any of them is written: a load after a store to C would wait for it.
template <class E, class Sums, class Own>
__device__ __forceinline__ void write_out(Own& own, const Output& out, const Extent& x,
                                          int first_row, int first_col, const WarpPlace& at) {
    const E epilogue(out);
    constexpr int fours = Own::fours;
    constexpr int together = E::together < fours ? E::together : fours;
    static_assert(fours % together == 0);
#pragma unroll
    for (int some = 0; some < fours / together; ++some) {
        const auto for_some = [&](auto&& work) {
#pragma unroll
            for (int each = 0; each < together; ++each) {
                const int i = some * together + each;
                Sums::for_four(first_row + at.row, first_col + at.col, at.lane,
                               own.number(i, at.group), own.at[i].at, work);
            }
        };
        for_some([&](auto count, int i, int j, nn_real* sums_there) {
            complete<E, count.value>(epilogue, out, x, i, j, sums_there);
        });
        for_some([&](auto count, int i, int j, const nn_real* values) {
            store<count.value>(out, x, i, j, values);
        });
    }
}

/// What a block does with its sums when it has walked along k. `memory` is that of its slices, and
/// as large as all groups' sums.
template <TileShape T, class E, class Sums>
__device__ __forceinline__ void finish(const Sums& sums, const Output& out, const Extent& x,
                                       int first_row, int first_col, const WarpPlace& at,
                                       void* memory) {
    let_next_kernel_start();
    auto own = add_groups<T>(sums.sums, memory);
    if (out.joint.parts != nullptr &&
        !join_parts<T>(out.joint, static_cast<unsigned>(x.parts), own.at, memory))
        return;
    write_out<E, Sums>(own, out, x, first_row, first_col, at);
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
    /// Four f: a lane's elements of a 16 x 8 piece. work(count, row, column, elements) gets `count`
    /// neighbours in a column at a time.
    template <class Work>
    static __device__ __forceinline__ void for_four(int first_row, int first_col, int lane, int f,
                                                    nn_real (&four)[4], const Work& work) {
        const int p = f % down, q = f / down;
#pragma unroll
        for (int e = 0; e < 4; ++e)
            work(std::integral_constant<int, 1>{}, first_row + 16 * p + 8 * (e / 2) + lane / 4,
                 first_col + 8 * q + 2 * (lane % 4) + e % 2, &four[e]);
    }
};

/// Whether a matrix of lines of `line` elements can be moved in Fours.
template <class T>
bool in_fours(const T* at, int line) {
    return reinterpret_cast<std::uintptr_t>(at) % alignof(Four<T>) == 0 && line % 4 == 0;
}

/// The grid for an extent, by tiles of T: the parts, and with other work one layer of blocks more.
template <TileShape T, class E>
dim3 grid_of(const Extent& x) {
    return {static_cast<unsigned>(ceil_div(x.last - x.first, T.n)),
            static_cast<unsigned>(ceil_div(x.m, T.m)),
            static_cast<unsigned>(x.parts + (has_others<E> ? 1 : 0))};
}

/// The extent in `parts` parts of k, of whole slices each.
template <TileShape T>
Extent in_parts(Extent x, int parts) {
    x.part = ceil_div(ceil_div(x.k, parts), T.k) * T.k;
    x.parts = parts;
    return x;
}

/// True in a block that has no tile: it has done other work, and is done.
template <TileShape T, class E>
__device__ __forceinline__ bool works_on_others(const Extent& x, const typename E::Others& others,
                                                void* memory) {
    if constexpr (has_others<E>) {
        if (static_cast<int>(blockIdx.z) == x.parts) {
            update_others<threads_of<T>>(others, memory);
            return true;
        }
    }
    return false;
}

/// device/gpu/gemm_bf16x3.cu: op(A) = A in float, op(B) the pixels, with neighbours in k (a layer
/// forward, which has an activation) or, where that is null, in i (its gradient, and where `others`
/// is there, the descent too).
void launch_bf16x3(const Gpu& gpu, GemmPlan plan, const Operand<nn_real>& a,
                   const Operand<std::uint8_t>& b, const Activation* f, const OtherRuns* others,
                   const Extent& x, const Output& out);
/// device/gpu/gemm_int8.cu: the same. digits: the memory for the operands as bytes.
void launch_int8(const Gpu& gpu, GemmPlan plan, const Operand<nn_real>& a,
                 const Operand<std::uint8_t>& b, const Activation* f, const OtherRuns* others,
                 const Extent& x, const Output& out, const Digits& digits);
