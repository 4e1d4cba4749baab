// test_picture_touching.cpp: what a drawing shows that may be two digits, and what a line refuses.
//
// Rings and lines are drawn with a pen, so that it is known how many strokes a row of pixels meets.
// How many pairs of digits are told from one digit: bench/pictures.py.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "input/picture.h"
#include "input/picture_stages.h"
#include "tests/support/drawn.h"
#include "tests/support/file_fixture.h"

namespace {

/// The ink of black on white.
Sheet ink_on(const Picture& picture) {
    Sheet ink(picture.width, picture.height);
    std::ranges::transform(picture.grey, ink.values.begin(),
                           [](std::uint8_t grey) { return static_cast<float>(255 - grey) / 255; });
    return ink;
}

Strokes strokes_in(const Drawn& drawn) { return strokes_of(ink_on(drawn.picture)); }
double strokes_on(const Drawn& drawn) { return strokes_in(drawn).met; }

/// Two rings of a digit's size, which a bridge as thick as the pen joins.
Drawn one_ring() { return Drawn(320, 140, 4).ring(60, 70, 25, 40); }
Drawn two_rings() { return one_ring().ring(126, 70, 25, 40).line(85, 70, 101, 70); }

}  // namespace

TEST(Strokes, are_counted_row_by_row) {
    EXPECT_EQ(strokes_on(Drawn(90, 90, 4).line(40, 10, 40, 80)), 1);
    EXPECT_EQ(strokes_on(Drawn(90, 90, 4).line(40, 10, 40, 80).line(60, 10, 60, 80)), 2);
    EXPECT_EQ(strokes_on(Drawn(90, 90, 4).line(10, 10, 10, 45).line(60, 60, 60, 80)), 1);
    // A ring is 88 pixels high. Its top and bottom of 8 pixels each are one stroke.
    const double ring = strokes_on(one_ring());
    EXPECT_NEAR(ring, 2 - 2 * 8.0 / 88, 2.0 / 56) << "by two rows of 56";
    EXPECT_NEAR(strokes_on(two_rings()), 2 * ring - 8.0 / 88, 3.0 / 56) << "the bridge joins two";
    EXPECT_NEAR(strokes_on(Drawn(320, 140, 4).ring(160, 70, 100, 40)), ring, 4.0 / 56)
        << "four times as wide";
}

TEST(Strokes, have_paper_between_them) {
    EXPECT_EQ(strokes_in(Drawn(90, 90, 4).line(40, 10, 40, 80)).paper, 0);
    // Two lines of 8 pixels, and from 44 to 72 paper.
    const double paper =
        strokes_in(Drawn(120, 90, 4).line(40, 10, 40, 80).line(76, 10, 76, 80)).paper;
    EXPECT_NEAR(paper, 28.0 / 44, 2.0 / 44) << "by two columns";
    const double far =
        strokes_in(Drawn(220, 90, 4).line(40, 10, 40, 80).line(176, 10, 176, 80)).paper;
    EXPECT_GT(far, paper + 0.2) << "wider apart";
}

TEST(Strokes, are_single_in_the_columns_of_a_bridge) {
    EXPECT_EQ(strokes_in(Drawn(90, 90, 4).line(40, 10, 40, 80)).bridge, 1) << "a line is one";
    EXPECT_LT(strokes_in(one_ring()).bridge, 0.1) << "a column meets a ring's top and bottom";
    // The lines are at 10 and 110. The middle half lies between them, and has the bridge alone.
    const auto joined = Drawn(120, 90, 4).line(10, 10, 10, 80).line(110, 10, 110, 80);
    EXPECT_EQ(strokes_in(Drawn(joined).line(10, 45, 110, 45)).bridge, 1);
    EXPECT_EQ(strokes_in(Drawn(joined).line(10, 25, 110, 25).line(10, 65, 110, 65)).bridge, 0);
}

// What makes a drawing crowded: strokes, and little paper between them.
TEST(Strokes, of_two_digits_are_more_crowded_than_those_of_one) {
    const double one = strokes_in(one_ring()).crowding();
    EXPECT_GT(strokes_in(two_rings()).crowding(), one + 1);
    const double lines =
        strokes_in(Drawn(90, 90, 4).line(40, 10, 40, 80).line(54, 10, 54, 80)).crowding();
    EXPECT_GT(lines, one + 0.2) << "as many strokes as a ring's, but close";
}

TEST(Line, tells_of_each_digit_and_refuses_points_and_signs) {
    const auto line = [] {
        return Drawn(400, 200, 6).line(50, 30, 50, 170).line(250, 30, 250, 170);
    };
    Preparation told;
    EXPECT_EQ(as_network_inputs(line().ring(330, 100, 40, 70).picture, 28, 28, "it", &told).size(),
              3u);
    ASSERT_EQ(told.digits.size(), 3u);
    EXPECT_EQ(told.digits[1].strokes.met, 1);
    // The ring is 152 pixels high, and its top and bottom 12 each.
    EXPECT_NEAR(told.digits[2].strokes.met, 2 - 2 * 12.0 / 152, 2.0 / 56) << "by two rows of 56";
    const auto refused = [&](const Picture& picture, const std::string& found) {
        expect_refusal([&] { as_network_inputs(picture, 28, 28, "it"); }, {found});
    };
    refused(line().line(90, 166, 91, 166).picture, "a point at the bottom of the line");
    refused(line().line(150, 166, 151, 166).picture, "something smaller");
    refused(line().line(275, 100, 310, 100).picture, "a sign beside a digit");
    // What stands above a digit's own part is a part of it.
    EXPECT_EQ(as_network_inputs(line().line(250, 30, 300, 30).picture, 28, 28, "it").size(), 2u);
}
