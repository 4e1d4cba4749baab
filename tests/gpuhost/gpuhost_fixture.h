// gpuhost_fixture.h: what the tests of the kernel runner share.
//
// The tests of the project's own kernels are worth as much as the runner below them. Each test
// begins with threads in their natural order, may set the runner's configuration as it likes, and
// has to leave nothing on the device.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "device/gpu/runtime.h"

using gpuhost::config;
using gpuhost::Order;

/// Some elements on the device, for the length of a test.
template <class T>
class OnDevice {
  public:
    explicit OnDevice(std::size_t count) : count_(count) {
        GPU_CHECK(cudaMalloc(&data_, count * sizeof(T)));
    }
    ~OnDevice() { cudaFree(data_); }
    OnDevice(const OnDevice&) = delete;
    OnDevice& operator=(const OnDevice&) = delete;

    T* get() const { return data_; }
    void set(const std::vector<T>& values) {
        GPU_CHECK(cudaMemcpyAsync(data_, values.data(), count_ * sizeof(T), cudaMemcpyHostToDevice,
                                  nullptr));
    }
    std::vector<T> values() const {
        std::vector<T> host(count_);
        GPU_CHECK(cudaMemcpyAsync(host.data(), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost,
                                  nullptr));
        return host;
    }

  private:
    std::size_t count_;
    T* data_ = nullptr;
};

class GpuHost : public testing::Test {
  protected:
    /// What the tests say of an order holds whatever GPUHOST_ORDER is.
    void SetUp() override { config().order = Order::forward; }
    void TearDown() override {
        config() = before_;
        cudaSetDevice(0);
        cudaGetLastError();
        EXPECT_EQ(gpuhost::live_allocations(), 0u) << "the test left something on the device";
    }

  private:
    gpuhost::Config before_ = config();
};
using GpuHostDeathTest = GpuHost;

inline constexpr Order every_order[] = {Order::forward, Order::reverse, Order::random};

inline std::string name(Order order) {
    return order == Order::forward ? "forward" : order == Order::reverse ? "reverse" : "random";
}

/// Two blocks of so many threads.
inline void launch_kernel_of(int threads, void (*kernel)()) {
    GPU_CHECK(gpu_launch(kernel, 2, static_cast<unsigned>(threads), 0, nullptr));
}
