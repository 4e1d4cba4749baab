// tiles_bf16x3.cpp: the products in tiles. It is compiled for AVX-512, and called only if
// bf16x3_available().
//
// A tile register holds 16 rows of 64 bytes. TDPBF16PS adds to a 16 x 16 tile of float the product
// of 16 rows of 32 bf16 (here: columns of X, elements of k along the row) and 32 x 16 bf16 (here: a
// part of A) in pairs: row r holds elements 2r and 2r + 1 of k side by side for each of 16 rows of
// A. The result has 16 rows of C along each row of 64 bytes: column-major, as C is stored.
//
// Loops: panels of 32 rows of A; of these, slices of up to 32 tiles of k, split into their parts
// once; against each slice, blocks of 32 columns of X. A block keeps 2 x 2 tiles of sums in
// registers, and each tile of X that it loads serves three parts and two tiles of rows. In a
// narrower block, each part has sums of its own, so that a product does not wait for the one before
// it: a product takes three times as long as the start of one.
#include "device/cpu/tiles.h"

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device/cpu/isa.h"

static_assert(sizeof(nn_real) == sizeof(float), "in double, link device/cpu/tiles_absent.cpp");

namespace {

constexpr int tile_elements = 256;  ///< of float, or pairs of bf16

// ---- tile registers
//
// GCC's own intrinsics take register numbers only as text, so these instructions are written out.

struct alignas(64) TileShapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
void use_tiles() {
    const TileShapes shapes;
    asm volatile("ldtilecfg %0" ::"m"(shapes));
}
void release_tiles() { asm volatile("tilerelease"); }

template <int tile>
void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(tile));
}
template <int tile>
void load(const void* from, std::size_t bytes_between_rows) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(bytes_between_rows), "i"(tile)
                 : "memory");
}
template <int tile>
void store(float* to) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(std::size_t{64}), "i"(tile)
                 : "memory");
}
/// sums += x a
template <int sums, int x, int a>
void multiply() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(x), "i"(a));
}
template <int tile>
void load_part(const std::uint32_t* parts, int index) {
    load<tile>(parts + index * tile_elements, 64);
}

// ---- splitting A

__mmask16 first_lanes(int count) {
    return count >= 16 ? __mmask16{0xffff}
                       : static_cast<__mmask16>((1u << (count < 0 ? 0 : count)) - 1);
}

/// Splits elements 2r and 2r + 1 of k, for 16 rows of A, into three parts, and writes each part as
/// pairs to its tile. A part is the upper half of the number that is left. The rest is exact,
/// because it has 8 bits less.
void split_pair(__m512 even, __m512 odd, std::uint32_t* first_part, int stride) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    for (int part = 0; part < 3; ++part, first_part += stride) {
        const __m512i e = _mm512_castps_si512(even);
        const __m512i o = _mm512_and_si512(_mm512_castps_si512(odd), upper);
        _mm512_store_si512(first_part, _mm512_or_si512(_mm512_srli_epi32(e, 16), o));
        even = _mm512_sub_ps(even, _mm512_castsi512_ps(_mm512_and_si512(e, upper)));
        odd = _mm512_sub_ps(odd, _mm512_castsi512_ps(o));
    }
}

/// Splits `tiles` tiles of k from a, which has `rows` <= 16 row_tiles rows and `depth` columns
/// left; beyond these it takes zeros. Parts lie [tile of k][part][tile of rows].
template <int row_tiles>
void split(const float* a, int lda, int rows, int depth, int tiles, std::uint32_t* parts) {
    for (int q = 0; q < tiles; ++q, parts += 3 * row_tiles * tile_elements)
        for (int r = 0; r < 16; ++r) {
            const int k = q * bf16_tile + 2 * r;
            const float* even = a + static_cast<std::ptrdiff_t>(k) * lda;
            for (int t = 0; t < row_tiles; ++t) {
                const __mmask16 there = first_lanes(rows - 16 * t), none = 0;
                split_pair(_mm512_maskz_loadu_ps(k < depth ? there : none, even + 16 * t),
                           _mm512_maskz_loadu_ps(k + 1 < depth ? there : none, even + lda + 16 * t),
                           parts + t * tile_elements + 16 * r, row_tiles * tile_elements);
            }
        }
}

// ---- one block of C

