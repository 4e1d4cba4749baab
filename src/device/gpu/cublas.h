// cublas.h: cuBLAS, the rival that grading, tests and benchmarks measure our kernels against.
//
// Training never uses it. The library is loaded when it is asked for. A program linked to it would
// start a tenth of a second later, and would fail if only the driver is installed.
#pragma once
#include <memory>
#include <string>

#include "device/gpu/kernels.h"

/// How cuBLAS computes: in nn_real itself; or, in float, with inputs cut to TF32, or by nine
/// products of bf16 parts.
enum class CublasBy { plain, tf32, bf16x9 };

/// A column-major matrix on the device: its columns are `stride` elements apart.
struct CublasMatrix {
    const nn_real* data;
    int stride;
    Transposed transposed = Transposed::no;
};

/// cuBLAS on one stream of the current device.
class Cublas {
  public:
    explicit Cublas(cudaStream_t stream);
    ~Cublas();
    Cublas(const Cublas&) = delete;
    Cublas& operator=(const Cublas&) = delete;

    /// Says why cuBLAS cannot be used; empty if it can.
    const std::string& missing() const { return missing_; }

    /// C = alpha op(A) op(B) + beta C, op(A) m x k, op(B) k x n. Returns false if this library
    /// cannot compute in this way on this device. Call it only if missing() is empty.
    bool gemm(CublasBy by, int m, int n, int k, nn_real alpha, CublasMatrix a, CublasMatrix b,
              nn_real beta, nn_real* c, int c_stride);

  private:
    struct Library;
    std::unique_ptr<Library> library_;
    std::string missing_;
};
