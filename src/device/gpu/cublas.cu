// cublas.cu: cuBLAS, opened at run time. See device/gpu/cublas.h.
#include "device/gpu/cublas.h"

#include <cublas_v2.h>

#include <type_traits>

#include "device/gpu/opened_library.h"
#include "device/gpu/owned.h"

namespace {

constexpr bool in_double = std::is_same_v<nn_real, double>;
/// CUBLAS_COMPUTE_32F_EMULATED_16BFX9, which headers before CUDA 12.9 do not name.
constexpr int compute_bf16x9 = 78;
/// cuBLAS's own choice for its largest chips. Given once: allocating in a recorded graph is asking
/// for trouble.
constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

void check(cublasStatus_t status, const char* call, int line) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw Failure(__FILE__, line, call, "cuBLAS status " + std::to_string(status),
                      "check that cuBLAS and the driver fit together");
}
#define CUBLAS_CHECK(call) check((call), #call, __LINE__)

/// What cuBLAS answers to a way of computing that it, or the device, does not know.
bool cannot(cublasStatus_t status) {
    return status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ||
           status == CUBLAS_STATUS_ARCH_MISMATCH;
}

}  // namespace

struct Cublas::Library {
    using Gemm =
        std::conditional_t<in_double, decltype(&cublasDgemm_v2), decltype(&cublasSgemm_v2)>;
    /// cublasGemmEx, of which C++ has two.
    using GemmBy = cublasStatus_t (*)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int,
                                      int, int, const void*, const void*, cudaDataType, int,
                                      const void*, cudaDataType, int, const void*, void*,
                                      cudaDataType, int, cublasComputeType_t, cublasGemmAlgo_t);
    decltype(&cublasCreate_v2) create = nullptr;
    decltype(&cublasDestroy_v2) destroy = nullptr;
    decltype(&cublasSetStream_v2) set_stream = nullptr;
    decltype(&cublasSetWorkspace_v2) set_workspace = nullptr;
    GemmBy gemm_by = nullptr;
    Gemm gemm = nullptr;
    cublasHandle_t handle = nullptr;
    DeviceArray<char> workspace{workspace_bytes};

    ~Library() {
        if (handle != nullptr) destroy(handle);
    }

    /// Says what is missing; empty: nothing.
    std::string open() {
        OpenedLibrary library("libcublas.so." + std::to_string(CUBLAS_VER_MAJOR));
        library.find("cublasCreate_v2", create);
        library.find("cublasDestroy_v2", destroy);
        library.find("cublasSetStream_v2", set_stream);
        library.find("cublasSetWorkspace_v2", set_workspace);
        library.find("cublasGemmEx", gemm_by);
        library.find(in_double ? "cublasDgemm_v2" : "cublasSgemm_v2", gemm);
        return library.missing();
    }
};

Cublas::Cublas(cudaStream_t stream) : library_(std::make_unique<Library>()) {
    missing_ = library_->open();
    if (!missing_.empty()) return;
    CUBLAS_CHECK(library_->create(&library_->handle));
    CUBLAS_CHECK(library_->set_stream(library_->handle, stream));
    CUBLAS_CHECK(library_->set_workspace(library_->handle, library_->workspace.data(),
                                         library_->workspace.size()));
}

Cublas::~Cublas() = default;

bool Cublas::gemm(CublasBy by, int m, int n, int k, nn_real alpha, CublasMatrix a, CublasMatrix b,
                  nn_real beta, nn_real* c, int c_stride) {
    const auto operation = [](Transposed transposed) {
        return transposed == Transposed::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
    };
    const cublasOperation_t op_a = operation(a.transposed), op_b = operation(b.transposed);
    if (by == CublasBy::plain) {
        CUBLAS_CHECK(library_->gemm(library_->handle, op_a, op_b, m, n, k, &alpha, a.data, a.stride,
                                    b.data, b.stride, &beta, c, c_stride));
        return true;
    }
    if (in_double) return false;
    const auto compute = static_cast<cublasComputeType_t>(
        by == CublasBy::tf32 ? static_cast<int>(CUBLAS_COMPUTE_32F_FAST_TF32) : compute_bf16x9);
    const cublasStatus_t status = library_->gemm_by(
        library_->handle, op_a, op_b, m, n, k, &alpha, a.data, CUDA_R_32F, a.stride, b.data,
        CUDA_R_32F, b.stride, &beta, c, CUDA_R_32F, c_stride, compute, CUBLAS_GEMM_DEFAULT);
    if (cannot(status)) return false;
    check(status, "cublasGemmEx", __LINE__);
    return true;
}
