// test_table_reader.cpp: what is a table is read to the bit, and the first wrong line is named.
#include "input/table_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/file_fixture.h"

namespace {

using Numbers = std::vector<nn_real>;

/// The last `targets` columns are numbers.
TableWish of_numbers(int targets = 1) {
    return {.target = "-" + std::to_string(targets) + "..-1", .class_numbers = false};
}
SampleSet numbers(std::string_view text, int targets = 1) {
    return parse_table(text, "table", of_numbers(targets)).set;
}
Table table_of(std::string_view text, const std::string& target = "") {
    return parse_table(text, "table", TableWish{.target = target});
}
SampleSet classes(std::string_view text) { return table_of(text).set; }
std::vector<int> labels(const SampleSet& set) { return {set.labels.begin(), set.labels.end()}; }

void expect_refused(const std::string& text, const std::vector<std::string>& parts,
                    int targets = 1) {
    SCOPED_TRACE(text.substr(0, 100));
    expect_refusal([&] { numbers(text, targets); }, parts);
}

using Names = std::vector<std::string>;
using Labels = std::vector<int>;

// ---- samples ------------------------------------------------------------------------------------

TEST(Table, OfNumbersIsASampleARow) {
    const SampleSet set = numbers("1,2,3,4\n5,6,7,8\n9,10,11,12\n", 2);
    EXPECT_EQ(set.rows, 2);
    EXPECT_EQ(set.cols, 1);
    EXPECT_EQ(set.classes, 2);
    EXPECT_EQ(set.count(), 3u);
    EXPECT_EQ(set.inputs, (Numbers{1, 2, 5, 6, 9, 10}));
    EXPECT_EQ(set.targets, (Numbers{3, 4, 7, 8, 11, 12}));
    EXPECT_EQ(set.format, (SampleFormat{.number_inputs = true, .number_targets = true}));
    EXPECT_TRUE(set.labels.empty());
    EXPECT_TRUE(set.pixels.empty());
}

TEST(Table, OfClassesHasLabels) {
    const SampleSet set = classes("0.5,2\n0.25,0\n1,2.0\n");
    EXPECT_EQ(set.rows, 1);
    EXPECT_EQ(set.classes, 3);
    EXPECT_EQ(set.count(), 3u);
    EXPECT_EQ(labels(set), (Labels{2, 0, 2}));
    EXPECT_EQ(set.class_names, Names{});
    EXPECT_EQ(set.format, (SampleFormat{.number_inputs = true}));
    EXPECT_TRUE(set.targets.empty());
    EXPECT_EQ(classes("1,255").classes, 256);
}

TEST(Table, OfNamesHasSortedClasses) {
    for (const bool class_numbers : {true, false}) {
        const SampleSet set = parse_table("x,kind\n1, red \n2,blue\n3,\"red\"\n4,\"gr, een\"\n",
                                          "table", TableWish{.class_numbers = class_numbers})
                                  .set;
        EXPECT_EQ(set.class_names, (Names{"blue", "gr, een", "red"}));
        EXPECT_EQ(labels(set), (Labels{2, 0, 2, 1}));
        EXPECT_EQ(set.classes, 3);
        EXPECT_EQ(set.inputs, (Numbers{1, 2, 3, 4}));
    }
    EXPECT_EQ(classes("1,a\n2,b\n3,7\n").class_names, (Names{"7", "a", "b"}));
    expect_refusal([] { classes("1,7\n2,7\n3,7a\n"); }, {"table line 3", "column 2", "\"7a\""});
    EXPECT_EQ(classes("1,\xe9\n2,b\n").class_names, (Names{"b", "\xef\xbf\xbd"}))
        << "a model file holds UTF-8 alone";
}

TEST(Table, HasItsTargetWhereItWasWished) {
    const Table first = table_of("label,a,b\n2,1,0.5\n0,3,4\n", "label");
    EXPECT_EQ(labels(first.set), (Labels{2, 0}));
    EXPECT_EQ(first.set.inputs, (Numbers{1, nn_real(0.5), 3, 4}));
    EXPECT_EQ(first.columns.names, (Names{"label", "a", "b"}));
    EXPECT_EQ(first.columns.targets, std::vector<std::size_t>{0});
    const SampleSet two = parse_table("1,2,3\n4,5,7\n", "table", TableWish{"3,1", false}).set;
    EXPECT_EQ(two.targets, (Numbers{3, 1, 7, 4})) << "in the order of the wish";
    EXPECT_EQ(two.inputs, (Numbers{2, 5}));
}

TEST(Table, WhoseHeadingCallsAnotherColumnTheTargetIsRefusedWithoutAWish) {
    for (const char* name : {"label", "Class", "TARGET", "y"})
        expect_refusal([&] { table_of(std::string(name) + ",a\n0,1\n1,2\n"); },
                       {"table", std::string("column 1 \"") + name + "\"", "column 2 \"a\"",
                        std::string("--target ") + name, "--target -1"});
    EXPECT_EQ(labels(table_of("label,a\n0,1\n1,2\n", "-1").set), (Labels{1, 2}));
    EXPECT_EQ(labels(table_of("y,class\n7,1\n8,2\n").set), (Labels{1, 2}));
}

// ---- the first row ------------------------------------------------------------------------------

TEST(Table, MayHaveAHeadingCommentsEmptyLinesSpacesAndAnyLineEnd) {
    const Numbers inputs{1, 3}, targets{2, 4};
    for (const char* text :
         {"1,2\n3,4", "x, y\n1,2\n3,4\n", "# from here\n\n  \nx,y\n# and there\n1,2\n3,4\n\n",
          "\"x\",\"y\"\r\n1,2\r\n3,4\r\n", "1,2\r3,4\r", "\"1\",\" 2\"\n+3,4\n", "1;2\n3;4\n",
          "1\t2\n3\t4\n",
          "\xef\xbb\xbf"
          "1,2\n3,4",
          " 1 ,\t2 \n3 , 4"}) {
        const SampleSet set = numbers(text);
        EXPECT_EQ(set.inputs, inputs) << text;
        EXPECT_EQ(set.targets, targets) << text;
    }
}

TEST(Table, HasAHeadingWhereNumbersCountUpAndTheRowsBelowDoNot) {
    const std::string rows = "5.1,3.5,1.4,0\n6.2,2.9,4.3,1\n5.9,3.0,5.1,2\n";
    for (const char* heading : {"0,1,2,3", "1,2,3,4", "2019,2020,2021,2022"}) {
        const Table table = table_of(std::string(heading) + "\n" + rows);
        EXPECT_EQ(table.set.count(), 3u) << heading;
        EXPECT_EQ(labels(table.set), (Labels{0, 1, 2})) << heading;
        EXPECT_EQ(table.columns.names.size(), 4u);
        ASSERT_EQ(table.notes.size(), 1u);
        EXPECT_NE(table.notes[0].find("table line 1"), std::string::npos) << table.notes[0];
    }
    // With a name over numbers there is no doubt.
    const Table named = table_of("0,1,2,label\n" + rows);
    EXPECT_EQ(named.set.count(), 3u);
    EXPECT_EQ(named.notes, Names{});
    const Table of_names = table_of("0,1,2,3\n5.1,3.5,9,x\n6.2,2.9,8,y\n6.1,2.8,7,y\n");
    EXPECT_EQ(of_names.set.count(), 3u);
    EXPECT_EQ(of_names.set.class_names, (Names{"x", "y"}));
}

TEST(Table, HasNoHeadingWhereNumbersCountUpByChance) {
    const Table counting = table_of("1,2,3,4\n5,6,7,8\n9,10,11,12\n");
    EXPECT_EQ(counting.set.count(), 3u);
    // 0, 1, 2 is between the values below it.
    const Table between = table_of("0,1,2\n0,3,1\n2,0,5\n");
    EXPECT_EQ(between.set.inputs, (Numbers{0, 1, 0, 3, 2, 0})) << "in the order of the rows";
    EXPECT_EQ(labels(between.set), (Labels{2, 1, 5}));
    EXPECT_EQ(between.notes, Names{});
    EXPECT_EQ(between.columns.names, Names{});
    EXPECT_EQ(numbers("0,1,2\n0,3,1\n2,0,5\n").targets, (Numbers{2, 1, 5}));
    const Table of_names = table_of("0,1,2,x\n0,1,5,y\n0,1,2,x\n");
    EXPECT_EQ(of_names.set.count(), 3u);
    EXPECT_EQ(table_of("1,2\n9,9\n8,0\n").set.count(), 3u) << "two numbers are too few";
    EXPECT_EQ(table_of("1,2,3\n").set.count(), 1u) << "nothing to compare with";
    EXPECT_EQ(table_of("1,2,3\n7,7,7\n8,8,8\n").set.count(), 3u) << "too little";
}

TEST(Table, IsHeadedByWhatWasWishedByName) {
    const Table table = table_of("1990,1995,kind\n1,2,x\n3,4,y\n", "kind");
    EXPECT_EQ(table.set.count(), 2u);
    EXPECT_EQ(table.columns.names, (Names{"1990", "1995", "kind"}));
    expect_refusal([] { table_of("1,2\n3,4\n", "kind"); }, {"\"kind\"", "no heading"});
}

TEST(Table, HasNoNamesWhereTheHeadingHasOneTwice) {
    const Table table = table_of("x,x,y\n1,2,0\n3,4,1\n");
    EXPECT_EQ(table.set.count(), 2u);
    EXPECT_EQ(table.columns.names, Names{});
}

// ---- numbers ------------------------------------------------------------------------------------

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
    for (const char* bad : {"", "nan", "inf", "-inf", "1e", "0x1", "1.5f", "1 2", "1;2", "--1",
                            "+-1", "++1", "\"1\"\"\"", "1e99999"})
        expect_refused("1,2\n3," + std::string(bad) + "\n",
                       {"table line 2", "finite number in column 2"});
    expect_refused("1,2\n1\r,2\n", {"table line 2", "2 columns", "found 1"});
    expect_refused("5,1;2\n3,1;4\n", {"column 1", "\"5,1\"", "with a point"});
    expect_refused("1,2\n\x1b[31m,2\n", {"\"?[31m\""});
    expect_refused(std::string("1,2\n1\0,2\n", 9), {"\"1?\""});
    if (sizeof(nn_real) == 4) expect_refused("1,2\n1e39,2\n", {"type float", "1e39"});
}

