// plain_lt.cpp: what stands in for cublasLt on the kernel runner, so that a trial of the benchmark
// tries all that is done with it: a plain kernel, which knows both ways to treat a bias.
//
// Where m is even it treats the bias in the epilogue alone, else in the sum alone, so that both are
// tried whatever is faster. Of the three algorithms that it offers, the first is not possible.
#include "bench/gpu_lt.h"

namespace {

constexpr int threads = 64;

/// C = op(A) op(B) + bias, and the row sums of A, either of which may be null. Mapping: a thread an
/// element, block (x, j) in column j, the last of which has the sums; no shared memory.
__global__ void __launch_bounds__(threads)
    folded_kernel(int m, int n, int k, CublasMatrix a, CublasMatrix b, const nn_real* bias,
                  nn_real* sums, nn_real* c, int c_stride) {
    const int i = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
    const int j = static_cast<int>(blockIdx.y);
    if (i >= m) return;
    const auto at = [](const CublasMatrix& matrix, int row, int col) {
        return matrix
            .data[matrix.transposed == Transposed::yes ? position(col, row, matrix.stride)
                                                       : position(row, col, matrix.stride)];
    };
    nn_real sum = 0;
    for (int p = 0; p < k; ++p) sum += at(a, i, p) * (j < n ? at(b, p, j) : nn_real{1});
    if (j < n)
        c[position(i, j, c_stride)] = sum + (bias != nullptr ? bias[i] : nn_real{0});
    else if (sums != nullptr)
        sums[i] = sum;
}

}  // namespace

struct CublasLt::Library {
    cudaStream_t stream;
};

CublasLt::CublasLt(cudaStream_t stream) : library_(std::make_unique<Library>(stream)) {}
CublasLt::~CublasLt() = default;

std::string CublasLt::found() { return "no, plain kernels stand in for it"; }

std::vector<LtWay> CublasLt::ways(const LtCall& call, bool in_epilogue) {
    if (call.ones != Ones::none && in_epilogue != (call.m % 2 == 0)) return {};
    return {{in_epilogue, {0}}, {in_epilogue, {1}}, {in_epilogue, {2}}};
}

bool CublasLt::run(const LtCall& call, const LtWay& way) {
    if (way.algorithm[0] == 0) return false;
    const LtFolded folded =
        way.in_epilogue ? ::folded(call) : LtFolded{call.n, call.k, nullptr, nullptr};
    const dim3 grid(static_cast<unsigned>(ceil_div(call.m, threads)),
                    static_cast<unsigned>(folded.n + 1));
    GPU_CHECK(gpu_launch(folded_kernel, grid, dim3(threads), 0, library_->stream, call.m, folded.n,
                         folded.k, call.a, call.b, folded.bias, folded.sums, call.c,
                         call.c_stride));
    return true;
}
