// dense_eigen.cpp: products by Eigen, for one instruction set.
//
// The Makefile compiles this file once for each instruction set. CPU_ISA is the set's name, and
// Eigen itself is renamed (-DEigen=Eigen_avx2): the linker must never merge inline functions of
// Eigen that were compiled for AVX-512 with those that a plain processor runs. The Makefile checks
// that the files share nothing else either.
#define EIGEN_DONT_PARALLELIZE 1
#define EIGEN_NO_DEBUG 1
#include <Eigen/Core>

#include "device/cpu/dense.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define THIS_GEMM JOIN(cpu_gemm_, CPU_ISA)
decltype(cpu_gemm) THIS_GEMM;

namespace {

using Matrix = Eigen::Matrix<nn_real, Eigen::Dynamic, Eigen::Dynamic>;
using Stride = Eigen::OuterStride<>;
template <class M>
using Map = Eigen::Map<M, Eigen::Unaligned, Stride>;

template <class Product>
void assign_scaled(nn_real beta, Map<Matrix>& c, const Product& product) {
    if (beta == 0) {
        c.noalias() = product;
    } else {
        if (beta != 1) c *= beta;
        c.noalias() += product;
    }
}

}  // namespace

void THIS_GEMM(Transpose op_a, Transpose op_b, int m, int n, int k, nn_real alpha, const nn_real* a,
               int lda, const nn_real* b, int ldb, nn_real beta, nn_real* c, int ldc) {
    Map<Matrix> result(c, m, n, Stride(ldc));
    const bool ta = op_a == Transpose::yes, tb = op_b == Transpose::yes;
    const Map<const Matrix> left(a, ta ? k : m, ta ? m : k, Stride(lda));
    const Map<const Matrix> right(b, tb ? n : k, tb ? k : n, Stride(ldb));
    if (!ta && !tb) assign_scaled(beta, result, alpha * left * right);
    if (!ta && tb) assign_scaled(beta, result, alpha * left * right.transpose());
    if (ta && !tb) assign_scaled(beta, result, alpha * left.transpose() * right);
    if (ta && tb) assign_scaled(beta, result, alpha * left.transpose() * right.transpose());
}
