// test_cli.cpp: training from the command line: its help, its flags and its text.
//
// Each flag shows in what the program prints or learns; comparison and grading modes are run as the
// course does; on a terminal and in a file the text is what each can show.
#include "tests/support/cli_fixture.h"

namespace {

// ---- --help and --version -----------------------------------------------------------------------

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

// ---- what each flag does ------------------------------------------------------------------------

TEST(Flags, ShortAndLongNamesMeanTheSame) {
    const Result brief = run_main(small_set() + " -n 12,5 -b 40 -e 3 -l 0.5 -r 0.001 -p 7 -s");
    const Result full = run_main(small_set() +
                                 " --hidden 12,5 --batch 40 --epochs 3 --learning-rate 0.5"
                                 " --reg 0.001 --print-every 7 --compare");
    EXPECT_TRUE(
        says(brief.out,
             "network    784-12-5-10, 9545 parameters; sigmoid units; softmax, cross-entropy\n"));
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
                 {"--scatter every-step", "# feed scattered\n"},
                 {"--feed resident", "# feed resident\n"},
                 {"--feed scattered", "# feed scattered\n"},
                 {"--course", "# feed scattered\n"},
                 {"--course", "samples    in the file's order"},
                 {"--course --device cpu", ", 1 thread)\n"},
                 {"--scatter once", "# feed resident\n"},
                 {"--output sigmoid --loss mse", "parameters; sigmoid units; sigmoid, mse\n"},
                 {"--activation tanh", "parameters; tanh units; softmax, cross-entropy\n"},
                 {"--activation tanh", ", rate 0.3 x "},
                 {"--device cpu", "CPU ("},
                 {"--device cpu --threads 1", ", 1 thread)\n"},
                 {"--device cpu --threads 3", ", 3 threads)\n"},
                 {"--device cpu --gemm fp32", ", zeros left out, "},
                 {"--device cpu --gemm fp32 --inputs sparse", ", zeros left out, "},
                 {"--device cpu --gemm fp32 --inputs dense", ", full inputs, "},
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
    } cases[] = {{"", "all work on one replica in shared memory"},
                 {"--allreduce auto", "all work on one replica in shared memory"},
                 {"--allreduce shared", "all work on one replica in shared memory"},
                 {"--allreduce mpi", "gradients summed by MPI_Allreduce"}};
    for (const auto& c : cases) {
        const Result told = run_main(small_set() + " -n 8 -e 1 --device cpu " + c.flags, 2);
        EXPECT_TRUE(succeeded(told)) << c.flags;
        EXPECT_TRUE(says(told.out, std::string(", 2 ranks, ") + c.told + "\n"));
    }
}

TEST(Flags, SharedMemoryAndAllreduceLearnTheSameOnTwoRanks) {
    const std::string flags = small_set() + " -n 12 -e 2 -b 50 --device cpu --threads 2";
    EXPECT_EQ(learned(run_main(flags + " --allreduce shared", 2)),
              learned(run_main(flags + " --allreduce mpi", 2)));
}

TEST(Flags, GemmAutoIsBf16x3WhereItCanBeAndPays) {
    const std::string flags = small_set() + " -n 8 -e 1 --device cpu", dense = " --inverted";
    const char* const tiles = ", bf16x3 tiles, ";
    const Result asked = run_main(flags + dense + " -b 64 --gemm bf16x3");
    const Result taken = run_main(flags + dense + " -b 64");
    if (asked.code == 0) {
        EXPECT_TRUE(says(asked.out, tiles));
        EXPECT_TRUE(says(taken.out, tiles));
        EXPECT_EQ(learned(asked), learned(taken));
    } else {
        EXPECT_EQ(asked.code, 2);
        EXPECT_EQ(taken.out.find(tiles), std::string::npos) << taken.out;
    }
    const Result few = run_main(flags + dense + " -b 63"), with_zeros = run_main(flags + " -b 64");
    EXPECT_TRUE(succeeded(few));
    EXPECT_EQ(few.out.find(tiles), std::string::npos) << few.out;
    EXPECT_TRUE(says(with_zeros.out, ", zeros left out, "));
}

/// Ranks on different processors, as far as one machine can have them. Each set rounds differently:
/// with sets of their own the ranks drift apart from the first step on.
TEST(Isa, RanksThatMayTakeDifferentSetsAllTakeTheLowest) {
    const std::string flags = small_set() + " --device cpu -n 16,8 -b 50 -e 1 --save ";
    const fs::path mixed = scratch("mixed.safetensors"), low = scratch("low.safetensors");
    const std::string here = "./main " + flags + mixed.string();
    const Result both =
        run("mpirun -np 1 " + here + " --isa auto : -np 1 " + here + " --isa baseline");
    ASSERT_TRUE(succeeded(both));
    for (const std::string& rank : lines_with("# rank ", both.out))
        EXPECT_TRUE(says(rank, "CPU (baseline, "));
    ASSERT_TRUE(succeeded(run_main(flags + low.string() + " --isa baseline", 2)));
    EXPECT_TRUE(same_bits(mixed, low));
}

