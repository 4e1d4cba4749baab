// plan.cpp: the model of a GPU, and the choice of a plan by it.
//
// A multiprocessor is a machine with a few rates: multiply-adds, instructions, bytes of shared
// memory and of the level-2 cache, each per clock. A slice of a tile costs each resident block its
// instructions and the part of shared memory's time that they do not hide, and all of them once
// what a barrier exposes. What could be measured is in plan_costs.h. Every formula has its
// derivation, and every figure its source, in bench/GPU_MODEL.md under the same name.
#include "device/gpu/plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace {

// The typical GPUs: T4, A100 SXM 40 GB, RTX 3090, RTX 4090, H100 SXM, B200, RTX 5090.
//   capability, clock, float, double, bf16, L2 bytes, DRAM bytes, L2 size, shared memory, threads
constexpr GpuRates known[] = {
    {75, 1.590e9, 64, 2, 0, 20, 320e9, 4e6, 64 << 10, 1024},
    {80, 1.410e9, 64, 64, 1024, 47, 1555e9, 40e6, 164 << 10, 2048},
    {86, 1.695e9, 128, 2, 256, 16, 936e9, 6e6, 100 << 10, 1536},
    {89, 2.520e9, 128, 2, 256, 16, 1008e9, 72e6, 100 << 10, 1536},
    {90, 1.980e9, 128, 128, 1185, 28, 3060e9, 50e6, 228 << 10, 2048},
    {100, 1.965e9, 128, 64, 1024, 28, 8000e9, 126e6, 228 << 10, 2048},
    {120, 2.407e9, 128, 2, 256, 16, 1792e9, 96e6, 100 << 10, 1536},
};

// Of a multiprocessor.
constexpr double shared_bytes_a_clock = 128;
constexpr double lanes_issued_a_clock = 128;
constexpr double l2_port_bytes = 64;  ///< a clock
constexpr int registers = 65536;
constexpr double instructions_to_move = 2;  ///< an element from memory to a slice, by lanes

/// A product on a chip, as the parts of the model see it.
struct Case {
    GpuChip chip;
    const GpuRates& rates;
    GemmBy by;
    TileShape t;
    int bytes;  ///< of an element
    const PlanCosts& costs;

    bool by_bf16x3() const { return by == GemmBy::bf16x3; }
    bool by_int8() const { return by == GemmBy::int8; }
    /// Whether the product goes by tensor cores in double: where they are faster than 64.
    bool by_double_mma() const { return by == GemmBy::fma && bytes == 8 && rates.fma_double >= 64; }
    /// Bytes of an element of B in memory: the other ways are for pixels.
    int bytes_of_b() const { return by == GemmBy::fma ? bytes : 1; }
    double tile_bytes() const { return 1. * t.m * t.n * bytes; }
    /// Of 16 bytes, of a thread's sums, once the groups' are added.
    double fours() const { return tile_bytes() / t.threads() / 16; }
    /// Of the peak that mma.sync in double has.
    double mma_double() const {
        if (rates.capability < 90) return 1;
        return t.m == 32   ? costs.mma_double_small
               : t.n == 32 ? costs.mma_double_medium
                           : costs.mma_double_large;
    }
};

double ceil_div(double a, double b) { return std::ceil(a / b); }

double rate_of(const GpuRates& rates, GemmBy by, int bytes) {
    if (by == GemmBy::bf16x3) return rates.mma_bf16 / 3;    // three bf16 products make one
    if (by == GemmBy::int8) return 2 * rates.mma_bf16 / 4;  // four of bytes, at twice the rate
    return bytes == 8 ? rates.fma_double : rates.fma_float;
}

/// One block's demands for one slice, in cycles of a whole multiprocessor.
struct Slice {
    double arithmetic, issue, shared, l2;
};

