// test_table_columns.cpp: targets are found as --target names them, and a network finds its columns
// in another table.
#include "input/table_columns.h"

#include <gtest/gtest.h>

#include "tests/support/file_fixture.h"

namespace {

using Places = std::vector<std::size_t>;

const TableColumns named{5, {"id", "width", "height", "kind", "width, m"}, {}};
const TableColumns unnamed{5};

Places places(const std::string& wish, const TableColumns& columns = named) {
    return target_places(wish, columns, "table");
}
void expect_refused(const std::string& wish, const std::vector<std::string>& parts,
                    const TableColumns& columns = named) {
    SCOPED_TRACE(wish);
    expect_refusal([&] { places(wish, columns); }, parts);
}

TEST(Target, IsANameANumberFromEitherEndOrARange) {
    EXPECT_EQ(places(""), Places{4});
    EXPECT_EQ(places("kind"), Places{3});
    EXPECT_EQ(places("1"), Places{0});
    EXPECT_EQ(places("-1"), Places{4});
    EXPECT_EQ(places("-5"), Places{0});
    EXPECT_EQ(places("-2..-1"), (Places{3, 4}));
    EXPECT_EQ(places("2..-2"), (Places{1, 2, 3}));
    EXPECT_EQ(places("kind,1,height"), (Places{3, 0, 2})) << "in the order of the wish";
    EXPECT_EQ(places("width, m"), Places{4}) << "a name with a comma";
    EXPECT_EQ(places("-3..-2", unnamed), (Places{2, 3}));
    EXPECT_EQ(places("2", {3, {"2", "1", "0"}, {}}), Places{1}) << "a number is a place";
}

TEST(Target, ThatIsNotThereIsRefused) {
    expect_refused("kind ", {"a column named \"kind \"", "\"id\", \"width\"", "--target"});
    expect_refused("kind", {"a column named \"kind\"", "no heading"}, unnamed);
    expect_refused("6", {"among its 5 columns", "--target 6"});
    expect_refused("-6", {"among its 5 columns", "--target -6"});
    expect_refused("0", {"count from 1"});
    expect_refused("1,id", {"each target once", "column 1 \"id\" twice"});
    expect_refused("1..5", {"at least 6 columns: 5 targets and the inputs", "found 5"});
    expect_refused("", {"at least 2 columns: 1 target and the inputs", "found 1"}, {1});
    expect_refused("-1..-2", {"from left to right", "\"-1..-2\""});
    expect_refused("1,,2", {"a column named \"\""});
    expect_refused("99999999999999999999", {"a column named"});
}

TEST(Columns, OfANetworkAreFoundByName) {
    const TableColumns trained{3, {"kind", "width", "height"}, {0}};
    const FoundColumns all = find_columns(trained, 2, 3, named, true, "table");
    EXPECT_EQ(all.inputs, (Places{1, 2}));
    EXPECT_EQ(all.targets, Places{3});
    const TableColumns without{3, {"height", "x", "width"}, {}};
    EXPECT_EQ(find_columns(trained, 2, 3, without, false, "table").inputs, (Places{2, 0}));
    expect_refusal([&] { find_columns(trained, 2, 3, without, true, "table"); },
                   {"table", "the network's target \"kind\"", "\"height\", \"x\", \"width\""});
    expect_refusal(
        [&] {
            find_columns(trained, 2, 3, {2, {"kind", "width"}, {}}, false, "table");
        },
        {"the network's input \"height\""});
}

TEST(Columns, OfANetworkWithoutNamesAreFoundByTheirPlaces) {
    const TableColumns trained{3, {}, {0}};
    const FoundColumns same = find_columns(trained, 2, 3, {3, {"a", "b", "c"}, {}}, true, "table");
    EXPECT_EQ(same.inputs, (Places{1, 2}));
    EXPECT_EQ(same.targets, Places{0});
    EXPECT_EQ(find_columns(trained, 2, 3, {2}, false, "table").inputs, (Places{0, 1}));
    expect_refusal([&] { find_columns(trained, 2, 3, {2}, true, "table"); },
                   {"3 columns, as in the training", "found 2"});
    for (const std::size_t count : {1u, 4u})
        expect_refusal([&] { find_columns(trained, 2, 3, {count}, false, "table"); },
                       {"3 columns, as in the training, or its inputs alone, 2"});
}

TEST(Columns, OfANetworkThatDoesNotKnowThemAreInputsThenTargets) {
    for (const std::size_t targets : {1u, 3u}) {
        const FoundColumns found = find_columns({}, 2, 3, {2 + targets}, true, "table");
        EXPECT_EQ(found.inputs, (Places{0, 1}));
        EXPECT_EQ(found.targets.size(), targets);
        EXPECT_EQ(found.targets[0], 2u);
    }
    EXPECT_EQ(find_columns({}, 2, 3, {2}, false, "table").inputs, (Places{0, 1}));
    expect_refusal([&] { find_columns({}, 2, 3, {2}, true, "table"); }, {"2 inputs", "targets"});
    expect_refusal([&] { find_columns({}, 2, 3, {4}, true, "table"); }, {"2 inputs", "found 4"});
}

}  // namespace
