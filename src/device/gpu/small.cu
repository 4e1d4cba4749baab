// small.cu: rounds arrays to bf16 or fp16, whose numbers stay floats (small.h): what products take
// with --precision.
#include "device/gpu/kernels.h"
#include "device/gpu/small.h"

#include <algorithm>

namespace {

constexpr unsigned threads = 256, most_blocks = 1024;

/// to_i = nearest number to from_i, or to the pixel from_i x scale. `to` may be `from`.
/// Mapping: thread t of all T takes the elements t, t + T, ...
template <Precision P, class From>
__global__ void __launch_bounds__(threads)
    round_kernel(std::size_t count, const From* from, nn_real scale, nn_real* to) {
    wait_for_kernel_before();
    let_next_kernel_start();
    for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * threads + threadIdx.x; i < count;
         i += static_cast<std::size_t>(gridDim.x) * threads) {
        if constexpr (sizeof(From) == 1)
            to[i] = nearest_small<P>(scale * static_cast<nn_real>(from[i]));
        else
            to[i] = nearest_small<P>(from[i]);
    }
}

template <class From>
void launch_round(const Gpu& gpu, Precision precision, std::size_t count, const From* from,
                  nn_real scale, nn_real* to) {
    if (count == 0) return;
    const auto blocks = std::min<std::size_t>((count + threads - 1) / threads, most_blocks);
    gpu_start(gpu,
              precision == Precision::bf16 ? round_kernel<Precision::bf16, From>
                                           : round_kernel<Precision::fp16, From>,
              dim3(static_cast<unsigned>(blocks)), dim3(threads), count, from, scale, to);
}

}  // namespace

void gpu_round(const Gpu& gpu, Precision precision, std::size_t count, const nn_real* from,
               nn_real* to) {
    launch_round(gpu, precision, count, from, nn_real{1}, to);
}

void gpu_round_input(const Gpu& gpu, Precision precision, std::size_t count, Input from,
                     nn_real* to) {
    if (from.activations != nullptr)
        launch_round(gpu, precision, count, from.activations, nn_real{1}, to);
    else
        launch_round(gpu, precision, count, from.pixels, from.scale, to);
}
