// test_cli.cpp: training from the command line: its flags, its text, its refusals, its failures.
#include "tests/cli_fixture.h"

namespace {

// ---- --help and --version
// ------------------------------------------------------------------------

/// What a manual's page says of one flag: its line and the text under it, in one line.
std::string entry_of(const std::string& line, const std::string& help) {
    std::string entry;
    for (const std::string& next : lines_of(help)) {
        if (next == line) {
            entry = next;
        } else if (!entry.empty()) {
            if (!next.starts_with("            ")) break;
            entry += " " + next.substr(12);
        }
    }
    return entry;
}

TEST(Help, NamesEveryFlagAndItsDefault) {
    const Result help = run_main("--help");
    ASSERT_TRUE(succeeded(help));
    const struct {
        const char *flag, *preset;
    } flags[] = {{"-h, --help", ""},
                 {"--version", ""},
                 {"-n, --hidden SIZES", "200"},
                 {"--output softmax|sigmoid", "softmax"},
                 {"--init normal|uniform|xavier", "normal"},
                 {"--init-scale X", "0.1"},
                 {"--load FILE", ""},
                 {"-b, --batch N", "24"},
                 {"-e, --epochs N", "16"},
                 {"-l, --learning-rate X", "1.2"},
                 {"--lr-decay X", "0.88"},
                 {"-r, --reg X", "3e-05"},
                 {"--loss cross-entropy|mse", "cross-entropy"},
                 {"--shuffle", ""},
                 {"--no-shuffle", ""},
                 {"--seed N", "1"},
                 {"--train-size N", "0"},
                 {"--raw-pixels", ""},
                 {"--csv-data FILE", ""},
                 {"--target-columns N", "1"},
                 {"--data DIR", "data"},
                 {"-p, --print-every N", "0"},
                 {"--csv FILE", ""},
                 {"--jsonl FILE", ""},
                 {"--plot FILE", ""},
                 {"--save FILE", ""},
                 {"--report FILE", ""},
                 {"--checkpoint DIR", ""},
                 {"--checkpoint-every N", "1"},
                 {"--resume", ""},
                 {"-s, --compare", ""},
                 {"-g, --grade N", ""},
                 {"--device auto|cuda|cpu", "auto"},
                 {"--threads N", "0"},
                 {"--gemm auto|fp32|bf16x3", "auto"},
                 {"--allreduce auto|mpi|shared", "auto"},
                 {"--scatter once|every-step", "once"},
                 {"--cuda-aware", ""}};
    for (const auto& flag : flags) {
        const std::string entry = entry_of("    " + std::string(flag.flag), help.out);
        ASSERT_FALSE(entry.empty()) << flag.flag << " in:\n" << help.out;
        const std::string preset = flag.preset;
        if (preset.empty())
            EXPECT_EQ(entry.find("(default: "), std::string::npos) << entry;
        else
            EXPECT_TRUE(says(entry, " (default: " + preset + ")"));
    }
    EXPECT_EQ(lines_with("    -", help.out).size(), std::size(flags))
        << "this test does not know every flag";
    EXPECT_EQ(run_main("-h").out, help.out);
    EXPECT_EQ(run_main("train --help").out, help.out);
}

TEST(Help, EveryCommandHasAManualsPageWithAnExample) {
    for (const char* command : {"", "predict ", "evaluate ", "inspect ", "demo "}) {
        const Result help = run_main(std::string(command) + "--help");
        EXPECT_TRUE(succeeded(help));
        for (const char* heading : {"NAME\n", "\nSYNOPSIS\n", "\nDESCRIPTION\n", "\nOPTIONS\n",
                                    "\nEXIT STATUS\n", "\nEXAMPLES\n    "})
            EXPECT_TRUE(says(help.out, heading)) << command;
        EXPECT_TRUE(says(help.out, "./main " + std::string(command)));
        for (const std::string& line : lines_of(help.out)) EXPECT_LE(line.size(), 96u) << line;
    }
}

TEST(Help, DefaultsAreWhatARunWithoutFlagsTakes) {
    const Result plain = run_main(small_set());
    ASSERT_TRUE(succeeded(plain));
    EXPECT_TRUE(says(plain.out, "network    784-200-10, "));
    EXPECT_TRUE(
        says(plain.out, "16 epochs, batch 24, rate 1.2 x 0.88 each epoch, reg 3e-05, seed 1\n"));
    EXPECT_TRUE(says(plain.out, "shuffled each epoch, pixels 0..1\n"));
    EXPECT_TRUE(says(plain.out, "600 training, 0 held out, 200 test images of 28 x 28\n"));
    EXPECT_EQ(epochs_of(plain).size(), 16u);
    EXPECT_EQ(lines_with("step ", plain.out).size(), 0u);
}

TEST(Help, IsPrintedOnceByThreeRanks) {
    const Result help = run_main("--help", 3);
    EXPECT_TRUE(succeeded(help));
    EXPECT_EQ(help.out, run_main("--help").out);
}

TEST(Version, IsPrintedOnceByThreeRanks) {
    const Result version = run_main("--version", 3);
    EXPECT_TRUE(succeeded(version));
    EXPECT_TRUE(std::regex_match(
        version.out, std::regex("main [0-9]+\\.[0-9]+\\.[0-9]+ \\((float|double)\\)\n")))
        << version.out;
}

// ---- what each flag does
// -------------------------------------------------------------------------

TEST(Flags, ShortAndLongNamesMeanTheSame) {
    const Result brief = run_main(small_set() + " -n 12,5 -b 40 -e 3 -l 0.5 -r 0.001 -p 7 -s");
    const Result full = run_main(small_set() +
                                 " --hidden 12,5 --batch 40 --epochs 3 --learning-rate 0.5"
                                 " --reg 0.001 --print-every 7 --compare");
    EXPECT_TRUE(
        says(brief.out, "network    784-12-5-10, 9545 parameters; softmax, cross-entropy\n"));
    EXPECT_TRUE(
        says(brief.out, "3 epochs, batch 40, rate 0.5 x 0.88 each epoch, reg 0.001, seed 1\n"));
    EXPECT_EQ(epochs_of(brief).size(), 3u);
    EXPECT_TRUE(check_passed(brief));
    EXPECT_TRUE(check_passed(full));
    EXPECT_EQ(learned(brief), learned(full));
    EXPECT_EQ(lines_with("step ", brief.out), lines_with("step ", full.out));
    EXPECT_EQ(lines_with("# tensor", brief.out), lines_with("# tensor", full.out));
}

TEST(Flags, AreToldInTheBanner) {
    const struct {
        const char *flags, *told;
    } cases[] = {{"--lr-decay 0.5", "rate 1.2 x 0.5 each epoch"},
                 {"--seed 18446744073709551615", "seed 18446744073709551615\n"},
                 {"--train-size 400", "400 training, 200 held out, 200 test images"},
                 {"--raw-pixels", "pixels 0..255"},
                 {"--no-shuffle", "samples    in the file's order"},
                 {"--shuffle", "samples    shuffled each epoch"},
                 {"--scatter every-step", "scattered every step"},
                 {"--scatter once", "scattered once"},
                 {"--output sigmoid --loss mse", "parameters; sigmoid, mse\n"},
                 {"--device cpu", "CPU ("},
                 {"--device cpu --threads 1", ", 1 thread)\n"},
                 {"--device cpu --threads 3", ", 3 threads)\n"},
                 {"--device cpu --gemm fp32", is_float() ? ", gemm fp32, " : ", gemm fp64, "},
                 {"--allreduce mpi", " 1 rank\n"},
                 {"--device cpu --allreduce shared", " 1 rank\n"}};
    for (const auto& c : cases) {
        const Result told = run_main(small_set() + " -n 8 -e 1 " + c.flags);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(told.out, c.told)) << c.flags;
    }
}

