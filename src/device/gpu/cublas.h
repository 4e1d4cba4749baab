// cublas.h: cuBLAS, the rival that grading, tests and benchmarks measure our kernels against.
//
// Training never comes here. The library is looked for when it is asked for: linking it would cost
// each start of the program a tenth of a second and make it fail where only the driver is
// installed.
#pragma once
#include <memory>
#include <string>

#include "device/gpu/kernels.h"

/// How cuBLAS may compute: in nn_real itself, or, in float, with inputs cut to TF32, or by nine
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

    /// Why it cannot be used; empty where it can.
    const std::string& missing() const { return missing_; }

    /// C = alpha op(A) op(B) + beta C, op(A) m x k, op(B) k x n. Returns false where this library
    /// cannot compute so on this device. Only while missing() is empty.
    bool gemm(CublasBy by, int m, int n, int k, nn_real alpha, CublasMatrix a, CublasMatrix b,
              nn_real beta, nn_real* c, int c_stride);

  private:
    struct Library;
    std::unique_ptr<Library> library_;
    std::string missing_;
};
