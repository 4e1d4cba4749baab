// judge.h: compares trained parameters with the reference's, tensor by tensor.
//
// The program (-s and the grading modes) and the tests use the same check. NaN and infinity never
// pass: a tensor that holds one of them differs by infinity.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "base/real.h"
#include "model/parameters.h"

struct TensorDifference {
    std::string name;  ///< "W1", "b1", ...
    int rows = 0, cols = 0;
    double max_either = 0;   ///< largest over the elements of min(|c - ref|, |c - ref| / |ref|)
    double l2_relative = 0;  ///< ||c - ref|| / ||ref||, or ||c - ref|| where ref is 0
    double norm = 0;         ///< ||c - ref||, Frobenius
    double reference_norm = 0;
    std::size_t worst = 0;            ///< the element of max_either: (worst % rows, worst / rows)
    double value = 0, reference = 0;  ///< c and ref there
};

/// One entry a tensor, in the layout's order. Layouts must be equal.
std::vector<TensorDifference> compare(const Parameters<nn_real>& values,
                                      const Parameters<double>& reference);

/// Compares a GEMM's result with the same sums in higher precision (double for float, long double
/// for double). The bound: |c - ref| <= (k + 4) u (|alpha| sum |a||b| + |beta c0|), u = 2^-24 or
/// 2^-53.
struct GemmVerdict {
    double worst = 0;  ///< largest |c - ref| / bound: c is right if it is at most 1
    int row = 0, col = 0;
    double value = 0, reference = 0, bound = 0;  ///< there

    bool right() const { return worst <= 1; }
    std::string text() const;  ///< "C(3,4) = 1.5, expected 1.25 +- 1e-6"
};

/// c = alpha op(a) op(b) + beta c0; op(a) is m x k, op(b) k x n, all packed and column-major. c0 is
/// not read if beta is 0.
GemmVerdict judge_gemm(bool a_transposed, bool b_transposed, int m, int n, int k, nn_real alpha,
                       const nn_real* a, const nn_real* b, nn_real beta, const nn_real* c0,
                       const nn_real* c);
