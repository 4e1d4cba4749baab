// test_cores.cpp: how many cores a quota allows, and how work is divided.
#include "train/cores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "device/cpu/team.h"

namespace {

TEST(CoresOfQuota, AreTheQuotaRoundedUp) {
    const struct {
        const char* cpu_max;
        int cores;
    } cases[] = {{"150000 100000", 2}, {"100000 100000", 1},  {"100001 100000", 2},
                 {"50000 100000", 1},  {"1000 1000000", 1},   {"6400000 100000", 64},
                 {"200000 50000", 4},  {"150000 100000\n", 2}};
    for (const auto& c : cases) EXPECT_EQ(cores_of_quota(c.cpu_max), c.cores) << c.cpu_max;
}

TEST(CoresOfQuota, IsZeroWhereThereIsNoLimitOrNoSense) {
    for (const char* text :
         {"max 100000", "max", "", " ", "150000", "150000 max", "0 100000", "-1 100000", "150000 0",
          "150000 -100000", "x 100000", "150000 x", "inf 100000", "nan 100000"})
        EXPECT_EQ(cores_of_quota(text), 0) << "'" << text << "'";
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
    const Range last = part_of(2147483647, 1023, 1024);
    EXPECT_EQ(last.first + last.count, 2147483647) << "the largest count";
}

}  // namespace
