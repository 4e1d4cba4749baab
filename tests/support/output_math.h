// output_math.h: the expected results of the output layer and the loss, and the bounds of their
// rounding errors.
//
// The kernels and the CPU's functions share these cases, references and checks.
#pragma once
#include "model/objective.h"
#include "tests/support/activation_math.h"

// ---- The output layer and the loss -------------------------------------------------------------

/// Labels; or numbers (classes x n), if there are any.
struct Targets {
    Bytes labels;
    Reals numbers;

    bool are_numbers() const { return !numbers.empty(); }
    Wide at(int i, int j, int classes) const {
        if (are_numbers()) return numbers[::at(i, j, classes)];
        return i == labels[::at(j, 0, 1)] ? 1 : 0;
    }
    std::vector<Wide> column(int j, int classes) const {
        std::vector<Wide> y;
        for (int i = 0; i < classes; ++i) y.push_back(at(i, j, classes));
        return y;
    }
};

inline Targets random_targets(bool numbers, int classes, int n, Rng& rng) {
    Targets targets{random_bytes(elements(n, 1), rng, std::min(classes, 256)), {}};
    if (numbers) targets.numbers = normal_values(elements(classes, n), rng);
    for (std::size_t i = 0; i < targets.numbers.size(); i += 3)  // and what most tables hold
        targets.numbers[i] = static_cast<nn_real>(i % 2);
    return targets;
}

inline constexpr Objective every_objective[] = {{OutputLayer::softmax, LossFunction::cross_entropy},
                                                {OutputLayer::softmax, LossFunction::mse},
                                                {OutputLayer::sigmoid, LossFunction::cross_entropy},
                                                {OutputLayer::sigmoid, LossFunction::mse}};
inline std::string text_of(const Objective& objective) {
    return std::string(name_of(objective.output)) + " " + name_of(objective.loss);
}

struct OutputCase {
    std::string name;
    Objective objective;
    int classes, n;
    Reals z;
    Targets targets;

    std::string text() const {
        return name + ", " + text_of(objective) + (targets.are_numbers() ? " of numbers, " : ", ") +
               std::to_string(classes) + " classes, " + std::to_string(n) + " columns";
    }
};

/// Every kind of logits in every given size.
inline std::vector<OutputCase> output_cases(const Objective& objective, bool numbers,
                                            const std::vector<std::pair<int, int>>& sizes) {
    Rng rng(31);
    std::vector<OutputCase> cases;
    for (const auto& [classes, n] : sizes) {
        const std::size_t count = elements(classes, n), rows = elements(classes, 1);
        Reals thousands(count), ahead = normal_values(count, rng);
        for (auto& v : thousands) v = rng.below(2) == 0 ? nn_real{1000} : nn_real{-1000};
        for (std::size_t i = 0; i < count; i += rows) ahead[i + rng.below(rows)] += 60;
        const std::pair<const char*, Reals> kinds[] = {
            {"normal logits", normal_values(count, rng, 3)},
            {"logits of +-1000", thousands},
            {"equal logits", Reals(count, static_cast<nn_real>(-7.3))},
            {"one class far ahead", ahead}};
        for (const auto& [name, z] : kinds)
            cases.push_back(
                {name, objective, classes, n, z, random_targets(numbers, classes, n, rng)});
    }
    return cases;
}

/// Many numbers of classes, with few columns each.
inline std::vector<std::pair<int, int>> output_sizes() {
    std::vector<std::pair<int, int>> sizes;
    for (const int classes : {1, 2, 10, 15, 16, 17, 31, 32, 33, 100, 256})
        for (const int n : {0, 1, 3, 4, 5}) sizes.emplace_back(classes, n);
    return sizes;
}

/// The expected yhat and loss for the logits. Deltas are checked against the yhat that was
/// computed.
struct OutputExpected {
    Expected yhat;
    Wide loss = 0, loss_bound = 0;
};

