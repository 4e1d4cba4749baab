// rounding.cpp: carries standard deviations forward and backward through the layers of one step.
//
// A name that begins with d_ is the deviation of what follows. Sums of squares of weights stand for
// the products of the formulas. In the first layer, whose inputs are exact, norms stand for them.
#include "train/rounding.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <variant>

#include "train/rounding_update.h"

namespace {

using rounding::operations, rounding::passing, rounding::u;
constexpr double activated = 6;  // u: exp within 4 u, and two operations

/// Of a sum of k products whose sizes sum up to 1: sqrt(k) u, if the roundings are independent.
/// Those of equal products have one sign, and can be k/3 u together.
double of_sum(int k) { return u * std::max(std::sqrt(k), k / (3 * passing)); }

double square(double x) { return x * x; }
/// Four sums, so that an addition need not wait for the one before.
double norm(std::span<const double> values) {
    double sums[4] = {};
    std::size_t i = 0;
    for (; i + 4 <= values.size(); i += 4)
        for (std::size_t k = 0; k < 4; ++k) sums[k] += square(values[i + k]);
    for (; i < values.size(); ++i) sums[0] += square(values[i]);
    return std::sqrt(sums[0] + sums[1] + sums[2] + sums[3]);
}
/// The norm of each column: of each sample's numbers.
std::vector<double> column_norms(const Matrix& m) {
    std::vector<double> norms(static_cast<std::size_t>(m.cols));
    const auto rows = static_cast<std::size_t>(m.rows);
    for (std::size_t j = 0; j < norms.size(); ++j)
        norms[j] = norm(std::span(m.values).subspan(j * rows, rows));
    return norms;
}

/// A layer's weights, and the norms of their rows and columns.
struct Weights {
    int rows, cols;
    std::vector<double> values;  ///< as products see them
    std::vector<double> row_norms, column_norms;

