// slices.h: how slices of op(A) and op(B) come from memory to shared memory, for gemm_fma.cu alone.
//
// A loader moves packs of four neighbours, of numbers as they are and of pixels as bytes, which
// become numbers on the way. It fetches a slice some rounds before it is needed, and delivers it.
#pragma once
#include "device/gpu/product.h"

/// A slice of op(A) or op(B) in shared memory: at[k][i]. Lines are 4 elements longer than the edge:
/// the four k of a tensor core's fragment are then in different banks, and threads that write a
/// column (same i, next k) meet in fewer: 2 to 8 of 32 lanes, if slices are 16 or 32 deep.
template <int Depth, int Edge>
struct Slice {
    alignas(16) nn_real at[Depth][Edge + 4];
};

/// The packs of four neighbours of a slice that one thread moves: threadIdx.x, + Threads, ... A
/// warp's lanes take neighbouring packs of a stored line.
template <int Depth, int Edge, int Threads, bool AlongEdge>
struct Packs {
    static constexpr int in_line = (AlongEdge ? Edge : Depth) / 4;
    static constexpr int count = Depth * Edge / 4, rounds = count / Threads;
    static_assert(count % Threads == 0, "every thread moves the same number of packs");
    static __device__ __forceinline__ int index(int round) {
        return static_cast<int>(threadIdx.x) + round * Threads;
    }
    /// The first element of a pack in the slice.
    static __device__ __forceinline__ int i(int pack) {
        return AlongEdge ? pack % in_line * 4 : pack / in_line;
    }
    static __device__ __forceinline__ int k(int pack) {
        return AlongEdge ? pack / in_line : pack % in_line * 4;
    }
};

/// Where element e of the pack that begins at (i, k) lies in memory, and whether it is there.
template <bool AlongEdge, class T>
struct PackInMemory {
    const Operand<T>& x;
    int i, k, k_end;

    __device__ __forceinline__ bool whole() const {
        return x.fours && (AlongEdge ? i + 4 <= x.edge && k < k_end : i < x.edge && k + 4 <= k_end);
    }
    __device__ __forceinline__ bool inside(int e) const {
        return AlongEdge ? i + e < x.edge && k < k_end : i < x.edge && k + e < k_end;
    }
    __device__ __forceinline__ const T* address() const {
        return x.at + (AlongEdge ? position(i, k, x.stride) : position(k, i, x.stride));
    }
    /// True if all four are in memory, or if none is and all are 0. In Fours an edge lies between
    /// two packs, and so does k_end where k runs along the lines.
    __device__ __forceinline__ bool whole_or_nothing() const {
        return x.fours && !(x.ones && i == x.edge);
    }
    /// Whether element e, which is not in memory, is 1.
    __device__ __forceinline__ bool is_one(int e) const {
        return x.ones && (AlongEdge ? i + e : i) == x.edge;
    }
    __device__ __forceinline__ Four<T> load() const {
        if (whole()) return *reinterpret_cast<const Four<T>*>(address());
        Four<T> values;
#pragma unroll
        for (int e = 0; e < 4; ++e)
            values.at[e] = inside(e) ? address()[e] : static_cast<T>(is_one(e));
        return values;
    }
};

/// Brings the slices of one operand to shared memory: fetch() begins it, deliver() ends it. Only
/// the copies of the own thread have to have arrived for deliver(), and a barrier has to follow.
/// Where the GPU copies asynchronously, fetch() starts the copies, so that several slices can be
/// under way; otherwise it loads registers, which deliver() stores: one slice is under way.
///
/// Activations and weights go straight to their place in the slice.
template <class T, int Depth, int Edge, int Threads, bool AlongEdge, int Stages>
class Loader {
    using P = Packs<Depth, Edge, Threads, AlongEdge>;

  public:
    struct Memory {
        Slice<Depth, Edge> slices[Stages];
    };
    __device__ __forceinline__ Loader(Memory& memory, const Operand<T>& x, int first)
        : memory_(memory), x_(x), first_(first) {}

    __device__ __forceinline__ const Slice<Depth, Edge>& slice(int t) const {
        return memory_.slices[t % Stages];
    }
    __device__ __forceinline__ void fetch(int t, int k0, int k_end) {
#pragma unroll
        for (int round = 0; round < P::rounds; ++round) {
            const int pack = P::index(round);
            const PackInMemory<AlongEdge, T> in{x_, first_ + P::i(pack), k0 + P::k(pack), k_end};
            if (gpu_copies_async())
                copy(memory_.slices[t % Stages], pack, in);
            else
                held_[round] = in.load();
        }
    }
    __device__ __forceinline__ void deliver(int t) {
        if (!gpu_copies_async()) store(memory_.slices[t % Stages]);
    }