/// sums = first + second [+ third], `tiles` tiles each.
void add_up(float* sums, const float* parts, int groups, int tiles) {
    for (int i = 0; i < tiles * tile_elements; i += 16) {
        __m512 small = _mm512_load_ps(parts + (groups - 1) * tiles * tile_elements + i);
        for (int g = groups - 2; g >= 0; --g)
            small = _mm512_add_ps(_mm512_load_ps(parts + g * tiles * tile_elements + i), small);
        _mm512_store_ps(sums + i, small);
    }
}

/// Computes the sums of a block of column_tiles x row_tiles tiles over `depth` tiles of k. Unless
/// it is the first slice, it begins with the sums in `sums`. Tiles lie [tile of columns][tile of
/// rows].
template <int column_tiles, int row_tiles>
void block(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth, bool first,
           float* sums);

template <>
void block<2, 2>(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth, bool first,
                 float* sums) {
    const std::size_t row = ldx * sizeof(Bf16);
    if (first) {
        zero<0>(), zero<1>(), zero<2>(), zero<3>();
    } else {
        load<0>(sums, 64), load<1>(sums + 256, 64);
        load<2>(sums + 512, 64), load<3>(sums + 768, 64);
    }
    for (int q = 0; q < depth; ++q, x += bf16_tile) {
        load<4>(x, row), load<5>(x + 16 * ldx, row);
        for (int part = 0; part < 3; ++part, parts += 2 * tile_elements) {
            load_part<6>(parts, 0), load_part<7>(parts, 1);
            multiply<0, 4, 6>(), multiply<1, 4, 7>(), multiply<2, 5, 6>(), multiply<3, 5, 7>();
        }
    }
    store<0>(sums), store<1>(sums + 256), store<2>(sums + 512), store<3>(sums + 768);
}

template <>
void block<1, 2>(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth, bool first,
                 float* sums) {
    if (first)
        zero<0>(), zero<1>();
    else
        load<0>(sums, 64), load<1>(sums + 256, 64);
    zero<2>(), zero<3>(), zero<4>(), zero<5>();
    for (int q = 0; q < depth; ++q, x += bf16_tile, parts += 6 * tile_elements) {
        load<6>(x, ldx * sizeof(Bf16));
        load_part<7>(parts, 0), multiply<0, 6, 7>();
        load_part<7>(parts, 1), multiply<1, 6, 7>();
        load_part<7>(parts, 2), multiply<2, 6, 7>();
        load_part<7>(parts, 3), multiply<3, 6, 7>();
        load_part<7>(parts, 4), multiply<4, 6, 7>();
        load_part<7>(parts, 5), multiply<5, 6, 7>();
    }
    alignas(64) float three[6 * tile_elements];
    store<0>(three), store<1>(three + 256), store<2>(three + 512);
    store<3>(three + 768), store<4>(three + 1024), store<5>(three + 1280);
    add_up(sums, three, 3, 2);
}

template <>
void block<2, 1>(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth, bool first,
                 float* sums) {
    const std::size_t row = ldx * sizeof(Bf16);
    if (first)
        zero<0>(), zero<1>();
    else
        load<0>(sums, 64), load<1>(sums + 256, 64);
    zero<2>(), zero<3>();
    for (int q = 0; q < depth; ++q, x += bf16_tile, parts += 3 * tile_elements) {
        load<4>(x, row), load<5>(x + 16 * ldx, row);
        load_part<6>(parts, 0), multiply<0, 4, 6>(), multiply<1, 5, 6>();
        load_part<7>(parts, 1), multiply<2, 4, 7>(), multiply<3, 5, 7>();
        load_part<6>(parts, 2), multiply<2, 4, 6>(), multiply<3, 5, 6>();
    }
    alignas(64) float two[4 * tile_elements];
    store<0>(two), store<1>(two + 256), store<2>(two + 512), store<3>(two + 768);
    add_up(sums, two, 2, 2);
}

template <>
void block<1, 1>(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth, bool first,
                 float* sums) {
    if (first)
        zero<0>();
    else
        load<0>(sums, 64);
    zero<1>(), zero<2>();
    for (int q = 0; q < depth; ++q, x += bf16_tile, parts += 3 * tile_elements) {
        load<6>(x, ldx * sizeof(Bf16));
        load_part<7>(parts, 0), multiply<0, 6, 7>();
        load_part<7>(parts, 1), multiply<1, 6, 7>();
        load_part<7>(parts, 2), multiply<2, 6, 7>();
    }
    alignas(64) float three[3 * tile_elements];
    store<0>(three), store<1>(three + 256), store<2>(three + 512);
    add_up(sums, three, 3, 1);
}

