// test_hold_out.cpp: what is held out is a sixth, is nowhere twice, and takes its targets along.
#include "app/run/hold_out.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

using Indices = std::vector<std::size_t>;

/// Ten samples whose numbers say which they are.
SampleSet ten(SampleFormat format) {
    SampleSet set{.rows = 2, .cols = 1, .classes = 3, .format = format};
    for (int i = 0; i < 10; ++i) {
        for (int k = 0; k < 2; ++k)
            if (format.number_inputs)
                set.inputs.push_back(static_cast<nn_real>(10 * i + k));
            else
                set.pixels.push_back(static_cast<std::uint8_t>(10 * i + k));
        for (int k = 0; k < 3 && format.number_targets; ++k)
            set.targets.push_back(static_cast<nn_real>(i));
        if (!format.number_targets) set.labels.push_back(static_cast<std::uint8_t>(i));
    }
    set.class_names = {"a", "b", "c"};
    return set;
}

TEST(HoldOut, TakesWholeSamplesAndLeavesTheOthersInOrder) {
    SampleSet images = ten({});
    const SampleSet taken = take_out(images, {0, 4, 5, 9});
    EXPECT_EQ(taken.labels, (std::vector<std::uint8_t>{0, 4, 5, 9}));
    EXPECT_EQ(taken.pixels, (std::vector<std::uint8_t>{0, 1, 40, 41, 50, 51, 90, 91}));
    EXPECT_EQ(images.labels, (std::vector<std::uint8_t>{1, 2, 3, 6, 7, 8}));
    EXPECT_EQ(images.pixels,
              (std::vector<std::uint8_t>{10, 11, 20, 21, 30, 31, 60, 61, 70, 71, 80, 81}));
    EXPECT_EQ(taken.class_names, images.class_names);

    SampleSet table = ten({.number_inputs = true, .number_targets = true});
    const SampleSet last = take_out(table, last_samples(10, 2));
    EXPECT_EQ(last.inputs, (std::vector<nn_real>{80, 81, 90, 91}));
    EXPECT_EQ(last.targets, (std::vector<nn_real>{8, 8, 8, 9, 9, 9}));
    EXPECT_EQ(table.count(), 8u);
    EXPECT_EQ(take_out(table, {}).count(), 0u);
    EXPECT_EQ(table.count(), 8u);
}

TEST(HoldOut, IsASixthOrNothingOfFewerThanSix) {
    EXPECT_EQ(a_sixth(5), 0u);
    EXPECT_EQ(a_sixth(6), 1u);
    EXPECT_EQ(a_sixth(42000), 7000u);
}

TEST(HoldOut, IsDrawnByTheSeedEachSampleOnceAndFromEverywhere) {
    const Indices drawn = drawn_samples(6000, 1000, 1);
    EXPECT_EQ(drawn, drawn_samples(6000, 1000, 1));
    EXPECT_NE(drawn, drawn_samples(6000, 1000, 2));
    ASSERT_EQ(drawn.size(), 1000u);
    for (std::size_t i = 1; i < drawn.size(); ++i) ASSERT_LT(drawn[i - 1], drawn[i]);
    EXPECT_LT(drawn.back(), 6000u);
    // Of each third about a third: 333, with a deviation below 15.
    for (std::size_t third = 0; third < 3; ++third) {
        const auto inside = std::count_if(drawn.begin(), drawn.end(),
                                          [&](std::size_t i) { return i / 2000 == third; });
        EXPECT_NEAR(static_cast<double>(inside), 1000.0 / 3, 75) << "third " << third;
    }
}

}  // namespace
