// cpu_func.cpp: the CPU's arithmetic on Eigen, for one instruction set.
//
// The Makefile compiles this file once for each instruction set, with CPU_ISA its name and Eigen
// itself renamed (-DEigen=Eigen_avx2): inline functions of Eigen that were compiled for AVX-512
// must never be merged by the linker with those that a plain processor runs. For the same reason
// nothing else that the compiler may emit as a shared inline function is used here; the Makefile
// checks it.
#include "cpu_func.h"

#define EIGEN_DONT_PARALLELIZE 1
#define EIGEN_NO_DEBUG 1
#include <Eigen/Core>

namespace {

using Array = Eigen::Array<nn_real, Eigen::Dynamic, Eigen::Dynamic>;
using Column = Eigen::Array<nn_real, Eigen::Dynamic, 1>;
using Row = Eigen::Array<nn_real, 1, Eigen::Dynamic>;
using Matrix = Eigen::Matrix<nn_real, Eigen::Dynamic, Eigen::Dynamic>;
using Eigen::Index;
using Eigen::Map;

template <class Product>
void assign_scaled(nn_real beta, Map<Matrix>& c, const Product& product) {
    if (beta == 0) {
        c.noalias() = product;
    } else {
        if (beta != 1) c *= beta;
        c.noalias() += product;
    }
}

void gemm(Transpose op_a, Transpose op_b, int m, int n, int k, nn_real alpha, const nn_real* a,
          const nn_real* b, nn_real beta, nn_real* c) {
    Map<Matrix> result(c, m, n);
    const bool ta = op_a == Transpose::yes, tb = op_b == Transpose::yes;
    const Map<const Matrix> left(a, ta ? k : m, ta ? m : k), right(b, tb ? n : k, tb ? k : n);
    if (!ta && !tb) assign_scaled(beta, result, alpha * left * right);
    if (!ta && tb) assign_scaled(beta, result, alpha * left * right.transpose());
    if (ta && !tb) assign_scaled(beta, result, alpha * left.transpose() * right);
    if (ta && tb) assign_scaled(beta, result, alpha * left.transpose() * right.transpose());
}

void pixels_to_real(std::size_t count, nn_real scale, const std::uint8_t* bytes, nn_real* x) {
    for (std::size_t i = 0; i < count; ++i) x[i] = scale * static_cast<nn_real>(bytes[i]);
}

void bias_sigmoid(int rows, int n, const nn_real* bias, nn_real* z) {
    const Map<const Column> b(bias, rows);
    for (int j = 0; j < n; ++j) {
        Map<Column> column(z + static_cast<std::size_t>(j) * static_cast<std::size_t>(rows), rows);
        column = nn_real{1} / (nn_real{1} + (-(column + b)).exp());
    }
}

double softmax_cross_entropy(int classes, int n, const nn_real* bias, const std::uint8_t* labels,
                             nn_real scale, nn_real* z, nn_real* delta) {
    const Map<const Column> b(bias, classes);
    double loss = 0;
    for (int j = 0; j < n; ++j) {
        const std::size_t start = static_cast<std::size_t>(j) * static_cast<std::size_t>(classes);
        Map<Column> column(z + start, classes), d(delta + start, classes);
        column += b;
        column -= column.maxCoeff();
        const Index label = labels[j];
        const nn_real shifted = column(label);
        column = column.exp();
        const nn_real sum = column.sum();
        column /= sum;
        loss += static_cast<double>(Eigen::numext::log(sum) - shifted);
        d = column * scale;
        d(label) = (column(label) - 1) * scale;
    }
    return loss;
}

void sigmoid_backward(std::size_t count, const nn_real* a, nn_real* delta) {
    for (std::size_t i = 0; i < count; ++i) delta[i] *= a[i] * (1 - a[i]);
}

void row_sums(int rows, int n, const nn_real* delta, nn_real* sums) {
    for (int i = 0; i < rows; ++i) sums[i] = 0;
    for (int j = 0; j < n; ++j, delta += rows)
        for (int i = 0; i < rows; ++i) sums[i] += delta[i];
}

void step(std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient, nn_real* p) {
    for (std::size_t i = 0; i < count; ++i) p[i] -= rate * (gradient[i] + reg * p[i]);
}

double sum_of_squares(std::size_t count, const nn_real* values) {
    // Eight partial sums, so that the additions need not wait for one another.
    double partial[8] = {};
    for (std::size_t i = 0; i < count; ++i)
        partial[i % 8] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    double sum = 0;
    for (double p : partial) sum += p;
    return sum;
}

}  // namespace

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
extern const CpuFunctions JOIN(cpu_functions_, CPU_ISA);
const CpuFunctions JOIN(cpu_functions_, CPU_ISA) = {
    TEXT(CPU_ISA),    gemm,     pixels_to_real, bias_sigmoid,  softmax_cross_entropy,
    sigmoid_backward, row_sums, step,           sum_of_squares};