    Weights(const NeuralNetwork& net, int l)
        : rows(net.parameters().layout.size(l)),
          cols(net.parameters().layout.size(l - 1)),
          values(net.parameters().weights(l).begin(), net.parameters().weights(l).end()),
          row_norms(static_cast<std::size_t>(rows)) {
        for (double& value : values) value = nearest(net.precision(), value);
        for (int j = 0; j < cols; ++j) {
            column_norms.push_back(norm(column(j)));
            for (std::size_t i = 0; i < row_norms.size(); ++i) row_norms[i] += square(column(j)[i]);
        }
        for (double& value : row_norms) value = std::sqrt(value);
    }
    std::span<const double> column(int j) const {
        return std::span(values).subspan(static_cast<std::size_t>(j) * row_norms.size(),
                                         row_norms.size());
    }
};

/// The deviations of what a layer computes, a column a sample.
struct Deviations {
    Matrix values, slopes;
};

/// Of `whole`, whose deviation is d, when it is rounded to the small type, times `scale`:
/// the last place there if `whole` may lie on the other side of where that rounding jumps, and 0 if
/// not.
double d_of_operand(const NeuralNetwork& net, double whole, double d, double scale = 1) {
    if (!is_small(net.precision())) return d;
    const auto at = [&](double deviations) {
        return nearest(net.precision(), scale * (whole + deviations * d)) / scale;
    };
    return std::max(at(passing) - at(0), at(0) - at(-passing)) / passing;
}
void round_deltas(const NeuralNetwork& net, const Matrix& whole, Matrix& d) {
    for (std::size_t i = 0; i < d.values.size(); ++i)
        d.values[i] = d_of_operand(net, whole.values[i], d.values[i], net.loss_scale());
}

/// Of z = W a + b: what the inputs bring along, and that of its own sum.
Matrix d_of_sums(const NeuralNetwork& net, int l, const Weights& w, const Matrix& d_below) {
    const std::vector<double> below = column_norms(net.values(l - 1));
    const auto bias = net.parameters().bias(l);
    Matrix d(w.rows, net.values(l - 1).cols);
    const double sum = of_sum(w.cols + 2);  // with the bias, and the rounding of the inputs
    for (int s = 0; s < d.cols; ++s) {
        double* const out = &d(0, s);
        for (int j = 0; (l > 1 || is_small(net.precision())) && j < d_below.rows; ++j) {
            const double brought = square(d_below(j, s));
            if (brought == 0) continue;
            for (int i = 0; i < d.rows; ++i)
                out[i] += square(w.column(j)[static_cast<std::size_t>(i)]) * brought;
        }
        for (std::size_t i = 0; i < w.row_norms.size(); ++i)
            out[i] = std::sqrt(out[i] +
                               square(sum * (w.row_norms[i] * below[static_cast<std::size_t>(s)] +
                                             std::abs(bias[i]))));
    }
    return d;
}

/// Of a = f(z) and of f'(z), in a hidden layer. Over the width of 8 deviations, so that a kink of f
/// counts if z may lie on its other side.
Deviations d_of_units(const NeuralNetwork& net, int l, const Matrix& d_sums) {
    const Matrix &z = net.sums(l), &a = net.values(l);
    Deviations d{Matrix(z.rows, z.cols), Matrix(z.rows, z.cols)};
    std::visit(
        [&](auto f) {
            for (std::size_t i = 0; i < z.values.size(); ++i) {
                const double reach = passing * d_sums.values[i], value = a.values[i],
                             above = f.reference(z.values[i] + reach),
                             below = f.reference(z.values[i] - reach),
                             slope = f.reference_slope(value);
                d.values.values[i] = std::max(above - value, value - below) / passing +
                                     activated * u * std::max(1.0, std::abs(value));
                double most = above, least = below;
                if (is_small(net.precision())) {
                    const double whole = f.reference(z.values[i]), off = d.values.values[i];
                    d.values.values[i] = d_of_operand(net, whole, off);
                    most = nearest(net.precision(), whole + passing * off);
                    least = nearest(net.precision(), whole - passing * off);
                }
                d.slopes.values[i] = std::max(std::abs(f.reference_slope(most) - slope),
                                              std::abs(f.reference_slope(least) - slope)) /
                                         passing +
                                     activated * u;
            }
        },
        net.activation());
    return d;
}

/// Of yhat, a column a sample.
Matrix d_of_outputs(const NeuralNetwork& net, const Matrix& d_sums) {
    const Matrix& p = net.values(net.parameters().layout.layers());
    const bool softmax = net.objective().output == OutputLayer::softmax;
    Matrix d(p.rows, p.cols);
    for (int s = 0; s < p.cols; ++s) {
        double all = 0;  // sum_i (p_i d_i)^2
        for (int c = 0; softmax && c < p.rows; ++c) all += square(p(c, s) * d_sums(c, s));
        for (int c = 0; c < p.rows; ++c) {
            const double others = std::max(0.0, all - square(p(c, s) * d_sums(c, s)));
            d(c, s) = p(c, s) * std::sqrt(square((1 - p(c, s)) * d_sums(c, s)) + others) +
                      activated * u * p(c, s);
        }
    }
    return d;
}

/// Of delta_L.
Matrix d_of_output_delta(const NeuralNetwork& net, const Matrix& y, const Matrix& d_p) {
    const int layers = net.parameters().layout.layers();
    const Matrix &p = net.values(layers), &delta = net.deltas(layers);
    const bool softmax = net.objective().output == OutputLayer::softmax,
               mse = net.objective().loss == LossFunction::mse;
    const double n = p.cols, k = p.rows;
    Matrix d(p.rows, p.cols);
    for (int s = 0; s < p.cols; ++s) {
        double sum_of_y = 0, mean_e = 0, d_mean_e = 0;
        for (int c = 0; c < p.rows; ++c) {
            const double e = p(c, s) - y(c, s);
            sum_of_y += y(c, s);
            mean_e += e * p(c, s);
            d_mean_e += square((e + p(c, s)) * d_p(c, s));
        }
        d_mean_e = std::sqrt(d_mean_e);
        for (int c = 0; c < p.rows; ++c) {
            const double value = p(c, s), e = value - y(c, s);
            const double d_e = d_p(c, s) + u * (value + std::abs(y(c, s)));
            double& out = d(c, s);
            if (mse && softmax)
                out = 2 / k *
                      (value * (d_e + d_mean_e + operations * u * std::abs(mean_e)) +
                       std::abs(e - mean_e) * d_p(c, s));
            else if (mse)
                out =
                    2 / k * (value * (1 - value) * d_e + std::abs(e * (1 - 2 * value)) * d_p(c, s));
            else
                out = softmax ? sum_of_y * d_p(c, s) + u * (sum_of_y * value + std::abs(y(c, s)))
                              : d_e / k;
            out = out / n + operations * u * std::abs(delta(c, s));
        }
    }
    return d;
}

/// Of delta_(l-1) = W_l^T delta_l * f'(z_(l-1)).
Matrix d_of_delta_below(const NeuralNetwork& net, int l, const Weights& w, const Matrix& d_delta,
                        const Matrix& d_slopes) {
    const std::vector<double> delta = column_norms(net.deltas(l));
    const Matrix &a = net.values(l - 1), &below = net.deltas(l - 1);
    const double sum = of_sum(w.rows);
    Matrix d(a.rows, a.cols);
    std::visit(
        [&](auto f) {
            for (int s = 0; s < d.cols; ++s)
                for (int j = 0; j < d.rows; ++j) {
                    double squares = 0;
                    for (int i = 0; i < w.rows; ++i)
                        squares += square(w.column(j)[static_cast<std::size_t>(i)] * d_delta(i, s));
                    // At most the size of the sum W^T delta.
                    const double size = w.column_norms[static_cast<std::size_t>(j)] *
                                        delta[static_cast<std::size_t>(s)];
                    const double d_product = std::sqrt(squares + square(sum * size)),
                                 d_slope = d_slopes(j, s);
                    d(j, s) =
                        std::sqrt(square(f.reference_slope(a(j, s)) * d_product) +
                                  square(size * d_slope) + square(passing * d_product * d_slope)) +
                        operations * u * std::abs(below(j, s));
                }
        },
        net.activation());
    return d;
}

/// Of dW_l = delta a^T and of db_l, as norms. The samples' errors are summed as if they all had one
/// sign: a batch may hold the same sample many times.
struct Norms {
    double weights = 0, bias = 0;
};
Norms d_of_gradient(const NeuralNetwork& net, int l, const Matrix& d_delta, const Matrix& d_below) {
    const std::vector<double> delta = column_norms(net.deltas(l)), d_d = column_norms(d_delta),
                              a = column_norms(net.values(l - 1)), d_a = column_norms(d_below);
    Norms brought, sums;
    for (std::size_t s = 0; s < a.size(); ++s) {
        brought.weights += d_d[s] * a[s] + delta[s] * d_a[s] + passing * d_d[s] * d_a[s];
        brought.bias += d_d[s];
        sums.weights += delta[s] * a[s];
        sums.bias += delta[s];
    }
    const double sum = of_sum(net.values(0).cols) + operations * u;
    return {std::hypot(brought.weights, sum * sums.weights),
            std::hypot(brought.bias, sum * sums.bias)};
}

/// Of each number of dW_l and of db_l, in the layout's order. As if the samples' errors and the
/// roundings of a sum all had one sign.
struct OfNumbers {
    std::vector<double> weights, bias;
};
OfNumbers d_of_gradient_numbers(const NeuralNetwork& net, int l, const Matrix& d_delta,
                                const Matrix& d_below) {
    const Matrix &delta = net.deltas(l), &a = net.values(l - 1);
    const auto rows = static_cast<std::size_t>(delta.rows);
    const double sum = of_sum(delta.cols) + operations * u;
    OfNumbers d{std::vector<double>(rows * static_cast<std::size_t>(a.rows)),
                std::vector<double>(rows)};
    for (int s = 0; s < delta.cols; ++s) {
        for (int i = 0; i < delta.rows; ++i)
            d.bias[static_cast<std::size_t>(i)] += d_delta(i, s) + sum * std::abs(delta(i, s));
        for (int j = 0; j < a.rows; ++j) {
            const double value = std::abs(a(j, s)), d_value = d_below(j, s);
            if (value == 0 && d_value == 0) continue;
            double* const column = &d.weights[static_cast<std::size_t>(j) * rows];
            for (int i = 0; i < delta.rows; ++i) {
                const double size = std::abs(delta(i, s)), off = d_delta(i, s);
                column[i] += (off + sum * size) * value + (size + passing * off) * d_value;
            }
        }
    }
    return d;
}

/// The largest norm of a tensor's error, by that of its gradient and by plain descent.
double largest(double d_gradient, std::span<const double> parameters,
               std::span<const double> gradient, double rate) {
    const double least = std::sqrt(static_cast<double>(parameters.size())) *
                         static_cast<double>(std::numeric_limits<nn_real>::min());
    return u * norm(parameters) + rate * (operations * u * norm(gradient) + passing * d_gradient) +
           least;
}

/// The bounds of one layer go to their places in `bounds`.
void bound_layer(const NeuralNetwork& net, int l, const Update& update, const Matrix& d_delta,
                 const Matrix& d_below, std::vector<double>& bounds) {
    const Parameters<double>&p = net.parameters(), &g = net.gradient();
    const auto w = 2 * (static_cast<std::size_t>(l) - 1), b = w + 1;
    const auto tensors = 2 * static_cast<std::size_t>(p.layout.layers());
    if (moments_of(update.rule) == 0) {
        const Norms d = d_of_gradient(net, l, d_delta, d_below);
        const auto rate = static_cast<double>(update.rate);
        bounds[w] = largest(d.weights, p.weights(l), g.weights(l), rate);
        bounds[b] = largest(d.bias, p.bias(l), g.bias(l), rate);
        return;
    }
    const OfNumbers d = d_of_gradient_numbers(net, l, d_delta, d_below);
    ReferenceNumbers numbers = update.reference_numbers();
    TensorBefore weights{p.weights(l), g.weights(l), d.weights, {}},
        bias{p.bias(l), g.bias(l), d.bias, {}};
    for (const Parameters<double>& moment : net.moments()) {
        weights.moments.push_back(moment.weights(l));
        bias.moments.push_back(moment.bias(l));
    }
    const std::vector<double> of_weights = rounding_of_update(update.rule, numbers, weights);
    numbers.reg = 0;
    const std::vector<double> of_bias = rounding_of_update(update.rule, numbers, bias);
    for (std::size_t k = 0; k < of_weights.size(); ++k) {
        bounds[k * tensors + w] = of_weights[k];
        bounds[k * tensors + b] = of_bias[k];
    }
}

}  // namespace

