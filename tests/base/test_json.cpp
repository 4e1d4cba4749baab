// test_json.cpp: values go through text unchanged, and what is no JSON is refused with its place.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/json.h"

namespace {

TEST(Json, OfEveryTypeIsPrintedInOneLine) {
    const Json value = Json::object({{"whole", 3},
                                     {"below", -2},
                                     {"number", 0.1},
                                     {"text", "a\nb"},
                                     {"yes", true},
                                     {"none", {}},
                                     {"list", std::vector<int>{1, 2}},
                                     {"empty", Json::array()},
                                     {"object", Json::object({{"b", 1}, {"a", 2}})}});
    EXPECT_EQ(value.dump(),
              R"({"whole":3,"below":-2,"number":0.1,"text":"a\nb","yes":true,"none":null,)"
              R"("list":[1,2],"empty":[],"object":{"b":1,"a":2}})");
    EXPECT_EQ(Json::parse(value.dump()), value);
}

TEST(Json, NumbersComeBackToTheBit) {
    for (const double number : {0.1, 1e-300, 3e-5, 1.0 / 3, 5e-324, 1.7976931348623157e308, -0.0}) {
        const double back = Json::parse(Json(number).dump()).number();
        EXPECT_EQ(back, number);
        EXPECT_EQ(std::signbit(back), std::signbit(number));
    }
    const auto most = std::numeric_limits<std::uint64_t>::max();
    EXPECT_EQ(Json::parse(Json(most).dump()).whole(), most);
}

TEST(Json, WhatIsNotFiniteIsNullAndWhatIsNotUtf8IsReplaced) {
    EXPECT_EQ(Json(std::nan("")).dump(), "null");
    EXPECT_EQ(Json(std::numeric_limits<double>::infinity()).dump(), "null");
    EXPECT_EQ(Json("a\xff").dump(), "\"a\xef\xbf\xbd\"");
}

TEST(Json, MembersAreFoundByName) {
    const Json value = Json::parse(R"({"a":{"b":[1,"x"]}})");
    EXPECT_EQ(value["a"]["b"].items()[1].text(), "x");
    EXPECT_EQ(value.find("c"), nullptr);
    EXPECT_TRUE(value["c"].is_null());
    EXPECT_TRUE(value["a"]["b"].items()[0].is_whole());
    EXPECT_FALSE(Json::parse("-1").is_whole());
    EXPECT_TRUE(Json::parse("-1").is_number());
    EXPECT_THROW(value["a"].text(), std::bad_variant_access);
}

TEST(Json, WhatIsNoneIsRefusedWithItsPlace) {
    const struct {
        const char *text, *found;
    } cases[] = {{"", "something else at its byte 1"},
                 {"[1", "something else at its byte 3"},
                 {"{\"a\" 1}", "something else at its byte 6"},
                 {"{} x", "something else at its byte 4"},
                 {"[1e999]", "a number too large for any type"},
                 {"{\"a\":1,\"a\":2}", "\"a\" twice"},
                 {"{\"a\":{\"b\":1,\"c\":2,\"b\":3}}", "\"b\" twice"},
                 {"[[[[1]]]]", "more"}};
    for (const auto& c : cases) {
        try {
            Json::parse(c.text, 3);
            ADD_FAILURE() << "accepted: " << c.text;
        } catch (const JsonError& error) {
            EXPECT_EQ(error.found, c.found) << c.text;
        }
    }
    EXPECT_EQ(Json::parse("[[[1]]]", 3).dump(), "[[[1]]]");
}

}  // namespace