/// Writes the block to C: `rows` x `columns`, which may be less than the block.
template <int row_tiles>
void write(const float* sums, float scale, int rows, int columns, float* c, int ldc) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (int j = 0; j < columns; ++j)
        for (int t = 0; t < row_tiles; ++t) {
            const __m512 sum =
                _mm512_load_ps(sums + ((j / 16) * row_tiles + t) * tile_elements + (j % 16) * 16);
            _mm512_mask_storeu_ps(c + static_cast<std::ptrdiff_t>(j) * ldc + 16 * t,
                                  first_lanes(rows - 16 * t), _mm512_mul_ps(sum, factor));
        }
}

template <int column_tiles, int row_tiles>
void finish_block(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth, bool first,
                  bool last, float* sums, float scale, int rows, int columns, float* c, int ldc) {
    block<column_tiles, row_tiles>(x, ldx, parts, depth, first, sums);
    constexpr int most = 16 * column_tiles;
    if (last) write<row_tiles>(sums, scale, rows, columns < most ? columns : most, c, ldc);
}

/// Computes `rows` <= 16 row_tiles rows of C.
template <int row_tiles>
void panel(int rows, int n, int k, float scale, const float* a, int lda, const Bf16* x,
           std::size_t ldx, float* c, int ldc, Bf16Scratch scratch) {
    const int tiles = k == 0 ? 1 : whole_tiles(k) / bf16_tile;  // C is written even then, with 0
    for (int q = 0; q < tiles; q += bf16x3_depth) {
        const int depth = tiles - q < bf16x3_depth ? tiles - q : bf16x3_depth, done = q * bf16_tile;
        const bool first = q == 0, last = q + depth == tiles;
        split<row_tiles>(a + static_cast<std::ptrdiff_t>(done) * lda, lda, rows, k - done, depth,
                         scratch.parts);
        for (int j = 0; j < n; j += bf16_tile) {
            const Bf16* from = x + static_cast<std::size_t>(j) * ldx + done;
            // A single slice is finished at once. With several, the sums of each block wait in
            // scratch.
            float* sums = scratch.sums + (first && last ? 0 : j * bf16_tile);
            (n - j > 16 ? finish_block<2, row_tiles>
                        : finish_block<1, row_tiles>)(from, ldx, scratch.parts, depth, first, last,
                                                      sums, scale, rows, n - j,
                                                      c + static_cast<std::ptrdiff_t>(j) * ldc,
                                                      ldc);
        }
    }
}

// ---- the last few rows
//
// The three parts of up to five rows fit side by side into one tile, which takes a third of the
// products.

constexpr int narrow_rows = 5;

__mmask16 lanes_of_part(int part, int rows) {
    return static_cast<__mmask16>(((1u << rows) - 1) << (part * rows));
}

void split_narrow(const float* a, int lda, int rows, int depth, int tiles, std::uint32_t* parts) {
    alignas(64) std::uint32_t apart[3 * 16];
    for (int k = 0; k < tiles * bf16_tile; k += 2, parts += 16) {
        const __mmask16 there = first_lanes(rows), none = 0;
        const float* even = a + static_cast<std::ptrdiff_t>(k) * lda;
        split_pair(_mm512_maskz_loadu_ps(k < depth ? there : none, even),
                   _mm512_maskz_loadu_ps(k + 1 < depth ? there : none, even + lda), apart, 16);
        __m512i row = _mm512_setzero_si512();
        for (int part = 0; part < 3; ++part)
            row = _mm512_or_si512(row,
                                  _mm512_maskz_expand_epi32(lanes_of_part(part, rows),
                                                            _mm512_load_si512(apart + 16 * part)));
        _mm512_store_si512(parts, row);
    }
}

