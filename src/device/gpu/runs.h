// runs.h: device code that adds the parts of a gradient up, and updates what they belong to.
//
// parts.cu has a kernel that does nothing else. The last product of a step has blocks that do it
// beside those of its tiles (product.h). Both add in the same order, so the bits are the same.
#pragma once
#include <algorithm>
#include <type_traits>

#include "device/gpu/kernels.h"

/// A run with more parts than this has several threads add each of its elements.
inline constexpr int few_parts = most_splits;
/// Then a block's threads are so many groups, which share the parts of an element.
inline constexpr int part_groups = 8;

/// What one launch works on, in chunks of what a block does at a time. Run r has the chunks
/// first_chunk[r] .. first_chunk[r + 1] - 1.
struct Runs {
    static constexpr std::size_t most = most_other_runs;
    int count = 0;
    Parts at[most];
    unsigned first_chunk[most + 1] = {};

    __host__ __device__ unsigned chunks() const { return first_chunk[count]; }
};

/// The elements of a chunk, for a block of so many threads.
__host__ __device__ constexpr int chunk_size(const Parts& run, int threads) {
    return run.parts <= few_parts ? threads : threads / part_groups;
}

/// At most Runs::most runs, for blocks of `threads`. Runs without elements take no part.
inline Runs runs_of(std::span<const Parts> all, int threads) {
    Runs runs;
    for (const Parts& run : all) {
        if (run.count == 0) continue;
        const auto size = static_cast<std::size_t>(chunk_size(run, threads));
        runs.at[runs.count] = run;
        runs.first_chunk[runs.count + 1] =
            runs.chunks() + static_cast<unsigned>((run.count + size - 1) / size);
        ++runs.count;
    }
    return runs;
}

/// The sum of parts first .. last - 1 of a run's element i, in this order, of which eight are on
/// their way at a time.
__device__ __forceinline__ nn_real add_parts(const Parts& run, std::size_t i, int first, int last) {
    constexpr int ahead = 8;
    nn_real sum = 0;
    for (; first < last; first += ahead) {
        nn_real part[ahead];
#pragma unroll
        for (int s = 0; s < ahead; ++s)
            part[s] = first + s < last
                          ? run.gradient[static_cast<std::size_t>(first + s) * run.stride + i]
                          : nn_real{0};
#pragma unroll
        for (int s = 0; s < ahead; ++s) sum += part[s];
    }
    return sum;
}

/// In place of a rule: only the sum is wanted, and what was there before is not read.
struct SumAlone {};
struct NotRead {
    __device__ void read(nn_real*, std::size_t) {}
};
template <class R>
using Updated = std::conditional_t<std::is_same_v<R, SumAlone>, NotRead, UpdatedNumber<R>>;

/// Adds the parts of a chunk's elements; out_i = sum, or out_i is updated by a rule of
/// model/update, with the penalty for weights alone. All threads of a block call it. Mapping: of a
/// run with few parts, each thread adds all parts of its own element. Of a run with many, group g
/// of eight adds the g-th eighth of the parts of an element: one thread would wait for hundreds of
/// loads, one after the other. The first group adds the eight sums in their order. Neighbouring
/// threads read neighbouring addresses either way. Memory: `memory` has a number for each thread,
/// [group][element].
template <int Threads, class R>
__device__ __forceinline__ void update_chunk(const Runs& runs, unsigned chunk, const R& rule,
                                             const UpdateNumbers* numbers, nn_real* out,
                                             std::size_t to_moment, nn_real* memory) {
    constexpr bool updates = !std::is_same_v<R, SumAlone>;
    constexpr unsigned group_lanes = Threads / part_groups;
    int r = 0;
    while (chunk >= runs.first_chunk[r + 1]) ++r;
    const Parts run = runs.at[r];
    const bool few = run.parts <= few_parts;
    const auto size = static_cast<unsigned>(chunk_size(run, Threads));
    const unsigned lane = threadIdx.x % size;
    const int group = static_cast<int>(threadIdx.x / size);
    const std::size_t i = static_cast<std::size_t>(chunk - runs.first_chunk[r]) * size + lane;
    const bool inside = i < run.count;
    [[maybe_unused]] Updated<R> old;
    UpdateNumbers now{};
    if (updates && inside) {  // read first, so that memory is waited for once
        old.read(out + run.first + i, to_moment);
        now = *numbers;
    }
    const int share = few ? run.parts : (run.parts + part_groups - 1) / part_groups;
    nn_real sum = 0;
    if (inside) sum = add_parts(run, i, group * share, min((group + 1) * share, run.parts));
    if (!few) {
        memory[threadIdx.x] = sum;
        __syncthreads();  // the first group adds what the other groups wrote
        if (group > 0) return;
        for (int g = 1; g < part_groups; ++g)
            sum += memory[static_cast<unsigned>(g) * group_lanes + lane];
    }
    if (!inside) return;
    if constexpr (updates) {
        if (i >= run.penalised) now.reg = 0;
        old.update(rule, now, sum);
    } else {
        out[run.first + i] = sum;
    }
}

/// Runs that are updated by plain descent beside a product.
struct OtherRuns {
    Runs runs;
    const UpdateNumbers* numbers;
    nn_real* p;
};
/// The work of the blocks (x, y) of one z. They take chunks in turn.
template <int Threads>
__device__ __forceinline__ void update_others(const OtherRuns& others, void* memory) {
    for (unsigned chunk = blockIdx.y * gridDim.x + blockIdx.x; chunk < others.runs.chunks();
         chunk += gridDim.x * gridDim.y) {
        update_chunk<Threads>(others.runs, chunk, Sgd{}, others.numbers, others.p, 0,
                              static_cast<nn_real*>(memory));
        __syncthreads();  // the chunk's sums have been read before the next one's replace them
    }
}
