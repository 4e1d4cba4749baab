// test_cli_tables.cpp: tables from the command line, and sets that hold out samples of their own.
#include "tests/support/cli_fixture.h"

namespace {

/// A table of `rows` samples of two inputs and a class, which is 1 where the inputs differ in sign.
fs::path two_classes(const std::string& name, int rows, const std::string& heading = "") {
    const fs::path file = scratch(name);
    std::ofstream out(file);
    out << heading;
    for (int i = 0; i < rows; ++i) {
        const double x = (i * 7 % 11 - 5.1) / 5, y = (i * 5 % 13 - 6.1) / 6;
        out << x << ',' << y << ',' << (x * y < 0) << '\n';
    }
    return file;
}

// ---- what is held out ---------------------------------------------------------------------------

TEST(HeldOut, IsASixthOfATableUnlessTrainSizeSaysOtherwise) {
    const std::string table = "--csv-data " + two_classes("sixth.csv", 62).string() + " -n 2 -e 1 ";
    const struct {
        const char *flags, *data, *result;
    } cases[] = {{"", "52 training, 10 held out samples", "# held-out accuracy "},
                 {"--train-size 40", "40 training, 22 held out samples", "# held-out accuracy "},
                 {"--train-size 0", "62 training, 0 held out samples", "# training accuracy "}};
    for (const auto& c : cases) {
        const Result result = run_main(table + c.flags);
        EXPECT_TRUE(succeeded(result));
        EXPECT_TRUE(says(result.out, c.data)) << c.flags;
        EXPECT_TRUE(says(result.out, c.result)) << c.flags;
    }
}

TEST(HeldOut, IsDrawnByTheSeedOrTheLastRows) {
    const std::string table =
        "--csv-data " + two_classes("drawn.csv", 60).string() + " -n 2 -e 1 -l 0 ";
    const auto held_out = [&](const std::string& flags) {
        const Result result = run_main(table + flags);
        EXPECT_TRUE(succeeded(result));
        return lines_with("# held-out accuracy", result.out);
    };
    // At rate 0 the weights stay as they were drawn, so that only the samples decide the loss.
    const auto last = held_out("--train-size 50 --seed 4");
    EXPECT_EQ(held_out("--no-shuffle --seed 4"), last);
    EXPECT_EQ(held_out("--course --seed 4"), last);
    EXPECT_NE(held_out("--seed 4"), last);
    EXPECT_EQ(held_out("--seed 4"), held_out("--seed 4"));
}

TEST(HeldOut, IsASixthOfImagesWithoutTestFilesAlso) {
    const fs::path whole = fs::path(first_images(66, 10).substr(7)), alone = scratch("no-test");
    fs::create_directory(alone);
    for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"})
        fs::copy(whole / name, alone / name);
    const Result result = run_main("--data " + alone.string() + " -n 4 -e 1 -s", 2);
    EXPECT_TRUE(check_passed(result));
    EXPECT_TRUE(says(result.out, "55 training, 11 held out, 0 test images"));
    EXPECT_TRUE(says(result.out, "# held-out accuracy "));
    EXPECT_TRUE(says(run_main("--data " + alone.string() + " -n 4 -e 1 --train-size 60").out,
                     "60 training, 6 held out"));
    // One test file without the other is a mistake.
    fs::copy(whole / "t10k-labels-idx1-ubyte", alone / "t10k-labels-idx1-ubyte");
    expect_refused("--data " + alone.string(), "t10k-images-idx3-ubyte");
}

}  // namespace
