// test_train_objectives.cpp: every output layer with every loss, on every kind of sample.
//
// Pixels or numbers, to labels or numbers: all against the serial reference, and one network whose
// numbers were computed in NumPy.
#include "tests/support/train_fixture.h"

namespace {

// ------------------------------------------------------------------ any objective, any samples

constexpr Objective every_objective[] = {{OutputLayer::softmax, LossFunction::cross_entropy},
                                         {OutputLayer::softmax, LossFunction::mse},
                                         {OutputLayer::sigmoid, LossFunction::cross_entropy},
                                         {OutputLayer::sigmoid, LossFunction::mse}};
constexpr SampleFormat every_format[] = {
    {false, false}, {true, false}, {false, true}, {true, true}};

std::string text_of(const Objective& objective, const SampleFormat& format) {
    return std::string(name_of(objective.output)) + ", " + name_of(objective.loss) + ", " +
           (format.number_inputs ? "numbers" : "pixels") + " to " +
           (format.number_targets ? "numbers" : "labels");
}

/// Calls check(objective, format, turn) for each pair; turn counts them.
template <class Check>
void for_every_objective_and_format(const Check& check) {
    int turn = 0;
    for (const Objective& objective : every_objective)
        for (const SampleFormat& format : every_format) {
            SCOPED_TRACE(text_of(objective, format));
            check(objective, format, turn++);
        }
}

/// With a hidden layer and, each fourth kind by turns, without.
TEST_P(Train, small_runs_of_every_objective_and_kind_of_sample_match_the_reference) {
    for_every_objective_and_format(
        [&](const Objective& objective, const SampleFormat& format, int turn) {
            Case c = small_case(11, 4);
            if (turn % 5 == 0) c.sizes = {6, 2};
            c.objective = objective;
            c.training.shuffled = true;
            c.feed = turn % 3 != 0 ? FeedKind::resident : FeedKind::scattered;
            const SampleSet set = random_table(c.sizes, c.images, format);
            const auto values = trained(c, set);
            if (comm().is_root()) expect_same(values, reference(c, set), course_tolerance);
        });
}

/// A replica takes two samples at once, so that they go forward in several rounds.
TEST_P(Train, small_tables_are_evaluated_and_predicted_as_by_the_reference) {
    for_every_objective_and_format([&](const Objective& objective, const SampleFormat& format,
                                       int turn) {
        const std::vector<int> sizes = {5, 4, turn % 3 == 0 ? 1 : 3};
        const SampleSet set = random_table(sizes, 9, format);
        const auto samples = all_samples(set);
        const auto initial = initial_parameters<nn_real>(Layout(sizes), 3, 1);
        auto network =
            make_network(initial, 2 * comm().size(), unit_pixels, GetParam(), objective, format);
        NeuralNetwork judge(initial, objective);
        const Evaluation seen =
            Evaluator(network, set, turn % 2 == 0 ? FeedKind::resident : FeedKind::scattered)
                .evaluate();
        EXPECT_DOUBLE_EQ(seen.accuracy, judge.accuracy(set, unit_pixels));
        const Matrix yhat = judge.forward(input_columns(set, samples, unit_pixels));
        const double expected = judge.loss(target_columns(set, samples), 0);
        EXPECT_TRUE(std::abs(seen.loss - expected) <= 10 * course_tolerance * expected)
            << "mean loss " << seen.loss << ", reference " << expected;
        EXPECT_EQ(seen.yhat, Evaluator(network, set).outputs());
        const std::vector<nn_real>& given = seen.yhat;
        ASSERT_EQ(given.size(), comm().is_root() ? yhat.values.size() : 0);
        for (std::size_t i = 0; i < given.size(); ++i)
            ASSERT_TRUE(std::abs(given[i] - yhat.values[i]) <= course_tolerance)
                << "yhat[" << i << "] = " << given[i] << ", reference " << yhat.values[i];
        EXPECT_EQ(network.replica().take_loss(), 0) << "what was asked for left a loss";
    });
}

TEST_P(Train, small_set_of_another_kind_of_sample_is_refused_on_every_rank) {
    const SampleSet pixels = comm().is_root() ? random_set({5, 3}, 4) : SampleSet{1, 5, 3, {}, {}};
    auto network = make_network(initial_parameters<nn_real>(Layout({5, 3}), 1, 0), 4, unit_pixels,
                                GetParam(), {}, {.number_inputs = true});
    EXPECT_THROW(Evaluator(network, pixels), std::logic_error);
    EXPECT_THROW(network.train(pixels, small_case(4, 4).training, nullptr), std::logic_error);
}

/// A notebook's network in NumPy: 4-3-1, sigmoids, on three samples at once. Its update by a rate
/// of 0.1 on the summed gradients of (yhat - y)^2 / 2 is one of 0.15 on the gradient of our mean.
///
/// In double the numbers are NumPy's to 1e-12. In float, a step rounds each parameter, all below 2,
/// by up to u of its size, and errs in the update, below 0.02, by up to 20 u of its size: 2.5 u, or
/// 500 u in 200 steps. Slopes of sigmoids are at most 1/4, so that in yhat the 4 parameters of the
/// output weigh 1 together and the 15 below them, through a weight below 2 and another slope, 2: in
/// all 1500 u, and in a mean of (yhat - y)^2 no more than twice that.
TEST_P(Train, notebook_gives_numpys_numbers) {
    const bool exact = sizeof(nn_real) == sizeof(double);
    const double bound = exact ? 1e-12 : 3000 * 0x1p-24;
    const SampleSet set{.rows = 4,
                        .cols = 1,
                        .classes = 1,
                        .inputs = {1, 0, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1},
                        .targets = {1, 1, 0},
                        .format = {.number_inputs = true, .number_targets = true}};
    const Objective objective{OutputLayer::sigmoid, LossFunction::mse};
    const auto initial = initial_parameters<nn_real>(Layout({4, 3, 1}), 0, 0, Init::uniform);
    auto network = make_network(initial, 3, 1, GetParam(), objective, set.format);
    Listener heard;
    network.train(set, {.batch = 3, .epochs = 200, .rate = 0.15}, &heard);
    const auto expect = [&](const std::string& what, double value, double expected) {
        EXPECT_TRUE(std::abs(value - expected) <= bound)
            << what << " is " << value << ", NumPy's " << expected << " +- " << bound;
    };
    ASSERT_EQ(heard.epochs.size(), 200u);
    const std::pair<std::size_t, double> losses[] = {{1, 0.24298464456670568},
                                                     {50, 0.2160032787902573},
                                                     {100, 0.21042364493114152},
                                                     {150, 0.20237991307866574},
                                                     {200, 0.18882194840404473}};
    for (const auto& [iteration, loss] : losses)
        expect("the loss before update " + std::to_string(iteration), heard.epochs[iteration - 1],
               loss);
    const Evaluation last = Evaluator(network, set).evaluate();
    expect("the last mean of squares", last.loss, 0.1884773848670874);
    for (const nn_real p : network.parameters().values) EXPECT_LT(std::abs(p), 2);
    const std::vector<nn_real>& yhat = last.yhat;
    const double predictions[] = {0.69124730974417481, 0.68953587270654271, 0.61132311957340901};
    for (std::size_t j = 0; j < yhat.size(); ++j)
        expect("prediction " + std::to_string(j), yhat[j], predictions[j]);
    EXPECT_EQ(yhat.size(), comm().is_root() ? 3u : 0u);
}

}  // namespace
