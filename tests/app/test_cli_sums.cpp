// test_cli_sums.cpp: --reproducible, --sync local and what a step sends, as a user runs them.
#include "tests/support/cli_fixture.h"

namespace {

std::string run_of(const char* flags, const std::string& save) {
    return small_set() + " -n 16 --device cpu " + flags + " --save " +
           scratch("sums-" + save).string();
}

TEST(Reproducible, GivesTheSameFileAndLossesOnAnyNodesAndThreads) {
    const Result one = run_main(run_of("--reproducible -e 2", "one"));
    const struct {
        int ranks;
        const char* flags;
    } cases[] = {{2, "--ranks-per-node 1"},
                 {3, "--ranks-per-node 2 --threads 2"},
                 {5, ""},
                 {8, "--ranks-per-node 2 --feed scattered"}};
    for (const auto& c : cases) {
        const Result result =
            run_main(run_of("--reproducible -e 2 ", "other") + " " + c.flags, c.ranks);
        EXPECT_EQ(learned(result), learned(one)) << c.flags;
        EXPECT_TRUE(same_bits(scratch("sums-other"), scratch("sums-one"))) << c.ranks << c.flags;
        EXPECT_TRUE(says(result.out, "# sums       in a fixed order"));
    }
}

TEST(Reproducible, ResumesToTheSameBitsAtAnotherNumberOfRanksAndNodes) {
    const std::string flags = "--reproducible --optimizer adam ";
    ASSERT_TRUE(succeeded(run_main(run_of((flags + "-e 2").c_str(), "whole"))));
    const std::string keep = " --checkpoint " + scratch("moved").string();
    ASSERT_TRUE(
        succeeded(run_main(run_of((flags + "-e 1 --ranks-per-node 1").c_str(), "half") + keep, 3)));
    const Result rest = run_main(run_of((flags + "-e 2").c_str(), "rest") + keep + " --resume", 2);
    EXPECT_TRUE(succeeded(rest));
    EXPECT_TRUE(lines_with("# rounding", rest.out).empty()) << rest.out;
    EXPECT_TRUE(same_bits(scratch("sums-rest"), scratch("sums-whole")));
}

TEST(Reproducible, AccumulatesToTheBitsOfALargeMiniBatch) {
    ASSERT_TRUE(succeeded(run_main(run_of("--reproducible -e 1 -b 120", "large"))));
    const std::string slices = "--reproducible -e 1 -b 24 --accumulate 5 --ranks-per-node 1";
    ASSERT_TRUE(succeeded(run_main(run_of(slices.c_str(), "slices"), 2)));
    EXPECT_TRUE(same_bits(scratch("sums-slices"), scratch("sums-large")));
}

TEST(Reproducible, IsTheReferencesToo) {
    EXPECT_TRUE(
        check_passed(run_main(run_of("--reproducible -e 1 --ranks-per-node 1 -s", "check"), 3)));
}

TEST(Reproducible, IsRefusedWhereTheRanksAreOnGpus) {
    EXPECT_TRUE(refused(run_gpuhost(2, tiny_set() + " -n 9 -e 1 --reproducible"), 2, "",
                        "--reproducible: the ranks are on GPUs"));
}

TEST(Sync, LocalSendsAMeanForSomeStepsAndSaysSo) {
    const double parameters = 785 * 16 + 17 * 10;
    const double bytes = parameters * (is_float() ? 4 : 8);
    const Result result = run_main(run_of("-e 1 --sync local:5", "local"), 2);
    EXPECT_TRUE(succeeded(result));
    EXPECT_TRUE(says(result.out, "2 ranks, each trains alone, then the parameters' mean is taken"));
    EXPECT_TRUE(says(result.out, "# replicas   2, one a rank"));
    EXPECT_TRUE(says(result.out, "# sync       after 5 steps of each rank alone"));
    // 25 steps, so 5 means.
    EXPECT_NEAR(number_behind("# sent ", result.out), bytes / 5 / 1000, 0.06);
    EXPECT_TRUE(says(result.out, "# ranks agree"));
}

/// Its checkpoint has the velocity, too.
TEST(Sync, LocalResumesToTheSameBitsAndOnlyAtTheSameNumberOfRanks) {
    const std::string flags = " --sync local:7 --outer-momentum 0.9 --outer-rate 0.7";
    ASSERT_TRUE(succeeded(run_main(run_of("-e 2", "local-2") + flags, 2)));
    const std::string keep = flags + " --checkpoint " + scratch("local-state").string();
    ASSERT_TRUE(succeeded(run_main(run_of("-e 1", "local-1") + keep, 2)));
    const std::string rest = run_of("-e 2", "local-3") + keep + " --resume";
    EXPECT_TRUE(refused(run_main(rest, 3), 2, "", "its replicas was 2, not 3"));
    const std::string other = " --checkpoint " + scratch("local-state").string() + " --resume";
    EXPECT_TRUE(refused(run_main(run_of("-e 2", "local-3") + other, 2), 2, "",
                        "its sync was \"local:7\", not \"every-step\""));
    ASSERT_TRUE(succeeded(run_main(rest, 2)));
    EXPECT_TRUE(same_bits(scratch("sums-local-3"), scratch("sums-local-2")));
}

TEST(Sync, LocalGivesTheSameBitsOnAnyNodesByBothFeeds) {
    const char* descent = "-e 2 --sync local:4 --outer-momentum 0.9 --outer-rate 0.7";
    ASSERT_TRUE(succeeded(run_main(run_of(descent, "one-node"), 3)));
    for (const char* flags : {"--ranks-per-node 1", "--ranks-per-node 2 --feed scattered"}) {
        ASSERT_TRUE(succeeded(run_main(run_of(descent, "nodes") + " " + flags, 3)));
        EXPECT_TRUE(same_bits(scratch("sums-nodes"), scratch("sums-one-node"))) << flags;
    }
}

TEST(Sync, LocalAndAsyncAreRefusedOnOneRank) {
    for (const char* way : {" --sync local:2", " --sync async"})
        expect_refused(small_set() + way, "there is one rank");
}

/// 600 samples in 150 shards. With S = 0, ranks take turns, as in plain descent on 150 batches.
TEST(Sync, AsyncLearnsKeepsItsBoundAndPromisesNoBits) {
    const Result result = run_main(run_of("-e 3 --sync async:2", "async"), 2);
    EXPECT_TRUE(succeeded(result));
    // Between nodes, MPI sends messages for what it copies on one.
    const Result by_messages = run_main(run_of("-e 1 --sync async:2 --ranks-per-node 1", "far"), 2);
    EXPECT_TRUE(succeeded(by_messages));
    EXPECT_TRUE(says(by_messages.out, " of 50 updates; ")) << by_messages.out;
    for (const char* line :
         {"2 ranks, each adds its updates to parameters on rank 0, as they come",
          "# sync       asynchronous, at most 2 other updates from a fetch to its update; no "
          "promise of bits: equal runs differ",
          " of 150 updates; ", "# ranks agree"})
        EXPECT_TRUE(says(result.out, line)) << result.out;
    const std::string most = lines_with("# staleness ", result.out).at(0);
    EXPECT_LE(number_behind(" in the mean, ", most), 2);
    EXPECT_GT(number_behind("accuracy ", lines_with("# test accuracy", result.out).at(0)), 70);
}

TEST(Sync, AsyncGoesOnFromAnEpochsEnd) {
    const std::string keep = " --sync async --checkpoint " + scratch("async-state").string();
    ASSERT_TRUE(succeeded(run_main(run_of("-e 1", "async-1") + keep, 2)));
    const Result rest = run_main(run_of("-e 2", "async-2") + keep + " --resume", 2);
    EXPECT_TRUE(succeeded(rest));
    EXPECT_TRUE(says(rest.out, " of 50 updates; ")) << rest.out;
}

}  // namespace