TEST(Flags, BannerNamesTheDeviceOfEachRank) {
    const Result three = run_main(small_set() + " -n 8 -e 1 --device cpu", 3);
    EXPECT_TRUE(succeeded(three));
    EXPECT_TRUE(says(three.out, ", 3 ranks, "));
    const std::vector<std::string> ranks = lines_with("# rank ", three.out);
    ASSERT_EQ(ranks.size(), 3u) << three.out;
    for (std::size_t r = 0; r < 3; ++r) {
        EXPECT_TRUE(ranks[r].starts_with("# rank " + std::to_string(r) + " ")) << ranks[r];
        EXPECT_TRUE(says(ranks[r], "CPU"));
    }
}

TEST(Flags, BannerTellsHowGradientsAreAddedUp) {
    const struct {
        const char *flags, *told;
    } cases[] = {{"", "shared memory"},
                 {"--allreduce auto", "shared memory"},
                 {"--allreduce shared", "shared memory"},
                 {"--allreduce mpi", "MPI_Allreduce"}};
    for (const auto& c : cases) {
        const Result told = run_main(small_set() + " -n 8 -e 1 --device cpu " + c.flags, 2);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(told.out, std::string(", 2 ranks, gradients added up ") +
                                       (c.told[0] == 's' ? "in " : "by ") + c.told + "\n"));
    }
}

