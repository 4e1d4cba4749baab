// gemm_timing.cu: one GEMM from host arrays on device 0, timed; by our kernel or by cuBLAS.
//
// The same lines run on the kernel runner, where times are those of fibers and say nothing about a
// GPU, and where there is no cuBLAS (tests/gpuhost/no_cublas.cpp).
#include "device/gpu/gemm_timing.h"

#include <algorithm>
#include <vector>

#include "base/range.h"
#include "device/gpu/cublas.h"
#include "device/gpu/graph.h"
#include "device/gpu/owned.h"
#include "device/replica.h"

namespace {

/// The problem's matrices on the device, and the timing of whatever multiplies them.
class DeviceProblem {
  public:
    DeviceProblem(const GemmProblem& p, const nn_real* c, cudaStream_t stream)
        : stream_(stream),
          a_({p.a, elements(p.m, p.k)}, stream),
          b_({p.b, elements(p.k, p.n)}, stream),
          c_({c, elements(p.m, p.n)}, stream) {}

    /// multiply(a, b, c) puts one product on the stream. c, on the host, gets the first one's
    /// result.
    template <class Multiply>
    GemmTiming time(int repeats, nn_real* c, const Multiply& multiply) {
        multiply(a_.data(), b_.data(), c_.data());
        std::ranges::copy(c_.download(stream_), c);
        // In a graph, for a small product takes less time than its launch does.
        constexpr int in_a_row = 20;
        const auto products = GpuGraph::recorded(stream_, [&] {
            for (int i = 0; i < in_a_row; ++i) multiply(a_.data(), b_.data(), c_.data());
        });
        if (!products) return {0, "the GPU has no memory for a CUDA graph"};
        products->launch(stream_);
        GpuEvent before, after;
        std::vector<double> seconds;
        for (int r = 0; r < repeats; ++r) {
            before.record(stream_);
            products->launch(stream_);
            after.record(stream_);
            after.wait();
            seconds.push_back(after.seconds_since(before));
        }
        const auto median = seconds.begin() + repeats / 2;
        std::nth_element(seconds.begin(), median, seconds.end());
        return {*median / in_a_row, ""};
    }

  private:
    cudaStream_t stream_;
    DeviceArray<nn_real> a_, b_, c_;
};

}  // namespace

GemmTiming time_our_gemm(const GemmProblem& p, int repeats, nn_real* c) {
    const CudaDevices devices = find_cuda_devices();
    if (devices.usable.empty()) return {0, "no GPU: " + devices.why_none};
    const GpuChip chip = gpu_chip(devices.usable.front().number);
    const GpuStream stream;
    const Gpu gpu{stream.get(), chip};
    DeviceProblem problem(p, c, stream.get());
    return problem.time(repeats, c, [&](const nn_real* a, const nn_real* b, nn_real* out) {
        gpu_gemm(gpu, Transposed::no, Transposed::no, p.m, p.n, p.k, p.alpha, a, b, p.beta, out);
    });
}

GemmTiming time_cublas_gemm(const GemmProblem& p, int repeats, nn_real* c) {
    const CudaDevices devices = find_cuda_devices();
    if (devices.usable.empty()) return {0, "no GPU: " + devices.why_none};
    gpu_chip(devices.usable.front().number);  // selects the device
    const GpuStream stream;
    Cublas cublas(stream.get());
    if (!cublas.missing().empty()) return {0, cublas.missing()};
    DeviceProblem problem(p, c, stream.get());
    return problem.time(repeats, c, [&](const nn_real* a, const nn_real* b, nn_real* out) {
        cublas.gemm(CublasBy::plain, p.m, p.n, p.k, p.alpha, {a, p.m}, {b, p.k}, p.beta, out, p.m);
    });
}
