// dense_onednn.cpp: cpu_gemm() by oneDNN's sgemm. oneDNN's matrices are row-major, so oneDNN
// computes C^T = op(B)^T op(A)^T.
#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/error.h"
#include "device/cpu/dense.h"
#include "device/cpu/isa.h"

static_assert(DNNL_CPU_RUNTIME == DNNL_RUNTIME_OMP || DNNL_CPU_RUNTIME == DNNL_RUNTIME_SEQ,
              "this oneDNN brings threads of its own; use one that was built for OpenMP");

namespace {

/// By itself, oneDNN takes the widest instruction set of this processor. If the process takes a
/// lower one, oneDNN must take that too: ranks on different processors must round alike. oneDNN can
/// be told once, before its first work.
bool follow_isa() {
#ifdef CPU_HAS_X86_ISAS
    const CpuIsa isa = isa_taken();
    if (isa == CpuIsa::avx512) return true;
    const dnnl_status_t status =
        dnnl_set_max_cpu_isa(isa == CpuIsa::avx2 ? dnnl_cpu_isa_avx2 : dnnl_cpu_isa_sse41);
    if (status != dnnl_success)
        throw Failure(__FILE__, __LINE__, "dnnl_set_max_cpu_isa",
                      "status " + std::to_string(status),
                      "use a oneDNN that was built with ONEDNN_ENABLE_MAX_CPU_ISA");
#endif
    return true;
}

}  // namespace

void cpu_gemm(Transpose op_a, Transpose op_b, int m, int n, int k, nn_real alpha, const nn_real* a,
              int lda, const nn_real* b, int ldb, nn_real beta, nn_real* c, int ldc) {
    // By itself, oneDNN would start threads by OpenMP. Here it uses only the caller's thread.
    thread_local const bool alone = (omp_set_num_threads(1), true);
    static const bool follows = follow_isa();
    static_cast<void>(alone && follows);
    if (m == 0 || n == 0) return;
    if (k == 0 || alpha == 0) {  // the sum is empty; oneDNN may leave C as it is then
        for (int j = 0; j < n; ++j)
            for (int i = 0; i < m; ++i) {
                nn_real& sum = c[static_cast<std::ptrdiff_t>(j) * ldc + i];
                sum = beta == 0 ? 0 : beta * sum;
            }
        return;
    }
    const auto letter = [](Transpose op) { return op == Transpose::yes ? 'T' : 'N'; };
    const dnnl_status_t status = dnnl_sgemm(letter(op_b), letter(op_a), n, m, k, alpha, b,
                                            std::max(ldb, 1), a, std::max(lda, 1), beta, c, ldc);
    if (status != dnnl_success)
        throw Failure(__FILE__, __LINE__, "dnnl_sgemm", "status " + std::to_string(status),
                      "use a smaller network (-n) or batch (-b): oneDNN may be out of memory");
}