TEST(Flags, SharedMemoryAndAllreduceLearnTheSameOnTwoRanks) {
    const std::string flags = small_set() + " -n 12 -e 2 -b 50 --device cpu --threads 2";
    EXPECT_EQ(learned(run_main(flags + " --allreduce shared", 2)),
              learned(run_main(flags + " --allreduce mpi", 2)));
}

TEST(Flags, GemmAutoIsBf16x3WhereItCanBeAndSlicesAreLargeEnough) {
    const std::string flags = small_set() + " -n 8 -e 1 --device cpu";
    const char* const plain = is_float() ? ", gemm fp32, " : ", gemm fp64, ";
    const Result asked = run_main(flags + " -b 32 --gemm bf16x3");
    const Result large = run_main(flags + " -b 32"), small = run_main(flags + " -b 31");
    EXPECT_TRUE(says(small.out, plain));
    if (asked.code == 0) {
        EXPECT_TRUE(says(asked.out, ", gemm bf16x3, "));
        EXPECT_TRUE(says(large.out, ", gemm bf16x3, "));
        EXPECT_EQ(learned(asked), learned(large));
    } else {
        EXPECT_EQ(asked.code, 2);
        EXPECT_TRUE(says(large.out, plain));
    }
}

TEST(Flags, PrintEveryFiveTellsEveryFifthStep) {
    const Result steps = run_main(small_set() + " -n 8 -e 2 -b 48 -p 5");  // 13 steps an epoch
    EXPECT_TRUE(succeeded(steps));
    std::vector<std::string> told;
    for (const std::string& line : lines_with("step ", steps.out))
        told.push_back(line.substr(0, line.find("  loss")));
    EXPECT_EQ(told,
              (std::vector<std::string>{"step  1:05", "step  1:10", "step  2:05", "step  2:10"}));
    EXPECT_EQ(learned(steps), learned(run_main(small_set() + " -n 8 -e 2 -b 48")));
}

TEST(Flags, RateZeroLearnsNothing) {
    const std::vector<Epoch> still = epochs_of(run_main(small_set() + " -n 8 -e 2 -l 0"));
    ASSERT_EQ(still.size(), 2u);
    EXPECT_NEAR(still[0].loss, still[1].loss, 1.5e-5);
    EXPECT_EQ(still[0].accuracy, still[1].accuracy);
}

TEST(Flags, DecayZeroStopsAfterTheFirstEpoch) {
    const std::vector<Epoch> one =
        epochs_of(run_main(small_set() + " -n 8 -e 3 --lr-decay 0 --no-shuffle"));
    ASSERT_EQ(one.size(), 3u);
    EXPECT_LT(one[1].loss, 0.9 * one[0].loss);
    EXPECT_EQ(one[2].loss, one[1].loss);
    EXPECT_EQ(one[2].accuracy, one[0].accuracy);
}

TEST(Flags, InitScaleIsTheWeightsDeviation) {
    // Without weights and biases all ten classes are equally likely.
    EXPECT_NEAR(first_loss(run_main(small_set() + " -n 8 -e 1 -l 0 --init-scale 1e-9")),
                std::log(10.0), 1e-5);
}

TEST(Flags, RegAddsHalfTheWeightsSquares) {
    const std::string still = small_set() + " -n 16 -e 1 -l 0 --init-scale 0.01 -r ";
    const double penalty = first_loss(run_main(still + "1")) - first_loss(run_main(still + "0"));
    const double weights = 16 * (784 + 10);
    EXPECT_NEAR(penalty, 0.5 * weights * 0.01 * 0.01, 0.05 * penalty);  // 4 deviations of the sum
}

TEST(Flags, SeedAndOrderAndPixelsChangeTheRun) {
    const std::string same = small_set() + " -n 8 -e 2 ";
    std::set<std::vector<std::string>> runs;
    const char* const different[] = {"", "--seed 2", "--no-shuffle", "--raw-pixels"};
    for (const char* flags : different) runs.insert(learned(run_main(same + flags)));
    EXPECT_EQ(runs.size(), std::size(different));
    EXPECT_EQ(learned(run_main(same + "--seed 1 --shuffle")), learned(run_main(same)));
}

TEST(Flags, TrainSizeShowsTheHeldOutAccuracy) {
    const Result held = run_main(small_set() + " -n 8 -e 1 --train-size 400");
    EXPECT_TRUE(succeeded(held));
    EXPECT_TRUE(says(held.out, "  held-out accuracy "));
    EXPECT_TRUE(says(run_main(small_set() + " -n 8 -e 1").out, "  test accuracy "));
}

