// test_cli_ranks.cpp: ranks that were not started alike, and ranks that do not know of each other.
//
// All end within seconds, with exit code 2 and one line; nothing hangs, and nothing is written.
#include "tests/support/cli_fixture.h"

namespace {

constexpr int seconds = 20;  // a hang is longer

/// Two ranks with a command line each.
Result run_two(const std::string& rank_0, const std::string& rank_1,
               const std::string& other_main = "./main") {
    return Process("mpirun -np 1 ./main " + rank_0 + " : -np 1 " + other_main + " " + rank_1)
        .finish(seconds);
}
std::string short_run() { return small_set() + " -n 8 -e 1 "; }

TEST(Ranks, WithOtherSettingsEndAtOnceAndNameThem) {
    const fs::path model = scratch("differ.safetensors");
    const struct {
        std::string rank_0, rank_1;
        const char* named;
    } cases[] = {
        {short_run() + "--save " + model.string(), short_run() + "-b 48",
         "--batch is 24 on rank 0 and 48 on rank 1"},
        {short_run() + "--checkpoint " + scratch("differ").string(), short_run(), "--checkpoint"},
        {short_run() + "--inputs dense", short_run() + "--inputs sparse", "--inputs is \"dense\""},
        {short_run(), "inspect data", "the command is train on rank 0 and inspect on rank 1"},
        {"--help", short_run(), "the command is --help or --version on rank 0 and train on"}};
    for (const auto& c : cases) {
        const Result result = run_two(c.rank_0, c.rank_1);
        EXPECT_TRUE(refused(result, 2, "", c.named)) << c.rank_0 << " : " << c.rank_1;
        EXPECT_TRUE(says(result.err, "start the same ./main with the same flags on all ranks\n"));
    }
    EXPECT_FALSE(fs::exists(model));
    EXPECT_FALSE(fs::exists(scratch("differ")));
}

TEST(Ranks, OfWhichOneIsRefusedEndWithItsLine) {
    EXPECT_TRUE(refused(run_two(short_run(), short_run() + "--bogus"), 2, "", "'--bogus'"));
    EXPECT_TRUE(refused(run_two(short_run() + "-b 0", short_run() + "--bogus"), 2, "", "--batch"))
        << "of two refusals, the lower rank's";
}

/// Other instruction sets: test_cli.cpp.
TEST(Ranks, MayHaveOtherNumbersOfThreads) {
    const std::string flags = short_run() + "--device cpu --threads ";
    const Result result = run_two(flags + "1", flags + "2");
    EXPECT_TRUE(succeeded(result));
    for (const char* part : {", 1 thread)", ", 2 threads)"}) EXPECT_TRUE(says(result.out, part));
}

TEST(Ranks, OfAnotherTypeEndAtOnce) {
    const fs::path other = is_float() ? "build/double/main" : "build/float/main";
    if (!fs::exists(other)) GTEST_SKIP() << other << " was not built";
    EXPECT_TRUE(refused(run_two(short_run(), short_run(), other.string()), 2, "",
                        "the type of the numbers is "));
}

// ---- tasks that MPI sees one by one -------------------------------------------------------------

/// One of four tasks of `srun` without PMI.
Result run_task(int task, const std::string& flags) {
    return run("SLURM_JOB_ID=7 SLURM_NTASKS=4 SLURM_STEP_NUM_TASKS=4 SLURM_PROCID=" +
               std::to_string(task) + " ./main " + flags);
}

TEST(LoneTasks, AreRefusedInOneLineOfTaskZero) {
    const fs::path model = scratch("lone.safetensors");
    const std::string flags = short_run() + "--save " + model.string();
    EXPECT_TRUE(refused(run_task(0, flags), 2, "", "SLURM_STEP_NUM_TASKS says that 4 tasks"));
    const Result other = run_task(1, flags);
    EXPECT_EQ(other.code, 2);
    EXPECT_EQ(other.out + other.err, "");
    EXPECT_TRUE(refused(run_task(0, "inspect data"), 2, "", "srun --mpi=pmix"));
    EXPECT_FALSE(fs::exists(model));
}

TEST(LoneTasks, RunIfTheyAreMeantToBeSeparate) {
    EXPECT_TRUE(succeeded(run_task(1, short_run() + "--separate-runs")));
    EXPECT_TRUE(succeeded(run_task(1, "inspect --separate-runs data")));
}

TEST(LoneTasks, AreNotRanksThatMpiSees) {
    EXPECT_TRUE(succeeded(
        run("export SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0; " + on_ranks(2, short_run()))));
}

TEST(LoneTasks, AreNotInABatchShellOfFourTasks) {
    const fs::path model = scratch("batch.safetensors");
    ASSERT_TRUE(succeeded(run_main(short_run() + "--save " + model.string())));
    EXPECT_TRUE(
        succeeded(run("SLURM_JOB_ID=7 SLURM_NTASKS=4 SLURM_NPROCS=4 SLURM_PROCID=0 ./main "
                      "evaluate --load " +
                      model.string() + " " + small_set())));
}

}  // namespace
