// test_cli_gpuhost.cpp: the whole program with its CUDA kernels on the CPU.
//
// What main does with GPUs: which rank gets which, what happens where there are none, too few, old
// ones, or little memory, and that it learns what the CPU learns.
#include "tests/support/cli_fixture.h"

namespace {

TEST(Gpuhost, LearnsWhatTheCpuLearns) {
    const std::string flags = tiny_set() + " -n 12 -b 20 -e 3 --device ";
    const Result kernels = run_gpuhost(2, flags + "cuda"), cpu = run_gpuhost(2, flags + "cpu");
    ASSERT_TRUE(succeeded(kernels));
    ASSERT_TRUE(succeeded(cpu));
    EXPECT_TRUE(says(lines_with("# rank 1 ", kernels.out).at(0), "gpuhost"));
    EXPECT_TRUE(says(lines_with("# rank 1 ", cpu.out).at(0), "CPU ("));
    const std::vector<Epoch> ours = epochs_of(kernels), theirs = epochs_of(cpu);
    ASSERT_EQ(ours.size(), 3u);
    ASSERT_EQ(theirs.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
        EXPECT_NEAR(ours[i].loss, theirs[i].loss, 1e-4) << "epoch " << i + 1;
        EXPECT_NEAR(ours[i].accuracy, theirs[i].accuracy, 2) << "one of 50 images is 2 %";
    }
}

TEST(Gpuhost, ComparePassesAtOneTwoAndThreeRanks) {
    for (int ranks : {1, 2, 3}) {
        const Result result =
            run_gpuhost(ranks, tiny_set() + " -s -n 9,7 -b 32 -e 1 --device cuda");
        EXPECT_TRUE(check_passed(result)) << ranks << " ranks";
        EXPECT_EQ(lines_with("# W3 ", result.out).size(), 1u) << ranks << " ranks";
    }
}

TEST(Gpuhost, ServesMoreRanksThanGpus) {
    const Result result = run_gpuhost(3, tiny_set() + " -s -n 9 -b 32 -e 1", "GPUHOST_DEVICES=2");
    EXPECT_TRUE(check_passed(result));
    EXPECT_TRUE(says(result.out, "2 devices\n"));
    for (const char* rank : {"# rank 0 ", "# rank 1 ", "# rank 2 "})
        EXPECT_TRUE(says(lines_with(rank, result.out).at(0), "gpuhost"));
}

TEST(Gpuhost, WithoutAGpuAutoTakesTheCpuAndCudaIsRefused) {
    const std::string none = "GPUHOST_DEVICES=0";
    const Result automatic = run_gpuhost(2, tiny_set() + " -n 9 -e 1", none);
    EXPECT_TRUE(succeeded(automatic));
    for (const char* rank : {"# rank 0 ", "# rank 1 "})
        EXPECT_TRUE(says(lines_with(rank, automatic.out).at(0), "CPU ("));
    const Result cuda = run_gpuhost(2, tiny_set() + " -n 9 -e 1 --device cuda", none);
    EXPECT_EQ(cuda.code, 2);
    EXPECT_EQ(cuda.out, "");
    EXPECT_TRUE(is_one_line_of_main(cuda.err));
    EXPECT_TRUE(says(cuda.err, "--device cuda"));
}

// ---- GPUs that cannot be used

constexpr const char* why_cpu = "main: the CPU is used, though a GPU seems to be here: rank ";

/// A run by --device auto that took the CPU, and said why in one line.
testing::AssertionResult took_the_cpu(const Result& result, const std::string& why) {
    if (result.code != 0 || !is_one_line_of_main(result.err) || !result.err.starts_with(why_cpu))
        return testing::AssertionFailure() << "code " << result.code << ": " << result.err;
    for (const std::string& rank : lines_with("# rank ", result.out))
        if (const auto is_cpu = says(rank, "CPU ("); !is_cpu) return is_cpu;
    return says(result.err, why);
}

TEST(Gpuhost, RanksOfWhichOneHasNoGpuAllTakeTheCpu) {
    const Result mixed = run(on_ranks(2, "",
                                      "sh -c 'GPUHOST_DEVICES=$OMPI_COMM_WORLD_RANK exec " +
                                          main_gpuhost() + " " + tiny_set() + " -n 9 -b 32 -e 1'"));
    EXPECT_TRUE(took_the_cpu(mixed, ": rank 0 on "));
}

TEST(Gpuhost, ForTheCpuTheDriverIsNotAsked) {
    const std::string flags = tiny_set() + " -n 9 -e 1 --device ", hangs = "GPUHOST_HANGS=1";
    const Result cpu = run_gpuhost(2, flags + "cpu", hangs);
    EXPECT_TRUE(succeeded(cpu));
    EXPECT_TRUE(says(cpu.out, "# CUDA       no device: not asked"));
    EXPECT_TRUE(says(run_gpuhost(0, flags + "auto", hangs).err, "waits for ever"));
}

/// What CUDA cannot use, as the settings of the kernel runner, and a word of the reason.
struct Unusable {
    const char *settings, *why;
};
constexpr Unusable unusable[] = {
    {"GPUHOST_COUNT_ERROR=803", "restart the machine"},
    {"GPUHOST_COUNT_ERROR=804", "cuda-compat"},
    {"GPUHOST_COUNT_ERROR=999", "dmesg"},
    {"GPUHOST_COUNT_ERROR=35 GPUHOST_FILE_IS_HERE=1", "update the driver"},
    {"GPUHOST_DEVICES=0 GPUHOST_FILE_IS_HERE=1", "CUDA_VISIBLE_DEVICES"},
    {"GPUHOST_SICK=0", "device 0: unknown error"},
    {"GPUHOST_START_ERROR=46", "compute mode to Default"},
    {"GPUHOST_START_ERROR=101", "it was there before"},
    {"GPUHOST_CAPABILITY=70", "compute capability 7.0 is too old; the kernels need 7.5"},
    {"GPUHOST_MEMORY=100000", "out of memory"}};

TEST(Gpuhost, AutoTakesTheCpuWhereAGpuCannotBeUsedAndSaysWhy) {
    for (const auto& [settings, why] : unusable)
        EXPECT_TRUE(took_the_cpu(run_gpuhost(0, tiny_set() + " -n 9 -e 1", settings), why))
            << settings;
    EXPECT_TRUE(took_the_cpu(run_gpuhost(2, tiny_set() + " -n 9 -e 1", "GPUHOST_START_ERROR=46"),
                             "rank 0 on "));
}

TEST(Gpuhost, CudaIsRefusedWhereAGpuCannotBeUsed) {
    for (const auto& [settings, why] : unusable) {
        const Result cuda = run_gpuhost(0, tiny_set() + " -n 9 -e 1 --device cuda", settings);
        EXPECT_TRUE(refused(cuda, 2, "", "--device cuda: rank 0")) << settings;
        EXPECT_TRUE(says(cuda.err, why)) << settings;
        EXPECT_TRUE(says(cuda.err, "--device cpu") || says(cuda.err, "cpu, or run")) << settings;
    }
}

TEST(Gpuhost, WhereThereIsNoDriverOrTheGpusAreHiddenNothingIsSaid) {
    for (const char* settings : {"GPUHOST_COUNT_ERROR=35",
                                 "CUDA_VISIBLE_DEVICES= GPUHOST_DEVICES=0 GPUHOST_FILE_IS_HERE=1"})
        EXPECT_TRUE(succeeded(run_gpuhost(0, tiny_set() + " -n 9 -e 1", settings))) << settings;
}

TEST(Gpuhost, OfTwoGpusTheSickOneIsLeftOut) {
    const Result result =
        run_gpuhost(2, tiny_set() + " -n 9 -e 1 --device cuda", "GPUHOST_DEVICES=2 GPUHOST_SICK=0");
    EXPECT_TRUE(succeeded(result));
    EXPECT_TRUE(says(result.out, "; 1 device, without device 0: unknown error"));
    EXPECT_TRUE(says(lines_with("# rank 1 ", result.out).at(0), "gpuhost"));
}

TEST(Gpuhost, ThatTheDriverCompilesTheKernelsIsSaidOnce) {
    const Result result = run_gpuhost(2, tiny_set() + " -n 9 -e 1 --device cuda",
                                      "GPUHOST_NATIVE=0 GPUHOST_CAPABILITY=120");
    EXPECT_EQ(result.code, 0);
    EXPECT_TRUE(is_one_line_of_main(result.err));
    EXPECT_TRUE(says(result.err, "no machine code for a GPU of compute capability 12.0"));
}

// ---- what a GPU does

TEST(Gpuhost, GpusShareNoMemory) {
    const std::string flags = tiny_set() + " -n 9 -b 30 -e 1 --device cuda";
    const Result automatic = run_gpuhost(2, flags);
    EXPECT_TRUE(succeeded(automatic));
    EXPECT_TRUE(says(automatic.out, "summed by MPI_Allreduce\n"));
    const Result shared = run_gpuhost(0, flags + " --allreduce shared");
    EXPECT_EQ(shared.code, 2);
    EXPECT_EQ(shared.out, "");
    EXPECT_TRUE(is_one_line_of_main(shared.err));
    EXPECT_TRUE(says(shared.err, "--allreduce shared"));
}

/// The model has the last word. Of the runner's 4 multiprocessors, those of 8.0 multiply bf16 eight
/// times as fast as float, which pays three products in bf16, and those of 8.6 twice as fast.
TEST(Gpuhost, GemmAutoIsBf16x3WhereTheGpuHasItAndTheModelFindsItFaster) {
    const std::string flags = tiny_set() + " -e 1 --device cuda";
    const char* const plain = is_float() ? " (gemm fp32)\n" : " (gemm fp64)\n";
    const char* const best = is_float() ? " (gemm bf16x3)\n" : plain;
    const struct {
        const char *flags, *capability, *told;
    } cases[] = {{" -n 256 -b 60", "80", best},
                 {" -n 256 -b 24", "80", best},
                 {" -n 256 -b 60", "86", plain},
                 {" -n 256 -b 60", "75", plain},
                 {" -n 256 -b 60 --gemm fp32", "80", plain}};
    for (const auto& c : cases) {
        const Result told =
            run_gpuhost(1, flags + c.flags, std::string("GPUHOST_CAPABILITY=") + c.capability);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(lines_with("# rank 0 ", told.out).at(0) + "\n", c.told)) << c.flags;
    }
}

