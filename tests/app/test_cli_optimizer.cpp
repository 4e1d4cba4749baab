// test_cli_optimizer.cpp: the flags of the update and of the learning rate.
#include "tests/support/cli_fixture.h"

namespace {

/// By two ranks, which share one replica.
TEST(Optimizer, IsComparedWithTheReference) {
    for (const char* flags : {"momentum", "nesterov --schedule cosine", "adam --warmup 9",
                              "adamw -r 0.01 --schedule onecycle"})
        EXPECT_TRUE(check_passed(
            run_main(small_set() + " --device cpu -n 16 -e 2 -s --optimizer " + flags, 2)))
            << flags;
}

TEST(Optimizer, IsInTheBanner) {
    const Result run = run_main(small_set() + " -n 8 -e 1 --optimizer adam --beta1 0.5");
    EXPECT_TRUE(says(run.out, ", rate 0.002 x 0.88 each epoch, "));
    EXPECT_TRUE(says(run.out, "\n# update     adam, beta1 0.5, beta2 0.999, epsilon 1e-08\n"));
}

TEST(Optimizer, MomentsAreInCheckpointsAloneAndAResumeEndsInTheSameBits) {
    for (const std::string rule : {"nesterov", "adam"}) {
        const std::string flags = small_set() + " --device cpu -n 16 --optimizer " + rule;
        const fs::path folder = scratch(rule + "-state"), whole = scratch(rule + "-whole"),
                       resumed = scratch(rule + "-resumed");
        ASSERT_TRUE(succeeded(run_main(flags + " -e 4 --save " + whole.string())));
        const std::string parts =
            flags + " --checkpoint " + folder.string() + " --resume --save " + resumed.string();
        ASSERT_TRUE(succeeded(run_main(parts + " -e 2")));
        ASSERT_TRUE(succeeded(run_main(parts + " -e 4", 2)));
        EXPECT_TRUE(same_bits(whole, resumed)) << rule;
        const std::string moment = rule == "adam" ? "\"exp_avg_sq.W1\"" : "\"velocity.W1\"";
        EXPECT_FALSE(says(read_text(whole), moment));
        EXPECT_TRUE(says(read_text(folder / "checkpoint-000004-000000000.safetensors"), moment));
    }
}

/// A file holds the settings of every rule, as --resume compares them.
TEST(Optimizer, IsInspectedWithTheNumbersOfItsRuleAlone) {
    const struct {
        const char *rule, *told, *untold[3];
    } cases[] = {
        {"sgd", "\n  optimizer            sgd", {"\n  momentum", "\n  beta1", "\n  epsilon"}},
        {"momentum", "\n  momentum             0.9", {"\n  beta1", "\n  beta2", "\n  epsilon"}},
        {"adam", "\n  beta1                0.9", {"\n  momentum", "velocity", "nesterov"}}};
    for (const auto& c : cases) {
        const fs::path file = scratch(c.rule + std::string("-inspected"));
        ASSERT_TRUE(succeeded(run_main(small_set() + " -n 8 -e 1 --optimizer " + c.rule +
                                       " --save " + file.string())));
        const Result seen = run_main("inspect " + file.string());
        EXPECT_TRUE(says(seen.out, c.told));
        for (const char* other : c.untold) EXPECT_FALSE(says(seen.out, other)) << c.rule;
    }
}

TEST(Optimizer, OfACheckpointAndTheEndOfItsScheduleMustBeTheRuns) {
    const std::string run = small_set() + " -n 8 -l 0.01 --checkpoint " +
                            scratch("cosine").string() + " --schedule cosine --optimizer ";
    ASSERT_TRUE(succeeded(run_main(run + "adam -e 2")));
    EXPECT_TRUE(refused(run_main(run + "adamw -e 2 --resume"), 2, "",
                        "its optimizer was \"adam\", not \"adamw\""));
    EXPECT_TRUE(refused(run_main(run + "adam -e 3 --resume"), 2, "", "epochs was 2, not 3"));
}

TEST(Optimizer, RefusesNumbersOfAnotherRuleOrSchedule) {
    const struct {
        const char *flags, *named;
    } cases[] = {
        {"--momentum 0.5", "--momentum is for --optimizer momentum and nesterov"},
        {"--optimizer momentum --beta1 0.5", "--beta1 is for --optimizer adam and adamw"},
        {"--schedule cosine --lr-decay 0.5", "--lr-decay is for --schedule decay and step"},
        {"--decay-every 2", "--decay-every is for --schedule step"},
        {"--optimizer adam --beta2 1", "--beta2"},
        {"--optimizer adam --epsilon 0", "--epsilon"}};
    for (const auto& c : cases) EXPECT_TRUE(refused(run_main(c.flags), 2, "", c.named)) << c.flags;
}

}  // namespace
