// test_cli_nccl.cpp: the whole program with gradients that NCCL sums, on the kernel runner: what it
// tells, what it refuses before anybody waits, and that a dead rank ends all.
#include "tests/support/cli_fixture.h"

namespace {

const std::string three = "GPUHOST_DEVICES=3";

std::string by(const std::string& allreduce) {
    return tiny_set() + " -n 12 -b 20 -e 2 --device cuda --allreduce " + allreduce;
}

TEST(NcclRun, LearnsWhatMpiDoesAndTellsWhatSums) {
    for (const int ranks : {2, 3}) {
        const Result ours = run_gpuhost(ranks, by("nccl") + " -s", three);
        const Result theirs = run_gpuhost(ranks, by("mpi"), three);
        EXPECT_TRUE(check_passed(ours)) << ranks << " ranks";
        EXPECT_TRUE(says(ours.out,
                         " ranks, gradients summed by ncclAllReduce in device memory, "
                         "NCCL 2.28.9\n"));
        EXPECT_TRUE(says(ours.out, "\n# ranks agree: all hold the same bits\n"));
        EXPECT_EQ(lines_with("# sent ", ours.out), lines_with("# sent ", theirs.out));
        const std::vector<Epoch> epochs = epochs_of(ours), expected = epochs_of(theirs);
        ASSERT_EQ(epochs.size(), 2u);
        for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(epochs[i].loss, expected[i].loss, 1e-5);
    }
}

TEST(NcclRun, IsRefusedWithTheReasonWhereItCannotBe) {
    const fs::path folder = scratch("no_library");
    fs::create_directories(folder);
    std::ofstream(folder / "libnccl.so.2") << "no library\n";
    const struct {
        std::string settings;
        const char *why, *what_to_do;
    } cases[] = {
        {"GPUHOST_DEVICES=0", "rank 0 has no CUDA device: ", "use --allreduce auto"},
        {"GPUHOST_DEVICES=1", "rank 0 shares its GPU with another rank", "use --allreduce mpi"},
        {three + " GPUHOST_NCCL_VERSION=2307", "libnccl.so.2 is version 2.3.7, and sums need 2.4",
         "use --allreduce mpi"},
        {three + " LD_LIBRARY_PATH=" + folder.string(), "libnccl.so.2: file too short",
         "on LD_LIBRARY_PATH"},
        {three + " GPUHOST_START_ERROR=46", "has no CUDA device: ", "compute mode to Default"}};
    for (const auto& c : cases) {
        const std::string flags = tiny_set() + " -n 9 -e 1 --allreduce nccl";
        const Result result = run_gpuhost(2, flags, c.settings);
        EXPECT_TRUE(refused(result, 2, "", "--allreduce nccl: ")) << c.settings;
        EXPECT_TRUE(says(result.err, c.why)) << c.settings;
        EXPECT_TRUE(says(result.err, c.what_to_do)) << c.settings;
    }
    EXPECT_TRUE(refused(run_gpuhost(0, by("nccl")), 2, "", "--allreduce nccl: there is one rank"));
}

TEST(NcclRun, EndsOnAllRanksWhenOneIsKilled) {
    expect_a_killed_rank_ends_all("env " + three + " " + main_gpuhost() + " " + tiny_set() +
                                  " -n 12 -b 20 --device cuda --allreduce nccl");
}

}  // namespace
