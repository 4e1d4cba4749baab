// plan.cpp: the model of a GPU, and the choice of a plan by it.
//
// A multiprocessor is a machine with a few rates: multiply-adds, instructions, bytes of shared
// memory and of the level-2 cache, each per clock. A slice of a tile costs the slowest of them, and
// in addition what a barrier exposes where too few blocks are resident to hide it. Every formula
// here has its derivation, and every figure its source, in bench/GPU_MODEL.md under the same name.
#include "device/gpu/plan.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/real.h"

namespace {

constexpr int real_bytes = sizeof(nn_real);

// The typical GPUs: T4, A100 SXM 40 GB, RTX 3090, RTX 4090, H100 SXM, B200, RTX 5090.
//   capability, clock, float, double, bf16, L2 bytes, DRAM bytes, L2 size, shared memory, threads
constexpr GpuRates known[] = {
    {75, 1.590e9, 64, 2, 0, 20, 320e9, 4e6, 64 << 10, 1024},
    {80, 1.410e9, 64, 64, 1024, 47, 1555e9, 40e6, 164 << 10, 2048},
    {86, 1.695e9, 128, 2, 256, 16, 936e9, 6e6, 100 << 10, 1536},
    {89, 2.520e9, 128, 2, 256, 16, 1008e9, 72e6, 100 << 10, 1536},
    {90, 1.980e9, 128, 128, 1270, 28, 3350e9, 50e6, 228 << 10, 2048},
    {100, 1.965e9, 128, 64, 1024, 28, 8000e9, 126e6, 228 << 10, 2048},
    {120, 2.407e9, 128, 2, 256, 16, 1792e9, 96e6, 100 << 10, 1536},
};

// Cycles, and what the kernels are made of.
constexpr double start_cycles = 800;    ///< a block's way to its first slice in shared memory
constexpr double end_cycles = 300;      ///< its last stores, until the next block can start
constexpr double exposed_cycles = 200;  ///< of a slice, where no other block fills the wait
constexpr double ticket_cycles = 1300;  ///< to publish a part, count it, and load the others
constexpr double latency_cycles = 270;  ///< of a load from the level-2 cache
constexpr double shared_bytes_a_clock = 128;
constexpr double lanes_issued_a_clock = 128;
constexpr double l2_port_bytes = 64;        ///< a clock, into one multiprocessor
constexpr int registers = 65536;            ///< of a multiprocessor
constexpr int schedulers = 4;               ///< of a multiprocessor, each of which needs a warp
constexpr double instructions_to_move = 3;  ///< an element from memory to a slice, by lanes

double ceil_div(double a, double b) { return std::ceil(a / b); }

double rate_of(const GpuRates& rates, GemmBy by) {
    if (by == GemmBy::bf16x3) return rates.mma_bf16 / 3;  // three bf16 products make one
    return real_bytes == 8 ? rates.fma_double : rates.fma_float;
}

/// Whether a product of nn_real goes by tensor cores: double, where they are faster than 64.
bool by_double_mma(const GpuRates& rates, GemmBy by) {
    return by == GemmBy::fma && real_bytes == 8 && rates.fma_double >= 64;
}

/// Bytes of an element of B in memory: bf16x3 is for pixels.
int bytes_of_b(GemmBy by) { return by == GemmBy::bf16x3 ? 1 : real_bytes; }

/// The cycles from one instruction of a warp to the next, measured where it is alone: multiply-adds
/// depend on nothing near, what bf16x3 splits does.
double cycles_an_instruction(GemmBy by) { return by == GemmBy::bf16x3 ? 4 : 2.4; }

/// One block's demands for one slice, in cycles of a whole multiprocessor.
struct Slice {
    double arithmetic, issue, shared, l2;
    double slowest() const { return std::max({arithmetic, issue, shared, l2}); }
    /// Where no other block is there: a warp's instructions wait for each other.
    double alone(GemmBy by, int warps) const {
        const double of_a_warp = issue * schedulers / warps;
        return std::max({arithmetic, of_a_warp * cycles_an_instruction(by), shared, l2});
    }
};

/// l2_rate: bytes a clock that the cache gives one multiprocessor.
Slice slice_of(const GpuRates& rates, GemmBy by, const TileShape& t, double l2_rate) {
    const double loaded = t.k * (1. * t.m * real_bytes + 1. * t.n * bytes_of_b(by));
    const double steps = 1. * t.k / t.groups;  // of k, that each warp takes
    const double moved = instructions_to_move * t.k * (t.m + t.n);
    Slice slice{};
    slice.arithmetic = 1. * t.m * t.n * t.k / rate_of(rates, by);
    slice.l2 = loaded / l2_rate;
    if (by == GemmBy::bf16x3) {
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
    } else if (by_double_mma(rates, by)) {
        const double read = t.warps() * steps * real_bytes * (t.warp_m + t.warp_n);
        slice.issue = moved / lanes_issued_a_clock;
        slice.shared = (loaded + read) / shared_bytes_a_clock;
    } else {
        // For every k a thread loads 8 + cols elements in packs of 16 bytes, two wavefronts for a
        // warp's each, since its lanes share most of them; and it takes two instructions more.
        const double cols = t.warp_m * t.warp_n / 32. / 8, packs = (8 + cols) * real_bytes / 16;
        slice.issue =
            (t.warps() * steps * (8 * cols + packs + 2) * 32 + moved) / lanes_issued_a_clock;
        slice.shared = loaded / shared_bytes_a_clock + t.warps() * steps * packs * 2;
    }
    return slice;
}

/// A block's shared memory, and for how many slices ahead it loads, as in device/gpu/gemm_fma.cu
/// and device/gpu/gemm_bf16x3.cu: as many as 48 KiB hold.
struct Pipeline {
    int bytes, ahead;
};
Pipeline pipeline_of(const GpuRates& rates, GemmBy by, const TileShape& t) {
    constexpr int most = 48 << 10;
    if (by == GemmBy::bf16x3) {
        const int pairs = t.k * 2 * (3 * (t.m + 8) + t.n + 8), raw = t.k * (4 * t.m + t.n);
        const int ahead = std::clamp((most - 2 * pairs) / raw, 1, 4);
        return {2 * pairs + ahead * raw, ahead};
    }
    const int slice = t.k * (t.m + t.n + 8) * real_bytes;
    const int stages = std::clamp(most / slice, 2, 4);
    return {stages * slice, rates.capability >= 80 ? stages - 1 : 1};
}

/// How many blocks a multiprocessor holds at a time: the least that its threads, its registers and
/// its shared memory allow. A thread's registers are its sums, and what the table of
/// tests/ptxas_table.py shows beside them: about 64, and more for fragments and what is split.
int resident_blocks(const GpuRates& rates, GemmBy by, const TileShape& t) {
    const bool split = by == GemmBy::bf16x3, in_double = !split && real_bytes == 8;
    const int sums = t.warp_m * t.warp_n / 32 * (in_double ? 2 : 1);
    const int others = split ? 112 : in_double ? 136 : 64;
    return std::max(1, std::min({rates.threads / t.threads(),
                                 registers / (t.threads() * std::min(255, sums + others)),
                                 rates.shared_size / pipeline_of(rates, by, t).bytes}));
}

/// Bytes of A, B and `parts` of C.
double bytes_of(GemmBy by, double m, double n, double k, double parts) {
    return m * k * real_bytes + k * n * bytes_of_b(by) + parts * m * n * real_bytes;
}

/// Bytes a second of the memory that so many bytes lie in: the cache, if they fit.
double bandwidth(const GpuChip& chip, const GpuRates& rates, double bytes) {
    const double cache = rates.l2_bytes * rates.clock * chip.multiprocessors;
    return bytes <= rates.l2_size ? std::max(cache, rates.dram_bytes) : rates.dram_bytes;
}

}  // namespace

