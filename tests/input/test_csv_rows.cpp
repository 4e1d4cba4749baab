// test_csv_rows.cpp: every row is found with its line, and what is no table's text is told in
// words.
#include "input/csv_rows.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/support/file_fixture.h"

namespace {

/// The rows of a text: "3:a|b c" for line 3.
std::vector<std::string> rows_of(std::string_view text) {
    std::vector<std::string> rows;
    for_each_row(text, "table", [&](const CsvRow& row) {
        std::string line = std::to_string(row.line) + ":";
        for (const std::string_view& field : row.fields)
            line += (&field == &row.fields[0] ? "" : "|") + std::string(field);
        rows.push_back(line);
    });
    return rows;
}

using Rows = std::vector<std::string>;

TEST(CsvRows, AreDividedByTheSeparatorThatBothFirstRowsHave) {
    EXPECT_EQ(rows_of("a,b\n1,2"), (Rows{"1:a|b", "2:1|2"}));
    EXPECT_EQ(rows_of("a;b\n1,5;2,5\n"), (Rows{"1:a|b", "2:1,5|2,5"}));
    EXPECT_EQ(rows_of("5,1;3,4\n5,2;3,5\n"), (Rows{"1:5,1|3,4", "2:5,2|3,5"}));
    EXPECT_EQ(rows_of("a\tb\n1\t2\n"), (Rows{"1:a|b", "2:1|2"}));
    EXPECT_EQ(rows_of("a|b\n1|2\n"), (Rows{"1:a|b", "2:1|2"}));
    EXPECT_EQ(rows_of("\"a;b\",\"c;d\"\n1,2\n"), (Rows{"1:a;b|c;d", "2:1|2"}));
    EXPECT_EQ(rows_of("width (cm; rounded),b\n1,2\n"), (Rows{"1:width (cm; rounded)|b", "2:1|2"}));
    EXPECT_EQ(rows_of("1;2;3"), (Rows{"1:1|2|3"}));
    EXPECT_EQ(rows_of("1\n2\n"), (Rows{"1:1", "2:2"}));
    EXPECT_EQ(rows_of("a,b\n1,2,3\n"), (Rows{"1:a|b", "2:1|2|3"}));
}

TEST(CsvRows, HaveTheNumberOfTheirFirstLineAtAnyLineEnd) {
    for (const std::string end : {"\n", "\r\n", "\r"}) {
        std::string text = "\xef\xbb\xbf";
        for (const char* line : {"# one, \"two", "", "  \t", "a,b", "#,", "1,2", ""})
            text += line + end;
        text += "3,4";
        EXPECT_EQ(rows_of(text), (Rows{"4:a|b", "6:1|2", "8:3|4"})) << end.size();
    }
    EXPECT_EQ(rows_of(""), Rows{});
    EXPECT_EQ(rows_of("\n\n"), Rows{});
}

TEST(CsvRows, MayHaveQuotesWithSeparatorsLineEndsAndQuotesInThem) {
    EXPECT_EQ(rows_of("\"a,1\", \"b \"\"c\"\"\" \n\"1\n# no comment\n\n2\",3\n4,5\n"),
              (Rows{"1:a,1|b \"c\"", "2:1\n# no comment\n\n2|3", "6:4|5"}));
    EXPECT_EQ(rows_of("\"\"\n"), Rows{"1:"});
    EXPECT_EQ(rows_of(",\n"), Rows{"1:|"});
}

TEST(CsvRows, WithWrongQuotesAreRefusedByTheirLine) {
    expect_refusal([] { rows_of("1,2\n3,\"4\n5,6\n"); }, {"table line 2", "closed again"});
    expect_refusal([] { rows_of("1,2\n\n3,4\"\n"); }, {"table line 3", "quotes"});
    expect_refusal([] { rows_of("\"1\"2,3\n"); }, {"table line 1", "quotes"});
}

TEST(CsvRows, AreNotReadFromWhatIsNoText) {
    using namespace std::string_view_literals;
    expect_refusal(
        [] {
            rows_of(
                "\xff\xfe"
                "1\0,\0"sv);
        },
        {"table", "UTF-16", "UTF-8"});
    expect_refusal(
        [] {
            rows_of(
                "\xfe\xff\0"
                "1"sv);
        },
        {"UTF-16"});
    expect_refusal([] { rows_of("1\0,\0"sv); }, {"a zero byte, as UTF-16 has"});
    expect_refusal([] { rows_of("\x1f\x8b\x08"sv); }, {"gzip", "gunzip"});
    expect_refusal([] { rows_of("PK\3\4"sv); }, {"zip", "spreadsheet"});
    expect_refusal([] { rows_of("<!DOCTYPE html>"); }, {"a web page"});
}

TEST(CsvField, ComesBackAsItWas) {
    for (const std::string text : {"plain", "a,b", "say \"no\"", "two\nlines", " spaces ", "", "é"})
        EXPECT_EQ(rows_of(csv_field(text) + ",x\n1,2\n")[0], "1:" + text + "|x");
    EXPECT_EQ(csv_field("plain"), "plain");
}

}  // namespace
