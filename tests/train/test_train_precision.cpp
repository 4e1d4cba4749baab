// test_train_precision.cpp: trainings whose products take bf16 or fp16, against the reference,
// which rounds by the definition, step by step.
#include "tests/support/steps_fixture.h"

namespace {

class SmallOperands : public CheckedSteps {
  protected:
    void SetUp() override {
        CheckedSteps::SetUp();
        if (sizeof(nn_real) == sizeof(double)) GTEST_SKIP() << "the build in double has no type";
    }
    /// Two hidden layers, and a last batch of one.
    static Case case_in(Precision precision) {
        Case c = small_case(15, 7);
        c.sizes = {30, 19, 5, 3};
        c.precision = precision;
        return c;
    }
};
INSTANTIATE_TEST_SUITE_P(On, SmallOperands, testing::ValuesIn(cpu_ways), name_of_way);
/// The first would go by bf16x3 in float; the second has its gradient in parts.
INSTANTIATE_TEST_SUITE_P(OnCuda, SmallOperands, testing::Values(cuda_ways[1], cuda_ways[2]),
                         name_of_way);

TEST_P(SmallOperands, small_steps_are_the_references_with_and_without_moments) {
    for (const Precision precision : {Precision::bf16, Precision::fp16})
        for (const Rule& rule : {Rule{Sgd{}}, Rule{Momentum{}}, Rule{Adam{}}}) {
            SCOPED_TRACE(std::string(name_of(precision)) + ", " + std::string(name_of(rule)));
            Case c = case_in(precision);
            c.training.rule = rule;
            c.training.rate = rate_for(rule, 0.5, 0.9);
            expect_right(c, initial_of(c), random_set(c.sizes, c.images));
        }
}

/// A step's bound may be larger than what inputs lose, so this compares bits.
TEST_P(SmallOperands, small_inputs_train_as_those_that_were_rounded_before) {
    for (const Precision precision : {Precision::bf16, Precision::fp16}) {
        SCOPED_TRACE(name_of(precision));
        const Case c = case_in(precision);
        const SampleSet pixels = random_set(c.sizes, c.images);
        const SampleSet numbers = random_table(c.sizes, c.images, {true, false});
        SampleSet rounded = numbers;
        for (nn_real& x : rounded.inputs) x = static_cast<nn_real>(nearest(precision, x));
        EXPECT_EQ(trained(c, numbers).values, trained(c, rounded).values) << "numbers";
        for (std::size_t i = 0; i < pixels.pixels.size(); ++i)
            rounded.inputs[i] =
                static_cast<nn_real>(nearest(precision, unit_pixels * pixels.pixels[i]));
        EXPECT_EQ(trained(c, pixels).values, trained(c, rounded).values) << "pixels";
    }
}

/// After one sample, the moment of a momentum is the gradient: of a bias the delta, of a weight the
/// delta times what came in. So both factors are seen.
TEST_P(SmallOperands, small_gradients_of_one_sample_are_products_of_small_numbers) {
    for (const Precision precision : {Precision::bf16, Precision::fp16}) {
        Case c = case_in(precision);
        c.images = c.training.batch = c.training.epochs = 1;
        c.training.reg = 0;
        c.training.rule = Momentum{};
        const SampleSet set = random_set(c.sizes, c.images);
        auto network = make_network(initial_of(c), c, set);
        network.train(set, c.training, nullptr);
        const auto gradient = network.moments()[0];
        const auto expect_small = [&](const char* what, int l, double x) {
            EXPECT_EQ(x, nearest(precision, x)) << what << " of layer " << l;
        };
        for (int l = 1; l <= gradient.layout.layers(); ++l) {
            SCOPED_TRACE(name_of(precision));
            const auto db = gradient.bias(l), dw = gradient.weights(l);
            EXPECT_NE(db[0], 0);
            for (std::size_t i = 0; i < dw.size(); ++i) {
                const double delta = static_cast<double>(db[i % db.size()]);
                expect_small("a delta", l, delta);
                if (delta != 0) expect_small("an input", l, static_cast<double>(dw[i]) / delta);
            }
        }
    }
}

/// With a rate of 0 and no penalty, the moment of a momentum is a sum of gradients.
TEST_P(SmallOperands, small_gradients_are_those_of_weights_that_were_rounded_before) {
    for (const Precision precision : {Precision::bf16, Precision::fp16}) {
        Case c = case_in(precision);
        c.training.rate = c.training.reg = 0;
        c.training.rule = Momentum{};
        const SampleSet set = random_set(c.sizes, c.images);
        Parameters<nn_real> whole = initial_of(c), rounded = whole;
        for (int l = 1; l <= rounded.layout.layers(); ++l)
            for (nn_real& w : rounded.weights(l)) w = static_cast<nn_real>(nearest(precision, w));
        EXPECT_NE(rounded.values, whole.values);
        const auto results_from = [&](const Parameters<nn_real>& initial) {
            auto network = make_network(initial, c, set);
            Listener listener;
            listener.report_every = 1;
            network.train(set, c.training, &listener);
            return std::pair{listener.steps, network.moments()[0].values};
        };
        EXPECT_EQ(results_from(whole), results_from(rounded)) << name_of(precision);
    }
}

TEST_P(SmallOperands, small_trainings_give_the_same_bits_twice_and_by_both_feeds) {
    Case c = case_in(Precision::bf16);
    const SampleSet set = random_set(c.sizes, c.images);
    const auto first = trained(c, set);
    EXPECT_EQ(trained(c, set).values, first.values);
    c.feed = FeedKind::scattered;
    EXPECT_EQ(trained(c, set).values, first.values) << "scattered every step";
}

TEST_P(SmallOperands, small_steps_with_a_loss_scale_are_the_references) {
    for (const LossScaling& scaling : {LossScaling{.is_dynamic = true}, LossScaling{false, 1024},
                                       LossScaling{false, 16777216}}) {
        SCOPED_TRACE(scaling.is_dynamic ? "dynamic" : std::to_string(scaling.fixed));
        Case c = case_in(Precision::fp16);
        c.training.loss_scaling = scaling;
        expect_right(c, initial_of(c), random_set(c.sizes, c.images));
    }
}

/// Of a batch of 7, a delta reaches about 1/7, and 65504 is the largest number of fp16.
TEST_P(SmallOperands, small_gradients_beyond_fp16_make_no_update_and_halve_the_scale) {
    Case c = case_in(Precision::fp16);
    c.training.epochs = 1;  // of three steps
    c.training.loss_scaling.is_dynamic = true;
    const SampleSet set = random_set(c.sizes, c.images);
    const Parameters<nn_real> initial = initial_of(c);
    auto network = make_network(initial, c, set);
    network.train(set, c.training, nullptr, {0, 0, 0, {16777216, 0, 2}});
    EXPECT_EQ(network.loss_scale().state(), (LossScaleState{16777216 / 8, 0, 5}));
    EXPECT_EQ(network.parameters().values, initial.values);
    network.train(set, c.training, nullptr, {0, 0, 0, {65536, 7, 0}});
    EXPECT_EQ(network.loss_scale().state(), (LossScaleState{65536, 10, 0}));
    EXPECT_NE(network.parameters().values, initial.values);
}

}  // namespace
