// cublas_lt.cu: cublasLt, opened at run time as cuBLAS is (device/gpu/cublas.cu). See gpu_lt.h.
#include <cublasLt.h>

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "device/gpu/opened_library.h"
#include "device/gpu/owned.h"
#include "gpu_lt.h"

namespace {

constexpr bool in_double = std::is_same_v<nn_real, double>;
constexpr cudaDataType_t real_type = in_double ? CUDA_R_64F : CUDA_R_32F;
constexpr std::size_t workspace_bytes = std::size_t{32} << 20;
constexpr int most_ways = 16;

static_assert(sizeof(cublasLtMatmulAlgo_t) == sizeof(LtWay::algorithm));

void check(cublasStatus_t status, const char* call, int line) {
    if (status != CUBLAS_STATUS_SUCCESS)
        throw Failure(__FILE__, line, call, "cublasLt status " + std::to_string(status),
                      "check that cublasLt and the driver fit together");
}
#define LT_CHECK(call) check((call), #call, __LINE__)

cublasComputeType_t compute_type(CublasBy by) {
    if (in_double) return CUBLAS_COMPUTE_64F;
    return by == CublasBy::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

/// What every column of the matrix is aligned to, in bytes: what an algorithm may count on.
std::uint32_t alignment(const CublasMatrix& matrix) {
    const auto bytes = static_cast<std::uint64_t>(matrix.stride) * sizeof(nn_real);
    const auto address = reinterpret_cast<std::uintptr_t>(matrix.data);
    return static_cast<std::uint32_t>(std::gcd(std::gcd(std::uint64_t{256}, bytes), address));
}

}  // namespace

struct CublasLt::Library {
    decltype(&cublasLtCreate) create = nullptr;
    decltype(&cublasLtDestroy) destroy = nullptr;
    decltype(&cublasLtMatmulDescInit_internal) init_call = nullptr;
    decltype(&cublasLtMatmulDescSetAttribute) set_call = nullptr;
    decltype(&cublasLtMatrixLayoutInit_internal) init_layout = nullptr;
    decltype(&cublasLtMatmulPreferenceInit_internal) init_preference = nullptr;
    decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
    decltype(&cublasLtMatmulAlgoGetHeuristic) offer = nullptr;
    decltype(&cublasLtMatmul) multiply = nullptr;
    cublasLtHandle_t handle = nullptr;
    cudaStream_t stream = nullptr;
    DeviceArray<char> workspace{workspace_bytes};

    ~Library() {
        if (handle != nullptr) destroy(handle);
    }

