// test_cli_reduce.cpp: the ways to sum that a user names: the banner, the bytes, a resume,
// refusals.
#include <regex>

#include "tests/support/cli_fixture.h"

namespace {

std::string small_run() { return small_set() + " --device cpu --threads 1 -n 16 "; }
constexpr double parameters = 784 * 16 + 16 + 16 * 10 + 10;

/// What the footer says of the bytes of a step.
double bytes_told(const Result& result) {
    std::smatch line;
    if (!std::regex_search(result.out, line, std::regex("\n# sent ([0-9.]+) (bytes|KB) a step")))
        return std::nan("");
    return std::stod(line[1]) * (line[2] == "KB" ? 1000 : 1);
}

TEST(Reductions, TellHowTheySumAndHowManyBytesARankGives) {
    const double whole = parameters * (is_float() ? 4 : 8);
    const struct {
        const char *flags, *told;
        double bytes;
    } cases[] = {
        {"--allreduce mpi", "gradients summed by MPI_Allreduce", whole},
        {"--allreduce ring", "gradients summed in a ring of ranks", 4.0 / 3 * whole},
        {"--allreduce tree", "gradients summed up a tree of ranks and sent down", 4.0 / 3 * whole},
        {"--allreduce overlap", "gradients summed by MPI_Iallreduce while they are computed",
         whole},
        {"--compress bf16", "gradients sent as bf16, and added", 2 * parameters},
        {"--compress int8", "gradients sent as int8, and added", parameters + 4 * 50},
        {"--compress topk:0.01", "gradients sent as topk:0.01, and added",
         128 * (is_float() ? 8.0 : 12.0)},
        {"--compress sign", "gradients sent as sign, and added", 1592 + 4 * 13}};
    for (const auto& c : cases) {
        const Result result = run_main(small_run() + "-e 1 " + c.flags, 3);
        EXPECT_TRUE(succeeded(result)) << c.flags;
        EXPECT_TRUE(says(result.out, std::string(", 3 ranks, ") + c.told + "\n"));
        EXPECT_TRUE(says(result.out, "\n# replicas   3, one a rank\n"));
        EXPECT_TRUE(says(result.out, "\n# ranks agree: all hold the same bits\n"));
        EXPECT_NEAR(bytes_told(result), c.bytes, 0.005 * c.bytes) << "told by three digits";
    }
    EXPECT_TRUE(std::isnan(bytes_told(run_main(small_run() + "-e 1", 2)))) << "nothing is sent";
}

TEST(Reductions, ByHandPassTheCheck) {
    for (const char* flags : {"--allreduce ring", "--allreduce tree"})
        EXPECT_TRUE(check_passed(run_main(small_run() + "-e 1 -s " + flags, 3))) << flags;
}

TEST(Reductions, ThatGoOnMeanwhilePassTheCheckAndTellWhatIsHidden) {
    const Result result = run_main(small_run() + "-e 1 -s --allreduce overlap --bucket-size 9", 3);
    EXPECT_TRUE(check_passed(result));
    EXPECT_TRUE(std::regex_search(
        result.out, std::regex("\n# hidden [0-9]+ % of the time in which sums were under way: ")));
    EXPECT_FALSE(says(run_main(small_run() + "-e 1 --allreduce mpi", 2).out, "# hidden"));
}

TEST(Reductions, OfAnotherOrderAreNamedAtAResume) {
    const std::string flags =
        small_run() + "--resume --checkpoint " + scratch("ring-state").string();
    ASSERT_TRUE(succeeded(run_main(flags + " -e 1 --allreduce ring", 2)));
    const Result alike = run_main(flags + " -e 2 --allreduce ring", 2);
    EXPECT_FALSE(says(alike.out, "# rounding"));
    EXPECT_TRUE(says(run_main(flags + " -e 3 --allreduce tree", 2).out,
                     "# rounding   not as in the checkpoint's run: sums ring, now tree\n"));
}

/// A checkpoint has what each rank has not sent yet.
TEST(Compression, ResumesToTheSameBits) {
    for (const std::string codec : {"int8", "topk:0.02"}) {
        const fs::path whole = scratch("whole-" + codec), parts = scratch("parts-" + codec);
        const std::string flags = small_run() + "--optimizer momentum --compress " + codec;
        ASSERT_TRUE(succeeded(run_main(flags + " -e 3 --save " + whole.string(), 2)));
        const std::string kept = flags + " --save " + parts.string() + " --resume --checkpoint " +
                                 scratch("state-" + codec).string();
        ASSERT_TRUE(succeeded(run_main(kept + " -e 1", 2)));
        ASSERT_TRUE(succeeded(run_main(kept + " -e 3", 2)));
        EXPECT_TRUE(same_bits(whole, parts)) << codec;
    }
}

TEST(Compression, LeavesResidualsOfOtherRanksOutAndSaysSo) {
    const std::string flags =
        small_run() + "--compress int8 --resume --checkpoint " + scratch("fewer").string();
    ASSERT_TRUE(succeeded(run_main(flags + " -e 1", 2)));
    const Result three = run_main(flags + " -e 2", 3);
    EXPECT_TRUE(succeeded(three));
    EXPECT_TRUE(says(three.out,
                     "the checkpoint is of 2 ranks, and there are 3 now; what "
                     "--compress had not sent of the gradients is lost\n"));
    EXPECT_TRUE(refused(run_main(small_run() + "--compress sign --resume -e 3 --checkpoint " +
                                     scratch("fewer").string(),
                                 3),
                        2, "", "compress"))
        << "another codec's run";
}

TEST(Compression, IsRefusedWhereThereIsNothingToSend) {
    for (const char* flags :
         {"--compress int8", "--allreduce ring", "--allreduce tree", "--allreduce overlap"}) {
        const Result alone = run_main(small_run() + "-e 1 " + flags);
        EXPECT_TRUE(refused(alone, 2, "", flags));
        EXPECT_TRUE(says(alone.err, "there is one rank, so there is one replica and nothing to "));
    }
}

}  // namespace