TEST(Flags, CsvHasTheNumbersOfEveryEpoch) {
    const fs::path file = scratch("epochs.csv");
    const Result result = run_main(small_set() + " -n 8 -e 3 --csv " + file.string(), 2);
    ASSERT_TRUE(succeeded(result));
    const std::vector<Epoch> printed = epochs_of(result);
    const std::vector<std::string> rows = lines_of(read_text(file));
    ASSERT_EQ(printed.size(), 3u);
    ASSERT_EQ(rows.size(), 4u) << read_text(file);
    EXPECT_EQ(rows[0], "epoch,step,loss,accuracy,images_per_second,seconds");
    for (std::size_t i = 0; i < 3; ++i) {
        int number = 0, steps = 0;
        double loss = 0, accuracy = 0, rate = 0, seconds = 0;
        ASSERT_EQ(std::sscanf(rows[i + 1].c_str(), "%d,%d,%lf,%lf,%lf,%lf", &number, &steps, &loss,
                              &accuracy, &rate, &seconds),
                  6)
            << rows[i + 1];
        EXPECT_EQ(number, printed[i].number);
        EXPECT_EQ(steps, 25);                         // 600 images, 24 at a time
        EXPECT_NEAR(loss, printed[i].loss, 0.51e-5);  // five digits are printed
        EXPECT_NEAR(100 * accuracy, printed[i].accuracy, 0.51e-2);
        EXPECT_NEAR(rate, printed[i].images_per_second, 1);
        EXPECT_GT(seconds, 0);
    }
}

TEST(Flags, JsonlHasTheStepsThatAreToldToo) {
    const fs::path file = scratch("epochs.jsonl");
    ASSERT_TRUE(succeeded(run_main(small_set() + " -n 8 -e 2 -p 10 --jsonl " + file.string(), 2)));
    std::string seen;
    for (const std::string& line : lines_of(read_text(file))) {
        int epoch = 0, step = 0;
        ASSERT_EQ(std::sscanf(line.c_str(), R"({"epoch":%d,"step":%d,"loss":)", &epoch, &step), 2)
            << line;
        seen += std::to_string(epoch) + ":" + std::to_string(step) + " ";
    }
    EXPECT_EQ(seen, "1:10 1:20 1:25 2:10 2:20 2:25 ");
}

TEST(Flags, BothWaysToScatterLearnTheSame) {
    for (const char* order : {" --shuffle", " --no-shuffle"}) {
        const std::string flags = small_set() + " -n 8 -e 2 -b 50" + order;
        EXPECT_EQ(learned(run_main(flags + " --scatter every-step", 3)),
                  learned(run_main(flags + " --scatter once", 3)))
            << order;
    }
}

TEST(Flags, TheSameRunTwiceLearnsTheSame) {
    const std::string flags = small_set() + " -n 8,6 -e 2 -b 37";
    EXPECT_EQ(learned(run_main(flags, 3)), learned(run_main(flags, 3)));
}

TEST(Footer, TellsAccuracyTimesAndThatTheRanksAgree) {
    const Result result = run_main(small_set() + " -n 16 -e 2", 3);
    ASSERT_TRUE(succeeded(result));
    const std::vector<std::string> accuracy = lines_with("# test accuracy ", result.out);
    ASSERT_EQ(accuracy.size(), 1u);
    double percent = 0;
    int right = 0, all = 0;
    ASSERT_EQ(std::sscanf(accuracy[0].c_str(), "# test accuracy %lf %% (%d of %d)", &percent,
                          &right, &all),
              3)
        << accuracy[0];
    EXPECT_EQ(all, 200);
    EXPECT_NEAR(percent, 100.0 * right / all, 0.51e-2);
    EXPECT_EQ(percent, epochs_of(result).back().accuracy);
    EXPECT_GT(percent, 40) << "16 hidden neurons learn more than this from 600 images";
    const std::vector<std::string> times = lines_with("# time ", result.out);
    ASSERT_EQ(times.size(), 1u);
    for (const char* part : {"data ", "compute ", "communication "})
        EXPECT_TRUE(says(times[0], part));
    const bool shared = says(result.out, "in shared memory");
    EXPECT_EQ(lines_of(result.out).back(), shared ? "# ranks agree: they share one copy"
                                                  : "# ranks agree: all hold the same bits");
}

// ---- comparison and grading
// ----------------------------------------------------------------------

