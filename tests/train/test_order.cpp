// test_order.cpp: an epoch walks through every sample once, in an order that all ranks know.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "train/order.h"

TEST(SampleOrder, is_the_files_order_unless_shuffled) {
    const auto order = sample_order(5, 0, {.shuffled = false});
    EXPECT_EQ(order, (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
}

TEST(SampleOrder, shuffled_is_a_permutation_that_changes_with_epoch_and_seed_alone) {
    const Training training{.shuffled = true, .seed = 9};
    auto order = sample_order(1000, 3, training);
    EXPECT_EQ(order, sample_order(1000, 3, training));
    EXPECT_NE(order, sample_order(1000, 4, training));
    EXPECT_NE(order, sample_order(1000, 3, {.shuffled = true, .seed = 10}));
    std::ranges::sort(order);
    std::vector<std::uint32_t> all(1000);
    std::iota(all.begin(), all.end(), 0u);
    EXPECT_EQ(order, all);
}