std::vector<double> rounding_of_step(const NeuralNetwork& reference, const Matrix& y,
                                     const Update& update) {
    const Parameters<double>& p = reference.parameters();
    const int layers = p.layout.layers();
    std::vector<Weights> weights;
    std::vector<Deviations> units(1);  // of the inputs, and of the hidden layers
    units[0].values = reference.values(0);
    for (double& x : units[0].values.values) x = d_of_operand(reference, x, u * std::abs(x));
    Matrix d_sums;
    for (int l = 1; l <= layers; ++l) {
        weights.emplace_back(reference, l);
        d_sums = d_of_sums(reference, l, weights.back(), units.back().values);
        if (l < layers) units.push_back(d_of_units(reference, l, d_sums));
    }
    Matrix d_delta = d_of_output_delta(reference, y, d_of_outputs(reference, d_sums));
    round_deltas(reference, reference.whole_deltas(layers), d_delta);
    std::vector<double> bounds(
        static_cast<std::size_t>(2 * layers * (1 + moments_of(update.rule))));
    for (int l = layers; l >= 1; --l) {
        const auto below = static_cast<std::size_t>(l) - 1;
        bound_layer(reference, l, update, d_delta, units[below].values, bounds);
        if (l == 1) break;
        d_delta = d_of_delta_below(reference, l, weights[below], d_delta, units[below].slopes);
        round_deltas(reference, reference.whole_deltas(l - 1), d_delta);
    }
    return bounds;
}
