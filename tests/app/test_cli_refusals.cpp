// test_cli_refusals.cpp: training from the command line that cannot be, or breaks on the way.
//
// Every bad flag and input is refused in one line with exit code 2, on any number of ranks; a
// failure ends every rank, with its own exit code, and never hangs.
#include "tests/support/cli_fixture.h"

namespace {

// ---- refusals -----------------------------------------------------------------------------------

/// At three ranks the line is still one, and every rank's own exit code is 2.
void expect_refused_by_all(const std::string& flags, const std::string& named) {
    const Result result = run("mpirun -np 3 sh -c './main " + flags + "; echo rc $?'");
    EXPECT_TRUE(refused(result, 0, "rc 2\nrc 2\nrc 2\n", named)) << "3 ranks, ./main " << flags;
}

/// A run that is over at once, should the program take the bad flag beside it.
std::string short_run() { return first_images(10, 10) + " "; }

TEST(Refusals, GradingModesWithOtherFlagsOrTooFewImages) {
    EXPECT_TRUE(refused(run_main("-g 4 --device cpu"), 2, "", "--device"));
    for (const std::size_t images : {600, 6000})
        EXPECT_TRUE(refused(run_main(first_images(images, 200) + " -g 1"), 2, "",
                            "expected more than 6000 training images, for a grading mode holds out "
                            "the last 6000, found " +
                                std::to_string(images) + "; use a larger set\n"));
}

TEST(Refusals, InputThatCannotBeUsed) {
    const fs::path empty = scratch("empty"), torn = scratch("torn");
    fs::create_directory(empty);
    const std::string whole = first_images(20, 10).substr(std::string("--data ").size());
    fs::copy(whole, torn);
    fs::resize_file(torn / "train-images-idx3-ubyte", 100);
    expect_refused("--data nowhere", "nowhere");
    expect_refused("--data Makefile", "Makefile");
    expect_refused("--data " + empty.string(), empty.string());
    expect_refused("--data " + torn.string(), "train-images-idx3-ubyte");
    expect_refused(short_run() + "--train-size 11", "--train-size");
    expect_refused(short_run() + "-n 1048576,1048576", "-n");
    expect_refused(short_run() + "-e 1 --csv nowhere/epochs.csv", "nowhere/epochs.csv");
    expect_refused(short_run() + "-e 1 --csv " + empty.string(), empty.string());
}

TEST(Refusals, AreOneLineAndExitCodeTwoOnEachOfThreeRanks) {
    expect_refused_by_all("--bogus", "--bogus");
    expect_refused_by_all("-b 0", "--batch");
    expect_refused_by_all("-n 1,,2", "--hidden");
    expect_refused_by_all("-g 3 -b 8", "--grade");
    expect_refused_by_all("--sync local:2 --reproducible", "--sync local:H and --reproducible");
    expect_refused_by_all("--data nowhere", "nowhere");
    expect_refused_by_all(short_run() + "--train-size 11", "--train-size");
    expect_refused_by_all(short_run() + "-n 1048576,1048576", "-n");
    expect_refused_by_all(short_run() + "-e 1 --csv nowhere/epochs.csv", "nowhere/epochs.csv");
    EXPECT_EQ(run_main("--bogus", 3).code, 2) << "mpirun's own exit code";
}

TEST(Refusals, DeviceCudaWithoutAGpu) {
    if (run_main(short_run() + "-e 1").out.find("no device") == std::string::npos)
        GTEST_SKIP() << "there is a GPU here";
    expect_refused(short_run() + "--device cuda", "--device cuda");
    expect_refused_by_all(short_run() + "--device cuda", "--device cuda");
}

TEST(Refusals, Bf16x3WhereItCannotBe) {
    const std::string flags = short_run() + "-e 1 --device cpu --gemm bf16x3";
    if (is_float() && run_main(flags).code == 0) GTEST_SKIP() << "there are bf16 tiles here";
    expect_refused(flags, "--gemm bf16x3");
    expect_refused(flags, is_float() ? "AMX" : "double");
    expect_refused_by_all(flags, "--gemm bf16x3");
}

TEST(Refusals, Bf16x3WithAWayToTakeInputs) {
    const std::string flags = short_run() + "-e 1 --device cpu --gemm bf16x3 --inputs ";
    expect_refused_by_all(flags + "sparse", "--inputs");
    expect_refused(flags + "dense", "--inputs");
}

TEST(Refusals, CudaAwareWithoutAnMpiThatIs) {
    if (run("ompi_info --parsable --all").out.find("cuda_support:value:true") != std::string::npos)
        GTEST_SKIP() << "this MPI is CUDA-aware";
    expect_refused(short_run() + "--cuda-aware", "--cuda-aware");
    expect_refused_by_all(short_run() + "--cuda-aware", "--cuda-aware");
}

// ---- failures -----------------------------------------------------------------------------------

TEST(Failures, TrainingThatDivergesSaysSo) {
    for (int ranks : {0, 3}) {
        const Result result = run_main(small_set() + " -n 8 -e 2 -l 1e30", ranks);
        EXPECT_EQ(result.code, 1) << ranks << " ranks";
        EXPECT_TRUE(is_one_line_of_main(result.err)) << ranks << " ranks";
        EXPECT_TRUE(says(result.err, "diverged"));
        EXPECT_TRUE(says(result.err, "-l"));
        EXPECT_EQ(lines_with("epoch ", result.out).size(), 0u) << result.out;
    }
}

TEST(Failures, AFullDiskUnderTheCsvFileEndsTheRun) {
    for (int ranks : {0, 2}) {
        const Result result = run_main(small_set() + " -n 8 -e 2 --csv /dev/full", ranks);
        EXPECT_EQ(result.code, 3) << ranks << " ranks";
        EXPECT_TRUE(is_one_line_of_main(result.err)) << ranks << " ranks";
        for (const char* part : {"rank 0", "--csv", "No space left on device"})
            EXPECT_TRUE(says(result.err, part));
    }
}

TEST(Failures, TooLittleMemoryEndsEveryRank) {
    const std::string limited = "ulimit -v 3000000; ";  // KiB; the network alone takes 3.3 GB
    for (const char* allreduce : {"mpi", "shared"}) {
        const Result result =
            run(limited + on_ranks(2, first_images(10, 10) + " --device cpu -e 1 -n 1048576" +
                                          " --allreduce " + allreduce));
        EXPECT_EQ(result.code, 3) << result.err;
        EXPECT_TRUE(says(result.err, "main: rank "));
        EXPECT_TRUE(says(result.err, "out of memory"));
    }
}

/// As in a container, whose /dev/shm is small: Open MPI itself finds its room there, the parameters
/// and gradients do not.
TEST(Failures, TooLittleSharedMemoryIsNoHang) {
    const auto with_little = [](const std::string& command) {
        return run("unshare -m sh -c 'mount -t tmpfs -o size=10m tmpfs /dev/shm && " + command +
                   "'");
    };
    if (with_little("true").code != 0) GTEST_SKIP() << "/dev/shm cannot be made small here";
    const std::string flags = small_set() + " --device cpu -n 3000 -b 300 -e 1 --allreduce ";
    const Result automatic = with_little(on_ranks(2, flags + "auto"));
    EXPECT_TRUE(succeeded(automatic));
    EXPECT_TRUE(says(automatic.out, "summed by MPI_Allreduce"));
    const Result shared = with_little(on_ranks(2, flags + "shared"));
    EXPECT_EQ(shared.code, 2);
    EXPECT_TRUE(says(shared.err, "/dev/shm"));
}

TEST(Failures, MoreThreadsThanTheSystemGivesEndEveryRank) {
    const std::string limited = "ulimit -v 3000000; ";  // KiB; the stacks alone take 8 GB
    for (int ranks : {0, 2}) {
        const Result result = run(limited + on_ranks(ranks, short_run() + "--device cpu -e 1 "
                                                                          "--threads 1024"));
        EXPECT_EQ(result.code, 3) << ranks << " ranks";
        for (const char* part : {"main: rank ", "1024 threads", "--threads"})
            EXPECT_TRUE(says(result.err, part));
    }
}

/// What the ranks have begun when one is killed: sums, or visits of a window.
class Killed : public testing::TestWithParam<const char*> {};

TEST_P(Killed, ARankEndsTheOthers) {
    expect_a_killed_rank_ends_all("./main " + small_set() + " " + GetParam());
}
// The last one's steps are sums for the most part: small batches, and buckets of one part each.
INSTANTIATE_TEST_SUITE_P(In, Killed,
                         testing::Values("-n 8", "-n 8 --sync async:1",
                                         "-n 256 -b 3 --device cpu --allreduce overlap "
                                         "--bucket-size 1"));

}  // namespace
