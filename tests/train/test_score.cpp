// test_score.cpp: counts, parts and intervals by hand-made answers of a network.
//
// The intervals' ends were computed by another program, with 50 digits: the proportions p for which
// |observed - p| is 1.96 standard errors, by bisection.
#include "train/score.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"

namespace {

/// Three classes, six samples. Predicted: 0 0 1 2 1 0.
const std::vector<nn_real> answers = {0.75f, 0.25f, 0,     0.5f,   0.5f, 0,      0.25f, 0.5f, 0.25f,
                                      0,     0.25f, 0.75f, 0.125f, 0.5f, 0.375f, 1,     0,    0};

SampleSet labelled(std::vector<std::uint8_t> labels, int classes) {
    SampleSet set;
    set.classes = classes;
    set.labels = std::move(labels);
    return set;
}

}  // namespace

TEST(Score, wilsons_interval_is_that_of_an_independent_program) {
    const struct {
        std::size_t correct, total;
        double low, high;
    } known[] = {
        {0, 10, 0.00000000000000000, 0.27753279986288926},
        {10, 10, 0.72246720013711074, 1.00000000000000000},
        {1, 3, 0.06149194472039623, 0.79234039919795229},
        {5, 10, 0.23659309051256397, 0.76340690948743606},
        {9818, 10000, 0.97898900337414041, 0.98424097579587555},
        {1, 1, 0.20654931437723739, 1.00000000000000000},
    };
    for (const auto& k : known) {
        const Interval interval = wilson_interval(k.correct, k.total);
        EXPECT_NEAR(interval.low, k.low, 1e-15) << k.correct << " of " << k.total;
        EXPECT_NEAR(interval.high, k.high, 1e-15) << k.correct << " of " << k.total;
        EXPECT_GE(interval.low, 0.0);
        EXPECT_LE(interval.high, 1.0);
    }
}

TEST(Score, a_confusion_matrix_has_true_classes_in_rows_and_predicted_ones_in_columns) {
    const Score s = score(labelled({0, 1, 1, 2, 2, 1}, 3), answers, 0);
    EXPECT_EQ(s.classes, 3);
    EXPECT_EQ(s.total, 6u);
    EXPECT_EQ(s.correct, 3u);
    EXPECT_EQ(s.confusion, (std::vector<std::size_t>{1, 0, 0, 2, 1, 0, 0, 1, 1}));
    EXPECT_EQ(s.at(1, 0), 2u);
    EXPECT_EQ(s.count_of(1), 3u);
    EXPECT_DOUBLE_EQ(s.accuracy(), 0.5);
}

TEST(Score, precision_is_by_predicted_class_and_recall_by_true_class) {
    const Score s = score(labelled({0, 1, 1, 2, 2, 1}, 3), answers, 0);
    EXPECT_DOUBLE_EQ(s.precision(0), 1.0 / 3);
    EXPECT_DOUBLE_EQ(s.precision(1), 1.0 / 2);
    EXPECT_DOUBLE_EQ(s.precision(2), 1.0);
    EXPECT_DOUBLE_EQ(s.recall(0), 1.0);
    EXPECT_DOUBLE_EQ(s.recall(1), 1.0 / 3);
    EXPECT_DOUBLE_EQ(s.recall(2), 1.0 / 2);
}

TEST(Score, precision_of_a_class_never_predicted_and_recall_of_an_absent_one_are_nan) {
    const std::vector<nn_real> always_0 = {1, 0, 0, 1, 0, 0};
    const Score s = score(labelled({0, 1}, 3), always_0, 0);
    EXPECT_TRUE(std::isnan(s.precision(1)));
    EXPECT_DOUBLE_EQ(s.recall(1), 0.0);
    EXPECT_TRUE(std::isnan(s.recall(2)));
}

TEST(Score, the_worst_gave_least_to_the_true_class_and_equals_come_in_order) {
    // The true class got 0.75, 0.5, 0.5, 0.75, 0.375, 0.
    const Score s = score(labelled({0, 1, 1, 2, 2, 1}, 3), answers, 4);
    ASSERT_EQ(s.worst.size(), 4u);
    const std::size_t expected[] = {5, 4, 1, 2};
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(s.worst[i].sample, expected[i]) << i;
    EXPECT_EQ(s.worst[0].true_class, 1);
    EXPECT_EQ(s.worst[0].predicted, 0);
    EXPECT_DOUBLE_EQ(s.worst[0].probability, 1.0);
    EXPECT_DOUBLE_EQ(s.worst[0].true_probability, 0.0);
    EXPECT_EQ(score(labelled({0, 1, 1, 2, 2, 1}, 3), answers, 24).worst.size(), 6u);
}

TEST(Score, one_output_alone_sees_1_from_a_half_on) {
    const std::vector<nn_real> yhat = {0.5f, 0.25f, 0.75f};
    const Score s = score(labelled({1, 0, 0}, 1), yhat, 1);
    EXPECT_EQ(s.classes, 2);
    EXPECT_EQ(s.confusion, (std::vector<std::size_t>{1, 1, 0, 1}));
    EXPECT_EQ(s.worst[0].sample, 2u);
    EXPECT_DOUBLE_EQ(s.worst[0].true_probability, 0.25);
}

TEST(Score, targets_are_true_where_they_are_largest) {
    SampleSet set;
    set.classes = 2;
    set.targets = {0, 1, 0.75f, 0.25f};
    set.format.number_targets = true;
    const std::vector<nn_real> yhat = {0.25f, 0.5f, 0.25f, 0.5f};
    EXPECT_EQ(score(set, yhat, 0).confusion, (std::vector<std::size_t>{0, 1, 0, 1}));
}

TEST(Score, an_answer_that_is_not_finite_is_refused_wherever_it_stands) {
    for (const nn_real bad :
         {std::numeric_limits<nn_real>::quiet_NaN(), std::numeric_limits<nn_real>::infinity()})
        for (std::size_t i = 0; i < 3; ++i) {
            std::vector<nn_real> yhat = {0.25f, 0.5f, 0.25f};
            yhat[i] = bad;
            EXPECT_THROW(predicted_class(yhat), InputError) << "output " << i;
            EXPECT_THROW(score(labelled({0}, 3), yhat, 0), InputError) << "output " << i;
        }
}