TEST(Gpuhost, Bf16x3WhereTheGpuHasItNotIsRefused) {
    const std::string flags = tiny_set() + " -n 9 -e 1 --device cuda --gemm bf16x3";
    // The second GPU could, but its code is for older ones.
    for (const char* settings :
         {"GPUHOST_CAPABILITY=75", "GPUHOST_CAPABILITY=90 GPUHOST_NATIVE=0"}) {
        const Result old = run_gpuhost(2, flags, settings);
        EXPECT_EQ(old.code, 2) << settings;
        EXPECT_EQ(old.out, "") << settings;
        EXPECT_TRUE(is_one_line_of_main(old.err)) << settings;
        EXPECT_TRUE(says(old.err, "--gemm bf16x3")) << settings;
        EXPECT_TRUE(says(old.err, is_float() ? "compute capability 8.0" : "double")) << settings;
    }
    if (is_float()) {
        const Result asked = run_gpuhost(2, flags + " -b 20 -s", "GPUHOST_CAPABILITY=90");
        EXPECT_TRUE(check_passed(asked));
        EXPECT_TRUE(says(asked.out, "(gemm bf16x3)"));
    }
}

/// What it takes, it learns by the same bits at once and in single steps, and says so.
TEST(Gpuhost, GemmPersistentIsTakenOrTheBannerSaysWhyNot) {
    const std::string gpu = "GPUHOST_CAPABILITY=90",
                      flags = tiny_set() + " -b 20 -e 2 --device cuda --gemm persistent ";
    const Result at_once = run_gpuhost(1, flags + "-n 12", gpu);
    EXPECT_TRUE(says(lines_with("# rank 0 ", at_once.out).at(0), "(gemm persistent)"));
    EXPECT_EQ(learned(at_once), learned(run_gpuhost(1, flags + "-n 12 --print-every 2", gpu)));
    EXPECT_TRUE(check_passed(run_gpuhost(1, flags + "-n 12 -s", gpu)));
    const struct {
        const char* flags;
        int ranks;
        const char* why;
    } cases[] = {
        {"-n 12", 2, ", not persistent: it is for one rank that sums nothing)"},
        {"-n 17", 1, ", not persistent: it takes at most four hidden units for each of 4 "},
        {"-n 9,9", 1, ", not persistent: it takes one hidden layer)"},
        {"-n 9 --accumulate 2", 1, ", not persistent: it is for one rank that sums nothing)"},
        {"-n 9 --optimizer momentum", 1, ", not persistent: it takes plain descent)"}};
    for (const auto& c : cases) {
        const Result told = run_gpuhost(c.ranks, flags + c.flags, gpu);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(lines_with("# rank 0 ", told.out).at(0), c.why)) << c.flags;
    }
    const Result none = run_gpuhost(1, tiny_set() + " -n 9 --gemm persistent", "GPUHOST_DEVICES=0");
    EXPECT_EQ(none.code, 2);
    EXPECT_TRUE(is_one_line_of_main(none.err));
    EXPECT_TRUE(says(none.err, "--gemm persistent: the ranks are on CPUs"));
}

