// ptx.h: the instructions of newer GPUs that CUDA C++ has no name for: copies from global to
// shared memory that go on while the thread computes, and products on tensor cores.
//
// Only nvcc reads this file; elsewhere tests/gpuhost/gpuhost_ptx.h stands in for it. A kernel is
// compiled for old GPUs too, so it asks gpu_copies_async() and gpu_has_f64_mma() first, which are
// constants for nvcc; what a GPU does not have ends the kernel with a trap.
//
// Fragments. All 32 lanes of a warp call mma_* together, for a 16 x 8 matrix C += A B, k = 0..15.
// With g = lane / 4 and t = lane % 4, a lane holds these elements:
//   c[2 r + s]           C(g + 8 r, 2 t + s)                           r, s: 0, 1
//   mma_bf16: two neighbours of k in a register, the smaller k in the lower half:
//     a[2 h + r]         A(g + 8 r, 2 t + 8 h) and A(.., 2 t + 8 h + 1)     h: 0, 1
//     b[h]               B(2 t + 8 h, g) and B(2 t + 8 h + 1, g)
//   mma_s8u8: k = 0..31, four neighbours of k in a register, the smallest k in the lowest byte:
//     a[2 h + r]         A(g + 8 r, 4 t + 16 h) and the next three       h: 0, 1
//     b[h]               B(4 t + 16 h, g) and the next three
//   mma_f64:
//     a[2 i + r]         A(g + 8 r, 4 i + t)                           i: 0..3
//     b[i]               B(4 i + t, g)
// All asm is volatile: otherwise the compiler may move an mma to where its result is used, into a
// branch that not all lanes take.
#pragma once
#include <cstddef>
#include <cstdint>

#ifdef __CUDA_ARCH__
inline constexpr int gpu_compiled_for = __CUDA_ARCH__ / 10;  ///< compute capability x 10
#else
inline constexpr int gpu_compiled_for = 0;  // the host's half of the compilation runs no kernel
#endif

__device__ constexpr bool gpu_copies_async() { return gpu_compiled_for >= 80; }

/// Whether tensor cores multiply doubles faster than the other units do. Other GPUs from sm_80 on
/// have the instruction too, at a fraction of the speed.
__device__ constexpr bool gpu_has_f64_mma() {
    return gpu_compiled_for == 80 || gpu_compiled_for == 90 || gpu_compiled_for == 100;
}

/// Starts to copy 4, 8 or 16 bytes from global to shared memory, both aligned to as many; where
/// they are not `there`, zeros come in their place and the source is not read. The bytes may arrive
/// at any time until copy_async_wait; the source must not change before. Pieces of 16 bytes pass by
/// the L1 cache (.cg): a block reads an element of a tile once, and what other blocks read again
/// lies in L2. For smaller ones there is only the way through L1 (.ca).
template <int Bytes>
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool there = true) {
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    // The instruction takes an address within shared memory, not a pointer that may lead anywhere.
    const auto to = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
    const std::size_t from = __cvta_generic_to_global(global);
    const int bytes = there ? Bytes : 0;
    if constexpr (Bytes == 16)
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from),
                     "r"(bytes)
                     : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(to), "l"(from),
                     "n"(Bytes), "r"(bytes)
                     : "memory");
#else
    __trap();
#endif
}

/// Ends a group: the copies that this thread has started since the group before.
__device__ __forceinline__ void copy_async_commit() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    __trap();
#endif
}

/// Waits until all groups of this thread but the last `Pending` have arrived. Other threads see
/// them only after a barrier.
template <int Pending>
__device__ __forceinline__ void copy_async_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
#else
    __trap();
#endif
}

/// C += A B for bf16, summed in float32: products are exact, but neither the order of the sum nor
/// its rounding is promised, and tensor cores truncate.
__device__ __forceinline__ void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

/// C += A B for signed bytes times unsigned bytes, in whole numbers of 32 bits: exact, as long as
/// they hold the sums.
__device__ __forceinline__ void mma_s8u8(std::int32_t (&c)[4], const std::uint32_t (&a)[4],
                                         const std::uint32_t (&b)[2]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

/// C += A B in float64. From sm_90 it is one instruction; sm_80 has 8 x 8 x 4 alone, whose
/// fragments are the same registers: four in k for either half of the rows.
__device__ __forceinline__ void mma_f64(double (&c)[4], const double (&a)[8],
                                        const double (&b)[4]) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7, %8, %9, %10, %11}, {%12, %13, %14, %15}, {%0, %1, %2, %3};"
        : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
        : "d"(a[0]), "d"(a[1]), "d"(a[2]), "d"(a[3]), "d"(a[4]), "d"(a[5]), "d"(a[6]), "d"(a[7]),
          "d"(b[0]), "d"(b[1]), "d"(b[2]), "d"(b[3]));
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int r = 0; r < 2; ++r)
            asm volatile(
                "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
                : "+d"(c[2 * r]), "+d"(c[2 * r + 1])
                : "d"(a[2 * i + r]), "d"(b[i]));
#else
    __trap();
#endif
}

/// Counts the blocks that have come so far, 0 first; the last of `blocks` sets the counter back to
/// 0. What the block wrote before a barrier before is published to whoever takes a later ticket,
/// and what earlier tickets published is there after the next barrier, for load_published().
__device__ __forceinline__ unsigned take_ticket(unsigned* counter, unsigned blocks) {
    unsigned before;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
    asm volatile("atom.acq_rel.gpu.global.inc.u32 %0, [%1], %2;"
                 : "=r"(before)
                 : "l"(counter), "r"(blocks - 1)
                 : "memory");
#else
    before = 0;
#endif
    return before;
}

/// The same pointer, which the compiler takes for a new one: no load from it moves to before this
/// place, which comes after wait_for_kernel_before().
template <class T>
__device__ __forceinline__ const T* from_here_on(const T* pointer) {
#if defined(__CUDA_ARCH__)
    asm volatile("" : "+l"(pointer));
#endif
    return pointer;
}

/// Loads what an earlier kernel may have written, but nobody writes in this one, from a pointer
/// that came through from_here_on(). The compiler may move such a load before stores, and do it
/// once for many: a load that it may not move cost 10 % of a layer on an H100. Not __ldg: a kernel
/// that started early lived while it was written.
template <class T>
__device__ __forceinline__ T load_unchanged(const T* from) {
    T value;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 700
    if constexpr (sizeof(T) == 8)
        asm("ld.global.f64 %0, [%1];" : "=d"(value) : "l"(from));
    else
        asm("ld.global.f32 %0, [%1];" : "=f"(value) : "l"(from));
#else
    value = *from;
#endif
    return value;
}

/// Loads what another block has published, from L2: this multiprocessor's L1 may know it as it was.
template <class T>
__device__ __forceinline__ T load_published(const T* from) {
    static_assert(sizeof(T) % 16 == 0);
    union {
        uint4 words[sizeof(T) / 16];
        T value;
    };
#pragma unroll
    for (std::size_t i = 0; i < sizeof(T) / 16; ++i)
        words[i] = __ldcg(reinterpret_cast<const uint4*>(from) + i);
    return value;
}

/// The first thing in a kernel that gpu_launch_early starts: waits until the kernel before has
/// ended and what it wrote is there.
__device__ __forceinline__ void wait_for_kernel_before() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
/// When all blocks have come here, or have ended, those of the next kernel may start, and wait. In
/// products it stands near the end, for blocks that start early lie where there is room, and so
/// unevenly. The other kernels are short, and let the next one start sooner.
__device__ __forceinline__ void let_next_kernel_start() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
