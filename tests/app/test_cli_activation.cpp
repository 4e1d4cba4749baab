// test_cli_activation.cpp: --activation, and every command that reads the file of such a network.
#include "tests/support/cli_fixture.h"

namespace {

/// Trains with tanh; returns what the run printed.
const Result& trained_tanh() {
    static const Result run = run_main(small_set() + " -n 16 -e 4 --activation tanh --save " +
                                       scratch("tanh.safetensors").string());
    return run;
}
std::string tanh_file() { return scratch("tanh.safetensors").string(); }

TEST(Activation, OfAFileIsWhatTrainEvaluateAndInspectComputeByAndName) {
    ASSERT_TRUE(succeeded(trained_tanh()));
    const std::string accuracy = lines_with("# test accuracy", trained_tanh().out).front();
    const Result more = run_main(small_set() + " -e 1 -l 0 --load " + tanh_file());
    EXPECT_TRUE(succeeded(more));
    EXPECT_EQ(lines_with("# test accuracy", more.out).front(), accuracy);
    EXPECT_TRUE(says(more.out, "; tanh units; "));
    const Result seen = run_main("evaluate --load " + tanh_file() + " " + small_set());
    const std::string percent = accuracy.substr(0, accuracy.find(" %"));
    EXPECT_TRUE(says(seen.out, "accuracy  " + percent.substr(percent.rfind(' ') + 1) + " %"));
    EXPECT_TRUE(says(run_main("inspect " + tanh_file()).out, "\n  activation           tanh\n"));
}

TEST(Activation, OfAFileSetsTheRateWhereNoFlagDoes) {
    ASSERT_TRUE(succeeded(trained_tanh()));
    const std::string load = small_set() + " -e 1 --load " + tanh_file();
    EXPECT_TRUE(says(run_main(load).out, ", rate 0.3 x "));
    EXPECT_TRUE(says(run_main(load + " -l 0.07").out, ", rate 0.07 x "));
}

TEST(Activation, OfACheckpointMustBeTheRuns) {
    const std::string run = small_set() + " -n 8 -l 0.1 --init-scale 0.1 --checkpoint " +
                            scratch("relus").string() + " --activation ";
    ASSERT_TRUE(succeeded(run_main(run + "relu -e 1")));
    EXPECT_TRUE(refused(run_main(run + "tanh -e 2 --resume"), 2, "", "activation"));
    EXPECT_TRUE(succeeded(run_main(run + "relu -e 2 --resume")));
}

TEST(Activation, OfAFileThatIsUnknownIsRefused) {
    ASSERT_TRUE(succeeded(trained_tanh()));
    std::string bytes = read_text(tanh_file());
    const std::string known = "\"activation\":\"tanh\"";
    ASSERT_NE(bytes.find(known), std::string::npos);
    bytes.replace(bytes.find(known), known.size(), "\"activation\":\"gelu\"");
    const std::string file = scratch("gelu.safetensors").string();
    std::ofstream(file, std::ios::binary) << bytes;
    for (const std::string command : {"--load ", "evaluate --load ", "inspect "})
        EXPECT_TRUE(refused(run_main(command + file), 2, "", "gelu")) << command;
}

/// By two ranks, which share one replica.
TEST(Activation, IsComparedWithTheReference) {
    for (const char* activation : {"tanh", "relu"})
        EXPECT_TRUE(
            check_passed(run_main(small_set() + " -n 16 -e 2 -s --activation " + activation, 2)));
}

}  // namespace
