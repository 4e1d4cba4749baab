// test_leaves.cpp: the tree of leaves, and the trees within a range of it.
#include "base/leaves.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <vector>

namespace {

std::vector<Range> trees_in(int leaves, Range mine) {
    std::vector<Range> trees;
    for_each_tree({0, leaves}, mine, [&](Range tree) { trees.push_back(tree); });
    return trees;
}

TEST(Leaves, halves_are_a_power_of_two_and_the_rest) {
    const auto expect = [](int leaves, int left) {
        EXPECT_EQ(halves_of({0, leaves}).first, (Range{0, left}));
        EXPECT_EQ(halves_of({0, leaves}).second, (Range{left, leaves - left}));
    };
    expect(2, 1);
    expect(3, 2);
    expect(4, 2);
    expect(5, 4);
    expect(8, 4);
    expect(100, 64);
}

TEST(Leaves, parts_cover_them_all_and_differ_little) {
    for (const int leaves : {1, 3, 8, 50, 100, 1001})
        for (int parts = 1; parts <= 16; ++parts)
            for (int t = 0, end = 0; t < parts; ++t) {
                const Range part = part_of_leaves(leaves, t, parts);
                EXPECT_EQ(part.first, end);
                end += part.count;
                EXPECT_LE(std::abs(part.count - leaves / parts), 1 + leaves / parts / 8);
                if (t == parts - 1) {
                    EXPECT_EQ(end, leaves);
                }
            }
    EXPECT_EQ(part_of_leaves(3, 0, 2), (Range{0, 2})) << "a tree";
    EXPECT_EQ(part_of_leaves(100, 0, 2), (Range{0, 52})) << "trees of 32, 16 and 4";
}

TEST(Leaves, of_a_range_are_the_largest_trees_in_it) {
    EXPECT_EQ(trees_in(8, {0, 8}), (std::vector<Range>{{0, 8}}));
    EXPECT_EQ(trees_in(8, {3, 5}), (std::vector<Range>{{3, 1}, {4, 4}}));
    EXPECT_EQ(trees_in(7, {3, 4}), (std::vector<Range>{{3, 1}, {4, 3}}));
    EXPECT_EQ(trees_in(7, {1, 5}), (std::vector<Range>{{1, 1}, {2, 2}, {4, 2}}));
    EXPECT_TRUE(trees_in(7, {4, 0}).empty());
}

TEST(Leaves, two_trees_are_halves_only_of_a_tree) {
    EXPECT_TRUE(are_halves({0, 2}, {2, 2}, 9));
    EXPECT_FALSE(are_halves({2, 2}, {4, 2}, 9)) << "another tree is between their ends";
    EXPECT_TRUE(are_halves({4, 2}, {6, 1}, 7)) << "the last tree is shorter";
    EXPECT_FALSE(are_halves({4, 2}, {6, 1}, 8)) << "a leaf is missing";
    EXPECT_TRUE(are_halves({0, 4}, {4, 3}, 7));
    EXPECT_FALSE(are_halves({0, 3}, {3, 3}, 6));
}

TEST(Leaves, joined_as_halves_end_in_one_tree_however_they_are_cut) {
    for (int leaves = 1; leaves <= 40; ++leaves)
        for (int cut = 0; cut <= leaves; ++cut) {
            std::vector<Range> stack;
            for (const Range mine : {Range{0, cut}, Range{cut, leaves - cut}})
                for (const Range tree : trees_in(leaves, mine)) {
                    stack.push_back(tree);
                    while (stack.size() > 1 &&
                           are_halves(*(stack.end() - 2), stack.back(), leaves)) {
                        (stack.end() - 2)->count += stack.back().count;
                        stack.pop_back();
                    }
                }
            EXPECT_EQ(stack, (std::vector<Range>{{0, leaves}})) << leaves << " cut at " << cut;
        }
}

TEST(Leaves, sum_numbers_in_their_order) {
    std::vector<double> values;
    for (int i = 0; i < 19; ++i) values.push_back(std::ldexp(1.0, -5 * i) + 1.0 / 3);
    double leaf[3] = {};
    for (int i = 0; i < 19; ++i) leaf[i / 8] += values[static_cast<std::size_t>(i)];
    EXPECT_EQ(sum_in_leaves(values), (leaf[0] + leaf[1]) + leaf[2]);
    EXPECT_EQ(sum_in_leaves({}), 0);
}

}  // namespace
