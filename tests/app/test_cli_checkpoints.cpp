// test_cli_checkpoints.cpp: a training keeps its states, goes on from them to the same bits, and
// refuses what is not its own.
#include "tests/support/checkpoints_of_runs.h"
#include "tests/support/cli_fixture.h"

namespace {

TEST(Checkpoint, KeepsTheLastTwoStates) {
    ASSERT_TRUE(succeeded(run_main(resumable("kept", "kept.safetensors") + " -e 5", 2)));
    EXPECT_EQ(names_in(scratch("kept")),
              (std::vector<std::string>{"checkpoint-000004-000000000.safetensors",
                                        "checkpoint-000005-000000000.safetensors"}));
    EXPECT_TRUE(same_bits(scratch("kept.safetensors"),
                          scratch("kept") / "checkpoint-000005-000000000.safetensors"));
}

TEST(Checkpoint, EverySoManyEpochsAndAtTheEnd) {
    ASSERT_TRUE(
        succeeded(run_main(resumable("some", "some.safetensors") + " -e 5 --checkpoint-every 3")));
    EXPECT_EQ(names_in(scratch("some")),
              (std::vector<std::string>{"checkpoint-000003-000000000.safetensors",
                                        "checkpoint-000005-000000000.safetensors"}));
}

TEST(Checkpoint, OfATrainingThatDivergedInItsLastStepEndsEveryRank) {
    if (!is_float()) GTEST_SKIP() << "no flag is large enough to overflow a double";
    const fs::path table = scratch("huge.csv");
    // The first step makes W2 large, the second one finds the other target and W1 overflows.
    std::ofstream(table) << "1,1\n1,1\n1,0\n";
    for (const char* keeps : {" --checkpoint ", " --save "}) {
        const std::string target = scratch("diverged").string() + keeps[3];
        const Result result = run_main("--csv-data " + table.string() +
                                           " --output sigmoid -n 2 -b 2 -e 1 -r 0 -l 1e30"
                                           " --no-shuffle --init-scale 1e-30" +
                                           keeps + target,
                                       3);
        EXPECT_EQ(result.code, 1) << keeps << result.err;
        EXPECT_TRUE(is_one_line_of_main(result.err));
        EXPECT_TRUE(says(result.err, "diverged"));
        EXPECT_FALSE(fs::is_regular_file(target)) << keeps;
        if (fs::is_directory(target)) {
            EXPECT_EQ(names_in(target), std::vector<std::string>{});
        }
    }
}

TEST(Checkpoint, ASecondRunInItsFolderIsRefusedUntilTheFirstEndsOrCrashes) {
    const std::string long_run = resumable("shared", "shared.safetensors") + " -b 1 -e 1000000";
    Process first("exec ./main " + long_run);
    ASSERT_TRUE(first.prints("epoch ")) << first.finish(1).err;
    const std::string other = small_set() + " -n 16 -e 1 --seed 6 --checkpoint ";
    for (const int ranks : {0, 2})
        for (const char* resume : {"", " --resume"})
            EXPECT_TRUE(refused(run_main(other + scratch("shared").string() + resume, ranks), 2, "",
                                "another run uses this folder (process "))
                << ranks << " ranks" << resume;
    first.signal(SIGKILL);
    EXPECT_EQ(first.finish(10).code, 128 + SIGKILL);
    const Result next = run_main(resumable("shared", "shared.safetensors") + " -b 1 --resume -e " +
                                 std::to_string(newest_epoch("shared") + 1));
    EXPECT_TRUE(succeeded(next));
    EXPECT_TRUE(says(next.out, "# resume     from "));
    EXPECT_EQ(names_in(scratch("shared")).size(), 2u) << "no lock is left";
}

TEST(Resume, EndsInTheBitsOfAnUninterruptedRun) {
    for (int ranks : {0, 3}) {
        const std::string n = std::to_string(ranks);
        const std::string whole =
            small_set() + " -n 16 --seed 5 -e 6 --save " + scratch("whole" + n).string();
        const std::string parts = resumable("parts" + n, "resumed" + n) + " --resume";
        ASSERT_TRUE(succeeded(run_main(whole, ranks)));
        const Result first = run_main(parts + " -e 2", ranks);
        EXPECT_TRUE(says(first.out, "# resume     nothing valid in "));
        const Result second = run_main(parts + " -e 6", ranks);
        EXPECT_TRUE(says(second.out, ", after 2 epochs\n"));
        EXPECT_EQ(epochs_of(second).size(), 4u);
        EXPECT_TRUE(same_bits(scratch("whole" + n), scratch("resumed" + n))) << ranks << " ranks";
    }
}

TEST(Resume, AtAnotherNumberOfRanksPassesTheComparison) {
    const std::string flags = resumable("ranks", "ranks.safetensors") + " --resume ";
    ASSERT_TRUE(succeeded(run_main(flags + "-e 2", 3)));
    const Result resumed = run_main(flags + "-e 4 -s", 2);
    EXPECT_TRUE(check_passed(resumed));
    EXPECT_TRUE(says(resumed.out, ", after 2 epochs\n"));
}

TEST(Resume, OfAFinishedRunReportsAgain) {
    const std::string flags = resumable("finished", "finished.safetensors") + " -e 2 --resume";
    const Result once = run_main(flags), again = run_main(flags);
    ASSERT_TRUE(succeeded(again));
    EXPECT_EQ(epochs_of(again).size(), 0u);
    EXPECT_EQ(lines_with("# test accuracy", again.out), lines_with("# test accuracy", once.out));
}

TEST(Resume, TakesTheOlderStateWhereTheNewerIsDamaged) {
    const std::string flags = resumable("damaged", "damaged.safetensors") + " --resume";
    ASSERT_TRUE(succeeded(run_main(flags + " -e 3")));
    const fs::path newest = scratch("damaged") / "checkpoint-000003-000000000.safetensors";
    fs::resize_file(newest, 100);
    const Result resumed = run_main(flags + " -e 3");
    EXPECT_EQ(resumed.code, 0);
    EXPECT_TRUE(says(resumed.err, "main: passed over " + newest.string()));
    EXPECT_TRUE(says(resumed.out, ", after 2 epochs\n"));
}

TEST(Resume, RefusesAnotherRunsState) {
    const std::string flags = resumable("other", "other.safetensors");
    ASSERT_TRUE(succeeded(run_main(flags + " -e 2")));
    EXPECT_TRUE(refused(run_main(flags + " -e 2"), 2, "", "--resume"));
    const struct {
        const char *flag, *named;
    } others[] = {{"-b 25", "batch"},
                  {"-l 1", "learning-rate"},
                  {"-r 0", "reg"},
                  {"--no-shuffle", "shuffle"},
                  {"--train-size 500", "samples"},
                  {"--loss mse", "loss"},
                  {"-e 1", "-e"}};
    for (const auto& other : others) {
        const std::string epochs = std::string(other.flag).starts_with("-e") ? " " : " -e 2 ";
        EXPECT_TRUE(
            refused(run_main(flags + " --resume" + epochs + other.flag), 2, "", other.named))
            << other.flag;
    }
}

/// As many images, of the same size, and others.
TEST(Resume, RefusesOtherImages) {
    const std::string flags = " -n 8 -e 1 --checkpoint " + scratch("images").string();
    ASSERT_TRUE(succeeded(run_main(first_images(20, 10) + flags)));
    const fs::path other = scratch("other-images");
    fs::copy(first_images(20, 10).substr(std::string("--data ").size()), other);
    std::fstream file(other / "train-images-idx3-ubyte", std::ios::in | std::ios::out);
    file.seekp(16 + 20 * 784 - 1);  // the last pixel of all
    file.put(1);
    file.close();
    EXPECT_TRUE(refused(run_main("--data " + other.string() + flags + " --resume"), 2, "",
                        "checksum of the samples"));
}

TEST(Resume, TellsWhatOnlyRoundsOtherwise) {
    const std::string flags = resumable("rounds", "rounds.safetensors") + " --device cpu --resume ";
    ASSERT_TRUE(succeeded(run_main(flags + "-e 1 --allreduce mpi --isa baseline", 2)));
    const Result alike = run_main(flags + "-e 2 --allreduce mpi --isa baseline", 2);
    EXPECT_EQ(lines_with("# rounding", alike.out).size(), 0u) << alike.out;
    const Result other = run_main(flags + "-e 3 --allreduce shared --isa baseline -s", 3);
    EXPECT_TRUE(check_passed(other));
    EXPECT_TRUE(
        says(other.out, "# rounding   not as in the checkpoint's run: replicas 2, now 1\n"));
    const Result alone = run_main(flags + "-e 4 --isa baseline");
    EXPECT_EQ(lines_with("# rounding", alone.out).size(), 0u) << alone.out;
}

TEST(Resume, LogsHaveEveryEpochOnce) {
    const fs::path csv = scratch("resumed.csv");
    const std::string flags =
        resumable("logged", "logged.safetensors") + " --resume --csv " + csv.string();
    ASSERT_TRUE(succeeded(run_main(flags + " -e 3")));
    // The newest state is gone: its epoch's line has to go too.
    fs::remove(scratch("logged") / "checkpoint-000003-000000000.safetensors");
    ASSERT_TRUE(succeeded(run_main(flags + " -e 5")));
    const std::vector<std::string> lines = lines_of(read_text(csv));
    ASSERT_EQ(lines.size(), 6u) << read_text(csv);
    for (int e = 1; e <= 5; ++e)
        EXPECT_TRUE(lines[static_cast<std::size_t>(e)].starts_with(std::to_string(e) + ",25,"))
            << lines[static_cast<std::size_t>(e)];
}

}  // namespace
