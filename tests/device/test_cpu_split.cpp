// test_cpu_split.cpp: whoever works, all of the work is done, and each piece once.
//
// Workers exchange no message about who does what: each computes it alone, so the arithmetic is
// tried here for every number of them, without a single process or thread.
#include "device/cpu/split.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace {

constexpr int most_workers = 64;
constexpr int counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 24, 63, 64, 65, 100, 127, 784, 800, 1024};

/// How often each of [0, count) is in a range; the last: elements that lie outside.
std::vector<int> times_covered(int count, const std::vector<Range>& ranges) {
    std::vector<int> times(static_cast<std::size_t>(count) + 1);
    for (const Range& range : ranges)
        for (int i = range.first; i < range.first + range.count; ++i)
            ++times[static_cast<std::size_t>(i >= 0 && i < count ? i : count)];
    return times;
}
std::vector<int> once(int count) {
    std::vector<int> times(static_cast<std::size_t>(count) + 1, 1);
    times.back() = 0;
    return times;
}

/// work(t, workers) for each of the threads of these ranks, that work on one replica.
template <class Work>
void for_each_worker(int ranks, int threads, Work&& work) {
    for (int r = 0; r < ranks; ++r)
        for (int t = 0; t < threads; ++t) work(t, Workers{r * threads, threads, ranks * threads});
}
int ranks_of(const Workers& workers) { return workers.all / workers.here; }
std::string text_of(const Workers& workers) {
    return std::to_string(ranks_of(workers)) + " ranks with " + std::to_string(workers.here) +
           " threads";
}

/// Every pair with at most 64 workers altogether.
std::vector<std::pair<int, int>> ranks_and_threads() {
    std::vector<std::pair<int, int>> pairs;
    for (int ranks = 1; ranks <= most_workers; ++ranks)
        for (int threads = 1; ranks * threads <= most_workers; ++threads)
            pairs.emplace_back(ranks, threads);
    return pairs;
}

TEST(CpuSplit, DealsEveryInputAndUnitToOneWorker) {
    for (const auto& [ranks, threads] : ranks_and_threads())
        for (const int count : counts)
            for (const int unit : {1, 8, 32}) {
                SCOPED_TRACE(std::to_string(count) + " in " + std::to_string(unit) + "s to " +
                             text_of({0, threads, ranks * threads}));
                std::vector<Range> parts;
                for_each_worker(ranks, threads, [&](int t, const Workers& workers) {
                    const Range mine = weights_of(count, t, workers, unit);
                    parts.push_back(mine);
                    EXPECT_GE(mine.count, 0) << "worker " << workers.first + t;
                    if (mine.count > 0) {
                        EXPECT_EQ(mine.first % unit, 0) << "worker " << workers.first + t;
                    }
                });
                EXPECT_EQ(times_covered(count, parts), once(count));
            }
}

TEST(CpuSplit, GivesNoWorkerMoreThanOneWeightMoreThanAnother) {
    for (const auto& [ranks, threads] : ranks_and_threads())
        for (const int count : counts)
            for_each_worker(ranks, threads, [&](int t, const Workers& workers) {
                const int mine = weights_of(count, t, workers).count;
                EXPECT_GE(mine, count / workers.all)
                    << count << " to " << text_of(workers) << ", thread " << t;
                EXPECT_LE(mine, ceil_div(count, workers.all))
                    << count << " to " << text_of(workers) << ", thread " << t;
            });
}

/// It matters how many workers there are, not in which ranks.
TEST(CpuSplit, DealsWeightsAlikeToThreadsAndToRanks) {
    for (const int count : counts)
        for (int all = 1; all <= most_workers; ++all)
            for (int worker = 0; worker < all; ++worker)
                EXPECT_EQ(weights_of(count, worker, {0, all, all}, 8),
                          weights_of(count, 0, {worker, 1, all}, 8))
                    << count << " to " << all << ", worker " << worker;
}

/// The threads of all ranks together take each sample of a mini-batch once, each thread in its
/// rank's shard.
TEST(CpuSplit, DealsEverySampleToOneThreadOfOneRank) {
    for (const auto& [ranks, threads] : ranks_and_threads())
        for (const int batch : counts) {
            SCOPED_TRACE(std::to_string(batch) + " samples to " +
                         text_of({0, threads, ranks * threads}));
            std::vector<Range> all;
            for_each_worker(ranks, threads, [&](int t, const Workers& workers) {
                const Range shard =
                    shard_of(batch, workers.first / workers.here, ranks_of(workers));
                const Range mine = samples_of(shard, t, workers);
                all.push_back(mine);
                EXPECT_GE(mine.first, shard.first) << "worker " << workers.first + t;
                EXPECT_LE(mine.first + mine.count, shard.first + shard.count)
                    << "worker " << workers.first + t;
            });
            EXPECT_EQ(times_covered(batch, all), once(batch));
        }
}

/// Only the last part of a shard may have another number than whole fours.
TEST(CpuSplit, TakesSamplesByFours) {
    for (const int count : counts)
        for (int threads = 1; threads <= most_workers; ++threads)
            for (int t = 0; t < threads; ++t) {
                const Range mine = samples_of({7, count}, t, {3 * threads, threads, 5 * threads});
                if (mine.count > 0 && mine.first + mine.count < 7 + count) {
                    EXPECT_EQ(mine.count % 4, 0) << count << " to " << threads;
                }
            }
}

}  // namespace
