// gpu_cublas.cu: cuBLAS, the judge's and the benchmark's rival; and our GEMM timed in the same way.
//
// The library is opened at run time (dlopen): linking it would cost each start of the program a
// tenth of a second and make it fail where only the driver is installed.
#include <cublas_v2.h>
#include <dlfcn.h>

#include <algorithm>
#include <functional>
#include <type_traits>
#include <vector>

#include "gpu_func.h"
#include "gpu_gemm_timing.h"
#include "replica.h"

namespace {

/// The problem's matrices on device 0, and the timing of whatever multiplies them.
class DeviceProblem {
  public:
    explicit DeviceProblem(const GemmProblem& p) : c_bytes_(bytes(p.m, p.n)) {
        GPU_CHECK(cudaSetDevice(0));
        GPU_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
        a_ = upload(p.a, bytes(p.m, p.k));
        b_ = upload(p.b, bytes(p.k, p.n));
    }
    ~DeviceProblem() {
        cudaFree(a_);
        cudaFree(b_);
        cudaFree(c_);
        cudaStreamDestroy(stream_);
    }
    DeviceProblem(const DeviceProblem&) = delete;
    DeviceProblem& operator=(const DeviceProblem&) = delete;

    /// multiply(a, b, c) puts one product on the stream. c (on the host) gets the first one's
    /// result.
    GemmTiming time(int repeats, nn_real* c,
                    const std::function<void(const nn_real*, const nn_real*, nn_real*)>& multiply) {
        c_ = upload(c, c_bytes_);
        multiply(a_, b_, c_);
        GPU_CHECK(cudaMemcpyAsync(c, c_, c_bytes_, cudaMemcpyDeviceToHost, stream_));
        cudaEvent_t before, after;
        GPU_CHECK(cudaEventCreate(&before));
        GPU_CHECK(cudaEventCreate(&after));
        std::vector<float> milliseconds;
        for (int r = 0; r < repeats; ++r) {
            GPU_CHECK(cudaEventRecord(before, stream_));
            multiply(a_, b_, c_);
            GPU_CHECK(cudaEventRecord(after, stream_));
            GPU_CHECK(cudaEventSynchronize(after));
            GPU_CHECK(cudaEventElapsedTime(&milliseconds.emplace_back(), before, after));
        }
        GPU_CHECK(cudaEventDestroy(before));
        GPU_CHECK(cudaEventDestroy(after));
        std::nth_element(milliseconds.begin(), milliseconds.begin() + repeats / 2,
                         milliseconds.end());
        return {milliseconds[static_cast<std::size_t>(repeats) / 2] * 1e-3, ""};
    }
    cudaStream_t stream() const { return stream_; }

  private:
    static std::size_t bytes(int rows, int cols) {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * sizeof(nn_real);
    }
    nn_real* upload(const nn_real* from, std::size_t count) {
        nn_real* to = nullptr;
        GPU_CHECK(cudaMalloc(&to, count));
        GPU_CHECK(cudaMemcpyAsync(to, from, count, cudaMemcpyHostToDevice, stream_));
        return to;
    }
    std::size_t c_bytes_;
    cudaStream_t stream_{};
    nn_real *a_ = nullptr, *b_ = nullptr, *c_ = nullptr;
};

/// cuBLAS's few functions, or why there are none.
struct Cublas {
    using Gemm = std::conditional_t<std::is_same_v<nn_real, double>, decltype(&cublasDgemm_v2),
                                    decltype(&cublasSgemm_v2)>;
    decltype(&cublasCreate_v2) create = nullptr;
    decltype(&cublasDestroy_v2) destroy = nullptr;
    decltype(&cublasSetStream_v2) set_stream = nullptr;
    Gemm gemm = nullptr;
    std::string missing;

    Cublas() {
        const std::string name = "libcublas.so." + std::to_string(CUBLAS_VER_MAJOR);
        void* library = dlopen(name.c_str(), RTLD_NOW);
        if (library == nullptr) {
            missing = name + " was not found; put its folder on LD_LIBRARY_PATH";
            return;
        }
        find(library, "cublasCreate_v2", create);
        find(library, "cublasDestroy_v2", destroy);
        find(library, "cublasSetStream_v2", set_stream);
        find(library, std::is_same_v<nn_real, double> ? "cublasDgemm_v2" : "cublasSgemm_v2", gemm);
    }

  private:
    template <class Function>
    void find(void* library, const char* name, Function& function) {
        function = reinterpret_cast<Function>(dlsym(library, name));
        if (function == nullptr) missing = std::string("libcublas has no ") + name;
    }
};

void cublas_check(cublasStatus_t status, const char* call, int line) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw Failure(__FILE__, line, call, "cuBLAS status " + std::to_string(status),
                      "check that cuBLAS and the driver fit together");
}
#define CUBLAS_CHECK(call) cublas_check((call), #call, __LINE__)

}  // namespace

GemmTiming time_our_gemm(const GemmProblem& p, int repeats, nn_real* c) {
    if (const CudaDevices devices = find_cuda_devices(); devices.count == 0)
        return {0, "no GPU: " + devices.why_none};
    DeviceProblem problem(p);
    cudaDeviceProp properties;
    GPU_CHECK(cudaGetDeviceProperties(&properties, 0));
    const Gpu gpu{problem.stream(), properties.multiProcessorCount};
    return problem.time(repeats, c, [&](const nn_real* a, const nn_real* b, nn_real* out) {
        gpu_gemm(gpu, Transposed::no, Transposed::no, p.m, p.n, p.k, p.alpha, a, b, p.beta, out);
    });
}

GemmTiming time_cublas_gemm(const GemmProblem& p, int repeats, nn_real* c) {
    if (const CudaDevices devices = find_cuda_devices(); devices.count == 0)
        return {0, "no GPU: " + devices.why_none};
    const Cublas cublas;
    if (!cublas.missing.empty()) return {0, cublas.missing};
    DeviceProblem problem(p);
    cublasHandle_t handle = nullptr;
    CUBLAS_CHECK(cublas.create(&handle));
    CUBLAS_CHECK(cublas.set_stream(handle, problem.stream()));
    const GemmTiming timing =
        problem.time(repeats, c, [&](const nn_real* a, const nn_real* b, nn_real* out) {
            CUBLAS_CHECK(cublas.gemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, p.m, p.n, p.k, &p.alpha, a,
                                     p.m, b, p.k, &p.beta, out, p.m));
        });
    CUBLAS_CHECK(cublas.destroy(handle));
    return timing;
}
