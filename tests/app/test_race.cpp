// test_race.cpp: what a race's command line becomes, what it refuses, its table and its picture.
#include <gtest/gtest.h>

#include "app/commands/race.h"
#include "base/error.h"
#include "tests/support/words.h"

namespace {

std::string refusal_of(const Arguments& arguments) {
    try {
        parse_race(arguments, false);
    } catch (const InputError& error) {
        return error.what();
    }
    return "not refused";
}

TEST(Race, ARunHasTheFlagsOfAllAndItsOwn) {
    const RaceOptions race = parse_race({"-e", "3", "--run", "--optimizer adam", "--run",
                                         "slow: -l 0.5", "--until=97", "--run=plain:"},
                                        false)
                                 .value();
    ASSERT_EQ(race.runs.size(), 3u);
    EXPECT_EQ(race.runs[0].name, "--optimizer adam");
    EXPECT_EQ(moments_of(race.runs[0].options.training.rule), 2);
    EXPECT_EQ(race.runs[1].name, "slow");
    EXPECT_EQ(race.runs[1].options.training.rate, 0.5);
    EXPECT_EQ(race.runs[2].name, "plain");
    for (const RaceOptions::Run& run : race.runs) {
        EXPECT_EQ(run.options.training.epochs, 3);
        EXPECT_EQ(run.options.until, 97);
    }
}

TEST(Race, ARefusalNamesTheRun) {
    const std::string bad = refusal_of({"--run", "plain:", "--run", "odd: --no-such"});
    EXPECT_TRUE(says(bad, "run 2 of the race, 'odd': ")) << bad;
    for (const char* flags : {"--save x", "--checkpoint x", "-s", "--help"})
        EXPECT_TRUE(says(refusal_of({"--run", flags}), "run 1 of the race")) << flags;
    for (const std::string flag : {"--data other", "--train-size 9", "--set emnist-letters"})
        EXPECT_TRUE(says(refusal_of({"--run", "a:", "--run", "b: " + flag}),
                         flag.substr(0, flag.find(' ')) + ": the samples are not"))
            << flag;
    EXPECT_TRUE(says(refusal_of({"--run", "a: --until 97", "--run", "b: --until 98"}), "--until"));
    EXPECT_TRUE(says(refusal_of({"-e", "3"}), "at least one run"));
    EXPECT_TRUE(says(refusal_of({"--run", "a:", "--plot", "a.png"}), "ends in .svg"));
}

const std::vector<NamedHistory> runs = {{"slow", {{1, 1, 0.90, 1, 2.0}, {2, 1, 0.98, 1, 4.0}}},
                                        {"fast", {{1, 1, 0.97, 1, 3.0}}},
                                        {"none", {{1, 1, 0.50, 1, 1.0}}},
                                        {"lost", {}, true},
                                        {"late", {{1, 1, 0.99, 1, 1.5}}, true}};

TEST(Race, ItsTableTellsWhichRunWasFirstAtTheGoal) {
    const std::string table = race_table(runs, 97);
    EXPECT_TRUE(says(table, "97 % after epoch 2, 4.00 s\n"));
    EXPECT_TRUE(says(table, "97 % not reached\n"));
    EXPECT_TRUE(says(table, "# lost  diverged\n"));
    EXPECT_TRUE(says(table, "# late       1      1.50  diverged after these\n")) << table;
    EXPECT_TRUE(table.ends_with("# first      fast\n")) << table;
    EXPECT_FALSE(says(race_table(runs, 0), "# first"));
}

TEST(Race, ItsPictureHasALineForEachRunWithValuesAndEveryName) {
    const std::string svg = svg_race(runs, 97);
    for (const NamedHistory& run : runs) EXPECT_TRUE(says(svg, ">" + run.name + "</text>"));
    std::size_t lines = 0;
    for (std::size_t at = 0; (at = svg.find("<path d=\"M", at)) != std::string::npos; ++at) ++lines;
    EXPECT_EQ(lines, 9u) << "four curves, and five strokes beside the names";
}

}  // namespace
