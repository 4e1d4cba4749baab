// test_cores.cpp: how many cores a quota allows.
#include "train/cores.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

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

}  // namespace
