// test_goal.cpp: which epoch is the best, and when a run has reached its goal.
#include "app/run/goal.h"

#include <gtest/gtest.h>

namespace {

History history_of(const std::vector<double>& accuracies) {
    History history;
    for (const double accuracy : accuracies)
        history.push_back({.epoch = static_cast<int>(history.size()) + 1, .accuracy = accuracy});
    return history;
}
Goal goal_of(const TrainOptions& options, const std::vector<double>& accuracies) {
    Sets sets;
    sets.held_out_count = 1;
    return {options, sets, history_of(accuracies)};
}

TEST(Goal, IsTheFirstEpochThatIsAsGoodAsAskedFor) {
    TrainOptions options;
    options.until = 97;
    EXPECT_EQ(goal_of(options, {0.9, 0.969}).reached(), "");
    EXPECT_EQ(goal_of(options, {0.9, 0.97}).reached(),
              "held-out accuracy 97.00 % is at least 97 %");
}

TEST(Goal, PatienceEndsAfterAsManyEpochsWithoutABetterOne) {
    TrainOptions options;
    options.patience = 2;
    EXPECT_EQ(goal_of(options, {0.9, 0.8, 0.91, 0.91}).reached(), "");
    EXPECT_EQ(goal_of(options, {0.9, 0.8, 0.91, 0.91, 0.9}).reached(),
              "2 epochs without a better held-out accuracy than 91.00 %");
}

TEST(Goal, OfTwoEpochsThatAreAsGoodTheEarlierIsTheBest) {
    EXPECT_EQ(goal_of({}, {0.1, 0.5, 0.5, 0.4}).best().epoch, 2);
    EXPECT_EQ(goal_of({}, {}).best().epoch, 0);
}

}  // namespace
