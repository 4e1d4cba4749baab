// test_train_steps.cpp: each step of a right training is within rounding of the reference's,
// however odd its numbers; a step that is wrong by a little is not.
#include "app/report/comparison.h"
#include "tests/support/steps_fixture.h"

namespace {

/// What is odd about the numbers of a case.
struct Odd {
    const char* what;
    void (*change)(Case&, Parameters<nn_real>& initial, SampleSet&);
};
void all_weights(Parameters<nn_real>& initial, nn_real value) {
    for (int l = 1; l <= initial.layout.layers(); ++l) std::ranges::fill(initial.weights(l), value);
}
const Odd odd_cases[] = {
    {"nothing", [](Case&, Parameters<nn_real>&, SampleSet&) {}},
    {"batches of one", [](Case& c, Parameters<nn_real>&, SampleSet&) { c.training.batch = 1; }},
    {"the whole set as one batch",
     [](Case& c, Parameters<nn_real>&, SampleSet&) { c.training.batch = 1000; }},
    {"pixels up to 255",
     [](Case& c, Parameters<nn_real>&, SampleSet&) { c.training.pixel_scale = 1; }},
    {"units that saturate",
     [](Case&, Parameters<nn_real>& p, SampleSet&) {
         for (nn_real& w : p.values) w *= 100;
     }},
    {"a rate at which the parameters jump",
     [](Case& c, Parameters<nn_real>&, SampleSet&) { c.training.rate = 30; }},
    {"a rate of 0", [](Case& c, Parameters<nn_real>&, SampleSet&) { c.training.rate = 0; }},
    {"a large penalty", [](Case& c, Parameters<nn_real>&, SampleSet&) { c.training.reg = 2; }},
    {"weights of 0", [](Case&, Parameters<nn_real>& p, SampleSet&) { all_weights(p, 0); }},
    {"units that are all alike",
     [](Case&, Parameters<nn_real>& p, SampleSet&) { all_weights(p, nn_real{0.3f}); }},
    {"samples that are all alike",
     [](Case& c, Parameters<nn_real>&, SampleSet& set) {
         c.training.batch = 1000;
         for (std::size_t i = 0; i < set.pixels.size(); ++i)
             set.pixels[i] = static_cast<std::uint8_t>(7 * (i % set.features()));
         std::ranges::fill(set.labels, std::uint8_t{1});
     }},
    {"pixels and weights that are all alike",
     [](Case& c, Parameters<nn_real>& p, SampleSet& set) {
         c.training.batch = 1000;
         all_weights(p, nn_real{0.3f});
         std::ranges::fill(set.pixels, std::uint8_t{255});
     }},
    {"black pictures", [](Case&, Parameters<nn_real>&, SampleSet& set) {
         std::ranges::fill(set.pixels, std::uint8_t{0});
     }}};

class Steps : public CheckedSteps {};
INSTANTIATE_TEST_SUITE_P(On, Steps, testing::ValuesIn(every_way), name_of_way);

TEST_P(Steps, small_odd_numbers_are_within_rounding) {
    for (const Odd& odd : odd_cases) {
        SCOPED_TRACE(odd.what);
        Case c = small_case(15, 7, 1);  // the last batch is of one
        c.sizes = {30, 7, 5, 3};
        c.training.shuffled = true;
        SampleSet set = random_set(c.sizes, c.images);
        Parameters<nn_real> initial = initial_of(c);
        odd.change(c, initial, set);
        expect_right(c, initial, set);
    }
}
TEST_P(Steps, small_tables_of_every_objective_are_within_rounding) {
    for (const OutputLayer output : {OutputLayer::softmax, OutputLayer::sigmoid})
        for (const LossFunction loss : {LossFunction::cross_entropy, LossFunction::mse}) {
            SCOPED_TRACE(std::string(name_of(output)) + ", " + name_of(loss));
            Case c = small_case(15, 7, 1);
            c.sizes = {4, 6, 2};
            c.objective = {output, loss};
            expect_right(c, initial_of(c), random_table(c.sizes, c.images, {true, true}));
        }
}

TEST_P(Steps, small_penalty_of_1e_4_is_within_rounding) {
    Case c = small_case(24, 8, 1);
    c.training.reg = 1e-4;
    expect_right(c, initial_of(c), random_set(c.sizes, c.images));
}

/// A step, and a mistake in it.
class Mistaken : public Strategy {
  public:
    Mistaken(double rate, double reg) : rate_(rate), reg_(reg) {}
    void step(DataParallelNeuralNetwork& network, const Batch& batch,
              const Update& update) override {
        network.load(batch);
        network.forward();
        network.backward();
        Update wrong = update;
        wrong.rate *= static_cast<nn_real>(rate_);
        wrong.reg *= static_cast<nn_real>(reg_);
        network.update(wrong);
    }

  private:
    double rate_, reg_;
};

class StepMistakes : public Steps {
  protected:
    /// The first tensor beyond its bound, if each step has this mistake.
    StepVerdict found(const Case& c, double rate, double reg) {
        const SampleSet set = random_set(c.sizes, c.images);
        const ReplicaShape shape{Layout(c.sizes), c.training.batch, unit_pixels};
        DataParallelNeuralNetwork network(
            comm(), make_cpu_replica(shape, cpu_settings(GetParam(), shape)), initial_of(c),
            {mpi_reducer(), FeedKind::resident, std::make_unique<Mistaken>(rate, reg)});
        return checked(network, set, c.training).first_wrong();
    }
};
INSTANTIATE_TEST_SUITE_P(On, StepMistakes, testing::ValuesIn(std::span(cpu_ways).first<2>()),
                         name_of_way);

TEST_P(StepMistakes, small_penalty_of_1e_4_counted_twice_is_seen_in_the_first_step) {
    Case c = small_case(24, 8, 1);
    c.training.reg = 1e-4;
    const StepVerdict wrong = found(c, 1, 2), right = found(c, 1, 1);
    if (!comm().is_root()) return;
    EXPECT_TRUE(right.right()) << text(right);
    ASSERT_FALSE(wrong.right());
    EXPECT_EQ(text(wrong).find("W1 in step 1:1 is off by "), 0u) << text(wrong);
}
TEST_P(Steps, small_check_that_was_not_asked_after_every_step_fails_and_says_so) {
    Case c = small_case(24, 8, 1);
    const SampleSet set = random_set(c.sizes, c.images);
    auto network = make_network(initial_of(c), c, set);
    StepCheck check(network, set, c.training);
    check.stops();  // once, of three steps
    if (!comm().is_root()) return;
    testing::internal::CaptureStdout();
    EXPECT_FALSE(print_comparison(check, {}, true, "2 ranks, CPU"));
    EXPECT_EQ(testing::internal::GetCapturedStdout(),
              "CHECK FAILED: 2 ranks, CPU: train() asked its observer's stops() after 1 of 3 "
              "steps, and a step is compared there: ask after every step\n");
}

TEST_P(StepMistakes, small_rate_that_is_off_by_a_thousandth_is_seen) {
    Case c = small_case(24, 8, 1);
    c.training.rate = 1;
    const StepVerdict wrong = found(c, 1.001, 1);
    EXPECT_EQ(wrong.right(), !comm().is_root()) << text(wrong);
}

}  // namespace
