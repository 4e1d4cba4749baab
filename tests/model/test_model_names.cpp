// test_model_names.cpp: the names of classes and the columns of a table in a model file.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "model/initial.h"
#include "model/model_file.h"
#include "tests/support/file_fixture.h"

namespace {

using Names = std::vector<std::string>;

/// A network of two outputs.
Model model_with(Names names, const std::string& columns = "{}") {
    Model model{initial_parameters<nn_real>(Layout({3, 2}), 1, 0), {}};
    model.facts.class_names = std::move(names);
    model.facts.columns = columns;
    return model;
}
Model again(const Model& model) { return parse_model(format_model(model), "model"); }

TEST(ModelNames, AndColumnsComeBack) {
    const Names names = {"a \"word\"", "é"};
    const ModelFacts facts = again(model_with(names, R"({"count":4,"targets":[1]})")).facts;
    EXPECT_EQ(facts.class_names, names);
    EXPECT_EQ(facts.columns, R"({"count":4,"targets":[1]})");
    const ModelFacts without = again(model_with({})).facts;
    EXPECT_EQ(without.class_names, Names{});
    EXPECT_EQ(without.columns, "{}");
}

TEST(ModelNames, AreOneForEachOutputEachAnother) {
    expect_refusal(
        [] {
            again(model_with({"a", "b", "c"}));
        },
        {"model", "\"class_names\"", "each output, 2 in all"});
    expect_refusal([] { again(model_with({"a"})); }, {"\"class_names\"", "2 in all"});
    expect_refusal([] { again(model_with({"a", "a"})); }, {"\"class_names\"", "different texts"});
    // The same file, with a number in the place of a text.
    std::vector<std::uint8_t> bytes = format_model(model_with({"12345", "b"}));
    const std::string text = R"(\"12345\")", number = "  12345  ";
    const auto at = std::search(bytes.begin(), bytes.end(), text.begin(), text.end());
    ASSERT_NE(at, bytes.end());
    std::copy(number.begin(), number.end(), at);
    const std::string checksum = "\"checksum\"";  // of the text; a file without one is read
    *(std::search(bytes.begin(), bytes.end(), checksum.begin(), checksum.end()) + 1) = 'C';
    expect_refusal([&] { parse_model(bytes, "model"); }, {"\"class_names\"", "12345"});
}

TEST(ModelNames, OfColumnsAreAJsonObject) {
    expect_refusal([] { again(model_with({}, "[]")); }, {"\"columns\"", "a JSON object"});
    expect_refusal([] { again(model_with({}, "{")); }, {"\"columns\"", "JSON"});
}

}  // namespace
