// numbers.cu: brings the numbers of an update to the device, for the kernels of a recorded graph.
//
// They travel as a kernel's argument, which CUDA has copied when the launch returns. A copy from
// the host's memory would need that memory to stay as it is until the stream gets there: on a host
// whose memory the GPU reads by itself, "asynchronous" may mean just that.
#include "device/gpu/kernels.h"

namespace {

/// One thread.
__global__ void set_numbers_kernel(UpdateNumbers numbers, UpdateNumbers* to) { *to = numbers; }

}  // namespace

void gpu_set_numbers(const Gpu& gpu, const UpdateNumbers& numbers, UpdateNumbers* to) {
    GPU_CHECK(gpu_launch(set_numbers_kernel, dim3(1), dim3(1), 0, gpu.stream, numbers, to));
}
