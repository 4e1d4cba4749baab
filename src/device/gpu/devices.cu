// devices.cu: which GPUs this process can use.
#include "device/gpu/kernels.h"
#include "device/replica.h"

CudaDevices find_cuda_devices() {
    CudaDevices found;
    int version = 0;
    if (cudaRuntimeGetVersion(&version) == cudaSuccess)
        found.runtime_version =
            std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
    // On an error the count is left unwritten, so the status alone decides.
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count == 0) {
        found.why_none =
            status == cudaSuccess ? "CUDA counts 0 devices" : cudaGetErrorString(status);
        return found;
    }
    found.count = count;
    found.bf16x3 = true;
    for (int device = 0; device < count; ++device) {
        cudaDeviceProp p;
        GPU_CHECK(cudaGetDeviceProperties(&p, device));
        found.bf16x3 =
            found.bf16x3 && gpu_has_bf16x3({p.multiProcessorCount, 10 * p.major + p.minor});
    }
    return found;
}