/// Computes the sums of four tiles of columns, which keep the tile unit busy, or of one.
void block_of_four(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth,
                   bool first, float* sums) {
    const std::size_t row = ldx * sizeof(Bf16);
    if (first) {
        zero<0>(), zero<1>(), zero<2>(), zero<3>();
    } else {
        load<0>(sums, 64), load<1>(sums + 256, 64);
        load<2>(sums + 512, 64), load<3>(sums + 768, 64);
    }
    for (int q = 0; q < depth; ++q, x += bf16_tile, parts += tile_elements) {
        load_part<7>(parts, 0);
        load<4>(x, row), multiply<0, 4, 7>();
        load<5>(x + 16 * ldx, row), multiply<1, 5, 7>();
        load<6>(x + 32 * ldx, row), multiply<2, 6, 7>();
        load<4>(x + 48 * ldx, row), multiply<3, 4, 7>();
    }
    store<0>(sums), store<1>(sums + 256), store<2>(sums + 512), store<3>(sums + 768);
}
void block_of_one(const Bf16* x, std::size_t ldx, const std::uint32_t* parts, int depth, bool first,
                  float* sums) {
    if (first)
        zero<0>();
    else
        load<0>(sums, 64);
    for (int q = 0; q < depth; ++q, x += bf16_tile, parts += tile_elements) {
        load_part<7>(parts, 0);
        load<4>(x, ldx * sizeof(Bf16)), multiply<0, 4, 7>();
    }
    store<0>(sums);
}

/// Adds the parts of each row, the small ones first, and writes the sums.
void write_narrow(const float* sums, float scale, int rows, int columns, float* c, int ldc) {
    for (int j = 0; j < columns; ++j, sums += 16, c += ldc) {
        const __m512 all = _mm512_load_ps(sums);
        const __m512 second = _mm512_maskz_compress_ps(lanes_of_part(1, rows), all);
        const __m512 third = _mm512_maskz_compress_ps(lanes_of_part(2, rows), all);
        const __m512 sum = _mm512_add_ps(all, _mm512_add_ps(second, third));
        _mm512_mask_storeu_ps(c, first_lanes(rows), _mm512_mul_ps(sum, _mm512_set1_ps(scale)));
    }
}

void narrow_panel(int rows, int n, int k, float scale, const float* a, int lda, const Bf16* x,
                  std::size_t ldx, float* c, int ldc, Bf16Scratch scratch) {
    const int tiles = k == 0 ? 1 : whole_tiles(k) / bf16_tile;
    for (int q = 0; q < tiles; q += bf16x3_depth) {
        const int depth = tiles - q < bf16x3_depth ? tiles - q : bf16x3_depth, done = q * bf16_tile;
        split_narrow(a + static_cast<std::ptrdiff_t>(done) * lda, lda, rows, k - done, depth,
                     scratch.parts);
        for (int j = 0; j < n;) {
            const bool four = n - j >= 64;
            const int columns = four ? 64 : n - j < 16 ? n - j : 16;
            float* sums = scratch.sums + j * 16;
            (four ? block_of_four : block_of_one)(x + static_cast<std::size_t>(j) * ldx + done, ldx,
                                                  scratch.parts, depth, q == 0, sums);
            if (q + depth == tiles)
                write_narrow(sums, scale, rows, columns, c + static_cast<std::ptrdiff_t>(j) * ldc,
                             ldc);
            j += columns;
        }
    }
}

}  // namespace

