// gemm_int8.cu: the first layer's products in whole numbers, on tensor cores for bytes.
//
// A pixel is a byte, and digits.cu makes of each number of A four signed digits to base 256. Then
// four products of bytes are exact, and so is C = s (D0 + 256 D1 + 256^2 D2 + 256^3 D3) X but for
// two roundings at its end: no bit depends on tile, split or order. A block's tile:
//
//        digits of A, [digit][k / 4][row]           k / 4 down: words of four neighbours in k
//      +-----------+
//      | 3         |                                X, [k / 4][column]
//      |  | 2      |           +-------------------------------+
//      |  |  | 1   |   times   | a slice: 32 of k, 8 words     |
//      |  |  |  | 0|           +-------------------------------+
//      +-----------+
//      = four sums of 32 bits an element, in registers: |sum| <= 128 x 255 x k < 2^31. At the end
//        they become one of 64 bits, and where blocks share a tile along k, they add those.
//
// A warp has 32 x 32 of C (16 x 16 in the small tile): 128 sums a thread. For 32 of k it reads 40
// words a lane and gives 32 products to the tensor cores.
#include "device/gpu/digits.h"

#include <algorithm>
#include <stdexcept>

namespace {

/// 32 of k of both operands. A line is 8 mod 32 words long, so that the four words of eight lines
/// of a fragment meet 32 banks.
template <TileShape T>
struct alignas(16) WordSlice {
    static constexpr int quads = T.k / 4;
    std::uint32_t a[digits_of_number][quads][T.m + 8];
    std::uint32_t b[quads][T.n + 8];
};

/// Slices in use and under way: as many as static shared memory holds, four at most.
template <TileShape T>
inline constexpr int word_stages = std::min(48 * 1024 / static_cast<int>(sizeof(WordSlice<T>)), 4);

/// Starts to copy `Rows` lines of `Words` words, which lie `stride` words apart. A thread copies
/// four words at a time; neighbours copy neighbours.
template <int Rows, int Words, int Threads>
__device__ __forceinline__ void copy_rows(std::uint32_t (&to)[Rows][Words + 8],
                                          const std::uint32_t* from, int stride) {
    constexpr int in_row = Words / 4, count = Rows * in_row;
#pragma unroll
    for (int round = 0; round < ceil_div(count, Threads); ++round) {
        const int pack = round * Threads + static_cast<int>(threadIdx.x);
        if (count % Threads != 0 && pack >= count) return;
        const int row = pack / in_row, word = pack % in_row * 4;
        copy_async<16>(&to[row][word], from + position(word, row, stride));
    }
}

/// Two sums of 64 bits: what blocks that share a tile add.
struct alignas(16) TwoWhole {
    std::int64_t at[2];
};
__device__ __forceinline__ void add(TwoWhole& to, const TwoWhole& more) {
    to.at[0] += more.at[0];
    to.at[1] += more.at[1];
}

/// A thread's sums of a warp's piece of the tile, for each digit. Mapping: FragmentSums.
template <TileShape T>
struct DigitSums {
    static constexpr int down = T.warp_m / 16, across = T.warp_n / 8;
    std::int32_t sums[digits_of_number][down * across][4] = {};

