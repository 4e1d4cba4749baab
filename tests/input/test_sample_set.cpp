// test_sample_set.cpp: a set's format says what its samples are, also where there are none of them.
#include "input/sample_set.h"

#include <gtest/gtest.h>

namespace {

constexpr SampleFormat numbers{.number_inputs = true, .number_targets = true};
constexpr SampleFormat to_predict{.without_targets = true};

TEST(SampleSet, CountsWhatItsFormatSaysThatItHolds) {
    const SampleSet images{
        .rows = 1, .cols = 2, .classes = 3, .pixels = {1, 2, 3, 4}, .labels = {2, 0}};
    EXPECT_EQ(images.count(), 2u);
    const SampleSet table{.rows = 2,
                          .cols = 1,
                          .classes = 3,
                          .inputs = {1, 2},
                          .targets = {0, 1, 0},
                          .format = numbers};
    EXPECT_EQ(table.count(), 1u);
    const SampleSet unknown{
        .rows = 1, .cols = 2, .pixels = {1, 2, 3, 4, 5, 6}, .format = to_predict};
    EXPECT_EQ(unknown.count(), 3u);
    for (const SampleFormat& format : {SampleFormat{}, numbers, to_predict}) {
        const SampleSet empty{.format = format};
        EXPECT_EQ(empty.count(), 0u);
    }
}

TEST(SampleSet, LendsTheBytesOfWhichItsFormatTells) {
    const SampleSet images{.rows = 1, .cols = 2, .classes = 3, .pixels = {1, 2}, .labels = {2}};
    EXPECT_EQ(images.input_bytes().data(), images.pixels.data());
    EXPECT_EQ(images.target_bytes().data(), images.labels.data());
    EXPECT_EQ(images.input_bytes().size(), images.format.input_bytes(2));
    EXPECT_EQ(images.target_bytes().size(), images.format.target_bytes(3));

    const SampleSet table{
        .rows = 2, .cols = 1, .classes = 1, .inputs = {1, 2}, .targets = {3}, .format = numbers};
    EXPECT_EQ(static_cast<const void*>(table.input_bytes().data()), table.inputs.data());
    EXPECT_EQ(static_cast<const void*>(table.target_bytes().data()), table.targets.data());
    EXPECT_EQ(table.input_bytes().size(), table.format.input_bytes(2));
    EXPECT_EQ(table.target_bytes().size(), table.format.target_bytes(1));

    const SampleSet unknown{.rows = 1, .cols = 1, .pixels = {1}, .format = to_predict};
    EXPECT_TRUE(unknown.target_bytes().empty());
    EXPECT_EQ(unknown.format.target_bytes(10), 0u);
}

}  // namespace
