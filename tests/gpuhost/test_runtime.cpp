// test_runtime.cpp: the runner's side of the host: launches, memory and devices.
//
// Every call gives the error that CUDA gives.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "tests/gpuhost/gpuhost_fixture.h"

namespace {

// ---- Launches ----

__global__ void do_nothing(const float*) {}

TEST_F(GpuHost, RefusesLaunchesThatAGpuRefuses) {
    const auto launch = [](dim3 grid, dim3 block, std::size_t shared = 0) {
        const float* const none = nullptr;
        return gpu_launch(do_nothing, grid, block, shared, nullptr, none);
    };
    EXPECT_EQ(launch(1, 1024), cudaSuccess);
    EXPECT_EQ(launch(1, dim3(16, 16, 4)), cudaSuccess);
    EXPECT_EQ(launch(1, 1025), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, dim3(32, 33)), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, dim3(1, 1, 65)), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, 0), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(0, 32), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(dim3(1, 0), 32), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(dim3(1, 65536), 32), cudaErrorInvalidConfiguration);
    EXPECT_EQ(launch(1, 32, 4), cudaErrorInvalidConfiguration);
}

TEST_F(GpuHost, RefusesAHostPointerAsAKernelArgument) {
    const std::vector<float> host(4);
    OnDevice<float> device(4);
    const auto launch = [](const float* p) { return gpu_launch(do_nothing, 1, 1, 0, nullptr, p); };
    EXPECT_EQ(launch(host.data()), cudaErrorIllegalAddress);
    EXPECT_EQ(launch(device.get()), cudaSuccess);
    EXPECT_EQ(launch(device.get() + 4), cudaSuccess) << "the end of an array with nothing after it";
    EXPECT_EQ(launch(device.get() + 5), cudaErrorIllegalAddress);
    EXPECT_EQ(launch(nullptr), cudaSuccess);
}

TEST_F(GpuHost, AKernelTakesStreamAndMemoryOfItsOwnDeviceAlone) {
    config().devices = 2;
    OnDevice<float> on_0(4);
    cudaStream_t of_0{};
    GPU_CHECK(cudaStreamCreateWithFlags(&of_0, cudaStreamNonBlocking));
    const auto launch = [&](cudaStream_t stream) {
        const float* const p = on_0.get();
        return gpu_launch(do_nothing, 1, 1, 0, stream, p);
    };
    EXPECT_EQ(launch(of_0), cudaSuccess);
    GPU_CHECK(cudaSetDevice(1));
    EXPECT_EQ(cudaStreamSynchronize(of_0), cudaSuccess) << "its kernel runs on device 0";
    EXPECT_EQ(launch(of_0), cudaErrorInvalidResourceHandle);
    EXPECT_EQ(launch(nullptr), cudaErrorIllegalAddress);
    EXPECT_EQ(cudaStreamDestroy(of_0), cudaSuccess);
}

TEST_F(GpuHost, KeepsTheLastErrorUntilAsked) {
    EXPECT_EQ(cudaFree(&config()), cudaErrorInvalidValue);
    EXPECT_EQ(cudaStreamSynchronize(nullptr), cudaSuccess);
    EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
    EXPECT_STREQ(cudaGetErrorString(cudaErrorInvalidValue), "invalid argument");
}

TEST_F(GpuHost, AnExceptionFromAFailedLaunchReachesTheCaller) {
    launch_kernel_of(32, [] { __syncthreads(); });
    EXPECT_THROW(launch_kernel_of(2000, [] {}), Failure);
    launch_kernel_of(32, [] { __syncthreads(); });
}

// ---- Memory and devices ----

TEST_F(GpuHost, DeviceMemoryStartsAsNaN) {
    for (const float value : OnDevice<float>(100).values()) EXPECT_TRUE(std::isnan(value));
}

