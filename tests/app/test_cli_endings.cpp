// test_cli_endings.cpp: how a run ends: by a signal, by the end of its terminal, refused, on a full
// disk; and what it leaves.
#include "tests/support/cli_fixture.h"

namespace {

/// 25 steps an epoch.
std::string resumable(const std::string& state, const std::string& save) {
    return small_set() + " -n 16 --seed 5 --checkpoint " + scratch(state).string() + " --save " +
           scratch(save).string();
}

// ---- signals

TEST(Stop, ASignalEndsTheRunAfterItsStepAndItResumesToTheSameBits) {
    ASSERT_TRUE(succeeded(run_main(small_set() + " -n 16 --seed 5 -b 1 -e 40 --save " +
                                   scratch("undisturbed").string())));
    for (const int signal : {SIGUSR1, SIGTERM}) {
        const std::string state = "stopped" + std::to_string(signal);
        const std::string flags = resumable(state, state + ".safetensors") + " -b 1 -e 40 -p 50";
        Process process("exec ./main " + flags);
        ASSERT_TRUE(process.prints("step  2:")) << process.finish(1).err;
        process.signal(signal);
        const Result stopped = process.finish(30);
        EXPECT_EQ(stopped.code, 4) << stopped.err;
        EXPECT_TRUE(says(stopped.out, "# stopped by a signal after "));
        const Result resumed = run_main(flags + " --resume");
        EXPECT_TRUE(succeeded(resumed));
        EXPECT_TRUE(same_bits(scratch("undisturbed"), scratch(state + ".safetensors")));
    }
}

TEST(Stop, OfOneRankStopsAllAtTheSameStep) {
    const fs::path pids = scratch("stopped_pids");
    const std::string flags = resumable("one", "one.safetensors") + " -b 1 -e 100 -p 50";
    Process process("mpirun -np 3 sh -c 'echo $$ >>" + pids.string() + "; exec ./main " + flags +
                    "'");
    ASSERT_TRUE(process.prints("step  ")) << "training has not begun";
    ASSERT_EQ(kill(std::stoi(lines_of(read_text(pids)).at(1)), SIGUSR1), 0);
    const Result stopped = process.finish(30);
    EXPECT_EQ(stopped.code, 4) << stopped.err;
    EXPECT_EQ(lines_with("# stopped by a signal", stopped.out).size(), 1u) << stopped.out;
}

TEST(Stop, WithoutCheckpointsASignalEndsTheRunAtOnce) {
    Process process("exec ./main " + small_set() + " -n 16 -e 1000000");
    ASSERT_TRUE(process.prints("epoch "));
    process.signal(SIGTERM);
    EXPECT_EQ(process.finish(10).code, 128 + SIGTERM);
}

// ---- refused and failed

TEST(Refusal, WritesNothing) {
    const std::string log = scratch("refused.csv").string(), state = scratch("refused").string();
    const std::string flags = " -n 4 -e 1 --csv " + log + " --checkpoint " + state;
    for (const char* bad : {"--jsonl nowhere/log", "--plot nowhere/a.svg", "--report nowhere/a",
                            "--save nowhere/a", "--train-size 11", "--allreduce shared --course"}) {
        EXPECT_TRUE(refused(run_main(first_images(10, 10) + flags + " " + bad), 2, "", "")) << bad;
        EXPECT_FALSE(fs::exists(log)) << bad;
        EXPECT_FALSE(fs::exists(state)) << bad;
    }
    EXPECT_TRUE(refused(run_main("demo xor --csv " + log + " --jsonl nowhere/log"), 2, "", ""));
    EXPECT_FALSE(fs::exists(log));
}

/// The folder with a program called gnuplot, which can draw nothing but says that it ended well.
TEST(Plot, ThatIsNotDrawnEndsTheRunWithThreeAndIsNotCalledWritten) {
    const fs::path folder = scratch("bin"), chart = scratch("undrawn.png");
    fs::create_directory(folder);
    std::ofstream(folder / "gnuplot") << "#!/bin/sh\nexit 0\n";
    fs::permissions(folder / "gnuplot", fs::perms(0755));
    const Result result = run("PATH=" + folder.string() + ":$PATH ./main " + small_set() +
                              " -n 4 -e 1 --plot " + chart.string());
    EXPECT_EQ(result.code, 3) << result.out;
    EXPECT_TRUE(says(result.err, chart.string()));
    EXPECT_EQ(lines_with("# written", result.out).size(), 0u) << result.out;
    EXPECT_FALSE(fs::exists(chart));
}

}  // namespace
