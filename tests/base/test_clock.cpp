// test_clock.cpp: every second counts once, for the innermost kind of work; evaluation takes all.
#include "base/clock.h"

#include <gtest/gtest.h>

#include <thread>

namespace {

constexpr std::chrono::milliseconds pause{20};
void wait_a_little() { std::this_thread::sleep_for(pause); }

/// What `action` added to the split, in pauses.
template <class Action>
TimeSplit pauses_of(const Action& action) {
    const TimeSplit before = time_split();
    action();
    const TimeSplit after = time_split();
    const double unit = std::chrono::duration<double>(pause).count();
    return {(after.data - before.data) / unit, (after.compute - before.compute) / unit,
            (after.communication - before.communication) / unit,
            (after.evaluation - before.evaluation) / unit};
}
/// A pause takes at least its time; what comes on top is the system's.
void expect_pauses(double found, int expected, const char* what) {
    EXPECT_GE(found, expected * 0.999) << what;
    if (expected == 0) {
        EXPECT_LT(found, 0.5) << what;
    }
}

TEST(Span, OfAnotherWithinItStopsTheOuterOnesClock) {
    const TimeSplit split = pauses_of([] {
        const Span outer(Work::compute);
        wait_a_little();
        {
            const Span inner(Work::communication);
            wait_a_little();
            wait_a_little();
        }
        wait_a_little();
    });
    expect_pauses(split.compute, 2, "compute");
    EXPECT_LT(split.compute, 4) << "the inner span's time counts for the outer one too";
    expect_pauses(split.communication, 2, "communication");
    expect_pauses(split.data, 0, "data");
    expect_pauses(split.evaluation, 0, "evaluation");
}

TEST(Span, OfEvaluationTakesAllThatHappensWithinIt) {
    const TimeSplit split = pauses_of([] {
        const Span evaluation(Work::evaluation);
        const Span data(Work::data);
        wait_a_little();
        const Span sum(Work::communication);
        wait_a_little();
    });
    expect_pauses(split.evaluation, 2, "evaluation");
    expect_pauses(split.data, 0, "data");
    expect_pauses(split.communication, 0, "communication");
}

TEST(Span, CountsNothingOutsideOfItsScope) {
    const TimeSplit split = pauses_of([] {
        { const Span data(Work::data); }
        wait_a_little();
    });
    expect_pauses(split.data, 0, "data");
}

}  // namespace
