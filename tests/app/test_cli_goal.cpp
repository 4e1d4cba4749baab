// test_cli_goal.cpp: runs that end at an accuracy or without a better one, and that keep their
// best.
#include <regex>

#include "tests/support/cli_fixture.h"

namespace {

std::string small_run() { return small_set() + " --device cpu -n 16 "; }

TEST(GoalRun, EndsAtTheAccuracyAndIsComparedUpToThere) {
    const Result ended = run_main(small_run() + "-e 9 --until 1 --schedule cosine -s", 2);
    EXPECT_TRUE(check_passed(ended));
    EXPECT_TRUE(says(ended.out, "\n# ended      after epoch 1, at "));
    EXPECT_TRUE(says(ended.out, " % is at least 1 %\n"));
    EXPECT_FALSE(says(ended.out, "epoch 2/9"));
}

TEST(GoalRun, AResumeEndsWhereTheRunHasEnded) {
    const std::string folder =
        " --checkpoint " + scratch("goal-state").string() + " -e 4 --until 1 ";
    ASSERT_TRUE(succeeded(run_main(small_run() + folder)));
    const Result again = run_main(small_run() + folder + "--resume");
    EXPECT_TRUE(succeeded(again));
    EXPECT_FALSE(says(again.out, "\nepoch ")) << "nothing is left to train";
    EXPECT_TRUE(says(again.out, "\n# ended      after epoch 1, at "));
}

/// A rate that is too large after some epochs, so that the best epoch is not the last.
TEST(GoalRun, KeepBestSavesTheBestEpochAndJudgesIt) {
    const fs::path best = scratch("best.safetensors"), folder = scratch("best-state");
    const std::string flags =
        small_run() + "-l 3 --lr-decay 3 -e 5 --keep-best --save " + best.string();
    const Result kept = run_main(flags + " --checkpoint " + folder.string(), 2);
    ASSERT_TRUE(succeeded(kept));
    std::smatch line;
    ASSERT_TRUE(
        std::regex_search(kept.out, line, std::regex("# kept       epoch ([1-4]), the best ")))
        << kept.out;
    const std::string epoch = line[1];
    const fs::path alone = scratch("alone.safetensors");
    ASSERT_TRUE(succeeded(
        run_main(small_run() + "-l 3 --lr-decay 3 -e " + epoch + " --save " + alone.string())));
    EXPECT_TRUE(same_bits(alone, best));
    std::smatch judged;
    ASSERT_TRUE(std::regex_search(kept.out, judged, std::regex("# test accuracy ([0-9.]+ %)")));
    EXPECT_TRUE(says(run_main("evaluate " + small_set() + " --load " + best.string()).out,
                     judged[1].str()));

    const std::string more = flags + " --checkpoint " + folder.string() + " --resume";
    EXPECT_TRUE(succeeded(run_main(more)));
    EXPECT_TRUE(same_bits(alone, best)) << "a resume keeps the best";
    fs::remove(best);
    EXPECT_TRUE(refused(run_main(more), 2, "", "--keep-best needs epoch " + epoch));
}

/// As after a kill between two checkpoints: the file of the best epoch is newer than the state.
TEST(GoalRun, KeepBestGoesOnFromACheckpointThatIsOlderThanItsFile) {
    const fs::path best = scratch("later.safetensors"), whole = scratch("later-whole.safetensors"),
                   folder = scratch("later-state");
    const fs::path last = folder / "checkpoint-000006-000000000.safetensors";
    const std::string flags = small_run() + "-l 0.3 -e 6 --keep-best --checkpoint-every 4 ";
    ASSERT_TRUE(succeeded(run_main(flags + "--save " + whole.string() + " --checkpoint " +
                                   scratch("later-whole-state").string())));
    const std::string kept = flags + "--save " + best.string() + " --checkpoint " + folder.string();
    const Result first = run_main(kept);
    ASSERT_TRUE(succeeded(first));
    ASSERT_TRUE(std::regex_search(first.out, std::regex("# kept       epoch [56],"))) << first.out;
    ASSERT_TRUE(fs::remove(last));
    EXPECT_TRUE(succeeded(run_main(kept + " --resume", 2)));
    EXPECT_TRUE(same_bits(whole, best));
    ASSERT_TRUE(succeeded(run_main(flags + "--seed 2 --save " + best.string() + " --checkpoint " +
                                   scratch("later-other-state").string())));
    ASSERT_TRUE(fs::remove(last));
    EXPECT_TRUE(refused(run_main(kept + " --resume"), 2, "", "but it holds another network"));
}

TEST(GoalRun, IsRefusedWhereItMeansNothing) {
    EXPECT_TRUE(
        refused(run_main(small_run() + "--keep-best"), 2, "", "--keep-best: expected --save FILE"));
    EXPECT_TRUE(refused(run_main(small_run() + "--until 101"), 2, "", "--until"));
}

TEST(TraceRun, HasEveryRanksStepsAndThePageShowsOne) {
    const fs::path trace = scratch("trace.json"), page = scratch("trace.html");
    const Result traced = run_main(small_run() + "-e 1 --allreduce mpi --trace " + trace.string() +
                                       " --report " + page.string(),
                                   2);
    ASSERT_TRUE(succeeded(traced));
    EXPECT_TRUE(says(traced.out, "\n# trace      steps 1 to 25; sums and waits took "));
    const std::string json = read_text(trace);
    for (const char* piece : {"rank 0", "rank 1", "load", "forward 1", "delta 1", "gradient 2",
                              "sum", "update", "step 24"})
        EXPECT_TRUE(says(json, std::string("\"name\":\"") + piece + "\"")) << piece;
    EXPECT_FALSE(says(json, "step 25"));
    EXPECT_TRUE(says(read_text(page), "<h2>One step</h2>"));
}

}  // namespace
