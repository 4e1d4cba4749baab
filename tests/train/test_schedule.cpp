// test_schedule.cpp: the learning rate of every schedule, at steps where the formula is easy.
#include "train/schedule.h"

#include <gtest/gtest.h>

#include <string>

namespace {

/// 10 steps in each of `epochs` epochs.
Schedule schedule_of(ScheduleKind kind, int epochs = 4, int warmup = 0) {
    Training t{.batch = 10, .epochs = epochs, .rate = 2, .decay = 0.5};
    t.schedule = kind;
    t.decay_every = 2;
    t.warmup = warmup;
    return Schedule(t, 96);
}
void expect_rate(const Schedule& schedule, int epoch, int step, double expected) {
    const auto rate = static_cast<double>(schedule.rate(epoch, step));
    EXPECT_NEAR(rate, expected, 2e-7 * expected) << "epoch " << epoch << ", step " << step;
}

TEST(Schedule, AnEpochsLastStepMayBeSmaller) {
    EXPECT_EQ(schedule_of(ScheduleKind::constant).steps_in_epoch(), 10);
}
TEST(Schedule, ConstantStays) {
    for (const int epoch : {0, 3}) expect_rate(schedule_of(ScheduleKind::constant), epoch, 9, 2);
}
TEST(Schedule, DecayIsOncePerEpoch) {
    const Schedule s = schedule_of(ScheduleKind::decay);
    expect_rate(s, 0, 9, 2);
    expect_rate(s, 1, 0, 1);
    expect_rate(s, 3, 9, 0.25);
}
TEST(Schedule, StepDecaysAfterSoManyEpochs) {
    const Schedule s = schedule_of(ScheduleKind::step);
    expect_rate(s, 1, 9, 2);
    expect_rate(s, 2, 0, 1);
    expect_rate(s, 3, 9, 1);
}
TEST(Schedule, CosineIsHalfWayInTheMiddle) {
    const Schedule s = schedule_of(ScheduleKind::cosine);
    expect_rate(s, 0, 0, 2);
    expect_rate(s, 1, 0, 2 * 0.8535533905932737);  // (1 + cos(pi/4)) / 2
    expect_rate(s, 2, 0, 1);
}
/// torch.optim.lr_scheduler.OneCycleLR(max_lr=2, total_steps=10): 2/25 up to 2 at step 2, and down
/// to 2/25e4 at step 9.
TEST(Schedule, OneCycleIsPyTorchs) {
    const Schedule s = schedule_of(ScheduleKind::onecycle, 1);
    expect_rate(s, 0, 0, 0.08);
    expect_rate(s, 0, 1, 1.04);  // half a cosine is half way there
    expect_rate(s, 0, 2, 2);
    expect_rate(s, 0, 9, 8e-6);
}
TEST(Schedule, WarmupMultipliesTheFirstSteps) {
    const Schedule s = schedule_of(ScheduleKind::decay, 4, 12);
    expect_rate(s, 0, 0, 2 / 12.);
    expect_rate(s, 0, 5, 1);
    expect_rate(s, 1, 1, 1);  // step 12 of 12, in the second epoch
    expect_rate(s, 1, 2, 1);
}
TEST(Schedule, UpdatesCountTheStepsOfTheWholeTraining) {
    EXPECT_EQ(schedule_of(ScheduleKind::decay).update(0, 0).step, 1);
    EXPECT_EQ(schedule_of(ScheduleKind::decay).update(3, 9).step, 40);
}
TEST(Schedule, SaysWhereAllStepsOfAnEpochAreAlike) {
    EXPECT_TRUE(schedule_of(ScheduleKind::decay).is_constant_in(0));
    EXPECT_FALSE(schedule_of(ScheduleKind::cosine).is_constant_in(0));
    EXPECT_FALSE(schedule_of(ScheduleKind::onecycle).is_constant_in(2));
    EXPECT_FALSE(schedule_of(ScheduleKind::decay, 4, 12).is_constant_in(1));
    EXPECT_TRUE(schedule_of(ScheduleKind::decay, 4, 12).is_constant_in(2));
    Training t{.batch = 10, .epochs = 4};
    t.rule = Adam{};
    EXPECT_FALSE(Schedule(t, 96).is_constant_in(0)) << "Adam's corrections differ";
    // After some thousand steps, two steps one after the other have equal ones, in float.
    const Schedule adam(t, 25000);
    EXPECT_EQ(adam.steps_in_epoch(), 2500);
    for (int epoch = 0; epoch < 40; ++epoch) {
        const bool alike = adam.update(epoch, 0).is_like(adam.update(epoch, 2499));
        EXPECT_EQ(adam.is_constant_in(epoch), alike) << epoch;
        for (const int step : {1, 1250})
            EXPECT_TRUE(!alike || adam.update(epoch, 0).is_like(adam.update(epoch, step))) << epoch;
    }
    EXPECT_FALSE(adam.is_constant_in(4));
}

}  // namespace