TEST(Compare, PassesAtOneTwoAndThreeRanks) {
    for (int ranks : {0, 1, 2, 3}) {
        const Result result = run_main(small_set() + " -s -n 12,9 -b 67 -e 2", ranks);
        EXPECT_TRUE(check_passed(result)) << ranks << " ranks";
        for (const char* tensor : {"# W1 ", "# b1 ", "# W2 ", "# b2 ", "# W3 ", "# b3 "})
            EXPECT_EQ(lines_with(tensor, result.out).size(), 1u) << tensor << ranks << " ranks";
        EXPECT_EQ(lines_with("CHECK ", result.out).size(), 1u) << ranks << " ranks";
    }
}

TEST(Compare, PassesWithEachGemmAndAnyThreads) {
    for (const char* flags :
         {"--gemm fp32 --threads 1", "--gemm fp32 --threads 3", "--gemm auto --threads 1",
          "--gemm auto --threads 3", "--gemm auto --threads 2 --allreduce mpi"})
        for (int ranks : {1, 2}) {
            const Result result =
                run_main(small_set() + " -s --device cpu -n 70,9 -b 67 -e 2 " + flags, ranks);
            EXPECT_TRUE(check_passed(result)) << flags << ", " << ranks << " ranks";
        }
}

TEST(Compare, PassesWithMoreRanksAndThreadsThanImages) {
    const Result result = run_main(
        first_images(20, 10) + " -s --device cpu -n 9 -b 2 -e 2 --threads 3 --gemm fp32", 4);
    EXPECT_TRUE(check_passed(result));
}

TEST(Compare, PassesWithBf16x3) {
    const Result result =
        run_main(small_set() + " -s --device cpu -n 70,9 -b 67 -e 2 --gemm bf16x3", 2);
    if (result.code == 2) GTEST_SKIP() << result.err;
    EXPECT_TRUE(check_passed(result));
    EXPECT_TRUE(says(result.out, ", gemm bf16x3, "));
}

TEST(Grade, OneAndTwoTrainAsTheCourseDoes) {
    const struct {
        const char *flag, *training;
    } modes[] = {{"-g 1", "40 epochs, batch 800, rate 0.0005 x 1 each epoch, reg 0.0001"},
                 {"--grade 2", "10 epochs, batch 800, rate 0.001 x 1 each epoch, reg 0.0001"}};
    for (const auto& mode : modes) {  // minutes long: they are stopped after the banner
        Process process(on_ranks(0, mode.flag));
        EXPECT_TRUE(process.prints("in the file's order, pixels 0..255")) << mode.flag;
        process.stop();
        const std::string banner = process.finish(1).out;
        EXPECT_TRUE(says(banner, mode.training));
        EXPECT_TRUE(says(banner, "54000 training, 6000 held out, 10000 test"));
        EXPECT_TRUE(says(banner, "network    784-100-10, "));
    }
}

TEST(Grade, ThreeTrainsAsTheCourseDoesAndPasses) {
    const Result result = run_main("-g 3", 2);
    EXPECT_TRUE(says(result.out, "1 epoch, batch 800, rate 0.002 x 1 each epoch, reg 0.0001"));
    EXPECT_TRUE(says(result.out, "54000 training, 6000 held out, 10000 test"));
    EXPECT_TRUE(says(result.out, "in the file's order, pixels 0..255"));
    EXPECT_TRUE(check_passed(result));
}

TEST(Grade, FourJudgesTheGemmOnce) {
    const Result result = run_main("-g 4", 2);
    EXPECT_TRUE(check_passed(result));
    for (const char* size : {" 800 x 1000 x  784  ", " 800 x   10 x 1000  "}) {
        EXPECT_EQ(lines_with(std::string(size) + "hand-written kernel ", result.out).size(), 1u);
        const std::vector<std::string> library =
            lines_with(std::string(size) + "CPU library ", result.out);
        ASSERT_EQ(library.size(), 1u) << result.out;
        EXPECT_TRUE(says(library[0], "GFLOP/s  OK"));
    }
}

// ---- refusals
// ------------------------------------------------------------------------------------

/// At three ranks the line is still one, and every rank's own exit code is 2.
void expect_refused_by_all(const std::string& flags, const std::string& named) {
    const Result result = run("mpirun -np 3 sh -c './main " + flags + "; echo rc $?'");
    EXPECT_TRUE(refused(result, 0, "rc 2\nrc 2\nrc 2\n", named)) << "3 ranks, ./main " << flags;
}

/// A run that is over at once, should the program take the bad flag beside it.
std::string short_run() { return first_images(10, 10) + " "; }

