// picture_stages.h: the steps from a picture to a network's input, one after another.
//
//   paper    the greys, of a size that is handy, dark on light
//   ground   what the paper would look like without ink: light and shadow
//   ink      how much darker than its ground each pixel is; 0 is paper, 1 full ink
//   drawn    ink without ruled lines, frames and noise
//   piece    the pixels of what hangs together: a digit has one, or a few
#pragma once
#include <string>
#include <vector>

#include "input/picture.h"
#include "input/sheet.h"

/// The picture, at most `working_side` pixels a side, turned so that ink is darker than paper.
struct Paper {
    Sheet grey;
    bool was_light_on_dark = false;
};
Paper paper_of(const Picture& picture);

/// The light that falls on the paper. It may change slowly over the whole sheet, and suddenly only
/// at shadows that are broader than a pen's stroke.
Sheet ground_of(const Sheet& grey);

/// Throws InputError if nothing stands out from its ground; `name` is for messages.
Sheet ink_of(const Paper& paper, const Sheet& ground, const std::string& name);

/// Ink that is paler belongs to a piece only where it touches darker ink.
inline constexpr float pale_ink = 0.25F, dark_ink = 0.5F;

/// Takes out frames, and lines across the whole sheet that are thinner than a pen's stroke.
void remove_rules(Sheet& ink);

/// A set of pixels that hang together.
struct InkPiece {
    Box box;
    double mass = 0;  ///< sum of its ink
    int label = 0;    ///< its number in InkPieces::labels
};
struct InkPieces {
    std::vector<InkPiece> all;  ///< the largest mass first; without what is too small to be drawn
    std::vector<int> labels;    ///< for each pixel: the piece's label; 0: of no piece
    double specks = 0;          ///< ink of what is too small
};
InkPieces pieces_of(const Sheet& ink);

/// The ink of these pieces alone.
Sheet ink_of_pieces(const Sheet& ink, const InkPieces& pieces, const std::vector<InkPiece>& chosen);

/// Groups pieces that belong to one digit. Groups are from left to right.
std::vector<std::vector<InkPiece>> digits_of(const InkPieces& pieces);

/// One digit's ink as a network takes it: rows x cols bytes.
struct DigitInput {
    std::vector<std::uint8_t> bytes;
    bool was_squeezed = false;  ///< it was wider than digits are
};
DigitInput input_of_digit(const Sheet& digit, int rows, int cols);

/// Stretching a digit does not change its strokes. Two digits side by side have the sum of what
/// rows meet of both.
Strokes strokes_of(const Sheet& digit);
