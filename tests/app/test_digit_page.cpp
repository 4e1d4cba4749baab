// test_digit_page.cpp: what the page in which a digit is drawn holds, and what networks get none.
#include "app/report/digit_page.h"

#include <gtest/gtest.h>

#include <limits>
#include <utility>

#include "app/commands/touching.h"
#include "app/run/load.h"
#include "base/error.h"
#include "base/json.h"
#include "tests/support/words.h"

namespace {

Model network_of(std::vector<int> sizes) {
    Model model{Parameters<nn_real>(Layout(std::move(sizes))), {}};
    model.facts.rows = model.facts.cols = 28;
    return model;
}

/// The text between two others.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
    const std::size_t from = text.find(before) + before.size();
    return text.substr(from, text.find(after, from) - from);
}
Json network_in(const std::string& html) {
    return Json::parse(
        between(html, "<script id=\"network\" type=\"application/json\">", "</script>"));
}

std::string refusal_of(const Model& model) {
    try {
        check_takes_pictures(model, "it");
        digit_page(model, "it");
    } catch (const InputError& error) {
        return error.what();
    }
    return "not refused";
}

TEST(DigitPage, NoNameOfAClassEndsItsScriptOrIsFilledIn) {
    Model model = network_of({784, 2});
    model.facts.class_names = {"</script>", "{{network}}"};
    model.facts.version = "{{script}}";
    const std::string html = digit_page(model, "it").html;
    const Json network = network_in(html);
    EXPECT_EQ(network["class_names"], Json::array({"</script>", "{{network}}"}));
    EXPECT_TRUE(says(html, "Made by main {{script}}."));
}

TEST(DigitPage, CarriesHowCrowdedDigitsMayBeForTheTenDigitsAlone) {
    Model model = network_of({784, 10});
    const Json network = network_in(digit_page(model, "it").html);
    EXPECT_EQ(network["crowding_of_a_nine"].number(), crowding_of_a_nine);
    EXPECT_EQ(network["doubtful_crowding"].number(), doubtful_crowding);
    EXPECT_EQ(network["sure"].number(), sure_reading);
    ASSERT_EQ(network["most_crowding"].items().size(), most_crowding.size());
    for (std::size_t c = 0; c < most_crowding.size(); ++c)
        EXPECT_EQ(network["most_crowding"].items()[c].number(), most_crowding[c]);
    model.facts.class_names = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    EXPECT_EQ(network_in(digit_page(model, "it").html)["most_crowding"], Json::array());
}

TEST(DigitPage, RefusesWhatCannotBeDrawnOrIsTooLarge) {
    EXPECT_TRUE(says(refusal_of(network_of({784, 1})), "one output"));
    Model as_is = network_of({784, 10});
    as_is.facts.pictures_as_is = true;
    EXPECT_TRUE(says(refusal_of(as_is), "--as-is"));
    Model table = network_of({784, 10});
    table.facts.columns = R"({"inputs":[]})";
    EXPECT_TRUE(says(refusal_of(table), "table"));
    EXPECT_TRUE(says(refusal_of(network_of({784, 1000, 10})), "smaller layers (-n)"));
}

// 65520 is in the middle between the largest number of half precision and the next, which it lacks.
TEST(DigitPage, RefusesAParameterThatItsNumbersCannotHold) {
    Model small = network_of({784, 10});
    small.parameters.values[7] = 70000;
    EXPECT_FALSE(digit_page(small, "it").is_half);
    small.parameters.values[7] = std::numeric_limits<nn_real>::infinity();
    EXPECT_TRUE(says(refusal_of(small), "weights are too large"));
    Model large = network_of({784, 500, 10});
    large.parameters.values[7] = -65519;
    EXPECT_TRUE(digit_page(large, "it").is_half);
    large.parameters.values[7] = -65520;
    EXPECT_TRUE(says(refusal_of(large), "expected parameters below 65520"));
    EXPECT_TRUE(says(refusal_of(large), "weights are too large"));
}

}  // namespace