    /// Says what is missing; empty: nothing.
    std::string open() {
        OpenedLibrary library("libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR));
        library.find("cublasLtCreate", create);
        library.find("cublasLtDestroy", destroy);
        library.find("cublasLtMatmulDescInit_internal", init_call);
        library.find("cublasLtMatmulDescSetAttribute", set_call);
        library.find("cublasLtMatrixLayoutInit_internal", init_layout);
        library.find("cublasLtMatmulPreferenceInit_internal", init_preference);
        library.find("cublasLtMatmulPreferenceSetAttribute", set_preference);
        library.find("cublasLtMatmulAlgoGetHeuristic", offer);
        library.find("cublasLtMatmul", multiply);
        return library.missing();
    }
};

namespace {

/// A call in cublasLt's terms.
struct Described {
    cublasLtMatmulDescOpaque_t call;
    cublasLtMatrixLayoutOpaque_t a, b, c;
};

template <class Library>
Described described(const Library& lt, const LtCall& call, bool in_epilogue) {
    Described d;
    LT_CHECK(lt.init_call(&d.call, sizeof d.call, compute_type(call.by), real_type));
    const auto set = [&](cublasLtMatmulDescAttributes_t attribute, const auto& value) {
        LT_CHECK(lt.set_call(&d.call, attribute, &value, sizeof value));
    };
    const auto operation = [](const CublasMatrix& matrix) {
        return static_cast<std::int32_t>(matrix.transposed == Transposed::yes ? CUBLAS_OP_T
                                                                              : CUBLAS_OP_N);
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, operation(call.a));
    set(CUBLASLT_MATMUL_DESC_TRANSB, operation(call.b));
    int n = call.n, k = call.k;
    if (in_epilogue) {
        const LtFolded folded = ::folded(call);
        n = folded.n;
        k = folded.k;
        const bool adds = folded.bias != nullptr;
        const void* const vector = adds ? folded.bias : folded.sums;
        set(CUBLASLT_MATMUL_DESC_EPILOGUE,
            static_cast<std::uint32_t>(adds ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_BGRADA));
        set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector);
    }
    const auto layout = [&](cublasLtMatrixLayoutOpaque_t& to, int rows, int cols,
                            const CublasMatrix& matrix) {
        if (matrix.transposed == Transposed::yes) std::swap(rows, cols);
        LT_CHECK(lt.init_layout(&to, sizeof to, real_type, static_cast<std::uint64_t>(rows),
                                static_cast<std::uint64_t>(cols), matrix.stride));
    };
    layout(d.a, call.m, k, call.a);
    layout(d.b, k, n, call.b);
    layout(d.c, call.m, n, {call.c, call.c_stride});
    return d;
}

/// What it answers to a call that it, or the device, cannot do.
bool cannot(cublasStatus_t status) {
    return status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ||
           status == CUBLAS_STATUS_ARCH_MISMATCH;
}

}  // namespace

CublasLt::CublasLt(cudaStream_t stream) : library_(std::make_unique<Library>()) {
    missing_ = library_->open();
    if (!missing_.empty()) return;
    library_->stream = stream;
    LT_CHECK(library_->create(&library_->handle));
}

CublasLt::~CublasLt() = default;

std::string CublasLt::found() { return "found"; }

std::vector<LtWay> CublasLt::ways(const LtCall& call, bool in_epilogue) {
    const Described d = described(*library_, call, in_epilogue);
    cublasLtMatmulPreferenceOpaque_t preference;
    LT_CHECK(library_->init_preference(&preference, sizeof preference));
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
        LT_CHECK(library_->set_preference(&preference, attribute, &value, sizeof value));
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_bytes});
    const std::uint32_t of_c = alignment({call.c, call.c_stride});
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(call.a));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(call.b));
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, of_c);
    set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, of_c);
    // The library's functions take what they only read by pointers that could write.
    Described to_read = d;
    std::array<cublasLtMatmulHeuristicResult_t, most_ways> offered{};
    int count = 0;
    const cublasStatus_t status =
        library_->offer(library_->handle, &to_read.call, &to_read.a, &to_read.b, &to_read.c,
                        &to_read.c, &preference, most_ways, offered.data(), &count);
    if (cannot(status)) return {};
    check(status, "cublasLtMatmulAlgoGetHeuristic", __LINE__);
    std::vector<LtWay> found;
    for (const auto& result : std::span(offered).first(static_cast<std::size_t>(count))) {
        if (result.state != CUBLAS_STATUS_SUCCESS) continue;
        found.push_back({in_epilogue, {}});
        std::ranges::copy(result.algo.data, found.back().algorithm.begin());
    }
    return found;
}

bool CublasLt::run(const LtCall& call, const LtWay& way) {
    Described d = described(*library_, call, way.in_epilogue);
    cublasLtMatmulAlgo_t algorithm;
    std::ranges::copy(way.algorithm, algorithm.data);
    const nn_real one = 1, zero = 0;
    const cublasStatus_t status = library_->multiply(
        library_->handle, &d.call, &one, call.a.data, &d.a, call.b.data, &d.b, &zero, call.c, &d.c,
        call.c, &d.c, &algorithm, library_->workspace.data(), workspace_bytes, library_->stream);
    if (cannot(status)) return false;
    check(status, "cublasLtMatmul", __LINE__);
    return true;
}
