// test_settings.cpp: every difference between the settings of two ranks is found and named.
#include <gtest/gtest.h>

#include <set>

#include "app/cli/flags.h"
#include "app/commands/commands.h"
#include "tests/support/words.h"

namespace {

/// The settings of this command line, as the rank exchanges them.
std::string told(const std::string& words) {
    return settings_text(parse_command(split_words(words), false).value().settings);
}
std::string difference(const std::string& rank_0, const std::string& rank_1) {
    return difference_of_settings({rank_0, rank_1});
}

TEST(Settings, AreTheSameHoweverAFlagIsWritten) {
    EXPECT_EQ(told(""), told("train"));
    EXPECT_EQ(told("-b 24 -n 12,5"), told("--hidden 12,5 --batch=24")) << "24 is the default";
    EXPECT_EQ(told("-l 0.5"), told("-l 5e-1"));
}

/// A flag of each type, and of each command.
TEST(Settings, NameTheFlagAndItsTwoValues) {
    const struct {
        const char *rank_0, *rank_1, *words;
    } cases[] = {
        {"-l 0.5", "-l 0.9", "--learning-rate is 0.5 on rank 0 and 0.9 on rank 1"},
        {"-n 16", "-n 32,8", "--hidden is [16] on rank 0 and [32,8] on rank 1"},
        {"", "--loss mse --output sigmoid", "--output is \"softmax\" on rank 0 and \"sigmoid\" on"},
        {"-s", "", "--compare is true on rank 0 and false on rank 1"},
        {"--no-shuffle", "", "--shuffle is false on rank 0 and true on rank 1"},
        {"--data a", "--csv-data b", "--data is \"a\" on rank 0 and \"data\" on rank 1"},
        {"--seed 18446744073709551615", "--seed 18446744073709551614",
         "--seed is 18446744073709551615 on rank 0 and 18446744073709551614 on rank 1"},
        {"grade 1", "grade 2", "MODE is 1 on rank 0 and 2 on rank 1"},
        {"demo xor", "demo xor --csv a", "--csv is \"\" on rank 0 and \"a\" on rank 1"},
        {"predict --load m a.png", "predict --load m b.png", "IMAGES is [\"a.png\"] on rank 0 and"},
        {"evaluate --load m", "evaluate --load n", "--load is \"m\" on rank 0 and \"n\" on rank 1"},
        {"inspect a", "inspect a --json", "--json is false on rank 0 and true on rank 1"},
        {"", "inspect a", "the command is train on rank 0 and inspect on rank 1"}};
    for (const auto& c : cases)
        EXPECT_TRUE(says(difference(told(c.rank_0), told(c.rank_1)), c.words));
}

/// Which flags may differ stands in docs/cluster.md.
TEST(Settings, TellAllFlagsOfATrainingButThoseOfOneRank) {
    std::set<std::string> found,
        expected = {"the version", "the type of the numbers", "the command", "--separate-runs"};
    TrainOptions options;
    for (const TrainFlag& flag : train_flags(options)) expected.insert(flag.long_name());
    for (const char* own : {"--threads", "--isa"}) EXPECT_EQ(expected.erase(own), 1u);
    for (const std::string& line : lines_of(told("")))
        found.insert(line.substr(0, line.find('\t')));
    EXPECT_EQ(found, expected);
    EXPECT_EQ(told("--threads 3 --isa baseline"), told("--threads 2"));
}

TEST(Settings, OfAnyOtherRankAreComparedWithRankZeros) {
    EXPECT_EQ(difference_of_settings({"a\t1\n", "a\t1\n", "a\t1\n"}), "");
    EXPECT_EQ(difference_of_settings({"a\t1\n", "a\t1\n", "a\t2\n"}),
              "a is 1 on rank 0 and 2 on rank 2");
}

/// Texts of other versions may have other lines, or be no lines at all.
TEST(Settings, OfAnotherBinaryAreADifference) {
    EXPECT_EQ(difference("the version\t1\na\t1\n", "the version\t2\n"),
              "the version is 1 on rank 0 and 2 on rank 1");
    EXPECT_EQ(difference("a\t1\nb\t2\n", "a\t1\n"), "b is 2 on rank 0, and rank 1 has none");
    EXPECT_EQ(difference("a\t1\n", "a\t1\nb\t2\n"), "b is 2 on rank 1, and rank 0 has none");
    EXPECT_NE(difference("a\t1\nb\t2\n", "b\t2\na\t1\n"), "");
    for (const std::string other : {"", "\n", "a", "a\t", "\t1", "a\t1\t\n", "a\t1"}) {
        const std::string words = difference("a\t1\n", other);
        EXPECT_NE(words, "") << "'" << other << "'";
        EXPECT_EQ(words.find_first_of("\n\t"), std::string::npos) << words;
    }
}

TEST(Settings, AreCutInAMessage) {
    const std::string words =
        difference("a\t" + std::string(1000, 'x') + "\n", "a\t" + std::string(1000, 'y') + "\n");
    EXPECT_LT(words.size(), 200u);
}

}  // namespace
