// devices.cu: which GPUs this process can use, and what to do about one that it cannot use.
//
// A sick, busy or old GPU must not end a run that does without it. So no error here is a Failure:
// it is a reason, with advice, for the one who chooses (train/choose.cpp).
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "device/gpu/kernels.h"
#include "device/replica.h"

namespace {

constexpr int oldest = 75;  ///< compute capability x 10 that the kernels need

/// Every object of the program is compiled for the same GPUs, so any kernel tells which.
__global__ void compiled_kernel() {}

std::string capability_text(int capability) {
    return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
}

/// What is wrong, where CUDA's own words say too little, and what to do.
const char* advice_on(cudaError_t status) {
    switch (status) {
        case cudaErrorInsufficientDriver:
            return "update the driver, or build with an older CUDA Toolkit";
        case cudaErrorDevicesUnavailable:
            return "another process may have it for itself (nvidia-smi -q -d COMPUTE): set its "
                   "compute mode to Default, start MPS, or start one rank a GPU";
        case cudaErrorNoDevice:
            return "look at CUDA_VISIBLE_DEVICES, and at what the job asked for";
        case cudaErrorInvalidDevice:
            return "it was there before: look at nvidia-smi and CUDA_VISIBLE_DEVICES";
        case cudaErrorSystemDriverMismatch:
            return "the driver's library and its kernel module are of two versions: restart the "
                   "machine, or install the driver again";
        case cudaErrorCompatNotSupportedOnDevice:
            return "this GPU does not take a library newer than its driver (cuda-compat): update "
                   "the driver, or take that library off LD_LIBRARY_PATH";
        case cudaErrorMemoryAllocation:
            return gpu_memory_advice;
        default:
            return "look at nvidia-smi and dmesg (Xid) for what is wrong with it";
    }
}
std::string reason(cudaError_t status) {
    cudaGetLastError();  // clears the error: the next check must not see it
    return std::string(cudaGetErrorString(status)) + "; " + advice_on(status);
}

/// The device, by three questions that start no context. Throws GpuUnavailable.
CudaDevice asked_device(int number) {
    const auto ask = [number](cudaDeviceAttr which) {
        int value = 0;
        if (const cudaError_t status = cudaDeviceGetAttribute(&value, which, number);
            status != cudaSuccess)
            throw GpuUnavailable(reason(status));
        return value;
    };
    CudaDevice device{number};
    device.multiprocessors = ask(cudaDevAttrMultiProcessorCount);
    device.capability =
        10 * ask(cudaDevAttrComputeCapabilityMajor) + ask(cudaDevAttrComputeCapabilityMinor);
    if (device.capability < oldest)
        throw GpuUnavailable("compute capability " + capability_text(device.capability) +
                             " is too old; the kernels need " + capability_text(oldest) +
                             " or above");
    // What was compiled for old GPUs alone has none of the newer instructions on a new one.
    device.bf16x3 = gpu_has_bf16x3({device.multiprocessors, gpu_code_for(device.capability)});
    device.native = gpu_code_is_native(device.capability);
    return device;
}

/// A GPU that is hidden on purpose is not worth a word.
bool seems_here(cudaError_t status) {
    if (status == cudaErrorNoDevice && std::getenv("CUDA_VISIBLE_DEVICES") != nullptr) return false;
    if (status == cudaErrorNoDevice || status == cudaErrorInsufficientDriver)
        return gpu_file_is_here();  // both are also said where there is no driver, or no GPU
    return true;
}

}  // namespace

CudaDevices find_cuda_devices() {
    CudaDevices found;
    int version = 0;
    if (cudaRuntimeGetVersion(&version) == cudaSuccess)
        found.runtime_version =
            std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
    // On an error the count is left unwritten, so the status alone decides.
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    found.seems_here = seems_here(status);
    if (status != cudaSuccess) {
        found.why_none = reason(status);
        return found;
    }
    for (int number = 0; number < count; ++number) {
        try {
            found.usable.push_back(asked_device(number));
        } catch (const GpuUnavailable& why) {
            found.left_out += (found.left_out.empty() ? "device " : "; device ") +
                              std::to_string(number) + ": " + why.what();
        }
    }
    if (found.usable.empty())
        found.why_none = count == 0 ? "CUDA counts 0 devices" : found.left_out;
    return found;
}

std::string cuda_uuid(int number) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, number) != cudaSuccess) {
        cudaGetLastError();
        return "";
    }
    return {properties.uuid.bytes, sizeof properties.uuid.bytes};
}

GpuChip gpu_chip(int number) {
    const std::string name = "device " + std::to_string(number) + ": ";
    try {
        const CudaDevice device = asked_device(number);
        // A device is started by the first call that needs it, which this is.
        std::size_t free_bytes = 0, all_bytes = 0;
        for (const cudaError_t status :
             {cudaSetDevice(number), cudaMemGetInfo(&free_bytes, &all_bytes)})
            if (status != cudaSuccess) throw GpuUnavailable(reason(status));
        cudaFuncAttributes compiled;
        if (cudaFuncGetAttributes(&compiled, compiled_kernel) != cudaSuccess) {
            cudaGetLastError();
            throw GpuUnavailable("this binary has no kernels for compute capability " +
                                 capability_text(device.capability) +
                                 "; build it where nvidia-smi shows that GPU");
        }
        const bool old = compiled.ptxVersion < 80 && device.capability >= 80;
        return {device.multiprocessors, old ? compiled.ptxVersion : device.capability,
                compiled.ptxVersion >= 90};
    } catch (const GpuUnavailable& why) {
        throw GpuUnavailable(name + why.what());
    }
}
