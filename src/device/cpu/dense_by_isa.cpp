// dense_by_isa.cpp: calls the cpu_gemm() that was compiled for the instruction set of this process.
#include "device/cpu/dense.h"
#include "device/cpu/isa.h"

decltype(cpu_gemm) cpu_gemm_baseline;

#ifdef CPU_HAS_X86_ISAS
decltype(cpu_gemm) cpu_gemm_avx2, cpu_gemm_avx512;

void cpu_gemm(Transpose op_a, Transpose op_b, int m, int n, int k, nn_real alpha, const nn_real* a,
              int lda, const nn_real* b, int ldb, nn_real beta, nn_real* c, int ldc) {
    static const decltype(&cpu_gemm) gemms[] = {cpu_gemm_baseline, cpu_gemm_avx2, cpu_gemm_avx512};
    const auto gemm = gemms[static_cast<int>(isa_taken())];
    gemm(op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
#else
void cpu_gemm(Transpose op_a, Transpose op_b, int m, int n, int k, nn_real alpha, const nn_real* a,
              int lda, const nn_real* b, int ldb, nn_real beta, nn_real* c, int ldc) {
    cpu_gemm_baseline(op_a, op_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}
#endif