/// One column, whose logits z are known up to z_error. Softmax does not change when all logits grow
/// alike, so errors e_i of the logits change yhat_i by the factor exp(e_i) / sum_j yhat_j exp(e_j),
/// and -log yhat_i by the logarithm of its inverse. The rest is rounding. Let d_i = z_i - max z,
/// which the logits' errors move by 2 max e_j at most. Its own error is u |d_i| from the
/// subtraction. exp(d_i) has that absolute error as a relative one, and its own; the sum S has its
/// terms' weighted mean and `classes` roundings. The quotient rounds once. log S has the relative
/// error of S as an absolute one, and its own. The loss, sum y_i (-log yhat_i), has a product and
/// additions for each class, exact where y is 1 once and 0 elsewhere.
inline void add_softmax_column(OutputExpected& expected, const std::vector<Wide>& z,
                               const std::vector<Wide>& z_error, const std::vector<Wide>& y,
                               bool mse) {
    const std::size_t rows = z.size();
    const Wide largest = *std::max_element(z.begin(), z.end());
    const Wide moved = 2 * *std::max_element(z_error.begin(), z_error.end());
    std::vector<Wide> d_error(rows);
    Wide sum = 0, sum_error = 0, least = 0, most = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        const Wide e = std::exp(z[i] - largest);
        d_error[i] = u * (largest - z[i] + moved);
        sum += e;
        sum_error += e * (d_error[i] + function_error) * std::exp(moved) + tiny;
        least += e * std::exp(-z_error[i]);
        most += e * std::exp(z_error[i]);
    }
    least /= sum;
    most /= sum;
    const Wide sum_relative = sum_error / sum + static_cast<Wide>(rows) * u;
    const bool one_alone =
        std::all_of(y.begin(), y.end(), [](Wide v) { return v == 0 || v == 1; }) &&
        std::count(y.begin(), y.end(), Wide{1}) == 1;
    for (std::size_t i = 0; i < rows; ++i) {
        const Wide yhat = std::exp(z[i] - largest) / sum;
        const Wide highest = yhat * std::exp(z_error[i]) / least;
        const Wide lowest = yhat * std::exp(-z_error[i]) / most;
        const Wide rounding = d_error[i] + function_error + sum_relative + u;
        expected.yhat.add(
            yhat, slack * (std::max(highest - yhat, yhat - lowest) + highest * rounding) + tiny);
        if (mse) continue;
        const Wide loss = std::log(sum) + largest - z[i];
        const Wide loss_moved = z_error[i] + std::max(std::log(most), -std::log(least));
        const Wide additions = one_alone ? 0 : static_cast<Wide>(rows + 1);
        expected.loss += y[i] * loss;
        expected.loss_bound += slack * std::abs(y[i]) *
                               (loss_moved + sum_relative + function_error * std::log(sum) +
                                d_error[i] + (1 + additions) * u * (std::abs(loss) + loss_moved));
    }
}

/// The same by sigmoids. With s = log(1 + exp(-|z|)), -log yhat and -log(1 - yhat) are s and s +
/// |z| in one order or the other. e = exp(-|z|) has an error of function_error, which weighs e / (1
/// + e) < s in the logarithm, which has its own; then |z| is added. y and 1 - y take three
/// roundings to enter their sum, each class one more, and the division by their number.
inline void add_sigmoid_column(OutputExpected& expected, const std::vector<Wide>& z,
                               const std::vector<Wide>& z_error, const std::vector<Wide>& y,
                               bool mse) {
    const Wide rows = static_cast<Wide>(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
        add_value(expected.yhat, Sigmoid{}, z[i], z_error[i]);
        if (mse) continue;
        const Wide s = std::log1p(std::exp(-std::abs(z[i])));
        const Wide if_1 = s + std::max<Wide>(-z[i], 0), if_0 = s + std::max<Wide>(z[i], 0);
        const Wide size = std::abs(y[i]) * if_1 + std::abs(1 - y[i]) * if_0;
        expected.loss += (y[i] * if_1 + (1 - y[i]) * if_0) / rows;
        expected.loss_bound += slack *
                               ((std::abs(y[i]) + 1) * (z_error[i] + 4 * tiny) +
                                (2 * function_error + (5 + rows) * u) * size) /
                               rows;
    }
}

/// (1/k) sum (yhat - y)^2, the last k of expected.yhat. The difference has yhat's error and one
/// rounding, the square one more, each class an addition, and the division one.
inline void add_mse(OutputExpected& expected, const std::vector<Wide>& y) {
    const Wide rows = static_cast<Wide>(y.size());
    const std::size_t first = expected.yhat.values.size() - y.size();
    for (std::size_t i = 0; i < y.size(); ++i) {
        const Wide d = std::abs(expected.yhat.values[first + i] - y[i]);
        const Wide off = expected.yhat.bounds[first + i] * (1 + u) + u * d;
        expected.loss += d * d / rows;
        expected.loss_bound +=
            slack * (2 * d * off + off * off + (rows + 2) * u * (d + off) * (d + off)) / rows +
            tiny;
    }
}

inline void add_output_column(OutputExpected& expected, const Objective& objective,
                              const std::vector<Wide>& z, const std::vector<Wide>& z_error,
                              const std::vector<Wide>& y) {
    const bool mse = objective.loss == LossFunction::mse;
    if (objective.output == OutputLayer::softmax)
        add_softmax_column(expected, z, z_error, y, mse);
    else
        add_sigmoid_column(expected, z, z_error, y, mse);
    if (mse) add_mse(expected, y);
}