TEST(Refusals, GradingModesWithOtherFlagsOrTooFewImages) {
    EXPECT_TRUE(refused(run_main("-g 4 --device cpu"), 2, "", "--device"));
    EXPECT_TRUE(refused(run_main(small_set() + " -g 1"), 2, "", "at least 6000 training images"));
}

TEST(Refusals, TextThatIsNoWholeNumberInRange) {
    const struct {
        const char *flag, *name;
        std::vector<std::string> outside;
    } flags[] = {
        {"-b", "--batch", {"0", "2147483648"}},
        {"-e", "--epochs", {"0", "1000001"}},
        {"-p", "--print-every", {"2147483648"}},
        {"-g", "--grade", {"0", "5"}},
        {"--train-size", "--train-size", {"4294967296"}},
        {"--seed", "--seed", {"18446744073709551616"}},
        {"--threads", "--threads", {"1025"}},
    };
    for (const auto& flag : flags) {
        std::vector<std::string> bad = {"x",   "3x",  "0x3", "03", "2.5", "1e1",
                                        "nan", "inf", "-1",  "+3", "''",  "' 3'"};
        bad.insert(bad.end(), flag.outside.begin(), flag.outside.end());
        for (const std::string& text : bad)
            expect_refused(short_run() + flag.flag + " " + text, flag.name);
    }
}

TEST(Refusals, TextThatIsNoNumberInRange) {
    const struct {
        const char *flag, *name;
    } flags[] = {{"-l", "--learning-rate"},
                 {"--lr-decay", "--lr-decay"},
                 {"-r", "--reg"},
                 {"--init-scale", "--init-scale"}};
    for (const auto& flag : flags)
        for (const char* text : {"x", "1.5x", "0x1p2", "1,5", "nan", "-nan", "inf", "-inf", "-0.5",
                                 "1e39", "1e999", "''"})
            expect_refused(short_run() + flag.flag + " " + text, flag.name);
}

TEST(Refusals, HiddenSizesThatAreNoListOfSizes) {
    for (const char* text : {"''", "x", "1,,2", "1,", ",1", "'1 2'", "'1;2'", "0", "8,0", "-1",
                             "0x10", "010", "2.5", "1e3", "nan", "1048577", "99999999999999999999"})
        expect_refused(short_run() + "-n " + text, "-n");
}

TEST(Refusals, FlagsThatAreUnknownOrGivenWrongly) {
    const struct {
        const char *flags, *named;
    } cases[] = {{"--bogus", "--bogus"},
                 {"-z", "-z"},
                 {"--batches 3", "--batches"},
                 {"extra", "extra"},
                 {"''", "argument"},
                 {"-b 8 9", "9"},
                 {"-b 8 -b 9", "--batch"},
                 {"-b", "--batch"},
                 {"--seed", "--seed"},
                 {"--device gpu", "--device"},
                 {"--device CPU", "--device"},
                 {"--scatter never", "--scatter"},
                 {"--threads", "--threads"},
                 {"--gemm fp64", "--gemm"},
                 {"--gemm FP32", "--gemm"},
                 {"--gemm", "--gemm"},
                 {"--allreduce nccl", "--allreduce"},
                 {"--allreduce ''", "--allreduce"},
                 {"--shuffle --no-shuffle", "--shuffle"},
                 {"--csv ''", "--csv"},
                 {"--compare=3", "--compare"},
                 {"--raw-pixels=2", "--raw-pixels"},
                 {"--no-shuffle=7", "--no-shuffle"},
                 {"--version=3", "--version"},
                 {"--output tanh", "--output"},
                 {"--loss mae", "--loss"},
                 {"--init zeros", "--init"},
                 {"--init xavier --init-scale 1", "--init-scale"},
                 {"--init uniform --seed 4294967296", "--seed"},
                 {"--resume", "--checkpoint"},
                 {"--checkpoint-every 2", "--checkpoint"},
                 {"--checkpoint ''", "--checkpoint"},
                 {"--save ''", "--save"},
                 {"--load ''", "--load"},
                 {"--jsonl ''", "--jsonl"},
                 {"--plot ''", "--plot"},
                 {"--plot curve.gif", "curve.gif"},
                 {"--report ''", "--report"},
                 {"--target-columns 2", "--csv-data"},
                 {"--csv-data table.csv", "--data"},
                 {"--load file -n 8", "-n"}};
    for (const auto& c : cases) expect_refused(short_run() + c.flags, c.named);
}