  private:
    static __device__ __forceinline__ void copy(Slice<Depth, Edge>& to, int pack,
                                                const PackInMemory<AlongEdge, T>& in) {
        const int i = P::i(pack), k = P::k(pack);
        if (AlongEdge && in.whole_or_nothing()) {
#pragma unroll
            for (int e = 0; e < 4; e += 16 / static_cast<int>(sizeof(T)))
                copy_async<16>(&to.at[k][i + e], in.address() + e, in.whole());
            return;
        }
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            T& place = AlongEdge ? to.at[k][i + e] : to.at[k + e][i];
            if (in.is_one(e))
                place = T{1};
            else
                copy_async<static_cast<int>(sizeof(T))>(&place, in.address() + e, in.inside(e));
        }
    }

    __device__ __forceinline__ void store(Slice<Depth, Edge>& to) {
#pragma unroll
        for (int round = 0; round < P::rounds; ++round) {
            const int pack = P::index(round), i = P::i(pack), k = P::k(pack);
            if constexpr (AlongEdge) {
                *reinterpret_cast<Four<T>*>(&to.at[k][i]) = held_[round];
            } else {
#pragma unroll
                for (int e = 0; e < 4; ++e) to.at[k + e][i] = held_[round].at[e];
            }
        }
    }

    Memory& memory_;
    const Operand<T>& x_;
    int first_;
    Four<T> held_[P::rounds];  ///< where copies are not asynchronous
};

/// Pixels come as bytes, a quarter or an eighth of the size, and each thread makes numbers of the
/// bytes that it has copied itself: two slices of numbers are enough.
template <int Depth, int Edge, int Threads, bool AlongEdge, int Stages>
class Loader<std::uint8_t, Depth, Edge, Threads, AlongEdge, Stages> {
    using P = Packs<Depth, Edge, Threads, AlongEdge>;

  public:
    struct Memory {
        Slice<Depth, Edge> slices[2];
        Four<std::uint8_t> bytes[Stages][P::count];
    };
    __device__ __forceinline__ Loader(Memory& memory, const Operand<std::uint8_t>& x, int first,
                                      nn_real scale)
        : memory_(memory), x_(x), first_(first), scale_(scale) {}

    __device__ __forceinline__ const Slice<Depth, Edge>& slice(int t) const {
        return memory_.slices[t % 2];
    }
    __device__ __forceinline__ void fetch(int t, int k0, int k_end) {
#pragma unroll
        for (int round = 0; round < P::rounds; ++round) {
            const int pack = P::index(round);
            const PackInMemory<AlongEdge, std::uint8_t> in{x_, first_ + P::i(pack), k0 + P::k(pack),
                                                           k_end};
            if (gpu_copies_async() && in.whole_or_nothing())
                copy_async<4>(&memory_.bytes[t % Stages][pack], in.address(), in.whole());
            else if (gpu_copies_async())
                memory_.bytes[t % Stages][pack] = in.load();
            else
                held_[round] = in.load();
        }
    }
    __device__ __forceinline__ void deliver(int t) {
#pragma unroll
        for (int round = 0; round < P::rounds; ++round) {
            const int pack = P::index(round), i = P::i(pack), k = P::k(pack);
            const Four<std::uint8_t> bytes =
                gpu_copies_async() ? memory_.bytes[t % Stages][pack] : held_[round];
            Slice<Depth, Edge>& to = memory_.slices[t % 2];
            Four<nn_real> values;
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const bool one = AlongEdge && x_.ones && first_ + i + e == x_.edge;
                values.at[e] = one ? nn_real{1} : scale_ * static_cast<nn_real>(bytes.at[e]);
                if constexpr (!AlongEdge) to.at[k + e][i] = values.at[e];
            }
            if constexpr (AlongEdge) *reinterpret_cast<Four<nn_real>*>(&to.at[k][i]) = values;
        }
    }

  private:
    Memory& memory_;
    const Operand<std::uint8_t>& x_;
    int first_;
    nn_real scale_;
    Four<std::uint8_t> held_[P::rounds];  ///< where copies are not asynchronous
};
