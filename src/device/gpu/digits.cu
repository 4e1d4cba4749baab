// digits.cu: a row of floats becomes whole numbers of four digits, and pixels become words.
//
// In a row of A whose largest |a| lies in [2^e, 2^(e+1)), a number is the whole number q = a / s,
// rounded to nearest, of the row's scale s = 2^(e-29): |q| < 2^30. A float whose exponent is at
// most 6 below the row's largest is kept exactly, and each other one to s / 2. q is written to base
// 256 with digits from -128 to 127, which are signed bytes:
//
//     q = d0 + 256 d1 + 256^2 d2 + 256^3 d3,     d_i = byte i of (q + 0x80808080), less 128
//
// s is at least 2^-126, so a row of zeros has zeros, and what is below 2^-127 counts as 0. A row
// with a NaN or an infinity has the scale NaN, and so has all that comes of it.
#include "device/gpu/digits.h"

namespace {

constexpr int digit_threads = 256;

/// A row's scale s, and 1 / s, by the bits of its largest |a|. NaN and infinity have the largest.
struct RowScale {
    float s, inverse;
};
__device__ __forceinline__ RowScale scale_of(unsigned largest) {
    constexpr unsigned infinity = 0x7f800000u, not_a_number = 0x7fc00000u, least = 30;
    if (largest >= infinity) return {__uint_as_float(not_a_number), 0};
    const unsigned exponent = largest >> 23 > least ? largest >> 23 : least;  // 127 more than e
    return {__uint_as_float((exponent - 29) << 23), __uint_as_float((283 - exponent) << 23)};
}

/// Byte i of word j becomes byte j of word i.
__device__ __forceinline__ void transpose_bytes(std::uint32_t (&w)[4]) {
    const std::uint32_t low01 = __byte_perm(w[0], w[1], 0x5140);
    const std::uint32_t high01 = __byte_perm(w[0], w[1], 0x7362);
    const std::uint32_t low23 = __byte_perm(w[2], w[3], 0x5140);
    const std::uint32_t high23 = __byte_perm(w[2], w[3], 0x7362);
    w[0] = __byte_perm(low01, low23, 0x5410);
    w[1] = __byte_perm(low01, low23, 0x7632);
    w[2] = __byte_perm(high01, high23, 0x5410);
    w[3] = __byte_perm(high01, high23, 0x7632);
}

struct DigitsArguments {
    Operand<float> a;
    Operand<std::uint8_t> b;
    int k, first;      ///< the depth; B's first column
    unsigned cutters;  ///< blocks that cut rows of A; the others make words of pixels
    ByteOperands to;
};

constexpr int rows_of_block = 8, quads_of_round = digit_threads / rows_of_block;

/// Cuts eight rows of A. Mapping: thread t has row t % 8, and of its quads t / 8, t / 8 + 32, ...:
/// eight neighbouring rows are a sector of memory. It reads the row twice, for its largest element
/// and for its digits. Memory: largest[quad][row], 1 KiB.
__device__ void cut_rows(const DigitsArguments& g, unsigned block, void* memory) {
    const int in_block = static_cast<int>(threadIdx.x) % rows_of_block;
    const int row = static_cast<int>(block) * rows_of_block + in_block;
    const int first_quad = static_cast<int>(threadIdx.x) / rows_of_block;
    const auto element = [&](int quad, int e) {
        const int k = 4 * quad + e;
        return row < g.a.edge && k < g.k ? g.a.at[position(row, k, g.a.stride)] : 0.0f;
    };
    unsigned most = 0;
    for (int quad = first_quad; quad < g.to.a_planes.quads; quad += quads_of_round)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const unsigned bits = __float_as_uint(element(quad, e)) & 0x7fffffffu;
            most = bits > most ? bits : most;
        }
    auto* const largest = static_cast<unsigned*>(memory);
    largest[threadIdx.x] = most;
    __syncthreads();  // the largest of all quads are there
    for (int other = 0; other < quads_of_round; ++other) {
        const unsigned bits = largest[other * rows_of_block + in_block];
        most = bits > most ? bits : most;
    }
    const RowScale scale = scale_of(most);
    if (first_quad == 0) g.to.scales[row] = scale.s;
    for (int quad = first_quad; quad < g.to.a_planes.quads; quad += quads_of_round) {
        std::uint32_t words[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int whole = __float2int_rn(element(quad, e) * scale.inverse);
            words[e] = (static_cast<std::uint32_t>(whole) + 0x80808080u) ^ 0x80808080u;
        }
        transpose_bytes(words);
#pragma unroll
        for (int digit = 0; digit < digits_of_number; ++digit)
            g.to.a[static_cast<std::size_t>(digit) * g.to.a_planes.words() +
                   position(row, quad, g.to.a_planes.lines)] = words[digit];
    }
}