TEST(Isa, IsTheOneAskedForAndByItselfTheWidestThatIsNotRefused) {
    const std::string flags = small_set() + " --device cpu -n 8 -e 1 -s --isa ";
    std::string widest;
    for (const std::string isa : {"baseline", "avx2", "avx512"}) {
        const Result result = run_main(flags + isa);
        if (result.code == 2) {
            EXPECT_NE(isa, "baseline");
            EXPECT_TRUE(refused(result, 2, "", "--isa " + isa + ": rank 0 "));
            continue;
        }
        EXPECT_TRUE(check_passed(result)) << isa;
        EXPECT_TRUE(says(result.out, "CPU (" + isa + ", ")) << isa;
        widest = isa;
    }
    EXPECT_TRUE(says(run_main(flags + "auto").out, "CPU (" + widest + ", "));
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

TEST(Flags, BothFeedsLearnTheSame) {
    for (const char* order : {" --shuffle", " --no-shuffle"}) {
        const std::string flags = small_set() + " -n 8 -e 2 -b 50" + order;
        EXPECT_EQ(learned(run_main(flags + " --feed scattered", 3)),
                  learned(run_main(flags + " --feed resident", 3)))
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
    EXPECT_TRUE(says(result.out, "all work on one replica in shared memory"));
    EXPECT_EQ(lines_of(result.out).back(), "# feed resident") << "one copy has nothing to agree on";
    EXPECT_EQ(lines_with("# ranks agree", run_main(small_set() + " -n 8 -e 1").out).size(), 0u);
    EXPECT_EQ(lines_of(run_main(small_set() + " -n 8 -e 1 --allreduce mpi", 3).out).back(),
              "# ranks agree: all hold the same bits");
}

// ---- comparison and grading ---------------------------------------------------------------------

TEST(Compare, PassesAtOneTwoAndThreeRanks) {
    for (int ranks : {0, 1, 2, 3}) {
        const Result result = run_main(small_set() + " -s -n 12,9 -b 67 -e 2", ranks);
        EXPECT_TRUE(check_passed(result)) << ranks << " ranks";
        for (const char* tensor : {"# W1 ", "# b1 ", "# W2 ", "# b2 ", "# W3 ", "# b3 "})
            EXPECT_EQ(lines_with(tensor, result.out).size(), 1u) << tensor << ranks << " ranks";
        EXPECT_EQ(lines_with("CHECK ", result.out).size(), 1u) << ranks << " ranks";
    }
}

TEST(Compare, NamesThePathThatItJudged) {
    const struct {
        int ranks;
        const char *flags, *path;
    } cases[] = {{1, "", "1 rank, CPU, feed resident: "},
                 {2, "", "2 ranks, CPU, feed resident, allreduce shared: "},
                 {2, "--allreduce mpi", "2 ranks, CPU, feed resident, allreduce mpi: "},
                 {3, "--course", "3 ranks, CPU, feed scattered, allreduce mpi: "}};
    for (const auto& c : cases) {
        const Result result =
            run_main(small_set() + " -s -n 8 -e 1 --device cpu " + c.flags, c.ranks);
        EXPECT_TRUE(check_passed(result)) << c.path;
        EXPECT_TRUE(
            says(lines_of(result.out).back(), std::string("CHECK PASSED: ") + c.path +
                                                  "25 steps within rounding of the CPU reference"));
    }
}

/// At this rate, a batch of one, and this many steps, float and double part: each step is right.
TEST(Compare, PassesWhereRoundingGrows) {
    const Result result = run_main(small_set() + " -s -n 16 -b 1 -e 2");
    EXPECT_TRUE(check_passed(result));
    double whole = 0;
    const std::vector<std::string> lines = lines_with("# W1 ", result.out);
    ASSERT_EQ(lines.size(), 1u);
    ASSERT_EQ(std::sscanf(lines[0].c_str(), "# W1 16 x 784 %*f %*f %*d:%*d %lf", &whole), 1);
    if (is_float()) {
        EXPECT_GT(whole, 1e-2) << "what it passes in spite of: " << lines[0];
    }
}

/// Of a resumed run, its own steps are compared; if it has none, it says so.
TEST(Compare, OfAResumedRunIsOfItsSteps) {
    const std::string flags = small_set() + " -n 8 --checkpoint " + scratch("compared").string();
    ASSERT_TRUE(succeeded(run_main(flags + " -e 1")));
    const Result resumed = run_main(flags + " -e 3 --resume --allreduce mpi -s", 2);
    EXPECT_TRUE(check_passed(resumed));
    EXPECT_TRUE(says(resumed.out, ": 50 steps within rounding"));
    const Result nothing = run_main(flags + " -e 3 --resume --allreduce mpi -s", 2);
    EXPECT_TRUE(succeeded(nothing));
    EXPECT_TRUE(says(lines_of(nothing.out).back(), "CHECK SKIPPED: "));
    EXPECT_EQ(lines_with("# ranks agree", resumed.out).size(), 1u);
    EXPECT_EQ(lines_with("# ranks agree", nothing.out).size(), 0u) << "nothing was compared";
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
    EXPECT_TRUE(says(result.out, ", bf16x3 tiles, "));
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
    EXPECT_TRUE(says(result.out, "CHECK PASSED: 2 ranks, "));
    EXPECT_TRUE(says(result.out, "feed scattered, allreduce mpi: "));
    EXPECT_TRUE(check_passed(result));
}

TEST(Grade, FourJudgesTheGemmOnce) {
    const Result result = run_main("-g 4", 2);
    EXPECT_TRUE(check_passed(result));
    for (const char* size : {" 800 x 1000 x  784  ", " 800 x   10 x 1000  "}) {
        EXPECT_EQ(lines_with(std::string(size) + "hand-written kernel ", result.out).size(), 1u);
        const std::vector<std::string> library =
            lines_with(std::string(size) + "hand-written on CPU ", result.out);
        ASSERT_EQ(library.size(), 1u) << result.out;
        EXPECT_TRUE(says(library[0], "GFLOP/s  OK"));
    }
}

// ---- terminal and file --------------------------------------------------------------------------

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

}  // namespace