/// The run that resumes was stopped amid its second epoch.
TEST(Gpuhost, GemmPersistentResumesToTheBitsOfOneRunAndAnotherWayIsSaid) {
    const std::string gpu = "GPUHOST_CAPABILITY=90",
                      flags = tiny_set() + " -n 12 -b 20 -e 8 --seed 5 --device cuda",
                      state = " --checkpoint " + scratch("persistent").string() + " --save " +
                              scratch("resumed.safetensors").string(),
                      persistent = " --gemm persistent";
    ASSERT_TRUE(succeeded(run_gpuhost(
        1, flags + persistent + " --save " + scratch("whole.safetensors").string(), gpu)));
    Process first("exec env " + gpu + " " + main_gpuhost() + " " + flags + state + persistent +
                  " --print-every 1 --checkpoint-every 1000");
    ASSERT_TRUE(first.prints("step  2:03"));
    first.signal(SIGINT);
    const Result stopped = first.finish(20);
    ASSERT_EQ(stopped.code, 4) << stopped.err;
    const Result resumed = run_gpuhost(1, flags + state + persistent + " --resume", gpu);
    ASSERT_TRUE(succeeded(resumed));
    EXPECT_TRUE(says(resumed.out, "# resume     from "));
    EXPECT_FALSE(says(resumed.out, "# rounding"));
    EXPECT_TRUE(same_bits(scratch("whole.safetensors"), scratch("resumed.safetensors")));
    const Result other = run_gpuhost(1, flags + state + " --gemm fp32 --resume", gpu);
    EXPECT_TRUE(succeeded(other));
    EXPECT_TRUE(says(other.out,
                     "# rounding   not as in the checkpoint's run: gemm persistent, now "
                     "fp32"));
}