/// l2_rate: bytes a clock that the cache gives one multiprocessor.
Slice slice_of(const Case& c, double l2_rate) {
    const TileShape& t = c.t;
    const double loaded = t.k * (1. * t.m * c.bytes + 1. * t.n * c.bytes_of_b());
    const double steps = 1. * t.k / t.groups;  // of k, that each warp takes
    const double moved = instructions_to_move * t.k * (t.m + t.n);
    Slice slice{};
    slice.arithmetic = 1. * t.m * t.n * t.k / rate_of(c.rates, c.by, c.bytes);
    if (c.by_double_mma()) slice.arithmetic /= c.mma_double();
    slice.l2 = loaded / l2_rate;
    if (c.by_bf16x3()) {
        // Raw elements are stored, read, split into three parts (A) or converted (B), and stored as
        // bf16. For each 16 of k a warp reads fragments by words, and three mma of 16 x 8 come with
        // four zeros and four additions.
        const double mma = t.warp_m / 16. * t.warp_n / 8 * 3;
        const double fragments = (3 * t.warp_m + t.warp_n) / 4.;
        const double by_warps = t.warps() * steps / 16 * (fragments + mma + mma / 3 * 8) * 32;
        slice.issue = (moved + t.k * (7. * t.m + 4. * t.n) + by_warps) / lanes_issued_a_clock;
        const double stored = t.k * 2. * (3. * t.m + t.n);
        const double read = t.warps() * steps * 2 * (3. * t.warp_m + t.warp_n);
        slice.shared = (2 * loaded + stored + read) / shared_bytes_a_clock;
    } else if (c.by_int8()) {
        // Words are copied by 16 bytes, and read as fragments: of A for four digits, with an mma of
        // 16 x 8 x 32 for each and for each eight columns.
        const double mma = t.warp_m / 16. * t.warp_n / 8 * 4;
        const double fragments = (4 * t.warp_m + t.warp_n) / 4.;
        slice.issue = (loaded / 16 * 4 + t.warps() * steps / 32 * (fragments + mma) * 32) /
                      lanes_issued_a_clock;
        slice.shared =
            (loaded + t.warps() * steps * (4. * t.warp_m + t.warp_n)) / shared_bytes_a_clock;
    } else if (c.by_double_mma()) {
        const double read = t.warps() * steps * c.bytes * (t.warp_m + t.warp_n);
        slice.issue = moved / lanes_issued_a_clock;
        slice.shared = (loaded + read) / shared_bytes_a_clock;
    } else {
        // For every k a thread loads 8 + cols elements in packs of 16 bytes, two wavefronts for a
        // warp's each, since its lanes share most of them; and it takes two instructions more.
        const double cols = t.warp_m * t.warp_n / 32. / 8, packs = (8 + cols) * c.bytes / 16;
        slice.issue =
            (t.warps() * steps * (8 * cols + packs + 2) * 32 + moved) / lanes_issued_a_clock;
        slice.shared = loaded / shared_bytes_a_clock + t.warps() * steps * packs * 2;
    }
    return slice;
}

/// A block's shared memory, and for how many slices ahead it loads, as in device/gpu/gemm_*.cu: as
/// many as 48 KiB hold.
struct Pipeline {
    int bytes, ahead;
};
Pipeline pipeline_of(const Case& c) {
    constexpr int most = 48 << 10;
    const TileShape& t = c.t;
    if (c.by_bf16x3()) {
        const int pairs = t.k * 2 * (3 * (t.m + 8) + t.n + 8), raw = t.k * (4 * t.m + t.n);
        const int ahead = std::clamp((most - 2 * pairs) / raw, 1, 4);
        return {2 * pairs + ahead * raw, ahead};
    }
    const int slice =
        c.by_int8() ? t.k * (4 * (t.m + 8) + t.n + 8) : t.k * (t.m + t.n + 8) * c.bytes;
    const int stages = std::clamp(most / slice, 2, 4);
    return {stages * slice, c.rates.capability >= 80 ? stages - 1 : 1};
}

