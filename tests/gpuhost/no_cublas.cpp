// no_cublas.cpp: the GEMM timings in builds on the kernel runner, in place of gpu_cublas.cu.
//
// Our kernel runs, so that its result can be judged; its time is that of fibers on a CPU and says
// nothing about a GPU. cuBLAS cannot run there at all.
#include <chrono>

#include "gpu_func.h"
#include "gpu_gemm_timing.h"

GemmTiming time_our_gemm(const GemmProblem& p, int, nn_real* c) {
    const auto elements = [](int rows, int cols) {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
    };
    const auto upload = [](const nn_real* from, std::size_t count) {
        nn_real* to = nullptr;
        GPU_CHECK(cudaMalloc(&to, count * sizeof(nn_real)));
        GPU_CHECK(cudaMemcpyAsync(to, from, count * sizeof(nn_real), cudaMemcpyHostToDevice, {}));
        return to;
    };
    nn_real* a = upload(p.a, elements(p.m, p.k));
    nn_real* b = upload(p.b, elements(p.k, p.n));
    nn_real* result = upload(c, elements(p.m, p.n));
    const auto start = std::chrono::steady_clock::now();
    gpu_gemm({{}, 4}, Transposed::no, Transposed::no, p.m, p.n, p.k, p.alpha, a, b, p.beta, result);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    GPU_CHECK(cudaMemcpyAsync(c, result, elements(p.m, p.n) * sizeof(nn_real),
                              cudaMemcpyDeviceToHost, {}));
    for (nn_real* array : {a, b, result}) GPU_CHECK(cudaFree(array));
    return {seconds.count(), ""};
}

GemmTiming time_cublas_gemm(const GemmProblem&, int, nn_real*) {
    return {0, "the kernel runner is a CPU; cuBLAS needs a GPU"};
}
