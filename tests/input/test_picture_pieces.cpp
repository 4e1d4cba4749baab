// test_picture_pieces.cpp: what hangs together, what is one digit, and what is a ruled line.
//
// Boxes are given as numbers, or strokes are drawn on white paper, so that it is known what should
// come out. What networks make of such pictures is measured by bench/pictures.py.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "input/picture.h"
#include "input/picture_stages.h"
#include "tests/support/drawn.h"

namespace {

/// How many drawings stand apart.
std::size_t drawings_on(const Picture& picture) {
    Preparation told;
    try {
        as_network_input(picture, 28, 28, "it", &told);
    } catch (const InputError&) {
    }
    return told.drawings;
}

/// The labels of each digit's pieces, where pieces have these boxes, the largest mass first.
std::vector<std::vector<int>> digits_of_boxes(const std::vector<Box>& boxes) {
    InkPieces pieces;
    for (const Box& box : boxes) {
        const int label = static_cast<int>(pieces.all.size());
        pieces.all.push_back({box, 100.0 - label, label});
    }
    std::vector<std::vector<int>> labels;
    for (const auto& digit : digits_of(pieces)) {
        labels.emplace_back();
        for (const InkPiece& piece : digit) labels.back().push_back(piece.label);
    }
    return labels;
}

using Labels = std::vector<std::vector<int>>;

}  // namespace

TEST(Pieces, that_are_large_are_one_digit_only_if_they_share_a_quarter_of_the_narrower_one) {
    EXPECT_EQ(digits_of_boxes({{0, 0, 80, 120}, {60, 70, 80, 120}}), (Labels{{0, 1}}));
    EXPECT_EQ(digits_of_boxes({{0, 0, 80, 120}, {61, 70, 80, 120}}), (Labels{{0}, {1}}));
    // Six tenths, where both are as tall: digits that lean.
    EXPECT_EQ(digits_of_boxes({{0, 0, 80, 120}, {32, 0, 80, 120}}), (Labels{{0, 1}}));
    EXPECT_EQ(digits_of_boxes({{0, 0, 80, 120}, {33, 0, 80, 120}}), (Labels{{0}, {1}}));
    // The bar of a 5 is flat.
    EXPECT_EQ(digits_of_boxes({{0, 20, 80, 100}, {76, 0, 60, 24}}), (Labels{{0, 1}}));
}

TEST(Pieces, that_are_small_join_the_nearest_digit) {
    EXPECT_EQ(digits_of_boxes({{0, 0, 100, 180}, {150, 0, 100, 180}, {130, 60, 15, 30}}),
              (Labels{{0}, {1, 2}}));
    EXPECT_EQ(digits_of_boxes({{0, 0, 100, 180}, {150, 0, 100, 180}, {105, 60, 15, 30}}),
              (Labels{{0, 2}, {1}}));
}

TEST(Pieces, of_digits_that_stand_close_or_lean_are_two_digits) {
    Drawn slanted(280, 240, 8);
    slanted.line(110, 30, 40, 140).line(40, 140, 130, 140).line(120, 70, 90, 210);  // 4
    slanted.line(130, 30, 210, 30).line(210, 30, 130, 210);                         // 7
    EXPECT_EQ(drawings_on(slanted.picture), 2u);
    Drawn close(260, 240, 8);
    close.line(50, 30, 50, 210).ring(141, 120, 66, 90);  // 10, with 8 pixels between them
    EXPECT_EQ(drawings_on(close.picture), 2u);
    // Strokes that are out of focus hang together by their pale edges.
    for (int y = 110; y < 130; ++y)
        for (int x = 58; x < 60; ++x) close.at(x, y) = 0;
    EXPECT_EQ(drawings_on(close.picture), 2u) << "with a spot on the one";
    for (int y = 110; y < 130; ++y)
        for (int x = 58; x < 70; ++x) close.at(x, y) = std::min<std::uint8_t>(close.at(x, y), 160);
    EXPECT_EQ(drawings_on(close.picture), 2u) << "with a pale bridge";
    for (int y = 110; y < 130; ++y)
        for (int x = 58; x < 70; ++x) close.at(x, y) = 0;
    EXPECT_EQ(drawings_on(close.picture), 1u) << "with a dark bridge";
}

// Parts of it would be small beside another digit, and join it.
TEST(Pieces, of_a_digit_that_hangs_together_by_pale_ink_stay_together) {
    Drawn two(320, 290, 8);
    two.ring(110, 130, 60, 90);
    for (const int y : {65, 145, 225}) two.ring(240, y, 25, 25);
    EXPECT_EQ(drawings_on(two.picture), 1u);
    for (int y = 90; y < 200; ++y)
        for (int x = 232; x < 248; ++x) two.at(x, y) = std::min<std::uint8_t>(two.at(x, y), 160);
    EXPECT_EQ(drawings_on(two.picture), 2u);
}

TEST(Rules, leave_the_bar_of_a_7_that_fills_its_picture) {
    Drawn seven(100, 150, 2);
    seven.line(0, 2, 99, 2).line(97, 2, 40, 147);
    Preparation told;
    as_network_input(seven.picture, 28, 28, "it", &told);
    ASSERT_EQ(told.stages[3].name, "drawn");
    EXPECT_EQ(told.stages[3].picture.grey, told.stages[2].picture.grey);
    EXPECT_EQ(told.stages[3].picture.grey[2 * 100 + 10], 255) << "the bar";
    // The same line across paper that the digit does not fill.
    Drawn lined(100, 150, 2);
    lined.line(0, 110, 99, 110).line(70, 30, 40, 90).line(40, 30, 70, 30);
    Preparation on_lines;
    as_network_input(lined.picture, 28, 28, "it", &on_lines);
    EXPECT_EQ(on_lines.stages[3].picture.grey[110 * 100 + 10], 0);
}

TEST(Preparation, says_where_a_drawing_was_made_narrower) {
    Drawn two(320, 240, 8);
    two.ring(100, 120, 60, 80).ring(214, 120, 60, 80);
    const auto was_squeezed = [](const Picture& picture) {
        Preparation told;
        as_network_input(picture, 28, 28, "it", &told);
        EXPECT_EQ(told.drawings, 1u);
        return told.digits.at(0).was_squeezed;
    };
    EXPECT_TRUE(was_squeezed(two.picture)) << "00 that touch";
    EXPECT_FALSE(was_squeezed(Drawn(320, 240, 8).ring(100, 120, 60, 80).picture));
}

TEST(Preparation, two_digits_that_fill_the_networks_size_are_not_prepared_already) {
    Picture two{28, 28, std::vector<std::uint8_t>(784)};
    for (std::size_t y = 4; y < 24; ++y)
        for (const std::size_t left : {4u, 16u})
            for (std::size_t x = 0; x < 8; ++x)
                if (y < 6 || y >= 22 || x < 2 || x >= 6) two.grey[y * 28 + left + x] = 255;
    EXPECT_EQ(drawings_on(two), 2u);
    EXPECT_THROW(as_network_input(two, 28, 28, "it"), InputError);
}
