// test_reference.cpp: the judge is right: by hand, by finite differences, at the edges of exp.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "model/initial.h"
#include "neural_network.h"

namespace {

Matrix random_matrix(int rows, int cols, Rng& rng) {
    Matrix x(rows, cols);
    for (double& value : x.values) value = rng.normal();
    return x;
}

/// The targets that labels stand for.
Matrix targets_of(const std::vector<int>& labels, int classes) {
    Matrix y(classes, static_cast<int>(labels.size()));
    for (int j = 0; j < y.cols; ++j) y(labels[static_cast<std::size_t>(j)], j) = 1;
    return y;
}

/// One sample's target.
Matrix column(const std::vector<double>& values) {
    Matrix y(static_cast<int>(values.size()), 1);
    y.values = values;
    return y;
}

/// A network without hidden layers whose logits are exactly `bias`.
NeuralNetwork network_of_logits(const std::vector<double>& bias, Objective objective = {}) {
    Parameters<double> p(Layout({1, static_cast<int>(bias.size())}));
    std::ranges::copy(bias, p.bias(1).begin());
    return NeuralNetwork(p, objective);
}

constexpr Objective sigmoid_entropy{OutputLayer::sigmoid, LossFunction::cross_entropy},
    softmax_mse{OutputLayer::softmax, LossFunction::mse},
    sigmoid_mse{OutputLayer::sigmoid, LossFunction::mse};
constexpr Objective every_objective[] = {{}, sigmoid_entropy, softmax_mse, sigmoid_mse};

std::string text(const Objective& objective) {
    return std::string(name_of(objective.output)) + ", " + name_of(objective.loss);
}

}  // namespace

TEST(Reference, forward_and_loss_of_a_network_small_enough_for_paper) {
    // x = 2, W1 = 0.5, b1 = -1: a1 = sigmoid(0) = 1/2. W2 = (2, 0), b2 = (0, 1): z = (1, 1).
    Parameters<double> p(Layout({1, 1, 2}));
    p.values = {0.5, -1, 2, 0, 0, 1};
    NeuralNetwork network(p);
    Matrix x(1, 1);
    x(0, 0) = 2;
    const Matrix& yhat = network.forward(x);
    EXPECT_DOUBLE_EQ(yhat(0, 0), 0.5);
    EXPECT_DOUBLE_EQ(yhat(1, 0), 0.5);
    const Matrix y = targets_of({1}, 2);
    EXPECT_DOUBLE_EQ(network.loss(y, 0), std::log(2.0));
    EXPECT_DOUBLE_EQ(network.loss(y, 0.1), std::log(2.0) + 0.05 * (0.25 + 4));
    // delta2 = (1/2, -1/2), dW2 = delta2 a1, delta1 = (2/2) (1/4), dW1 = delta1 x.
    const Parameters<double>& g = network.backward(y, 0);
    const std::vector<double> expected = {0.5, 0.25, 0.25, -0.25, 0.5, -0.5};
    for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_DOUBLE_EQ(g.values[i], expected[i]) << "gradient element " << i;
    network.update({2, 0});
    EXPECT_DOUBLE_EQ(network.parameters().values[0], 0.5 - 2 * 0.5);
}

/// Each element of the gradient against a central difference, which is off by h^2 J'''/6, about
/// 1e-11 here, and by u J/h, also about 1e-11.
static void expect_gradient(const Objective& objective, const Layout& layout, const Matrix& y,
                            const Activation& activation = {}) {
    SCOPED_TRACE(text(objective) + ", " + std::to_string(layout.classes()) + " outputs, " +
                 name_of(activation));
    Rng rng(11);
    const Matrix x = random_matrix(layout.inputs(), y.cols, rng);
    const double reg = 0.3, h = 1e-5;
    auto p = initial_parameters<double>(layout, 2, 0.5);
    for (int l = 1; l <= layout.layers(); ++l)
        for (double& b : p.bias(l)) b = rng.normal();
    NeuralNetwork network(p, objective, activation);
    network.forward(x);
    const Parameters<double> gradient = network.backward(y, reg);
    const auto loss_at = [&](std::size_t i, double value) {
        Parameters<double> moved = p;
        moved.values[i] = value;
        NeuralNetwork other(moved, objective, activation);
        other.forward(x);
        return other.loss(y, reg);
    };
    for (std::size_t i = 0; i < p.values.size(); ++i) {
        const double difference =
            (loss_at(i, p.values[i] + h) - loss_at(i, p.values[i] - h)) / (2 * h);
        EXPECT_NEAR(gradient.values[i], difference, 1e-9) << "gradient element " << i;
    }
}