const GpuRates& gpu_rates(int capability) {
    const GpuRates* best = known;
    for (const GpuRates& rates : known)
        if (rates.capability <= capability) best = &rates;
    return *best;
}

double floor_seconds(const GpuChip& chip, GemmBy by, int m, int n, int k) {
    if (m <= 0 || n <= 0) return 0;
    const GpuRates& rates = gpu_rates(chip.capability);
    const double arithmetic =
        1. * m * n * k / (rate_of(rates, by) * rates.clock * chip.multiprocessors);
    const double bytes = bytes_of(by, m, n, k, 1);
    return std::max(arithmetic, bytes / bandwidth(chip, rates, bytes));
}

double predicted_seconds(const GpuChip& chip, GemmBy by, const GemmPlan& plan, int m, int n, int k,
                         Split split) {
    if (m <= 0 || n <= 0) return 0;
    const GpuRates& rates = gpu_rates(chip.capability);
    if (rate_of(rates, by) == 0) return std::numeric_limits<double>::infinity();
    const TileShape t = tile_shape(by, plan.tile, real_bytes);

    const double blocks = ceil_div(m, t.m) * ceil_div(n, t.n) * plan.splits;
    const double on_busiest = ceil_div(blocks, chip.multiprocessors);
    const double busy = std::min<double>(blocks, chip.multiprocessors);
    const double l2_rate = std::min(l2_port_bytes, rates.l2_bytes * chip.multiprocessors / busy);
    const double slices = ceil_div(k, 1. * t.k * plan.splits);
    const Slice slice = slice_of(rates, by, t, l2_rate);
    const double waits = latency_cycles / pipeline_of(rates, by, t).ahead;
    const double tile_bytes = 1. * t.m * t.n * real_bytes;
    const double end_work =
        tile_bytes / l2_rate + 2 * (t.groups - 1) * tile_bytes / shared_bytes_a_clock;

    const double joining = split == Split::joined && plan.splits > 1
                               ? ticket_cycles + tile_bytes * (1 + plan.splits) / l2_rate
                               : 0;

    // `together` blocks share a multiprocessor: each slice of all of them takes what they demand,
    // or what one block needs alone, or the time that its loads are on their way.
    const auto round_cycles = [&](double together) {
        const double each = std::max(
            {together * slice.slowest(), slice.alone(by, t.warps()) + exposed_cycles, waits});
        return start_cycles + slices * each + together * end_work + joining + end_cycles;
    };
    const double resident = resident_blocks(rates, by, t);
    const double full_rounds = std::floor(on_busiest / resident);
    const double rest = on_busiest - full_rounds * resident;
    const double cycles =
        full_rounds * round_cycles(resident) + (rest > 0 ? round_cycles(rest) : 0);

    const double bytes = bytes_of(by, m, n, k, plan.splits);
    const double bytes_a_second = bandwidth(chip, rates, bytes);
    const double added = 2. * (plan.splits - 1) * m * n * real_bytes;  // written, then read again
    return std::max(cycles / rates.clock, bytes / bytes_a_second) + added / bytes_a_second;
}

GemmPlan plan_gemm(const GpuChip& chip, GemmBy by, int m, int n, int k, Split split) {
    GemmPlan best{GemmTile::large, 1};
    double least = std::numeric_limits<double>::infinity();
    for (int splits = 1; splits <= most_splits_of(split); ++splits)
        for (const GemmTile tile : {GemmTile::large, GemmTile::medium, GemmTile::small}) {
            const double seconds = predicted_seconds(chip, by, {tile, splits}, m, n, k, split);
            if (seconds < least) {
                least = seconds;
                best = {tile, splits};
            }
        }
    return best;
}
