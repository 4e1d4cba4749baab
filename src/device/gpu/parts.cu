// parts.cu: the kernels that only move and add: the update, sums of a gradient's parts, the
// gathering of samples, the sum of squares.
//
// Pointers have no __restrict__: what a kernel that starts early reads may still be written when it
// starts, and the compiler could read it before the kernel waits.
//
// A kernel's comment says which thread computes what (mapping), what lies in shared memory (memory)
// and why each barrier stands where it does. The same file is compiled by nvcc for GPUs and by the
// host compiler for tests/gpuhost, which runs every CUDA thread as a fiber under sanitizers.
#include "device/gpu/runs.h"

namespace {

constexpr int plain_threads = 256;

// ------------------------------------------------------------------ the update

/// Grid: a block for each chunk. Mapping and memory: update_chunk(); 1 KiB in float, 2 KiB in
/// double.
template <class R>
__global__ void __launch_bounds__(plain_threads)
    parts_kernel(Runs runs, R rule, const UpdateNumbers* numbers, nn_real* out,
                 std::size_t to_moment) {
    wait_for_kernel_before();
    let_next_kernel_start();
    GPU_SHARED(nn_real, memory, [plain_threads]);
    update_chunk<plain_threads>(runs, blockIdx.x, rule, numbers, out, to_moment, memory);
}

/// A launch has room for Runs::most runs.
template <class R>
void launch_parts(const Gpu& gpu, std::span<const Parts> all, const R& rule,
                  const UpdateNumbers* numbers, nn_real* out, std::size_t to_moment) {
    for (; !all.empty(); all = all.subspan(std::min(all.size(), Runs::most))) {
        const Runs runs = runs_of(all.first(std::min(all.size(), Runs::most)), plain_threads);
        if (runs.count > 0)
            gpu_start(gpu, parts_kernel<R>, dim3(runs.chunks()), dim3(plain_threads), runs, rule,
                      numbers, out, to_moment);
    }
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
    gather_kernel(std::size_t pieces, std::size_t target_bytes, const std::uint32_t* samples,
                  const Piece* inputs, const std::uint8_t* targets, Piece* inputs_out,
                  std::uint8_t* targets_out) {
    wait_for_kernel_before();
    let_next_kernel_start();
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
    sum_of_squares_kernel(std::size_t count, const nn_real* values, double* out) {
    wait_for_kernel_before();
    let_next_kernel_start();
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
        gpu_start(gpu, gather_kernel<SixteenBytes>, grid, block, input_bytes / sixteen,
                  target_bytes, samples, reinterpret_cast<const SixteenBytes*>(inputs), targets,
                  reinterpret_cast<SixteenBytes*>(inputs_out), targets_out);
    else
        gpu_start(gpu, gather_kernel<std::uint8_t>, grid, block, input_bytes, target_bytes, samples,
                  inputs, targets, inputs_out, targets_out);
}

void gpu_sum_of_squares(const Gpu& gpu, std::size_t count, const nn_real* values, double* partial) {
    gpu_start(gpu, sum_of_squares_kernel, dim3(gpu_square_slots), dim3(plain_threads), count,
              values, partial);
}