/// How many blocks a multiprocessor holds at a time: the least that its threads, its registers and
/// its shared memory allow. A thread's registers are its sums, and what the table of
/// tests/ptxas_table.py shows beside them: about 64, and more for fragments and what is split.
int resident_blocks(const Case& c) {
    const TileShape& t = c.t;
    const bool in_double = c.by == GemmBy::fma && c.bytes == 8;
    const int sums = t.warp_m * t.warp_n / 32 * (c.by_int8() ? 4 : in_double ? 2 : 1);
    const int others = c.by_bf16x3() ? 86 : in_double ? 88 : 64;
    return std::max(1, std::min({c.rates.threads / t.threads(),
                                 registers / (t.threads() * std::min(255, sums + others)),
                                 c.rates.shared_size / pipeline_of(c).bytes}));
}

/// Bytes of A, B and `parts` of C.
double bytes_of(GemmBy by, double m, double n, double k, double parts, int bytes) {
    return m * k * bytes + k * n * (by == GemmBy::fma ? bytes : 1) + parts * m * n * bytes;
}

/// What the last block of a tile takes to add its parts: a thread's sums by 16 bytes, which wait
/// for seven parts at a time, and the bytes of all parts.
double join_cycles(const Case& c, int splits) {
    return c.fours() * ceil_div(splits - 1, 7) * c.costs.join_wait +
           splits * c.tile_bytes() / c.costs.join_bytes;
}

/// The most blocks that a multiprocessor gets where blocks start early. A new block goes where the
/// fewest are, old and new together, as long as there is room; the rest come when the old ones have
/// left, and fill those multiprocessors that are free first. So many old ones as new ones are
/// assumed.
double crowded(double blocks, double multiprocessors, double resident) {
    const double even = ceil_div(blocks, multiprocessors);
    const double room_beside_old = resident * multiprocessors - blocks;
    if (blocks > room_beside_old) return std::max(resident, even);
    const double fewest = std::floor(blocks / multiprocessors);  // old ones, somewhere
    const double level = std::min(resident, ceil_div(2 * blocks, multiprocessors));
    return std::max(level - fewest, even);
}

/// What one multiprocessor has to do.
struct Share {
    double blocks;           ///< in all, of which some may be empty parts
    double working, slices;  ///< the others, and the slices of each
    double joins;            ///< the last blocks of a tile, which join it; or 0
    double l2_rate;          ///< bytes a clock
};

/// The cycles of so many blocks, where a round of up to `resident` takes round(blocks in it).
template <class Round>
double in_rounds(double blocks, double resident, const Round& round) {
    const double full = std::floor(blocks / resident), rest = blocks - full * resident;
    return full * round(resident) + (rest > 0 ? round(rest) : 0);
}

/// The cycles of that multiprocessor. `splits` blocks share a tile.
double cycles_of(const Case& c, const Share& share, int splits) {
    const Slice slice = slice_of(c, share.l2_rate);
    const double waits = l2_latency_cycles / pipeline_of(c).ahead;
    const double hidden_not = c.by_bf16x3() ? c.costs.shared_bf16x3 : c.costs.shared_fma;
    const double exposed = c.by_bf16x3()       ? c.costs.exposed_bf16x3
                           : c.by_double_mma() ? c.costs.exposed_double
                                               : c.costs.exposed_fma;
    const double own = std::max(slice.arithmetic, slice.issue) + hidden_not * slice.shared;
    const double end_work = c.tile_bytes() / share.l2_rate +
                            2 * (c.t.groups - 1) * c.tile_bytes() / shared_bytes_a_clock;
    const double resident = resident_blocks(c);

    // `together` blocks share the multiprocessor: each slice takes what they demand one after the
    // other and once what is exposed, or what they all load, or the time that loads are on their
    // way.
    const auto walk = [&](double together) {
        return share.slices * std::max({together * own + exposed,
                                        together * std::max(slice.shared, slice.l2), waits});
    };
    const auto start_and_end = [&](double together) {
        return c.costs.block_start + c.fours() * c.costs.write_four + together * end_work;
    };
    return c.costs.product_start + in_rounds(share.working, resident, walk) +
           in_rounds(share.blocks, resident, start_and_end) +
           ceil_div(share.joins, resident) * join_cycles(c, splits);
}

}  // namespace

const GpuRates& gpu_rates(int capability) {
    const GpuRates* best = known;
    for (const GpuRates& rates : known)
        if (rates.capability <= capability) best = &rates;
    return *best;
}

