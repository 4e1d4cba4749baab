// test_reference.cpp: the judge is right: by hand, by finite differences, at the edges of exp.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "neural_network.h"

namespace {

Matrix random_matrix(int rows, int cols, Rng& rng) {
    Matrix x(rows, cols);
    for (double& value : x.values) value = rng.normal();
    return x;
}

/// A network without hidden layers whose logits are exactly `bias`.
NeuralNetwork network_of_logits(const std::vector<double>& bias) {
    Parameters<double> p(Layout({1, static_cast<int>(bias.size())}));
    std::ranges::copy(bias, p.bias(1).begin());
    return NeuralNetwork(p);
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
    const std::uint8_t labels[] = {1};
    EXPECT_DOUBLE_EQ(network.loss(labels, 0), std::log(2.0));
    EXPECT_DOUBLE_EQ(network.loss(labels, 0.1), std::log(2.0) + 0.05 * (0.25 + 4));
    // delta2 = (1/2, -1/2), dW2 = delta2 a1, delta1 = (2/2) (1/4), dW1 = delta1 x.
    const Parameters<double>& g = network.backward(labels, 0);
    const std::vector<double> expected = {0.5, 0.25, 0.25, -0.25, 0.5, -0.5};
    for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_DOUBLE_EQ(g.values[i], expected[i]) << "gradient element " << i;
    network.step(2);
    EXPECT_DOUBLE_EQ(network.parameters().values[0], 0.5 - 2 * 0.5);
}

TEST(Reference, gradient_is_the_finite_difference_of_the_loss) {
    const Layout layout({7, 5, 4, 3});
    Rng rng(11);
    const Matrix x = random_matrix(7, 9, rng);
    const std::uint8_t labels[] = {0, 1, 2, 0, 1, 2, 2, 2, 0};
    const double reg = 0.3, h = 1e-5;
    auto p = initial_parameters<double>(layout, 2, 0.5);
    for (int l : {1, 2, 3})
        for (double& b : p.bias(l)) b = rng.normal();
    NeuralNetwork network(p);
    network.forward(x);
    const Parameters<double> gradient = network.backward(labels, reg);
    const auto loss_at = [&](std::size_t i, double value) {
        Parameters<double> moved = p;
        moved.values[i] = value;
        NeuralNetwork other(moved);
        other.forward(x);
        return other.loss(labels, reg);
    };
    // The central difference is off by h^2 J'''/6, about 1e-11 here, and by u J/h, also about
    // 1e-11.
    for (std::size_t i = 0; i < p.values.size(); ++i) {
        const double difference =
            (loss_at(i, p.values[i] + h) - loss_at(i, p.values[i] - h)) / (2 * h);
        EXPECT_NEAR(gradient.values[i], difference, 1e-9) << "gradient element " << i;
    }
}

TEST(Reference, softmax_of_logits_of_a_thousand_neither_overflows_nor_loses_the_loss) {
    NeuralNetwork network = network_of_logits({1000, -1000, 0});
    const Matrix& yhat = network.forward(Matrix(1, 1));
    EXPECT_EQ(yhat(0, 0), 1);
    EXPECT_EQ(yhat(1, 0), 0);
    const std::uint8_t least[] = {1}, most[] = {0};
    EXPECT_DOUBLE_EQ(network.loss(least, 0), 2000);
    EXPECT_DOUBLE_EQ(network.loss(most, 0), 0);
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
    const std::uint8_t labels[] = {0};
    EXPECT_TRUE(std::isnan(network.loss(labels, 0)));
}

TEST(Reference, prediction_is_the_first_largest_class_and_accuracy_counts_them) {
    NeuralNetwork network = network_of_logits({0, 3, 3, 1});
    EXPECT_EQ(network.predict(Matrix(1, 2)), (std::vector<std::uint8_t>{1, 1}));
    const Dataset set{1, 1, 4, {0, 0, 0, 0}, {1, 2, 1, 0}};
    EXPECT_DOUBLE_EQ(network.accuracy(set, 1), 0.5);
}

TEST(Reference, training_learns_to_tell_two_images_apart) {
    const Dataset set{1, 2, 2, {255, 0, 0, 255}, {0, 1}};
    NeuralNetwork network(initial_parameters<double>(Layout({2, 3, 2}), 1, 0));
    network.train(set, {.batch = 2, .epochs = 300, .rate = 1, .pixel_scale = nn_real{1} / 255});
    EXPECT_DOUBLE_EQ(network.accuracy(set, nn_real{1} / 255), 1);
}

TEST(Reference, the_last_smaller_batch_is_a_step_of_its_own_size) {
    // Two epochs' worth of single steps by hand are what train() does with 3 images in batches
    // of 2.
    const Dataset set{1, 2, 2, {10, 200, 30, 40, 50, 60}, {0, 1, 1}};
    const auto initial = initial_parameters<double>(Layout({2, 2, 2}), 1, 0);
    const nn_real scale = nn_real{1} / 255;
    NeuralNetwork trained(initial), by_hand(initial);
    trained.train(set, {.batch = 2, .epochs = 1, .rate = 0.5, .reg = 0.1, .pixel_scale = scale});
    const std::uint32_t samples[] = {0, 1, 2};
    for (auto [first, n] : {std::pair<std::size_t, std::size_t>{0, 2}, {2, 1}}) {
        by_hand.forward(input_columns(set, std::span(samples).subspan(first, n), scale));
        by_hand.backward(std::span(set.labels).subspan(first, n), 0.1);
        by_hand.step(0.5);
    }
    EXPECT_EQ(trained.parameters().values, by_hand.parameters().values);
}