/// Four neighbours in memory from a pixel on, of stored line `line`, of which there are `lines`.
__device__ __forceinline__ std::uint32_t four_pixels(const Operand<std::uint8_t>& b, int pixel,
                                                     int line, int lines) {
    if (line >= lines) return 0;
    const std::uint8_t* const from = b.at + position(pixel, line, b.stride);
    if (b.fours && pixel + 4 <= b.stride)
        return __builtin_bit_cast(std::uint32_t,
                                  *reinterpret_cast<const Four<std::uint8_t>*>(from));
    std::uint32_t word = 0;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
        const bool one = b.ones && pixel + e == b.stride;
        const std::uint32_t byte = pixel + e < b.stride ? from[e] : one ? 1 : 0;
        word |= byte << 8 * e;
    }
    return word;
}

/// B by neighbours in k, which are neighbours in memory: 32 x 32 words, which change places.
/// Mapping: in memory a warp reads 32 neighbouring quads of a line, in B it writes a quad of 32
/// neighbouring lines. Memory: tile[line][quad], 4.1 KiB; lines of 33 words, so that what a warp
/// reads there lies in 32 banks.
__device__ void words_along_k(const DigitsArguments& g, unsigned block, void* memory) {
    constexpr int edge = 32, warps = digit_threads / 32;
    auto* const tile = static_cast<std::uint32_t(*)[edge + 1]>(memory);
    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int across = g.to.b_planes.lines / edge;
    const int first_line = static_cast<int>(block) % across * edge;
    const int first_quad = static_cast<int>(block) / across * edge;
#pragma unroll
    for (int i = warp; i < edge; i += warps)
        tile[i][lane] = four_pixels(g.b, 4 * (first_quad + lane), first_line + i, g.b.edge);
    __syncthreads();  // the tile is complete
#pragma unroll
    for (int i = warp; i < edge; i += warps)
        if (first_quad + i < g.to.b_planes.quads)
            g.to.b[position(first_line + lane, first_quad + i, g.to.b_planes.lines)] =
                tile[lane][i];
}

/// B by neighbours along the edge: four words of four lines are those of four samples, transposed.
/// Mapping: thread by thread along a quad's lines, four at a time. No shared memory.
__device__ void words_along_edge(const DigitsArguments& g, unsigned block) {
    const std::size_t i = static_cast<std::size_t>(block) * digit_threads + threadIdx.x;
    const auto fours = static_cast<std::size_t>(g.to.b_planes.lines / 4);
    const int line = static_cast<int>(i % fours) * 4, quad = static_cast<int>(i / fours);
    if (quad >= g.to.b_planes.quads) return;
    Four<std::uint32_t> words;
#pragma unroll
    for (int e = 0; e < 4; ++e) words.at[e] = four_pixels(g.b, g.first + line, 4 * quad + e, g.k);
    transpose_bytes(words.at);
    *reinterpret_cast<Four<std::uint32_t>*>(g.to.b + position(line, quad, g.to.b_planes.lines)) =
        words;
}

/// Grid: a block for each eight rows of A, then those that make B.
template <bool AlongK>
__global__ void __launch_bounds__(digit_threads) digits_kernel(const DigitsArguments g) {
    wait_for_kernel_before();
    let_next_kernel_start();
    GPU_SHARED(std::uint32_t, memory, [32 * 33]);
    if (blockIdx.x < g.cutters)
        cut_rows(g, blockIdx.x, memory);
    else if (AlongK)
        words_along_k(g, blockIdx.x - g.cutters, memory);
    else
        words_along_edge(g, blockIdx.x - g.cutters);
}

}  // namespace

ByteOperands make_digits(const Gpu& gpu, const Operand<float>& a, const Operand<std::uint8_t>& b,
                         bool along_k, const Extent& x, const Digits& digits) {
    const WordPlanes a_planes = planes_of(x.m, x.k), b_planes = planes_of(x.last - x.first, x.k);
    const ByteOperands to{digits.words, digits.words + digits_of_number * a_planes.words(),
                          digits.scales, a_planes, b_planes};
    const auto cutters = static_cast<unsigned>(a_planes.lines / rows_of_block);
    const auto makers =
        static_cast<unsigned>(along_k ? ceil_div(b_planes.quads, 32) * (b_planes.lines / 32)
                                      : (b_planes.words() / 4 + digit_threads - 1) / digit_threads);
    gpu_start(gpu, along_k ? digits_kernel<true> : digits_kernel<false>, dim3(cutters + makers),
              dim3(digit_threads), DigitsArguments{a, b, x.k, x.first, cutters, to});
    return to;
}