TEST(Refusals, WhatAGradingModeFixesBesideIt) {
    for (const char* fixed :
         {"-n 8", "-b 8", "-e 1", "-l 1", "--lr-decay 1", "-r 0", "--init-scale 1",
          "--train-size 5", "--shuffle", "--no-shuffle", "--raw-pixels", "--loss mse",
          "--output sigmoid", "--init xavier", "--csv-data x", "--load x"})
        expect_refused(short_run() + "-g 3 " + fixed, "--grade");
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
    expect_refused_by_all("-n 1,,2", "-n");
    expect_refused_by_all("-g 3 -b 8", "--grade");
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

TEST(Refusals, CudaAwareWithoutAnMpiThatIs) {
    if (run("ompi_info --parsable --all").out.find("cuda_support:value:true") != std::string::npos)
        GTEST_SKIP() << "this MPI is CUDA-aware";
    expect_refused(short_run() + "--cuda-aware", "--cuda-aware");
    expect_refused_by_all(short_run() + "--cuda-aware", "--cuda-aware");
}

// ---- failures
// ------------------------------------------------------------------------------------

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
    EXPECT_TRUE(says(automatic.out, "added up by MPI_Allreduce"));
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

TEST(Failures, AKilledRankEndsTheOthers) {
    const fs::path pids = scratch("pids");
    Process process("mpirun -np 3 sh -c 'echo $$ >>" + pids.string() + "; exec ./main " +
                    small_set() + " -n 8 -e 1000000'");
    ASSERT_TRUE(process.prints("epoch ")) << "training has not begun";
    std::vector<pid_t> ranks;
    for (const std::string& line : lines_of(read_text(pids))) ranks.push_back(std::stoi(line));
    ASSERT_EQ(ranks.size(), 3u);
    ASSERT_EQ(kill(ranks[1], SIGKILL), 0);
    EXPECT_NE(process.finish(10).code, 0);
    for (pid_t rank : ranks) {
        for (int i = 0; i < 300 && kill(rank, 0) == 0; ++i) pause(10);
        EXPECT_NE(kill(rank, 0), 0) << "process " << rank << " goes on without mpirun";
    }
}

// ---- terminal and file
// ---------------------------------------------------------------------------

/// Runs the command on a pseudo-terminal and returns what the terminal saw.
std::string on_terminal(const std::string& command) {
    return run("script -qec \"" + command + "\" /dev/null").out;
}

TEST(Output, InAFileIsPlainLines) {
    const std::string flags = small_set() + " -n 8 -e 2 -p 20";
    const fs::path file = scratch("redirected");
    for (const std::string& command : {on_ranks(0, flags), on_ranks(2, flags),
                                       on_ranks(2, "", "sh -c '" + on_ranks(0, flags) + "'")}) {
        on_terminal(command + " >" + file.string());  // standard error stays a terminal
        const std::string text = read_text(file);
        EXPECT_EQ(text.find_first_of("\r\033"), std::string::npos) << command << "\n" << text;
        EXPECT_EQ(lines_with("epoch ", text).size(), 2u) << command;
        EXPECT_EQ(lines_with("step ", text).size(), 2u) << command;
    }
}

TEST(Output, OnATerminalIsRedrawnInOneLine) {
    for (int ranks : {0, 2}) {
        const std::string seen = on_terminal(on_ranks(ranks, small_set() + " -n 8 -e 3 -p 20"));
        const std::size_t first = seen.find("pixels 0..1\r\n"), last = seen.find("# test accur");
        ASSERT_NE(first, std::string::npos) << seen;
        ASSERT_NE(last, std::string::npos) << seen;
        const std::string progress = seen.substr(first + 13, last - first - 13);
        EXPECT_EQ(progress.find('\n'), progress.size() - 1) << "only the last epoch's line stays";
        for (const char* word : {"epoch ", "step "}) {
            int drawn = 0;
            for (auto at = progress.find(word); at != std::string::npos;
                 at = progress.find(word, at + 1), ++drawn)
                EXPECT_TRUE(at == 0 || progress[at - 1] == '\r' ||
                            progress.substr(0, at).ends_with("\r\033[K"))
                    << "'" << progress.substr(at, 11)
                    << "' follows what already stands in the line";
            EXPECT_EQ(drawn, 3) << word << "in " << progress;
        }
    }
}

// ---- the whole program with its CUDA kernels on the CPU
// ------------------------------------------

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

TEST(Gpuhost, RanksOfWhichOneHasNoGpuAllTakeTheCpu) {
    const fs::path program =
        fs::read_symlink("/proc/self/exe").parent_path().parent_path() / "main_gpuhost";
    const Result mixed =
        run(on_ranks(2, "",
                     "sh -c 'GPUHOST_DEVICES=$OMPI_COMM_WORLD_RANK exec " + program.string() + " " +
                         tiny_set() + " -s -n 9 -b 32 -e 1'"));
    EXPECT_TRUE(check_passed(mixed));
    for (const char* rank : {"# rank 0 ", "# rank 1 "})
        EXPECT_TRUE(says(lines_with(rank, mixed.out).at(0), "CPU ("));
}

TEST(Gpuhost, GpusShareNoMemory) {
    const std::string flags = tiny_set() + " -n 9 -b 30 -e 1 --device cuda";
    const Result automatic = run_gpuhost(2, flags);
    EXPECT_TRUE(succeeded(automatic));
    EXPECT_TRUE(says(automatic.out, "added up by MPI_Allreduce\n"));
    const Result shared = run_gpuhost(0, flags + " --allreduce shared");
    EXPECT_EQ(shared.code, 2);
    EXPECT_EQ(shared.out, "");
    EXPECT_TRUE(is_one_line_of_main(shared.err));
    EXPECT_TRUE(says(shared.err, "--allreduce shared"));
}

TEST(Gpuhost, GemmAutoIsBf16x3WhereTheGpuHasItAndSlicesAreLargeEnough) {
    const std::string flags = tiny_set() + " -n 9 -e 1 --device cuda";
    const char* const plain = is_float() ? " (gemm fp32)\n" : " (gemm fp64)\n";
    const char* const best = is_float() ? " (gemm bf16x3)\n" : plain;
    const struct {
        const char *flags, *capability, *told;
    } cases[] = {{" -b 32", "80", best},
                 {" -b 31", "80", plain},
                 {" -b 32", "75", plain},
                 {" -b 32 --gemm fp32", "80", plain}};
    for (const auto& c : cases) {
        const Result told =
            run_gpuhost(1, flags + c.flags, std::string("GPUHOST_CAPABILITY=") + c.capability);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(lines_with("# rank 0 ", told.out).at(0) + "\n", c.told)) << c.flags;
    }
}

