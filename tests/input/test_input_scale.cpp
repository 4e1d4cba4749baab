// test_input_scale.cpp: the scale is that of the training samples, to the last digit.
#include "input/input_scale.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/file_fixture.h"

namespace {

using Numbers = std::vector<nn_real>;

SampleSet table(Numbers inputs, int features) {
    SampleSet set{.rows = features, .cols = 1, .classes = 1};
    set.format = {.number_inputs = true};
    set.labels.resize(inputs.size() / static_cast<std::size_t>(features));
    set.inputs = std::move(inputs);
    return set;
}

/// The inputs of `later` by the scale of `train`.
Numbers scaled(ScaleKind kind, const SampleSet& train, SampleSet later) {
    InputScale::of(kind, train, "table").apply(later, "later");
    return later.inputs;
}

TEST(InputScale, MinmaxBringsEachColumnOfTheTrainingTo0To1) {
    const SampleSet train = table({0, -2, 255, 2, 51, 0}, 2);
    EXPECT_EQ(scaled(ScaleKind::minmax, train, train),
              (Numbers{0, 0, 1, 1, nn_real(0.2), nn_real(0.5)}));
    EXPECT_EQ(scaled(ScaleKind::minmax, train, table({510, -4}, 2)), (Numbers{2, nn_real(-0.5)}))
        << "a later table has the scale of the training";
}

TEST(InputScale, StandardBringsEachColumnToMean0AndDeviation1) {
    const SampleSet train = table({1, 10, 3, 10, 5, 40, 7, 40}, 2);
    // 1, 3, 5, 7: mean 4, deviation sqrt 5; 10, 10, 40, 40: mean 25, deviation 15.
    const Numbers now = scaled(ScaleKind::standard, train, train);
    EXPECT_EQ(now[0], static_cast<nn_real>(-3 / std::sqrt(5.0)));
    EXPECT_EQ(now[1], -1);
    EXPECT_EQ(now[6], static_cast<nn_real>(3 / std::sqrt(5.0)));
    EXPECT_EQ(now[7], 1);
}

TEST(InputScale, MakesAColumnZeroThatHasOneValueInTheTraining) {
    const SampleSet train = table({nn_real(0.1), 1, nn_real(0.1), 2, nn_real(0.1), 4}, 2);
    for (const ScaleKind kind : {ScaleKind::minmax, ScaleKind::standard}) {
        const Numbers later = scaled(kind, train, table({255, 1}, 2));
        EXPECT_EQ(later[0], 0) << name_of(kind);
    }
}

TEST(InputScale, NoneLeavesEveryBit) {
    const SampleSet train = table({nn_real(0.1), 1e6, -3, 4}, 2);
    EXPECT_EQ(scaled(ScaleKind::none, train, train), train.inputs);
}

TEST(InputScale, RefusesWhatIsNoLongerANumber) {
    expect_refusal(
        [] {
            scaled(ScaleKind::minmax, table({0, nn_real(1e-30)}, 1),
                   table({std::numeric_limits<nn_real>::max()}, 1));
        },
        {"later", "input 1", "same units"});
    if (sizeof(nn_real) == 8)
        expect_refusal(
            [] {
                InputScale::of(ScaleKind::minmax, table({nn_real(-1e308), nn_real(1e308)}, 1),
                               "table");
            },
            {"table", "a finite number", "input 1"});
}

TEST(Reach, IsTheLargestAbsoluteInputAndItsPlace) {
    const Reach reach = reach_of(table({1, -2, 3, 4, -5, 0}, 3));
    EXPECT_EQ(reach.value, 5);
    EXPECT_EQ(reach.input, 1u);
    EXPECT_EQ(rms_of(table({3, -3, 3}, 3)), 3);
    EXPECT_EQ(rms_of(SampleSet{}), 0);
}

}  // namespace