double bytes_a_second(const GpuChip& chip, double bytes) {
    const GpuRates& rates = gpu_rates(chip.capability);
    const double cache = rates.l2_bytes * rates.clock * chip.multiprocessors;
    return bytes <= rates.l2_size ? std::max(cache, rates.dram_bytes) : rates.dram_bytes;
}

double floor_seconds(const GpuChip& chip, GemmBy by, int m, int n, int k) {
    if (m <= 0 || n <= 0) return 0;
    const GpuRates& rates = gpu_rates(chip.capability);
    const double arithmetic =
        1. * m * n * k / (rate_of(rates, by, sizeof(nn_real)) * rates.clock * chip.multiprocessors);
    const double bytes = bytes_of(by, m, n, k, 1, sizeof(nn_real));
    return std::max(arithmetic, bytes / bytes_a_second(chip, bytes));
}

ProductSeconds product_seconds(const GpuChip& chip, GemmBy by, const GemmPlan& plan, int m, int n,
                               int k, Split split, const PlanCosts& costs, int bytes) {
    if (m <= 0 || n <= 0) return {0, 0};
    const GpuRates& rates = gpu_rates(chip.capability);
    constexpr double never = std::numeric_limits<double>::infinity();
    if (rate_of(rates, by, bytes) == 0) return {never, never};
    const TileShape t = tile_shape(by, plan.tile, bytes);
    const Case c{chip, rates, by, t, bytes, costs};

    const double tiles = ceil_div(m, t.m) * ceil_div(n, t.n), blocks = tiles * plan.splits;
    const double all_slices = ceil_div(k, t.k), slices = ceil_div(all_slices, plan.splits);
    // Parts are whole slices, so that the last may be shorter and others empty. A multiprocessor
    // with several blocks has some of the shorter ones.
    const double parts = slices > 0 ? ceil_div(all_slices, slices) : 0, working = tiles * parts;
    const double busy = std::min<double>(blocks, chip.multiprocessors);
    const auto on_busiest = [&](double of) {
        const double even = ceil_div(of, chip.multiprocessors);
        if (!starts_early(chip)) return even;
        const double most = crowded(of, chip.multiprocessors, resident_blocks(c));
        return even + costs.early_crowds * (most - even);
    };
    const bool joins = split == Split::joined && plan.splits > 1;
    const Share busiest{
        .blocks = on_busiest(blocks),
        .working = on_busiest(working),
        .slices = working > chip.multiprocessors ? all_slices / parts : slices,
        .joins = joins ? ceil_div(tiles, chip.multiprocessors) : 0,
        .l2_rate = std::min(l2_port_bytes, rates.l2_bytes * chip.multiprocessors / busy)};
    const double cycles = cycles_of(c, busiest, plan.splits);

    const double moved = bytes_of(by, m, n, k, plan.splits, bytes);
    const double rate = bytes_a_second(chip, moved);
    const double added = 1. * (plan.splits - 1) * m * n * bytes / rate;  // read again
    const double kernel = std::max(cycles / rates.clock, moved / rate);
    return joins ? ProductSeconds{kernel + added, 0} : ProductSeconds{kernel, added};
}

double predicted_seconds(const GpuChip& chip, GemmBy by, const GemmPlan& plan, int m, int n, int k,
                         Split split, const PlanCosts& costs, int bytes) {
    return product_seconds(chip, by, plan, m, n, k, split, costs, bytes).sum();
}

GemmPlan plan_gemm(const GpuChip& chip, GemmBy by, int m, int n, int k, Split split,
                   const PlanCosts& costs, int bytes) {
    GemmPlan best{GemmTile::large, 1};
    double least = std::numeric_limits<double>::infinity();
    for (int splits = 1; splits <= most_splits_of(split); ++splits)
        for (const GemmTile tile : {GemmTile::large, GemmTile::medium, GemmTile::small}) {
            const GemmPlan plan{tile, splits};
            const double seconds = predicted_seconds(chip, by, plan, m, n, k, split, costs, bytes);
            if (seconds < least) {
                least = seconds;
                best = plan;
            }
        }
    return best;
}