TEST(Table, WithoutSamplesOrInputsIsRefused) {
    expect_refused("", {"a sample in each row", "none"});
    expect_refused("a,b\n# nothing\n", {"none"});
    expect_refused("1\n2\n", {"at least 2 columns: 1 target", "found 1", "commas"});
    expect_refused("1 2 3\n", {"found 1", "commas, semicolons or tabs"});
    expect_refused("1,2\n", {"2 columns", "--target -3"}, 3);
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
    for (const char* rows : {"1,0\n1,\n", "1,a\n1, \n"})
        expect_refusal([&] { classes(rows); }, {"table line 2", "column 2", "\"\""});
    std::string many;
    for (int i = 0; i < 257; ++i) many += "1,n" + std::to_string(i) + "\n";
    expect_refusal([&] { classes(many); }, {"table line 257", "at most 256", "n256"});
    expect_refusal([&] { numbers("1,2,x\n", 2); }, {"a finite number in column 3", "\"x\""});
    for (const std::string gap : {"", " ", "NA", "NaN", "?"})
        expect_refusal([&] { numbers("1,2,3\n4," + gap + ",6\n", 2); },
                       {"line 2", "column 2", "a value is missing: fill the gap in"});
}

// ---- tables for a network -----------------------------------------------------------------------

/// A network of two inputs and three classes that was trained on columns x, y and kind.
TableOfNetwork network(bool with_targets, Names class_names = {"a", "b", "c"}) {
    return {{3, {"kind", "x", "y"}, {0}}, std::move(class_names), 2, 3, with_targets};
}

