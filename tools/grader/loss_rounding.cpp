// loss_rounding.cpp: carries the largest errors forward through the layers, sample by sample.
#include "loss_rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace {

constexpr double u = std::numeric_limits<nn_real>::epsilon() / 2;

/// What z_l of sample s may be off by, if the layer below may be off by `below`.
std::vector<double> errors_of_sums(const NeuralNetwork& net, int l, int s,
                                   const std::vector<double>& below) {
    const Layout& layout = net.parameters().layout;
    const auto w = net.parameters().weights(l);
    const auto bias = net.parameters().bias(l);
    const int rows = layout.size(l), cols = layout.size(l - 1);
    std::vector<double> errors(static_cast<std::size_t>(rows));
    for (int i = 0; i < rows; ++i) {
        double& error = errors[static_cast<std::size_t>(i)];
        double size = std::abs(bias[static_cast<std::size_t>(i)]);
        for (int j = 0; j < cols; ++j) {
            const double weight = std::abs(w[position(i, j, rows)]);
            error += weight * below[static_cast<std::size_t>(j)];
            size += weight * std::abs(net.values(l - 1)(j, s));
        }
        error += (cols + 2) * u * size;
    }
    return errors;
}

}  // namespace

double rounding_of_loss(const NeuralNetwork& reference, const Matrix& y, double reg) {
    const int layers = reference.parameters().layout.layers();
    const Matrix& z = reference.sums(layers);
    double sum = 0;
    for (int s = 0; s < y.cols; ++s) {
        const Matrix& x = reference.values(0);
        std::vector<double> errors(static_cast<std::size_t>(x.rows));
        for (int j = 0; j < x.rows; ++j)
            errors[static_cast<std::size_t>(j)] = u * std::abs(x(j, s));
        for (int l = 1; l <= layers; ++l) {
            errors = errors_of_sums(reference, l, s, errors);
            for (double& error : errors)
                if (l < layers) error = error / 4 + 6 * u;
        }
        double largest = 0;
        for (int i = 0; i < z.rows; ++i) largest = std::max(largest, std::abs(z(i, s)));
        sum += 2 * *std::ranges::max_element(errors) + 8 * u * largest + (z.rows + 6) * u;
    }
    const double data = reference.loss(y, 0), penalty = reference.loss(y, reg) - data;
    return sum / y.cols + (y.cols + 4) * u * data +
           static_cast<double>(reference.parameters().values.size()) * u * penalty;
}