    __device__ __forceinline__ void multiply(const WordSlice<T>& slice, const WarpPlace& place) {
        static_assert(T.k == 32 && T.groups == 1);
        const int line = place.lane / 4, quad = place.lane % 4;
        std::uint32_t y[across][2];
#pragma unroll
        for (int q = 0; q < across; ++q)
#pragma unroll
            for (int e = 0; e < 2; ++e) y[q][e] = slice.b[quad + 4 * e][place.col + 8 * q + line];
#pragma unroll
        for (int digit = 0; digit < digits_of_number; ++digit)
#pragma unroll
            for (int p = 0; p < down; ++p) {
                std::uint32_t x[4];
#pragma unroll
                for (int e = 0; e < 4; ++e)
                    x[e] =
                        slice.a[digit][quad + 4 * (e / 2)][place.row + 16 * p + 8 * (e % 2) + line];
#pragma unroll
                for (int q = 0; q < across; ++q) mma_s8u8(sums[digit][q * down + p], x, y[q]);
            }
    }
    /// The number whose digits were summed, element e of four f. What a sum holds above a byte goes
    /// to the next one: sums of 64 bits all along took more registers than a thread has.
    __device__ __forceinline__ std::int64_t whole(int f, int e) const {
        std::int32_t rest = 0;
        std::uint32_t bytes = 0;
#pragma unroll
        for (int digit = 0; digit < digits_of_number - 1; ++digit) {
            rest += sums[digit][f][e];
            bytes |= (static_cast<std::uint32_t>(rest) & 0xffu) << 8 * digit;
            rest >>= 8;
        }
        rest += sums[digits_of_number - 1][f][e];
        return static_cast<std::int64_t>(rest) * (1 << 24) + bytes;
    }
};

struct Int8Arguments {
    ByteOperands operands;
    Extent x;
    Output out;
};

/// C = what the epilogue makes of A's scales times the whole numbers' product.
/// Mapping: a block computes a tile of C (Extent says which), its warps pieces of it (TileShape).
/// Memory: two to four slices of words, at most 48 KiB, one in use and the others under way.
/// Barriers: one a slice. It says that slice t has arrived, each thread having waited for its own
/// copies, and that nobody reads slice t - 1 any more, whose place the next copies take.
template <TileShape T, class E>
__global__ void __launch_bounds__(threads_of<T>, 1)
    gemm_int8_kernel(const Int8Arguments g, const typename E::Others others) {
    wait_for_kernel_before();
    constexpr int stages = word_stages<T>;
    GPU_SHARED(WordSlice<T>, slices, [stages]);
    if (works_on_others<T, E>(g.x, others, slices)) return;
    const ByteOperands& from = g.operands;
    const int first_row = static_cast<int>(blockIdx.y) * T.m;
    const int first_line = static_cast<int>(blockIdx.x) * T.n;
    const WarpPlace at = warp_place<T>();
    const int k_begin = static_cast<int>(blockIdx.z) * g.x.part;
    const int k_end = g.x.k - k_begin < g.x.part ? g.x.k : k_begin + g.x.part;
    const int count = k_end > k_begin ? ceil_div(k_end - k_begin, T.k) : 0;
    const auto fetch = [&](int t) {
        if (t < count) {
            WordSlice<T>& to = slices[t % stages];
            const int quad = (k_begin + t * T.k) / 4;
            const std::uint32_t* a = from.a + position(first_row, quad, from.a_planes.lines);
#pragma unroll
            for (int digit = 0; digit < digits_of_number; ++digit)
                copy_rows<T.k / 4, T.m, threads_of<T>>(
                    to.a[digit], a + static_cast<std::size_t>(digit) * from.a_planes.words(),
                    from.a_planes.lines);
            copy_rows<T.k / 4, T.n, threads_of<T>>(
                to.b, from.b + position(first_line, quad, from.b_planes.lines),
                from.b_planes.lines);
        }
        copy_async_commit();
    };

    DigitSums<T> digits;
#pragma unroll
    for (int t = 0; t < stages - 1; ++t) fetch(t);
    for (int t = 0; t < count; ++t) {
        copy_async_wait<stages - 2>();
        __syncthreads();  // slice t is complete, and slice t - 1 has been read by all
        fetch(t + stages - 1);
        digits.multiply(slices[t % stages], at);
    }
    let_next_kernel_start();

    using Sums = FragmentSums<T>;
    TwoWhole whole[Sums::count / 2];
#pragma unroll
    for (int i = 0; i < Sums::count; ++i) whole[i / 2].at[i % 2] = digits.whole(i / 4, i % 4);
    if (g.out.joint.parts != nullptr &&
        !join_parts<T>(g.out.joint, static_cast<unsigned>(g.x.parts), whole, slices))
        return;
    OwnSums<T, Sums::count> own;
#pragma unroll
    for (int i = 0; i < Sums::count; ++i) {
        const int row = first_row + at.row + 16 * (i / 4 % Sums::down) + 8 * (i % 4 / 2);
        own.at[i / 4].at[i % 4] =
            from.scales[row + at.lane / 4] * static_cast<float>(whole[i / 2].at[i % 2]);
    }
    write_out<E, Sums>(own, g.out, g.x, first_row, g.x.first + first_line, at);
}

template <TileShape T, class E>
void launch_tile(const Gpu& gpu, int splits, Int8Arguments g, const typename E::Others& others) {
    g.x = in_parts<T>(g.x, splits);
    gpu_start(gpu, gemm_int8_kernel<T, E>, grid_of<T, E>(g.x), dim3(T.threads()), g, others);
}

template <TileShape T>
void launch_shape(const Gpu& gpu, int splits, const Activation* f, const OtherRuns* others,
                  const Int8Arguments& g) {
    if (others != nullptr) return launch_tile<T, Descended>(gpu, splits, g, *others);
    if (f == nullptr) return launch_tile<T, Scaled>(gpu, splits, g, {});
    std::visit([&]<class F>(F) { launch_tile<T, Activated<F>>(gpu, splits, g, {}); }, *f);
}

}  // namespace

void launch_int8(const Gpu& gpu, GemmPlan plan, const Operand<nn_real>& a,
                 const Operand<std::uint8_t>& b, const Activation* f, const OtherRuns* others,
                 const Extent& x, const Output& out, const Digits& digits) {
    if (x.m == 0 || x.first >= x.last) return;
    if (x.k > int8_most_depth) throw std::logic_error("a sum by int8 is too long");
    if (digits.scales == nullptr)
        throw std::logic_error("a product by int8 has no place for digits");
    const Int8Arguments g{make_digits(gpu, a, b, f != nullptr, x, digits), x, out};
    constexpr TileShape small = tile_shape(GemmBy::int8, GemmTile::small, 4),
                        medium = tile_shape(GemmBy::int8, GemmTile::medium, 4),
                        large = tile_shape(GemmBy::int8, GemmTile::large, 4);
    if (plan.tile == GemmTile::small) launch_shape<small>(gpu, plan.splits, f, others, g);
    if (plan.tile == GemmTile::medium) launch_shape<medium>(gpu, plan.splits, f, others, g);
    if (plan.tile == GemmTile::large) launch_shape<large>(gpu, plan.splits, f, others, g);
}
