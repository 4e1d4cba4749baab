// test_gpu_plan.cpp: that the planner takes the best of all plans, that what its model predicts is
// possible on the chips it names, and that it behaves at every size.
//
// The peaks are the makers' published ones: a model that promised more would be wrong on sight.
#include "device/gpu/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/range.h"
#include "base/real.h"

namespace {

constexpr int real_bytes = sizeof(nn_real);
constexpr bool in_float = real_bytes == 4;
constexpr int largest = std::numeric_limits<int>::max();
constexpr std::array tiles{GemmTile::small, GemmTile::medium, GemmTile::large};

/// A GPU with its published peaks, in 10^12 operations a second and bytes a second.
struct NamedChip {
    const char* name;
    GpuChip chip;
    double float_peak, double_peak, bf16_peak, bytes_peak;
};
constexpr NamedChip chips[] = {{"T4", {40, 75}, 8.141, 0.2544, 0, 320e9},
                               {"A100", {108, 80}, 19.5, 19.5, 312, 1555e9},
                               {"RTX 4090", {128, 89}, 82.58, 1.291, 165.2, 1008e9},
                               {"H100", {132, 90}, 66.91, 66.91, 989.4, 3352e9}};

struct Product {
    int m, n, k;
};
/// The layer and the gradient at the four sizes of training, and sizes around tiles' edges.
constexpr Product products[] = {
    {100, 800, 784},   {100, 785, 800},    {512, 256, 784},   {512, 785, 256},  {1024, 1024, 784},
    {1024, 785, 1024}, {4096, 8192, 784},  {4096, 785, 8192}, {1, 1, 1},        {10, 3, 100000},
    {31, 33, 65},      {129, 127, 9},      {100000, 1, 784},  {1, 100000, 784}, {64, 64, 1},
    {32, 32, 4096},    {2000, 2000, 2000}, {784, 60000, 100}};

std::vector<GemmBy> ways(const GpuChip& chip) {
    if (in_float && chip.capability >= 80) return {GemmBy::fma, GemmBy::bf16x3, GemmBy::int8};
    return {GemmBy::fma};
}

/// Calls check(chip, by, product) for all of them, and says where a check failed.
template <class Check>
void for_each_case(const Check& check) {
    for (const NamedChip& named : chips)
        for (const GemmBy by : ways(named.chip))
            for (const Product& p : products) {
                SCOPED_TRACE(std::string(named.name) +
                             (by == GemmBy::fma    ? " fma "
                              : by == GemmBy::int8 ? " int8 "
                                                   : " bf16x3 ") +
                             std::to_string(p.m) + " x " + std::to_string(p.n) + " x " +
                             std::to_string(p.k));
                check(named, by, p);
            }
}

double seconds(const GpuChip& chip, GemmBy by, const GemmPlan& plan, const Product& p,
               Split split = Split::left) {
    return predicted_seconds(chip, by, plan, p.m, p.n, p.k, split);
}
GemmPlan plan_for(const GpuChip& chip, GemmBy by, const Product& p, Split split) {
    return plan_gemm(chip, by, p.m, p.n, p.k, split);
}

TEST(TileShapes, AreLegalBlocks) {
    for (const int bytes : {4, 8})
        for (const GemmBy by : {GemmBy::fma, GemmBy::bf16x3, GemmBy::int8})
            for (const GemmTile tile : tiles) {
                if (by != GemmBy::fma && bytes == 8) continue;
                const TileShape t = tile_shape(by, tile, bytes);
                SCOPED_TRACE(std::to_string(t.m) + " x " + std::to_string(t.n) + " x " +
                             std::to_string(t.k) + ", " + std::to_string(bytes) + " bytes");
                EXPECT_EQ(t.m % t.warp_m, 0);
                EXPECT_EQ(t.n % t.warp_n, 0);
                EXPECT_EQ(t.k % t.groups, 0) << "the groups share a slice evenly";
                EXPECT_LE(t.threads(), 1024);
                EXPECT_EQ(t.m / t.warp_m * (t.n / t.warp_n) * t.groups * 32, t.threads());
                const int slice = by == GemmBy::bf16x3 ? t.k * 2 * (3 * t.m + t.n)
                                  : by == GemmBy::int8 ? t.k * (4 * t.m + t.n)
                                                       : t.k * bytes * (t.m + t.n);
                EXPECT_LE(2 * slice, 48 << 10) << "two slices fit into static shared memory";
                if (by == GemmBy::bf16x3) {
                    EXPECT_EQ(t.k / t.groups % 16, 0) << "an mma takes 16 of k";
                }
                if (by == GemmBy::int8) {
                    EXPECT_EQ(t.k, 32) << "an mma takes 32 of k";
                    EXPECT_EQ(t.groups, 1);
                }
            }
}

TEST(Plan, IsTheFastestOfAllCandidates) {
    for_each_case([](const NamedChip& named, GemmBy by, const Product& p) {
        for (const Split split : {Split::no, Split::left, Split::joined}) {
            const double chosen =
                seconds(named.chip, by, plan_for(named.chip, by, p, split), p, split);
            for (const GemmTile tile : tiles)
                for (int splits = 1; splits <= most_splits_of(split); ++splits)
                    EXPECT_LE(chosen, seconds(named.chip, by, {tile, splits}, p, split))
                        << "tile " << static_cast<int>(tile) << " in " << splits << " parts";
        }
    });
}

TEST(Plan, SplitsOnlyWhereItMayAndLeavesNoPartEmpty) {
    for_each_case([](const NamedChip& named, GemmBy by, const Product& p) {
        EXPECT_EQ(plan_for(named.chip, by, p, Split::no).splits, 1);
        for (const Split split : {Split::left, Split::joined}) {
            const GemmPlan plan = plan_for(named.chip, by, p, split);
            ASSERT_GE(plan.splits, 1);
            ASSERT_LE(plan.splits, most_splits_of(split));
            const int slices = ceil_div(p.k, tile_shape(by, plan.tile, real_bytes).k);
            EXPECT_LT((plan.splits - 1) * ceil_div(slices, plan.splits), slices)
                << plan.splits << " parts of " << slices << " slices: the last has none";
        }
    });
}

TEST(Plan, OccupiesAChipThatLargeTilesWouldLeaveIdle) {
    const GpuChip h100{132, 90};
    for (const GemmBy by : ways(h100)) {
        const Product layer{100, 800, 784}, deep{32, 32, 100000};
        EXPECT_EQ(plan_for(h100, by, layer, Split::no).tile, GemmTile::small);
        const GemmPlan split = plan_for(h100, by, deep, Split::left);
        EXPECT_GT(split.splits, 1) << "one tile, and 131 idle multiprocessors";
        EXPECT_LT(seconds(h100, by, split, deep),
                  seconds(h100, by, plan_for(h100, by, deep, Split::no), deep) / 2);
    }
    // In double, the large and the medium tile took the same there: 1950 and 1930 us on an H100.
    const GemmTile of_much = plan_for(h100, GemmBy::fma, {4096, 8192, 784}, Split::no).tile;
    EXPECT_EQ(of_much, real_bytes == 4 ? GemmTile::large : GemmTile::medium);
}

TEST(Plan, OfEqualsIsTheLargerTile) {
    // Without a column there is nothing to do, and all plans take as long.
    EXPECT_EQ(plan_for({132, 90}, GemmBy::fma, {100, 0, 100}, Split::left),
              (GemmPlan{GemmTile::large, 1}));
}

TEST(Plan, IsLegalAtEverySize) {
    for (const NamedChip& named : chips)
        for (const GemmBy by : ways(named.chip))
            for (const int m : {0, 1, largest})
                for (const int n : {0, 1, largest})
                    for (const int k : {0, 1, largest}) {
                        const GemmPlan plan = plan_for(named.chip, by, {m, n, k}, Split::left);
                        EXPECT_GE(plan.splits, 1);
                        EXPECT_LE(plan.splits, most_splits);
                        const double time = seconds(named.chip, by, plan, {m, n, k});
                        EXPECT_TRUE(std::isfinite(time)) << m << " x " << n << " x " << k;
                        if (m == 0 || n == 0) {
                            EXPECT_EQ(time, 0) << m << " x " << n << " x " << k;
                        } else {
                            EXPECT_GT(time, 0) << m << " x " << n << " x " << k;
                        }
                    }
}

TEST(Prediction, IsNeverBelowThePublishedPeaks) {
    for_each_case([](const NamedChip& named, GemmBy by, const Product& p) {
        const double products_in_all = 1. * p.m * p.n * p.k;
        const double peak = by == GemmBy::bf16x3 ? named.bf16_peak / 3
                            : by == GemmBy::int8 ? 2 * named.bf16_peak / 4
                            : in_float           ? named.float_peak
                                                 : named.double_peak;
        const double written = 1. * p.m * p.n * real_bytes;
        for (const GemmTile tile : tiles)
            for (int splits = 1; splits <= most_splits; ++splits) {
                const double time = seconds(named.chip, by, {tile, splits}, p);
                EXPECT_GE(time * peak * 1e12, 2 * products_in_all)
                    << 2e-12 * products_in_all / time << " TFLOP/s, of " << peak;
                EXPECT_GE(time, floor_seconds(named.chip, by, p.m, p.n, p.k));
                if (written > 200e6) {  // more than any of the caches holds
                    EXPECT_GE(time * named.bytes_peak, written)
                        << written / time << " bytes/s, of " << named.bytes_peak;
                }
            }
    });
}

TEST(Prediction, ComesNearThePeakWhereThereIsMuchToDo) {
    // The rates are those of the chips: neither a factor too high, nor one too low. What the H100
    // reached was measured: 63 % of the peak in float, 39 % in double.
    for (const NamedChip& named : chips) {
        const double peak = in_float ? named.float_peak : named.double_peak;
        const Product p{8192, 8192, 8192};
        const double time =
            seconds(named.chip, GemmBy::fma, plan_for(named.chip, GemmBy::fma, p, Split::no), p);
        const double reached = 2e-12 * p.m * p.n * p.k / time;
        EXPECT_GT(reached, (in_float ? 0.55 : 0.35) * peak) << named.name;
        EXPECT_LE(reached, peak) << named.name;
        const double at_the_floor =
            2e-12 * p.m * p.n * p.k / floor_seconds(named.chip, GemmBy::fma, p.m, p.n, p.k);
        EXPECT_NEAR(at_the_floor / peak, 1, 0.02) << named.name;
    }
}

/// Products of pixels in float on an H100: microseconds without the node
/// (bench/results/nvidia-h100-80gb-hbm3).
struct Measured {
    GemmBy by;
    Product p;
    Split split;
    GemmPlan plan;
    double us;
};
constexpr Measured on_an_h100[] = {
    {GemmBy::fma, {200, 24, 784}, Split::joined, {GemmTile::small, 8}, 3.85},
    {GemmBy::fma, {100, 800, 784}, Split::joined, {GemmTile::small, 2}, 10.7},
    {GemmBy::fma, {512, 256, 784}, Split::joined, {GemmTile::small, 2}, 10.8},
    {GemmBy::fma, {1024, 1024, 784}, Split::joined, {GemmTile::medium, 1}, 50.5},
    {GemmBy::fma, {4096, 8192, 784}, Split::joined, {GemmTile::large, 1}, 1255},
    {GemmBy::fma, {4096, 8192, 784}, Split::joined, {GemmTile::large, 4}, 1417},
    {GemmBy::fma, {1024, 785, 1024}, Split::left, {GemmTile::large, 7}, 54.9},
    {GemmBy::fma, {4096, 785, 8192}, Split::left, {GemmTile::large, 7}, 1451},
    {GemmBy::bf16x3, {200, 24, 784}, Split::joined, {GemmTile::small, 7}, 5.20},
    {GemmBy::bf16x3, {512, 256, 784}, Split::joined, {GemmTile::small, 5}, 9.08},
    {GemmBy::bf16x3, {1024, 1024, 784}, Split::joined, {GemmTile::large, 2}, 34.7},
    {GemmBy::bf16x3, {4096, 8192, 784}, Split::joined, {GemmTile::large, 1}, 826},
    {GemmBy::bf16x3, {512, 785, 256}, Split::left, {GemmTile::large, 4}, 6.98},
    {GemmBy::bf16x3, {4096, 785, 8192}, Split::left, {GemmTile::large, 4}, 888}};

TEST(Prediction, IsWithinAFifthOfWhatAnH100Took) {
    for (const Measured& m : on_an_h100) {
        const double seconds =
            product_seconds({132, 90}, m.by, m.plan, m.p.m, m.p.n, m.p.k, m.split, PlanCosts{}, 4)
                .kernel;
        EXPECT_NEAR(1e6 * seconds / m.us, 1, 0.2)
            << m.p.m << " x " << m.p.n << " x " << m.p.k << ", tile "
            << static_cast<int>(m.plan.tile) << " in " << m.plan.splits;
    }
}

TEST(Plan, IsTheFastestThatAnH100Ran) {
    const struct {
        GemmBy by;
        Product p;
        Split split;
        GemmPlan plan;
    } fastest[] = {{GemmBy::fma, {512, 256, 784}, Split::joined, {GemmTile::small, 2}},
                   {GemmBy::fma, {1024, 1024, 784}, Split::joined, {GemmTile::medium, 1}},
                   {GemmBy::fma, {4096, 8192, 784}, Split::joined, {GemmTile::large, 1}},
                   {GemmBy::fma, {200, 785, 24}, Split::joined, {GemmTile::small, 1}},
                   {GemmBy::fma, {100, 785, 800}, Split::joined, {GemmTile::small, 5}},
                   {GemmBy::fma, {1024, 785, 1024}, Split::joined, {GemmTile::medium, 5}},
                   {GemmBy::fma, {4096, 785, 8192}, Split::joined, {GemmTile::large, 7}},
                   {GemmBy::bf16x3, {200, 24, 784}, Split::joined, {GemmTile::small, 7}},
                   {GemmBy::bf16x3, {512, 256, 784}, Split::joined, {GemmTile::small, 5}},
                   {GemmBy::bf16x3, {1024, 1024, 784}, Split::joined, {GemmTile::large, 2}},
                   {GemmBy::bf16x3, {4096, 8192, 784}, Split::joined, {GemmTile::large, 1}},
                   {GemmBy::bf16x3, {200, 785, 24}, Split::joined, {GemmTile::small, 1}}};
    for (const auto& [by, p, split, plan] : fastest)
        EXPECT_EQ(plan_gemm({132, 90}, by, p.m, p.n, p.k, split, PlanCosts{}, 4), plan)
            << p.m << " x " << p.n << " x " << p.k;
}

TEST(Prediction, NeverFallsAsAProductGrows) {
    for_each_case([](const NamedChip& named, GemmBy by, const Product& p) {
        for (const Split split : {Split::no, Split::left, Split::joined}) {
            const auto best = [&](const Product& q) {
                return seconds(named.chip, by, plan_for(named.chip, by, q, split), q, split);
            };
            EXPECT_LE(best(p), best({p.m, p.n, 2 * p.k}));
            EXPECT_LE(best(p), best({2 * p.m, p.n, p.k}));
            EXPECT_LE(best(p), best({p.m, 2 * p.n, p.k}));
        }
    });
}

TEST(Prediction, DoublesWithTheFirstBlockThatFindsNoFreeMultiprocessor) {
    const GpuChip h100{132, 90};
    const TileShape t = tile_shape(GemmBy::fma, GemmTile::large, real_bytes);
    const GemmPlan plan{GemmTile::large, 1};
    const double full = seconds(h100, GemmBy::fma, plan, {t.m, 132 * t.n, 4096});
    const double one_more = seconds(h100, GemmBy::fma, plan, {t.m, 132 * t.n + 1, 4096});
    EXPECT_GT(one_more / full, 1.5);
    EXPECT_LT(one_more / full, 2.5);
    const double alone = seconds(h100, GemmBy::fma, plan, {t.m, 1, 4096});
    EXPECT_LE(alone, full);
    EXPECT_GT(alone, full / 2) << "blocks on 132 multiprocessors share nothing but the cache";
}

TEST(Prediction, CountsBeyondTheLargestInt) {
    const GpuChip h100{132, 90};
    const Product half{largest / 2, 1 << 20, 10000}, whole{largest - 1, 1 << 20, 10000};
    for (const GemmTile tile : tiles) {
        EXPECT_GT(seconds(h100, GemmBy::fma, {tile, 8}, half),
                  floor_seconds(h100, GemmBy::fma, half.m, half.n, half.k));
        EXPECT_NEAR(seconds(h100, GemmBy::fma, {tile, 8}, whole) /
                        seconds(h100, GemmBy::fma, {tile, 8}, half),
                    2, 1e-3);
    }
}

TEST(Prediction, CountsEachBegunSlice) {
    const GpuChip h100{132, 90};
    for (const GemmTile tile : tiles) {
        const TileShape t = tile_shape(GemmBy::fma, tile, real_bytes);
        const auto of_depth = [&](int k) {
            return seconds(h100, GemmBy::fma, {tile, 1}, {t.m, t.n, k});
        };
        EXPECT_GT(of_depth(1), of_depth(0));
        EXPECT_EQ(of_depth(4 * t.k + 1), of_depth(5 * t.k));
        EXPECT_NEAR(of_depth(5 * t.k) - of_depth(4 * t.k), of_depth(1) - of_depth(0), 1e-12);
    }
}

/// But for crowding: where blocks start early, multiprocessors that are idle get two, and others
/// none.
TEST(Prediction, NeverRisesWithMoreMultiprocessors) {
    PlanCosts costs;
    costs.early_crowds = 0;
    for_each_case([&](const NamedChip& named, GemmBy by, const Product& p) {
        double before = std::numeric_limits<double>::infinity();
        for (const int multiprocessors : {1, 2, 3, 16, 40, 80, 108, 132, 144, 1000}) {
            const GpuChip chip{multiprocessors, named.chip.capability};
            const GemmPlan plan =
                plan_gemm(chip, by, p.m, p.n, p.k, Split::left, costs, real_bytes);
            const double time =
                predicted_seconds(chip, by, plan, p.m, p.n, p.k, Split::left, costs, real_bytes);
            EXPECT_LE(time, before) << multiprocessors << " multiprocessors";
            before = time;
        }
    });
}

TEST(Prediction, ChargesForPartsThatHaveNothingToShare) {
    for_each_case([](const NamedChip& named, GemmBy by, const Product& p) {
        for (const GemmTile tile : tiles) {
            const Product shallow{p.m, p.n, 1};  // one slice, whatever the tile
            for (int splits = 1; splits < most_splits; ++splits)
                EXPECT_GT(seconds(named.chip, by, {tile, splits + 1}, shallow),
                          seconds(named.chip, by, {tile, splits}, shallow));
        }
    });
}

TEST(Prediction, PromisesNothingFromTensorCoresThatAreNotThere) {
    for (const int k : {0, 1, 100})
        for (const GemmBy by : {GemmBy::bf16x3, GemmBy::int8})
            EXPECT_EQ(predicted_seconds({40, 75}, by, {GemmTile::small, 1}, 100, 100, k, Split::no),
                      std::numeric_limits<double>::infinity());
}

TEST(Rates, OfAnUnknownChipAreThoseOfTheKnownOneBelow) {
    for (const NamedChip& named : chips)
        EXPECT_EQ(gpu_rates(named.chip.capability).capability, named.chip.capability);
    EXPECT_EQ(gpu_rates(87).capability, 86);
    EXPECT_EQ(gpu_rates(103).capability, 100);
    EXPECT_EQ(gpu_rates(121).capability, 120);
    EXPECT_EQ(gpu_rates(999).capability, 120);
    EXPECT_EQ(gpu_rates(70).capability, 75) << "below all known: the oldest of them";
}

}  // namespace
