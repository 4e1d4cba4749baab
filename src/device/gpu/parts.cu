// parts.cu: the kernels that only move and add: the update, sums of a gradient's parts, the
// gathering of samples, the sum of squares.
//
// A kernel's comment says which thread computes what (mapping), what lies in shared memory (memory)
// and why each barrier stands where it does. The same file is compiled by nvcc for GPUs and by the
// host compiler for tests/gpuhost, which runs every CUDA thread as a fiber under sanitizers.
#include <type_traits>

#include "device/gpu/kernels.h"

namespace {

constexpr int plain_threads = 256;

// ------------------------------------------------------------------ the update

/// A run with more parts than this has several threads add each of its elements.
constexpr int few_parts = most_splits;
/// Then a block's threads are so many groups, which share the parts of so many elements.
constexpr int part_groups = 8, group_lanes = plain_threads / part_groups;

/// What one launch works on. Run r has the blocks first_block[r] .. first_block[r + 1] - 1.
struct Runs {
    static constexpr int most = 8;
    int count = 0;
    Parts at[most];
    unsigned first_block[most + 1] = {};
};

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

/// Adds the parts of each element; out_i = sum, or out_i is updated by a rule of model/update, with
/// the penalty for weights alone.
/// Mapping: a block finds its run by its number. Of a run with few parts, a block has 256 elements,
/// and each thread adds all parts of its own. Of a run with many, a block has 32 elements, and
/// group g of its eight, a warp, adds the g-th eighth of the parts: one thread would wait for
/// hundreds of loads, one after the other. The first group adds the eight sums in their order.
/// Neighbouring threads read neighbouring addresses either way. Memory: partial[group][element]: 1
/// KiB in float, 2 KiB in double.
template <class R>
__global__ void __launch_bounds__(plain_threads)
    parts_kernel(Runs runs, R rule, const UpdateNumbers* __restrict__ numbers,
                 nn_real* __restrict__ out, std::size_t to_moment) {
    wait_for_kernel_before();
    constexpr bool updates = !std::is_same_v<R, SumAlone>;
    GPU_SHARED(nn_real, partial, [part_groups][group_lanes]);
    int r = 0;
    while (blockIdx.x >= runs.first_block[r + 1]) ++r;
    const Parts run = runs.at[r];
    const bool few = run.parts <= few_parts;
    const unsigned in_block = few ? plain_threads : group_lanes;
    const unsigned lane = threadIdx.x % in_block;
    const int group = static_cast<int>(threadIdx.x / in_block);
    const std::size_t i =
        static_cast<std::size_t>(blockIdx.x - runs.first_block[r]) * in_block + lane;
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
        partial[group][lane] = sum;
        __syncthreads();  // the first group adds what the other groups wrote
        if (group > 0) return;
        for (int g = 1; g < part_groups; ++g) sum += partial[g][lane];
    }
    if (!inside) return;
    if constexpr (updates) {
        if (i >= run.penalised) now.reg = 0;
        old.update(rule, now, sum);
    } else {
        out[run.first + i] = sum;
    }
}

/// Runs without elements take no part; a launch has room for `Runs::most` of the others.
template <class R>
void launch_parts(const Gpu& gpu, std::span<const Parts> all, const R& rule,
                  const UpdateNumbers* numbers, nn_real* out, std::size_t to_moment) {
    Runs runs;
    const auto launch = [&] {
        if (runs.count > 0)
            GPU_CHECK(gpu_launch_early(parts_kernel<R>, dim3(runs.first_block[runs.count]),
                                 dim3(plain_threads), 0, gpu.stream, runs, rule, numbers, out,
                                 to_moment));
        runs.count = 0;
    };
    for (const Parts& run : all) {
        if (run.count == 0) continue;
        const std::size_t in_block =
            static_cast<std::size_t>(run.parts <= few_parts ? plain_threads : group_lanes);
        runs.at[runs.count] = run;
        runs.first_block[runs.count + 1] =
            runs.first_block[runs.count] +
            static_cast<unsigned>((run.count + in_block - 1) / in_block);
        if (++runs.count == Runs::most) launch();
    }
    launch();
}

// ------------------------------------------------------------------ gathering, squares

constexpr int gather_threads = 64;

/// Sixteen bytes, moved by one load and one store. Addresses must be multiples of 16.
struct alignas(16) SixteenBytes {
    std::uint8_t at[16];
};