/// scale dloss/dz of one column, from the yhat that came out. With labels, softmax and
/// cross-entropy: (yhat - y) scale, two roundings. Otherwise scale / k takes one more, a sum over k
/// classes one for each of its terms, products and differences one each.
inline void add_delta_column(Expected& expected, const Objective& objective,
                             const std::vector<Wide>& yhat, const Targets& targets,
                             const std::vector<Wide>& y, nn_real scale) {
    const bool softmax = objective.output == OutputLayer::softmax;
    const Wide rows = static_cast<Wide>(y.size());
    Wide sum_of_y = 0, size_of_y = 0, mean = 0, size_of_mean = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
        sum_of_y += y[i];
        size_of_y += std::abs(y[i]);
        mean += (yhat[i] - y[i]) * yhat[i];
        size_of_mean += std::abs(yhat[i] - y[i]) * yhat[i];
    }
    for (std::size_t i = 0; i < y.size(); ++i) {
        const Wide p = yhat[i], e = p - y[i];
        if (objective.loss == LossFunction::mse) {
            const Wide share = 2 * static_cast<Wide>(scale) / rows * p;
            const Wide slope = softmax ? e - mean : e * (1 - p);
            const Wide error =
                softmax ? std::abs(e) + (rows + 2) * size_of_mean + 4 * (std::abs(e) + size_of_mean)
                        : 6 * std::abs(slope);
            expected.add(share * slope, slack * share * error * u + 8 * tiny);
        } else if (!softmax) {
            const Wide delta = e * static_cast<Wide>(scale) / rows;
            expected.add(delta, slack * 3 * u * std::abs(delta) + tiny);
        } else if (!targets.are_numbers()) {
            expected.add(e * scale, slack * 2 * u * std::abs(e) * scale + tiny);
        } else {
            const Wide delta = sum_of_y * p - y[i];
            const Wide error = (rows + 1) * size_of_y * p + 2 * std::abs(delta);
            expected.add(delta * scale,
                         slack * (error + rows * size_of_y * p * u) * u * scale + 2 * tiny);
        }
    }
}

/// Of all columns.
inline Expected deltas_from(const Objective& objective, int classes, int n, const Reals& yhat,
                            const Targets& targets, nn_real scale) {
    Expected expected{classes, {}, {}};
    for (int j = 0; j < n; ++j) {
        const auto first = yhat.begin() + static_cast<std::ptrdiff_t>(elements(classes, j));
        add_delta_column(expected, objective, {first, first + classes}, targets,
                         targets.column(j, classes), scale);
    }
    return expected;
}

inline OutputExpected output_expected(const OutputCase& c) {
    OutputExpected expected;
    expected.yhat.rows = c.classes;
    for (int j = 0; j < c.n; ++j) {
        const auto first = c.z.begin() + static_cast<std::ptrdiff_t>(elements(c.classes, j));
        add_output_column(expected, c.objective, {first, first + c.classes},
                          std::vector<Wide>(elements(c.classes, 1)),
                          c.targets.column(j, c.classes));
    }
    expected.loss_bound += slack * static_cast<Wide>(c.n) * u_double * std::abs(expected.loss);
    return expected;
}

struct OutputResult {
    Reals yhat, delta;
    double loss;
};

/// Runs output(case, labels, targets, scale, z, delta), which returns the loss. Labels or targets
/// that do not exist are null.
template <class Memory, class Output>
OutputResult run_output(const OutputCase& c, nn_real scale, Output&& output) {
    const bool numbers = c.targets.are_numbers();
    const Guarded<std::uint8_t, Memory> labels("labels", numbers ? Bytes{} : c.targets.labels);
    const Guarded<nn_real, Memory> targets("targets", c.targets.numbers);
    Guarded<nn_real, Memory> z("z", c.z), delta("delta", poison<nn_real>(c.z.size()));
    const double loss =
        output(c, numbers ? nullptr : labels.data(), numbers ? targets.data() : nullptr, scale,
               z.output(), delta.output());
    return {z.values(), delta.values(), loss};
}

template <class Memory, class Output>
void check_output(const std::vector<OutputCase>& cases, Output&& output) {
    for (const OutputCase& c : cases) {
        SCOPED_TRACE(c.text());
        const nn_real scale = nn_real{1} / static_cast<nn_real>(c.n + 37);
        const OutputExpected expected = output_expected(c);
        const OutputResult result = run_output<Memory>(c, scale, output);
        EXPECT_TRUE(within("yhat", result.yhat, expected.yhat));
        EXPECT_TRUE(
            within("delta", result.delta,
                   deltas_from(c.objective, c.classes, c.n, result.yhat, c.targets, scale)));
        EXPECT_TRUE(std::abs(result.loss - expected.loss) <= expected.loss_bound)
            << "the loss is " << result.loss << ", expected " << expected.loss << " +- "
            << expected.loss_bound;
    }
}
