// test_table_reader.cpp: what is a table is read to the bit, and the first wrong line is named.
#include "input/table_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/file_fixture.h"

namespace {

using Numbers = std::vector<nn_real>;

SampleSet numbers(std::string_view text, int targets = 1) {
    return parse_table(text, "table", targets, false);
}
SampleSet classes(std::string_view text) { return parse_table(text, "table", 1, true); }

void expect_refused(const std::string& text, const std::vector<std::string>& parts,
                    int targets = 1) {
    SCOPED_TRACE(text.substr(0, 100));
    expect_refusal([&] { numbers(text, targets); }, parts);
}

TEST(Table, OfNumbersIsASampleARow) {
    const SampleSet set = numbers("1,2,3,4\n5,6,7,8\n9,10,11,12\n", 2);
    EXPECT_EQ(set.rows, 2);
    EXPECT_EQ(set.cols, 1);
    EXPECT_EQ(set.classes, 2);
    EXPECT_EQ(set.count(), 3u);
    EXPECT_EQ(set.inputs, (Numbers{1, 2, 5, 6, 9, 10}));
    EXPECT_EQ(set.targets, (Numbers{3, 4, 7, 8, 11, 12}));
    EXPECT_TRUE(set.labels.empty());
    EXPECT_TRUE(set.pixels.empty());
}

TEST(Table, OfClassesHasLabels) {
    const SampleSet set = classes("0.5,2\n0.25,0\n1,2.0\n");
    EXPECT_EQ(set.rows, 1);
    EXPECT_EQ(set.classes, 3);
    EXPECT_EQ(set.count(), 3u);
    EXPECT_EQ(set.labels, (std::vector<std::uint8_t>{2, 0, 2}));
    EXPECT_TRUE(set.targets.empty());
    EXPECT_EQ(classes("1,255").classes, 256);
}

TEST(Table, MayHaveAHeadingCommentsEmptyLinesSpacesAndAnyLineEnd) {
    const Numbers inputs{1, 3}, targets{2, 4};
    for (const char* text :
         {"1,2\n3,4", "x, y\n1,2\n3,4\n", "# from here\n\n  \nx,y\n# and there\n1,2\n3,4\n\n",
          "\"x\",\"y\"\r\n1,2\r\n3,4\r\n",
          "\xef\xbb\xbf"
          "1,2\n3,4",
          " 1 ,\t2 \n3 , 4"}) {
        const SampleSet set = numbers(text);
        EXPECT_EQ(set.inputs, inputs) << text;
        EXPECT_EQ(set.targets, targets) << text;
    }
}

TEST(Table, IsRoundedOnceFromItsText) {
    // Halfway between two floats by its first 17 digits, and above it by a later one: by way of
    // double it would be rounded down.
    const SampleSet set = numbers("1.00000005960464477540,1.00000011920928955078125");
    EXPECT_EQ(set.inputs[0],
              sizeof(nn_real) == 4 ? nn_real(1 + 0x1p-23) : nn_real(1.00000005960464477540));
    EXPECT_EQ(set.targets[0], nn_real(1 + 0x1p-23));
    EXPECT_EQ(numbers("-1e-3,1E2").inputs[0], nn_real(-1e-3));
    const nn_real tiny = static_cast<nn_real>(1e-50);  // 0 as a float
    EXPECT_EQ(numbers("1e-50,1").inputs[0], tiny);
}

TEST(Table, WithAWrongLineIsRefusedByItsNumber) {
    expect_refused("a,b\n1,2\n\n3\n", {"table line 4", "2 columns", "found 1"});
    expect_refused("1,2\n3,4,\n", {"table line 2", "2 columns", "found 3"});
    expect_refused("a,b,c\n1,2\n", {"table line 2", "3 columns"});
    expect_refused("1,x\n3,4\n", {"table line 1", "column 2", "\"x\""});
    for (const char* bad : {"", "nan", "inf", "-inf", "1e", "0x1", "1.5f", "+1", "1 2", "1;2",
                            "--1", "\"1\"", "1e99999"})
        expect_refused("1,2\n3," + std::string(bad) + "\n",
                       {"table line 2", "finite number in column 2"});
    expect_refused("1,2\n1\r,2\n", {"table line 2", "\"1?\""});
    expect_refused("1,2\n\x1b[31m,2\n", {"\"?[31m\""});
    expect_refused(std::string("1,2\n1\0,2\n", 9), {"\"1?\""});
    if (sizeof(nn_real) == 4) expect_refused("1,2\n1e39,2\n", {"type float", "1e39"});
}

TEST(Table, WithoutSamplesOrInputsIsRefused) {
    expect_refused("", {"a sample in each line", "none"});
    expect_refused("a,b\n# nothing\n", {"none"});
    expect_refused("1\n2\n", {"more than the 1 target columns", "1 column"});
    expect_refused("1;2;3\n", {"commas"});
    expect_refused("1,2\n", {"more than the 2 target columns", "2 columns"}, 2);
    expect_refused("1,2\n", {"at least one target column", "found 0"}, 0);
    expect_refusal([] { parse_table("1,2,3\n", "table", 2, true); }, {"one target column"});
}

TEST(Table, OfTooManyInputsIsRefused) {
    std::string row = "1";
    for (int i = 0; i < 1 << 20; ++i) row += ",1";
    EXPECT_EQ(numbers(row).features(), std::size_t{1} << 20);
    expect_refused(row + ",1", {"at most 1048576 inputs", "found 1048577"});
}

TEST(Table, OfClassesRefusesWhatIsNoClass) {
    for (const char* bad : {"-1", "256", "1.5", "1e9"})
        expect_refusal([&] { classes("1,0\n1," + std::string(bad)); },
                       {"table line 2", "class number 0, 1, ... 255 in column 2", bad});
}

TEST(Table, IsReadFromAFile) {
    TemporaryDirectory dir;
    EXPECT_EQ(read_table(dir.write("t.csv", {'1', ',', '2'}), 1, false).targets, Numbers{2});
    expect_refusal([&] { read_table(dir.path / "none.csv", 1, false); },
                   {"none.csv", "a table", "No such file"});
}

}  // namespace