TEST(Gpuhost, Bf16x3WhereTheGpuHasItNotIsRefused) {
    const std::string flags = tiny_set() + " -n 9 -e 1 --device cuda --gemm bf16x3";
    const Result old = run_gpuhost(2, flags, "GPUHOST_CAPABILITY=75");
    EXPECT_EQ(old.code, 2);
    EXPECT_EQ(old.out, "");
    EXPECT_TRUE(is_one_line_of_main(old.err));
    EXPECT_TRUE(says(old.err, "--gemm bf16x3"));
    EXPECT_TRUE(says(old.err, is_float() ? "compute capability 8.0" : "double"));
    if (is_float()) {
        const Result asked = run_gpuhost(2, flags + " -b 20 -s", "GPUHOST_CAPABILITY=90");
        EXPECT_TRUE(check_passed(asked));
        EXPECT_TRUE(says(asked.out, "(gemm bf16x3)"));
    }
}

TEST(Gpuhost, BothWaysToScatterLearnTheSame) {
    const std::string flags = tiny_set() + " -n 9 -b 30 -e 2 --scatter ";
    EXPECT_EQ(learned(run_gpuhost(3, flags + "every-step")),
              learned(run_gpuhost(3, flags + "once")));
}

TEST(Gpuhost, ASetThatDoesNotFitIsScatteredEveryStep) {
    // The 2000 images take 1.6 MB, and as much again in the order of an epoch.
    const std::string flags = first_images(2000, 20) + " -n 4 -b 250 -e 1 --scatter once";
    const Result narrow = run_gpuhost(2, flags, "GPUHOST_MEMORY=2000000");
    const Result wide = run_gpuhost(2, flags);
    EXPECT_EQ(learned(narrow), learned(wide));
    EXPECT_TRUE(says(wide.out, "scattered once"));
    EXPECT_TRUE(says(narrow.out, "every step")) << "a run that does not do as it was asked says so";
}

TEST(Gpuhost, TooLittleDeviceMemoryEndsEveryRank) {
    const Result result = run_gpuhost(2, tiny_set() + " -n 9 -e 1", "GPUHOST_MEMORY=100000");
    EXPECT_EQ(result.code, 3);
    EXPECT_EQ(result.out, "");
    const std::vector<std::string> lines = lines_of(result.err);
    ASSERT_FALSE(lines.empty());
    for (const std::string& line : lines) {  // one from each rank that came so far
        EXPECT_TRUE(line.starts_with("main: rank ")) << line;
        for (const char* part : {"cudaMalloc", "out of memory", "-b"})
            EXPECT_TRUE(says(line, part));
    }
}

}  // namespace