TEST(Reference, gradient_is_the_finite_difference_of_the_loss_of_labels) {
    const Layout layout({7, 5, 4, 3});
    for (const Objective& objective : every_objective)
        expect_gradient(objective, layout, targets_of({0, 1, 2, 0, 1, 2, 2, 2, 0}, 3));
}

TEST(Reference, gradient_is_the_finite_difference_of_the_loss_of_numbers) {
    Rng rng(12);
    for (const int outputs : {1, 3}) {
        const Matrix y = random_matrix(outputs, 6, rng);  // below 0 and above 1 as well
        for (const Objective& objective : every_objective)
            expect_gradient(objective, Layout({4, 3, outputs}), y);
    }
}

/// No sum is within h of 0, where a relu has no slope; the seed is that of the test above.
TEST(Reference, gradient_is_the_finite_difference_of_the_loss_with_every_activation) {
    for (const auto& [activation, name] : Names<Activation>::all)
        for (const Objective& objective : every_objective)
            expect_gradient(objective, Layout({7, 5, 4, 3}),
                            targets_of({0, 1, 2, 0, 1, 2, 2, 2, 0}, 3), activation);
}

TEST(Reference, activations_are_their_formulas) {
    EXPECT_DOUBLE_EQ(Tanh::reference(0.5), (std::exp(1.0) - 1) / (std::exp(1.0) + 1));
    EXPECT_DOUBLE_EQ(Tanh::reference_slope(0.5), 0.75);
    EXPECT_EQ(Relu::reference(0.5), 0.5);
    EXPECT_EQ(Relu::reference(-0.5), 0);
    EXPECT_EQ(Relu::reference_slope(0.5), 1);
    EXPECT_EQ(Relu::reference_slope(0), 0);
    EXPECT_TRUE(std::isnan(Relu::reference(std::numeric_limits<double>::quiet_NaN())));
}

/// Logits (log 3, 0) make softmax (3/4, 1/4) and sigmoids (3/4, 1/2).
TEST(Reference, every_loss_of_two_outputs_is_what_paper_says) {
    const Matrix y = column({0.25, 1});
    const auto loss_of = [&](const Objective& objective) {
        NeuralNetwork network = network_of_logits({std::log(3.0), 0}, objective);
        network.forward(Matrix(1, 1));
        return network.loss(y, 0);
    };
    const double third = std::log(4.0 / 3), four = std::log(4.0), two = std::log(2.0);
    EXPECT_DOUBLE_EQ(loss_of({}), 0.25 * third + four);
    EXPECT_DOUBLE_EQ(loss_of(sigmoid_entropy), (0.25 * third + 0.75 * four + two) / 2);
    EXPECT_DOUBLE_EQ(loss_of(softmax_mse), (0.25 + 0.5625) / 2);
    EXPECT_DOUBLE_EQ(loss_of(sigmoid_mse), (0.25 + 0.25) / 2);
}

TEST(Reference, cross_entropy_of_sigmoids_of_a_thousand_neither_overflows_nor_loses_the_loss) {
    NeuralNetwork network = network_of_logits({1000, -1000}, sigmoid_entropy);
    const Matrix& yhat = network.forward(Matrix(1, 1));
    EXPECT_EQ(yhat(0, 0), 1);
    EXPECT_EQ(yhat(1, 0), 0);
    EXPECT_DOUBLE_EQ(network.loss(column({0, 1}), 0), 1000);
    EXPECT_DOUBLE_EQ(network.loss(column({1, 0}), 0), 0);
}

TEST(Reference, a_logit_that_is_no_number_shows_in_every_loss) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    for (const Objective& objective : every_objective) {
        NeuralNetwork network = network_of_logits({0, nan}, objective);
        network.forward(Matrix(1, 1));
        EXPECT_TRUE(std::isnan(network.loss(column({1, 0}), 0))) << text(objective);
    }
}