TEST(TableOfANetwork, HasItsColumnsAndItsClasses) {
    const SampleSet set =
        parse_table("y,id,kind,x\n1,7,c,2\n3,8,a,4\n", "table", network(true)).set;
    EXPECT_EQ(set.inputs, (Numbers{2, 1, 4, 3}));
    EXPECT_EQ(labels(set), (Labels{2, 0}));
    EXPECT_EQ(set.classes, 3);
    EXPECT_EQ(set.class_names, (Names{"a", "b", "c"}));
    EXPECT_EQ(labels(parse_table("2,1,1\n", "table", network(true, {})).set), Labels{2});
}

TEST(TableOfANetwork, WithoutTargetsHasInputsAlone) {
    for (const char* text : {"x,y\n1,2\n3,4\n", "1,2\n3,4\n", "kind,x,y\n,1,2\nz,3,4\n"}) {
        const SampleSet set = parse_table(text, "table", network(false)).set;
        EXPECT_EQ(set.inputs, (Numbers{1, 2, 3, 4})) << text;
        EXPECT_EQ(set.count(), 2u);
        EXPECT_TRUE(set.format.without_targets);
        EXPECT_EQ(set.classes, 0);
        EXPECT_EQ(set.class_names, Names{});
    }
    // The names of its inputs are a heading, even if they are numbers.
    const TableOfNetwork numbered{{3, {"0", "1", "2"}, {2}}, {}, 2, 3, false};
    EXPECT_EQ(parse_table("0,1\n5,6\n", "table", numbered).set.inputs, (Numbers{5, 6}));
}

