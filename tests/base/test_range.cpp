// test_range.cpp: matrices are counted without overflow, and work is dealt out once and evenly.
#include "base/range.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace {

constexpr int most = std::numeric_limits<int>::max();

TEST(Elements, AreCountedBeyondTheRangeOfInt) {
    static_assert(elements(0, 7) == 0 && elements(7, 0) == 0 && elements(3, 4) == 12);
    static_assert(elements(most, most) == std::size_t{2147483647} * 2147483647);
}

TEST(CeilDiv, RoundsUp) {
    static_assert(ceil_div(0, 3) == 0 && ceil_div(1, 3) == 1 && ceil_div(3, 3) == 1);
    static_assert(ceil_div(4, 3) == 2 && ceil_div(most - 2, 2) == most / 2);
}

TEST(PartOf, CoversAllOnceInWholeUnits) {
    for (const int count : {0, 1, 2, 7, 8, 9, 31, 32, 33, 100, 784, 1000})
        for (const int parts : {1, 2, 3, 4, 7, 16, 200})
            for (const int unit : {1, 8, 16, 32}) {
                int next = 0, smallest = count, largest = 0;
                for (int t = 0; t < parts; ++t) {
                    const auto [first, length] = part_of(count, t, parts, unit);
                    ASSERT_EQ(first, next) << "part " << t << " of " << parts << " of " << count
                                           << " in units of " << unit;
                    ASSERT_GE(length, 0);
                    EXPECT_TRUE(first % unit == 0 || length == 0);
                    next = first + length;
                    smallest = std::min(smallest, length);
                    largest = std::max(largest, length);
                }
                EXPECT_EQ(next, count);
                EXPECT_LT(largest - smallest, 2 * unit)
                    << "uneven parts of " << count << " in " << parts << " by " << unit;
            }
    constexpr Range last = part_of(2147483647, 1023, 1024);
    EXPECT_EQ(last.first + last.count, 2147483647) << "the largest count";
}

// At 1 to 64 ranks, for mini-batches of fewer samples than ranks, as many, and more.
TEST(ShardOf, CoversTheMiniBatchOnceAndTheFirstRanksTakeOneMore) {
    for (int ranks = 1; ranks <= 64; ++ranks)
        for (const int batch : {0, 1, 2, 3, ranks - 1, ranks, ranks + 1, 100, 800, 60000, most}) {
            int next = 0;
            for (int rank = 0; rank < ranks; ++rank) {
                const Range shard = shard_of(batch, rank, ranks);
                ASSERT_EQ(shard.first, next)
                    << "rank " << rank << " of " << ranks << ", batch " << batch;
                ASSERT_EQ(shard.count, batch / ranks + (rank < batch % ranks ? 1 : 0))
                    << "rank " << rank << " of " << ranks << ", batch " << batch;
                next += shard.count;
            }
            EXPECT_EQ(next, batch) << ranks << " ranks";
        }
}

}  // namespace