TEST(Reference, one_output_is_class_1_from_a_half_on) {
    for (const auto& [logit, seen] : {std::pair{-1e-9, 0}, {0.0, 1}, {5.0, 1}}) {
        NeuralNetwork network = network_of_logits({logit}, sigmoid_mse);
        EXPECT_EQ(network.predict(Matrix(1, 1)), std::vector<int>{seen}) << "logit " << logit;
    }
    const SampleSet set{.rows = 1,
                        .cols = 1,
                        .classes = 1,
                        .inputs = {0, 0, 0, 0},
                        .targets = {0, nn_real{0.5}, 1, nn_real{0.25}},
                        .format = {.number_inputs = true, .number_targets = true}};
    EXPECT_DOUBLE_EQ(network_of_logits({1}, sigmoid_mse).accuracy(set, 1), 0.5);
}

TEST(Reference, softmax_of_logits_of_a_thousand_neither_overflows_nor_loses_the_loss) {
    NeuralNetwork network = network_of_logits({1000, -1000, 0});
    const Matrix& yhat = network.forward(Matrix(1, 1));
    EXPECT_EQ(yhat(0, 0), 1);
    EXPECT_EQ(yhat(1, 0), 0);
    EXPECT_DOUBLE_EQ(network.loss(targets_of({1}, 3), 0), 2000);
    EXPECT_DOUBLE_EQ(network.loss(targets_of({0}, 3), 0), 0);
}

TEST(Reference, softmax_of_equal_logits_is_even) {
    NeuralNetwork network = network_of_logits(std::vector<double>(10, -1000));
    const Matrix& yhat = network.forward(Matrix(1, 1));
    for (int i = 0; i < 10; ++i) EXPECT_NEAR(yhat(i, 0), 0.1, 1e-16 * 10);
}

TEST(Reference, a_parameter_that_is_no_number_shows_in_the_loss) {
    Parameters<double> p(Layout({2, 2, 2}));
    p.values[0] = std::numeric_limits<double>::quiet_NaN();
    NeuralNetwork network(p);
    network.forward(Matrix(2, 1));
    EXPECT_TRUE(std::isnan(network.loss(targets_of({0}, 2), 0)));
}

TEST(Reference, prediction_is_the_first_largest_class_and_accuracy_counts_them) {
    NeuralNetwork network = network_of_logits({0, 3, 3, 1});
    EXPECT_EQ(network.predict(Matrix(1, 2)), (std::vector<int>{1, 1}));
    const SampleSet set{1, 1, 4, {0, 0, 0, 0}, {1, 2, 1, 0}};
    EXPECT_DOUBLE_EQ(network.accuracy(set, 1), 0.5);
}

TEST(Reference, training_learns_to_tell_two_images_apart) {
    const SampleSet set{1, 2, 2, {255, 0, 0, 255}, {0, 1}};
    NeuralNetwork network(initial_parameters<double>(Layout({2, 3, 2}), 1, 0));
    network.train(set, {.batch = 2, .epochs = 300, .rate = 1, .pixel_scale = nn_real{1} / 255});
    EXPECT_DOUBLE_EQ(network.accuracy(set, nn_real{1} / 255), 1);
}

TEST(Reference, the_last_smaller_batch_is_a_step_of_its_own_size) {
    // Two epochs' worth of single steps by hand are what train() does with 3 images in batches
    // of 2.
    const SampleSet set{1, 2, 2, {10, 200, 30, 40, 50, 60}, {0, 1, 1}};
    const auto initial = initial_parameters<double>(Layout({2, 2, 2}), 1, 0);
    const nn_real scale = nn_real{1} / 255;
    NeuralNetwork trained(initial), by_hand(initial);
    trained.train(set, {.batch = 2, .epochs = 1, .rate = 0.5, .reg = 0.1, .pixel_scale = scale});
    const std::uint32_t samples[] = {0, 1, 2};
    for (auto [first, n] : {std::pair<std::size_t, std::size_t>{0, 2}, {2, 1}}) {
        const auto some = std::span(samples).subspan(first, n);
        by_hand.forward(input_columns(set, some, scale));
        by_hand.backward(target_columns(set, some), 0.1);
        by_hand.update({0.5, 0});
    }
    EXPECT_EQ(trained.parameters().values, by_hand.parameters().values);
}