TEST_F(GpuHost, CopiesOnlyBetweenTheSidesThatTheKindNames) {
    OnDevice<char> device(8), other(8);
    std::vector<char> host(16, 'x');
    const auto copy = [](void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
        return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    };
    char *const d = device.get(), *const h = host.data();
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyHostToDevice), cudaSuccess);
    EXPECT_EQ(copy(other.get(), d, 8, cudaMemcpyDeviceToDevice), cudaSuccess);
    EXPECT_EQ(copy(h + 8, other.get(), 8, cudaMemcpyDeviceToHost), cudaSuccess);
    EXPECT_EQ(host, std::vector<char>(16, 'x'));
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
    EXPECT_EQ(copy(h, d, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
    EXPECT_EQ(copy(d, h, 8, cudaMemcpyHostToHost), cudaErrorInvalidValue);
    EXPECT_EQ(copy(nullptr, h, 8, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
}

TEST_F(GpuHost, RefusesRangesThatDoNotFitTheirBlock) {
    OnDevice<char> device(8);
    std::vector<char> host(16);
    char *const d = device.get(), *const h = host.data();
    const auto to_device = [h](char* to, std::size_t bytes) {
        return cudaMemcpyAsync(to, h, bytes, cudaMemcpyHostToDevice, nullptr);
    };
    EXPECT_EQ(to_device(d + 3, 5), cudaSuccess);
    EXPECT_EQ(to_device(d, 9), cudaErrorInvalidValue);
    EXPECT_EQ(to_device(d + 3, 6), cudaErrorInvalidValue);
    EXPECT_EQ(to_device(d - 1, 2), cudaErrorInvalidValue);
    EXPECT_EQ(to_device(d + 8, 0), cudaSuccess) << "nothing to copy";
    EXPECT_EQ(cudaMemsetAsync(d, 0, 8, nullptr), cudaSuccess);
    EXPECT_EQ(cudaMemsetAsync(d + 1, 0, 8, nullptr), cudaErrorInvalidValue);
    EXPECT_EQ(cudaMemsetAsync(h, 0, 8, nullptr), cudaErrorInvalidValue);
}

TEST_F(GpuHost, FreesOnlyWhatItGave) {
    char *device = nullptr, *pinned = nullptr;
    GPU_CHECK(cudaMalloc(&device, 8));
    GPU_CHECK(cudaMallocHost(&pinned, 8));
    EXPECT_EQ(gpuhost::live_allocations(), 2u);
    EXPECT_EQ(cudaFree(pinned), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFreeHost(device), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(device + 1), cudaErrorInvalidValue);
    EXPECT_EQ(cudaFree(device), cudaSuccess);
    EXPECT_EQ(cudaFree(device), cudaErrorInvalidValue) << "the second time";
    EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
    EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(GpuHost, RunsOutOfMemoryWhereToldTo) {
    config().memory = 1000;
    OnDevice<char> first(600);
    std::size_t free_bytes = 0, total_bytes = 0;
    GPU_CHECK(cudaMemGetInfo(&free_bytes, &total_bytes));
    EXPECT_EQ(free_bytes, 400u);
    EXPECT_EQ(total_bytes, 1000u);
    char* second = nullptr;
    EXPECT_EQ(cudaMalloc(&second, 401), cudaErrorMemoryAllocation);
    EXPECT_EQ(second, nullptr);
    EXPECT_EQ(cudaMalloc(&second, 400), cudaSuccess);
    EXPECT_EQ(cudaFree(second), cudaSuccess);
}

TEST_F(GpuHost, WithNoDeviceSaysSoAndLeavesTheCountAlone) {
    config().devices = 0;
    int count = -7;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaErrorNoDevice);
    EXPECT_EQ(count, -7);
    EXPECT_EQ(cudaSetDevice(0), cudaErrorNoDevice);
}

TEST_F(GpuHost, HasTheDevicesItIsToldToHave) {
    config().devices = 3;
    config().multiprocessors = 7;
    config().capability = 89;
    int count = 0;
    EXPECT_EQ(cudaGetDeviceCount(&count), cudaSuccess);
    EXPECT_EQ(count, 3);
    EXPECT_EQ(cudaSetDevice(2), cudaSuccess);
    EXPECT_EQ(cudaSetDevice(3), cudaErrorInvalidDevice);
    EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
    cudaDeviceProp properties;
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 2), cudaSuccess);
    EXPECT_EQ(properties.multiProcessorCount, 7);
    EXPECT_EQ(properties.major, 8);
    EXPECT_EQ(properties.minor, 9);
    const auto attribute = [](cudaDeviceAttr which) {
        int value = -1;
        EXPECT_EQ(cudaDeviceGetAttribute(&value, which, 2), cudaSuccess);
        return value;
    };
    EXPECT_EQ(attribute(cudaDevAttrMultiProcessorCount), 7);
    EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMajor), 8);
    EXPECT_EQ(attribute(cudaDevAttrComputeCapabilityMinor), 9);
    EXPECT_EQ(cudaGetDeviceProperties(&properties, 3), cudaErrorInvalidDevice);
}

// ---- The environment ----

/// Sets a variable for the length of a scope.
class Environment {
  public:
    Environment(const char* variable, const char* value) : variable_(variable) {
        if (const char* old = std::getenv(variable)) old_ = old;
        setenv(variable, value, 1);
    }
    ~Environment() {
        if (old_.empty())
            unsetenv(variable_);
        else
            setenv(variable_, old_.c_str(), 1);
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;

  private:
    const char* variable_;
    std::string old_;
};

TEST_F(GpuHost, TakesItsConfigurationFromTheEnvironment) {
    const Environment order("GPUHOST_ORDER", "random"), seed("GPUHOST_SEED", "42");
    const Environment devices("GPUHOST_DEVICES", "0"), memory("GPUHOST_MEMORY", "123456");
    const Environment capability("GPUHOST_CAPABILITY", "90");
    const gpuhost::Config read = gpuhost::config_from_environment();
    EXPECT_EQ(read.order, Order::random);
    EXPECT_EQ(read.seed, 42u);
    EXPECT_EQ(read.devices, 0);
    EXPECT_EQ(read.memory, 123456u);
    EXPECT_EQ(read.capability, 90);
}

TEST_F(GpuHostDeathTest, AnImpossibleEnvironmentEndsWithOneLineAndExitCode2) {
    const auto expect_refused = [](const char* variable, const char* value) {
        const Environment set(variable, value);
        EXPECT_EXIT(gpuhost::config_from_environment(), testing::ExitedWithCode(2),
                    std::string("gpuhost: ") + variable + " is '" + value + "'; set it to ");
    };
    expect_refused("GPUHOST_ORDER", "backwards");
    expect_refused("GPUHOST_SEED", "-1");
    expect_refused("GPUHOST_DEVICES", "two");
    expect_refused("GPUHOST_DEVICES", "65");
    expect_refused("GPUHOST_MEMORY", "1e9");
    expect_refused("GPUHOST_MEMORY", "");
    expect_refused("GPUHOST_CAPABILITY", "9.0");
    expect_refused("GPUHOST_CAPABILITY", "81");
}

}  // namespace
