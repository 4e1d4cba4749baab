// gpuhost_ptx.h: device/gpu/ptx.h's instructions, and the types and intrinsics that go with them,
// on the CPU.
//
// device/gpu/ptx.h says what each one does and which lane holds what. Here they are as unkind as
// they may be: a copy takes place at the last moment, in the wait for it, and until then its
// destination is NaN; what a sum on tensor cores cannot hold is cut off; products order nothing in
// memory. What a GPU of config().capability does not have ends the program. gpuhost.h includes this
// file, which is nothing alone.
#pragma once

struct __attribute__((may_alias, aligned(8))) uint2 {
    unsigned x, y;
};
struct __attribute__((may_alias, aligned(16))) uint4 {
    unsigned x, y, z, w;
};
struct __attribute__((may_alias, aligned(8))) float2 {
    float x, y;
};
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }

inline unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
/// Rounded to nearest, ties to even. NaN gives 0, and what an int cannot hold the nearest one.
inline int __float2int_rn(float value) {
    constexpr float end = 2147483648.0f;
    if (value != value) return 0;
    return value >= end    ? std::numeric_limits<int>::max()
           : value <= -end ? std::numeric_limits<int>::min()
                           : static_cast<int>(::nearbyint(value));
}

/// A load of what no thread writes while the kernel runs.
template <class T>
T __ldg(const T* from) {
    return *from;
}

/// Four of the eight bytes of x (0 to 3) and y (4 to 7): hexadecimal digit i of `selector` names
/// byte i of the result. A digit from 8 on gives the sign of byte (digit - 8) in all eight bits.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    const std::uint64_t bytes = std::uint64_t{y} << 32 | x;
    unsigned result = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const unsigned digit = selector >> 4 * i & 15u;
        const auto byte = static_cast<unsigned>(bytes >> 8 * (digit & 7u)) & 0xffu;
        result |= (digit < 8 ? byte : byte >= 0x80 ? 0xffu : 0u) << 8 * i;
    }
    return result;
}

namespace gpuhost {
void note_wait();  ///< gpuhost.h
/// A copy that was started and has not taken place.
struct Copy {
    void* to;
    const void* from;  ///< null: zeros
    std::size_t bytes;
    std::size_t group;  ///< which of its thread's groups, the first is 0
    Place where;
};
/// Notes a copy for the running thread, of zeros if `global` is null; dies if a GPU could not do
/// it. Returns `bytes`.
std::size_t start_copy(void* shared, const void* global, std::size_t bytes, Place where);
void commit_copies(Place where);
/// Takes the running thread's oldest copy that is in none of its last `pending` groups.
/// Returns false if there is none.
bool take_copy(std::size_t pending, Copy& copy, Place where);

/// Meet all 32 lanes of the warp, each with its fragments, and compute the product for all.
void warp_mma(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], Place where);
void warp_mma(double (&c)[4], const double (&a)[8], const double (&b)[4], Place where);
void warp_mma(std::int32_t (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
              Place where);
}  // namespace gpuhost

bool gpu_copies_async();
bool gpu_has_f64_mma();

// The memory is touched here and not in gpuhost.cpp, so that sanitizers see it as the thread's own
// doing: the destination is lost from the start of a copy on, and written in the wait. How many
// bytes is hidden from the compiler, which would put plain stores, unseen by ThreadSanitizer, in
// the place of calls.
template <int Bytes>
void copy_async(void* shared, const void* global, bool there = true,
                gpuhost::Place where = gpuhost::Place::current()) {
    static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
    const std::size_t bytes = gpuhost::start_copy(shared, there ? global : nullptr, Bytes, where);
    std::memset(shared, 0xff, bytes);
}
inline void copy_async_commit(gpuhost::Place where = gpuhost::Place::current()) {
    gpuhost::commit_copies(where);
}
template <int Pending>
void copy_async_wait(gpuhost::Place where = gpuhost::Place::current()) {
    gpuhost::Copy copy{};
    while (gpuhost::take_copy(Pending, copy, where))
        if (copy.from != nullptr)
            std::memcpy(copy.to, copy.from, copy.bytes);
        else
            std::memset(copy.to, 0, copy.bytes);
}

inline void mma_bf16(float (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     gpuhost::Place where = gpuhost::Place::current()) {
    gpuhost::warp_mma(c, a, b, where);
}
inline void mma_s8u8(std::int32_t (&c)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     gpuhost::Place where = gpuhost::Place::current()) {
    gpuhost::warp_mma(c, a, b, where);
}
inline void mma_f64(double (&c)[4], const double (&a)[8], const double (&b)[4],
                    gpuhost::Place where = gpuhost::Place::current()) {
    gpuhost::warp_mma(c, a, b, where);
}

inline unsigned take_ticket(unsigned* counter, unsigned blocks) {
    const std::atomic_ref<unsigned> count(*counter);
    const unsigned before = count.load(std::memory_order_acquire);
    count.store(before + 1 < blocks ? before + 1 : 0, std::memory_order_release);
    return before;
}
template <class T>
T load_published(const T* from) {
    return *from;
}

template <class T>
const T* from_here_on(const T* pointer) {
    return pointer;
}
template <class T>
T load_unchanged(const T* from) {
    return *from;
}

/// Here a kernel begins when the one before has ended. That each thread waits is checked.
inline void wait_for_kernel_before() { gpuhost::note_wait(); }
inline void let_next_kernel_start() {}