TEST(TableOfANetwork, RefusesClassesThatItDoesNotKnow) {
    expect_refusal([] { parse_table("d,1,2\n", "table", network(true)); },
                   {"table line 1", "a class that the network knows in column 1", "\"d\""});
    expect_refusal([] { parse_table("3,1,2\n", "table", network(true, {})); },
                   {"table line 1", "class number 0, 1, ... 2"});
    expect_refusal([] { parse_table("a,1,2\n", "table", network(true, {})); },
                   {"table line 1", "column 1", "\"a\""});
}

TEST(TableOfANetwork, HasItsTargetWhereItIsSaid) {
    const auto read = [](const char* text, const char* target, const TableOfNetwork& of) {
        TableOfNetwork asked = of;
        asked.target = target;
        return parse_table(text, "table", asked).set;
    };
    // The inputs go by their names, and the target has another one than in the training.
    const SampleSet named = read("y,class,x\n1,c,2\n", "class", network(true));
    EXPECT_EQ(named.inputs, (Numbers{2, 1}));
    EXPECT_EQ(labels(named), Labels{2});
    // Of another program's network no column is known.
    const TableOfNetwork unknown{{}, {}, 2, 3, true};
    for (const char* target : {"1", "-3", "label"}) {
        const SampleSet set = read("label,a,b\n2,7,8\n", target, unknown);
        EXPECT_EQ(set.inputs, (Numbers{7, 8})) << target;
        EXPECT_EQ(labels(set), Labels{2}) << target;
    }
    expect_refusal([&] { read("kind,x,y\na,1,2\n", "x", network(true)); },
                   {"table: expected a target that is no input", "column 2 \"x\"", "--target"});
    expect_refusal([&] { read("1,2,3,4\n", "1", unknown); },
                   {"table: expected 2 inputs beside the target, found 3"});
    expect_refusal([&] { read("1,2,3,4\n", "1,2", unknown); },
                   {"table: expected one target with the class, or 3, one for each output"});
    // A pixel would be taken for the class, and the class for a pixel.
    expect_refusal([&] { read("label,a,b\n2,7,8\n", "", unknown); },
                   {"table: expected the target in the last column", "--target label"});
}

// ---- files --------------------------------------------------------------------------------------

TEST(Table, IsReadFromAFile) {
    TemporaryDirectory dir;
    const auto file = dir.write("t.csv", {'1', ',', '2'});
    EXPECT_EQ(read_table(file, of_numbers()).set.targets, Numbers{2});
    EXPECT_EQ(read_table(file, TableOfNetwork{{}, {}, 1, 3, true}).set.classes, 3);
    expect_refusal([&] { read_table(dir.path / "none.csv", of_numbers()); },
                   {"none.csv", "a table", "found no such file"});
    EXPECT_TRUE(is_named_as_table("a/B.CSV"));
    EXPECT_TRUE(is_named_as_table("x.tsv"));
    EXPECT_FALSE(is_named_as_table("x.safetensors"));
    EXPECT_FALSE(is_named_as_table("csv"));
}

}  // namespace
