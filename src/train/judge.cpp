// judge.cpp: computes how far a result is from the reference, and how far rounding may take it.
#include "train/judge.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <sstream>
#include <type_traits>

namespace {

TensorDifference difference(std::string name, int rows, int cols, std::span<const nn_real> values,
                            std::span<const double> reference) {
    TensorDifference d;
    d.name = std::move(name);
    d.rows = rows;
    d.cols = cols;
    double squares = 0, reference_squares = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double error = std::abs(static_cast<double>(values[i]) - reference[i]);
        double either = std::min(error, error / std::abs(reference[i]));
        if (!std::isfinite(error)) either = std::numeric_limits<double>::infinity();
        if (error == 0) either = 0;  // 0 / 0 above
        if (either > d.max_either || i == 0) {
            d.max_either = either;
            d.worst = i;
            d.value = static_cast<double>(values[i]);
            d.reference = reference[i];
        }
        squares += error * error;
        reference_squares += reference[i] * reference[i];
    }
    d.norm = std::sqrt(squares);
    d.reference_norm = std::sqrt(reference_squares);
    d.l2_relative = d.reference_norm > 0 ? d.norm / d.reference_norm : d.norm;
    if (!std::isfinite(d.norm)) d.norm = d.l2_relative = std::numeric_limits<double>::infinity();
    return d;
}

}  // namespace

std::vector<TensorDifference> compare(const Parameters<nn_real>& values,
                                      const Parameters<double>& reference) {
    const Layout& layout = reference.layout;
    std::vector<TensorDifference> all;
    for (int l = 1; l <= layout.layers(); ++l) {
        const std::string number = std::to_string(l);
        all.push_back(difference("W" + number, layout.size(l), layout.size(l - 1),
                                 values.weights(l), reference.weights(l)));
        all.push_back(
            difference("b" + number, layout.size(l), 1, values.bias(l), reference.bias(l)));
    }
    return all;
}

std::string GemmVerdict::text() const {
    std::ostringstream out;
    out.precision(17);
    out << "C(" << row << "," << col << ") = " << value << ", expected " << reference << " +- "
        << bound;
    return out.str();
}

GemmVerdict judge_gemm(bool a_transposed, bool b_transposed, int m, int n, int k, nn_real alpha,
                       const nn_real* a, const nn_real* b, nn_real beta, const nn_real* c0,
                       const nn_real* c) {
    using Wide = std::conditional_t<std::is_same_v<nn_real, float>, double, long double>;
    const auto at = [](const nn_real* x, int rows, int i, int j) {
        return static_cast<Wide>(x[static_cast<std::size_t>(j) * static_cast<std::size_t>(rows) +
                                   static_cast<std::size_t>(i)]);
    };
    const Wide u = std::numeric_limits<nn_real>::epsilon() / 2;
    GemmVerdict verdict;
    for (int j = 0; j < n; ++j) {
        for (int i = 0; i < m; ++i) {
            Wide sum = 0, size = 0;
            for (int p = 0; p < k; ++p) {
                const Wide product = (a_transposed ? at(a, k, p, i) : at(a, m, i, p)) *
                                     (b_transposed ? at(b, n, j, p) : at(b, k, p, j));
                sum += product;
                size += std::abs(product);
            }
            const Wide old = beta == 0 ? 0 : beta * at(c0, m, i, j);
            const Wide reference = alpha * sum + old, value = at(c, m, i, j);
            const Wide bound =
                static_cast<Wide>(k + 4) * u * (std::abs(alpha * size) + std::abs(old));
            const Wide error = std::abs(value - reference);
            double ratio = error == 0 ? 0 : static_cast<double>(error / bound);
            if (!std::isfinite(ratio)) ratio = std::numeric_limits<double>::infinity();
            if (ratio > verdict.worst || (i == 0 && j == 0))
                verdict = {ratio,
                           i,
                           j,
                           static_cast<double>(value),
                           static_cast<double>(reference),
                           static_cast<double>(bound)};
        }
    }
    return verdict;
}