/// Mapping: block j copies sample j; its 64 threads stride over the pieces of its inputs, bytes or
/// sixteen of them, neighbours on neighbours, and over its target's bytes: a label is one. A block
/// is small, since an image of 784 is 49 pieces. No shared memory.
template <class Piece>
__global__ void __launch_bounds__(gather_threads)
    gather_kernel(std::size_t pieces, std::size_t target_bytes,
                  const std::uint32_t* __restrict__ samples, const Piece* __restrict__ inputs,
                  const std::uint8_t* __restrict__ targets, Piece* __restrict__ inputs_out,
                  std::uint8_t* __restrict__ targets_out) {
    wait_for_kernel_before();
    const std::size_t j = blockIdx.x, s = samples[j];
    for (std::size_t i = threadIdx.x; i < pieces; i += gather_threads)
        inputs_out[j * pieces + i] = inputs[s * pieces + i];
    for (std::size_t i = threadIdx.x; i < target_bytes; i += gather_threads)
        targets_out[j * target_bytes + i] = targets[s * target_bytes + i];
}

/// Grid: gpu_square_slots blocks of 256 threads. Mapping: thread t of all T adds the squares of
/// elements t, t + T, ...; a block's threads then add up as a tree, half of them at a time. Memory:
/// partial[thread], 2 KiB.
__global__ void __launch_bounds__(plain_threads)
    sum_of_squares_kernel(std::size_t count, const nn_real* __restrict__ values,
                          double* __restrict__ out) {
    wait_for_kernel_before();
    GPU_SHARED(double, partial, [plain_threads]);
    double sum = 0;
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
         i += static_cast<std::size_t>(gridDim.x) * blockDim.x)
        sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    partial[threadIdx.x] = sum;
    for (unsigned half = plain_threads / 2; half > 0; half /= 2) {
        __syncthreads();  // the last round's sums are there before the next round reads them
        if (threadIdx.x < half) partial[threadIdx.x] += partial[threadIdx.x + half];
    }
    if (threadIdx.x == 0) out[blockIdx.x] = partial[0];
}

}  // namespace

// ------------------------------------------------------------------ launchers

void gpu_update(const Gpu& gpu, std::span<const Parts> runs, const Rule& rule,
                const UpdateNumbers* numbers, nn_real* p, std::size_t to_moment) {
    std::visit([&](const auto& of) { launch_parts(gpu, runs, of, numbers, p, to_moment); }, rule);
}

void gpu_add_parts(const Gpu& gpu, std::span<const Parts> runs, nn_real* gradient) {
    launch_parts(gpu, runs, SumAlone{}, nullptr, gradient, 0);
}

void gpu_gather(const Gpu& gpu, std::size_t input_bytes, std::size_t target_bytes, int n,
                const std::uint32_t* samples, const std::uint8_t* inputs,
                const std::uint8_t* targets, std::uint8_t* inputs_out, std::uint8_t* targets_out) {
    if (n == 0) return;
    constexpr std::size_t sixteen = sizeof(SixteenBytes);
    const dim3 grid(static_cast<unsigned>(n)), block(gather_threads);
    const auto by_sixteen = [](const void* p) {
        return reinterpret_cast<std::uintptr_t>(p) % sixteen == 0;
    };
    if (input_bytes % sixteen == 0 && by_sixteen(inputs) && by_sixteen(inputs_out))
        GPU_CHECK(gpu_launch_early(gather_kernel<SixteenBytes>, grid, block, 0, gpu.stream,
                             input_bytes / sixteen, target_bytes, samples,
                             reinterpret_cast<const SixteenBytes*>(inputs), targets,
                             reinterpret_cast<SixteenBytes*>(inputs_out), targets_out));
    else
        GPU_CHECK(gpu_launch_early(gather_kernel<std::uint8_t>, grid, block, 0, gpu.stream, input_bytes,
                             target_bytes, samples, inputs, targets, inputs_out, targets_out));
}

void gpu_sum_of_squares(const Gpu& gpu, std::size_t count, const nn_real* values, double* partial) {
    GPU_CHECK(gpu_launch_early(sum_of_squares_kernel, dim3(gpu_square_slots), dim3(plain_threads), 0,
                         gpu.stream, count, values, partial));
}
