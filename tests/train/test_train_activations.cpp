// test_train_activations.cpp: every activation against the serial reference, in every way to train.
#include "tests/support/train_fixture.h"

namespace {

class Activations : public Train {
  protected:
    /// check(case) for every activation; the case's network has two hidden layers.
    template <class Check>
    static void for_every_activation(Case c, const Check& check) {
        c.training.shuffled = true;
        for (const auto& [activation, name] : Names<Activation>::all) {
            SCOPED_TRACE(name);
            c.activation = activation;
            check(c);
        }
    }
};
INSTANTIATE_TEST_SUITE_P(On, Activations, testing::ValuesIn(every_way), name_of_way);

TEST_P(Activations, small_runs_match_the_reference_by_the_same_bits_twice_and_both_feeds) {
    Case two_hidden = small_case(40, 9);
    two_hidden.sizes = {20, 13, 6, 4};
    for_every_activation(two_hidden, [&](const Case& c) {
        expect_reference_by_the_same_bits(c, random_set(c.sizes, c.images));
    });
}

TEST_P(Activations, small_runs_on_numbers_match_the_reference) {
    for_every_activation(small_case(33, 8), [&](const Case& c) {
        const SampleSet set = random_table(c.sizes, c.images, {true, true});
        const auto values = trained(c, set);
        if (comm().is_root()) expect_same(values, reference(c, set), course_tolerance);
    });
}

/// More units and samples than a tile or a vector has.
TEST_P(Activations, small_wide_layers_match_the_reference) {
    Case wide = small_case(70, 35, 1);
    wide.sizes = {30, 67, 37, 5};
    for_every_activation(wide, [&](const Case& c) { expect_reference(c); });
}

TEST_P(Activations, small_sets_are_evaluated_as_by_the_reference) {
    for_every_activation(small_case(41, 10), [&](const Case& c) {
        const SampleSet set = random_set(c.sizes, c.images);
        auto network = make_network(initial_of(c), c, set);
        NeuralNetwork judge(initial_of(c), c.objective, c.activation);
        const Evaluation seen = Evaluator(network, set).evaluate();
        EXPECT_DOUBLE_EQ(seen.accuracy, judge.accuracy(set, unit_pixels));
        judge.forward(input_columns(set, all_samples(set), unit_pixels));
        const double expected = judge.loss(target_columns(set, all_samples(set)), 0);
        EXPECT_TRUE(std::abs(seen.loss - expected) <= 10 * course_tolerance * expected)
            << "mean loss " << seen.loss << ", reference " << expected;
    });
}

/// A sum that is no number must reach the loss: a relu that made 0 of it would hide it.
TEST_P(Activations, small_sums_that_are_no_numbers_reach_the_loss_of_every_rank) {
    for_every_activation(small_case(20, 20), [&](const Case& c) {
        const SampleSet set = random_set(c.sizes, c.images);
        Parameters<nn_real> initial = initial_of(c);
        initial.bias(1)[2] = std::numeric_limits<nn_real>::quiet_NaN();  // in no penalty
        auto network = make_network(initial, c, set);
        EXPECT_TRUE(std::isnan(Evaluator(network, set).evaluate().loss));
        EXPECT_THROW(network.train(set, c.training, nullptr), Diverged);
    });
}

}  // namespace
