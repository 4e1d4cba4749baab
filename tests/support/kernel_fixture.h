// kernel_fixture.h: what the tests of the kernels share: a stream, guarded arrays on the device,
// and a function that runs a kernel in every order.
//
// g++ builds the tests against tests/gpuhost, nvcc builds them for real GPUs. Without a GPU, every
// test of nvcc's build is skipped.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "device/gpu/kernels.h"
#include "tests/support/gemm_math.h"
#include "tests/support/output_math.h"
#include "tests/support/step_math.h"

inline Gpu gpu{};  // the running test's

struct DeviceMemory {
    static void* allocate(std::size_t bytes) {
        char* memory = nullptr;
        GPU_CHECK(cudaMalloc(&memory, bytes));
        return memory;
    }
    static void release(void* memory) { EXPECT_EQ(cudaFree(memory), cudaSuccess); }
    static void upload(void* to, const void* from, std::size_t bytes) {
        GPU_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, gpu.stream));
        GPU_CHECK(cudaStreamSynchronize(gpu.stream));
    }
    static void download(void* to, const void* from, std::size_t bytes) {
        GPU_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, gpu.stream));
        GPU_CHECK(cudaStreamSynchronize(gpu.stream));
    }
};

template <class T>
using OnDevice = Guarded<T, DeviceMemory>;

class Kernels : public testing::Test {
  protected:
    void SetUp() override {
        int devices = 0;
        const cudaError_t status = cudaGetDeviceCount(&devices);
        cudaGetLastError();
        if (status != cudaSuccess || devices == 0)
            GTEST_SKIP() << "no CUDA device: " << cudaGetErrorString(status);
        gpu.chip = gpu_chip(0);
        GPU_CHECK(cudaStreamCreateWithFlags(&gpu.stream, cudaStreamNonBlocking));
    }
    void TearDown() override {
        if (gpu.stream != nullptr) {
            EXPECT_EQ(cudaStreamDestroy(gpu.stream), cudaSuccess);
        }
        gpu = {};
    }
};

/// Runs the same several times: on the kernel runner in every order of blocks and threads, on a
/// GPU, which chooses its own order, a few times.
inline void in_every_order(const std::function<void(const std::string& order)>& run) {
#ifdef __CUDACC__
    for (const char* time : {"first run", "second run", "third run"}) run(time);
#else
    const gpuhost::Order before = gpuhost::config().order;
    using enum gpuhost::Order;
    for (const auto& [order, name] : {std::pair{forward, "forward"}, std::pair{reverse, "reverse"},
                                      std::pair{random, "random"}}) {
        gpuhost::config().order = order;
        run(name);
    }
    gpuhost::config().order = before;
#endif
}