// Runs on any processor, unlike the rest of this file.
[[gnu::target("arch=x86-64")]] bool bf16x3_available() {
    // CPUID leaf 7: EDX bit 22 means bf16 tiles, bit 24 tiles. Linux gives the tiles' registers,
    // state component 18, to a process that asks for them.
    unsigned a = 7, b = 0, c = 0, d = 0;
    if (!has_avx512()) return false;
    asm("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((d >> 22 & 1) == 0 || (d >> 24 & 1) == 0) return false;
    constexpr long request_permission = 0x1023, tile_data = 18;
    return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

void pixels_to_bf16(std::size_t count, const std::uint8_t* pixels, Bf16* x) {
    // A whole number below 256 leaves the lower half of a float 0, so the upper half is its bf16.
    alignas(64) std::uint16_t upper_halves[32];
    for (int i = 0; i < 32; ++i) upper_halves[i] = static_cast<std::uint16_t>(2 * i + 1);
    const __m512i order = _mm512_load_si512(upper_halves);
    const auto as_float = [](__m128i bytes) {
        return _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
    };
    for (std::size_t i = 0; i < count; i += 32) {
        const std::size_t left = count - i;
        const __mmask32 there = left < 32 ? (1u << left) - 1 : 0xffffffffu;
        const __m256i bytes = _mm256_maskz_loadu_epi8(there, pixels + i);
        const __m512i first = as_float(_mm256_castsi256_si128(bytes));
        const __m512i second = as_float(_mm256_extracti128_si256(bytes, 1));
        _mm512_mask_storeu_epi16(x + i, there, _mm512_permutex2var_epi16(first, order, second));
    }
}

namespace {

/// 16 x 16 elements of 32 bits, rows of 64 bytes, transposed: row i of the result goes to
/// y + i ldy. Each load gathers the same four columns of rows r, r + 4, r + 8 and r + 12, so that
/// two rounds of interleaving within 128 bits finish the rest.
void transpose_16(const __m512i* x, Bf16* y, std::size_t ldy) {
    const auto* quarter = reinterpret_cast<const __m128i*>(x);
    for (int j = 0; j < 4; ++j) {
        __m512i rows[4];
        for (int r = 0; r < 4; ++r) {
            rows[r] = _mm512_castsi128_si512(quarter[4 * r + j]);
            rows[r] = _mm512_inserti32x4(rows[r], quarter[4 * (r + 4) + j], 1);
            rows[r] = _mm512_inserti32x4(rows[r], quarter[4 * (r + 8) + j], 2);
            rows[r] = _mm512_inserti32x4(rows[r], quarter[4 * (r + 12) + j], 3);
        }
        const __m512i a = _mm512_unpacklo_epi32(rows[0], rows[1]);
        const __m512i b = _mm512_unpacklo_epi32(rows[2], rows[3]);
        const __m512i c = _mm512_unpackhi_epi32(rows[0], rows[1]);
        const __m512i d = _mm512_unpackhi_epi32(rows[2], rows[3]);
        Bf16* to = y + static_cast<std::size_t>(4 * j) * ldy;
        _mm512_storeu_si512(to, _mm512_unpacklo_epi64(a, b));
        _mm512_storeu_si512(to + ldy, _mm512_unpackhi_epi64(a, b));
        _mm512_storeu_si512(to + 2 * ldy, _mm512_unpacklo_epi64(c, d));
        _mm512_storeu_si512(to + 3 * ldy, _mm512_unpackhi_epi64(c, d));
    }
}

}  // namespace

void transpose_bf16(int rows, int columns, const Bf16* x, std::size_t ldx, Bf16* y,
                    std::size_t ldy) {
    // Two columns of x are interleaved to pairs first; the pairs are then elements of 32 bits.
    alignas(64) std::uint16_t order[2][32];
    for (int i = 0; i < 64; ++i)
        order[i / 32][i % 32] = static_cast<std::uint16_t>(i / 2 + (i % 2) * 32);
    const __m512i low = _mm512_load_si512(order[0]), high = _mm512_load_si512(order[1]);
    for (int j = 0; j < columns; j += 32)
        for (int i = 0; i < rows; i += 32) {
            __m512i pairs[2][16];
            const Bf16* from = x + static_cast<std::size_t>(j) * ldx + i;
            for (int p = 0; p < 16; ++p, from += 2 * ldx) {
                const __m512i even = _mm512_loadu_si512(from), odd = _mm512_loadu_si512(from + ldx);
                pairs[0][p] = _mm512_permutex2var_epi16(even, low, odd);
                pairs[1][p] = _mm512_permutex2var_epi16(even, high, odd);
            }
            Bf16* to = y + static_cast<std::size_t>(i) * ldy + j;
            transpose_16(pairs[0], to, ldy);
            transpose_16(pairs[1], to + 16 * ldy, ldy);
        }
}

void gemm_bf16x3(int m, int n, int k, float scale, const float* a, int lda, const Bf16* x,
                 std::size_t ldx, float* c, int ldc, Bf16Scratch scratch) {
    use_tiles();
    for (int i = 0; i < m; i += bf16_tile) {
        const int rows = m - i < bf16_tile ? m - i : bf16_tile;
        const auto compute = rows <= narrow_rows ? narrow_panel : rows <= 16 ? panel<1> : panel<2>;
        compute(rows, n, k, scale, a + i, lda, x, ldx, c + i, ldc, scratch);
    }
    release_tiles();
}