TEST(Gpuhost, Int8IsTakenWhereItIsAskedForAndTheGpuHasItAndIsRefusedElsewhere) {
    const std::string flags = tiny_set() + " -n 9 -e 1 --gemm int8";
    const struct {
        const char *device, *gpu, *said;
    } refused[] = {{" --device cuda", "GPUHOST_CAPABILITY=75", "compute capability 8.0"},
                   {"", "GPUHOST_DEVICES=0", "the ranks are on CPUs"}};
    for (const auto& c : refused) {
        const Result told = run_gpuhost(2, flags + c.device, c.gpu);
        EXPECT_EQ(told.code, 2) << c.gpu;
        EXPECT_EQ(told.out, "") << c.gpu;
        EXPECT_TRUE(is_one_line_of_main(told.err)) << c.gpu;
        EXPECT_TRUE(says(told.err, "--gemm int8: ")) << c.gpu;
        EXPECT_TRUE(says(told.err, is_float() ? c.said : "double")) << c.gpu;
    }
    if (!is_float()) return;
    for (const int ranks : {1, 2}) {
        const Result asked =
            run_gpuhost(ranks, flags + " --device cuda -b 20 -s", "GPUHOST_CAPABILITY=80");
        EXPECT_TRUE(check_passed(asked)) << ranks;
        EXPECT_TRUE(says(asked.out, "(gemm int8)")) << ranks;
    }
}

TEST(Gpuhost, BothFeedsLearnTheSame) {
    const std::string flags = tiny_set() + " -n 9 -b 30 -e 2 --feed ";
    EXPECT_EQ(learned(run_gpuhost(3, flags + "scattered")),
              learned(run_gpuhost(3, flags + "resident")));
}

TEST(Gpuhost, ASetThatDoesNotFitIsScatteredEveryStep) {
    // The 2000 images take 1.6 MB, and as much again in the order of an epoch.
    const std::string flags = first_images(2000, 20) + " -n 4 -b 250 -e 1 --feed resident";
    const Result narrow = run_gpuhost(2, flags, "GPUHOST_MEMORY=2000000");
    const Result wide = run_gpuhost(2, flags);
    EXPECT_EQ(learned(narrow), learned(wide));
    EXPECT_TRUE(says(wide.out, "# feed resident\n"));
    EXPECT_TRUE(says(narrow.out, "# feed scattered: the training set does not fit"))
        << "a run that does not do as it was asked says so";
}

}  // namespace
