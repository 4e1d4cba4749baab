// picture_rules.cpp: takes ruled lines and frames out of the ink.
//
// A row, or a column, of which five sixths have ink is a line if it is thin. What a pen drew across
// it stays, and so does the bar of a digit that fills its picture.
#include <algorithm>

#include "input/picture_stages.h"

namespace {

/// One number for each row: the ink that five sixths of its pixels reach.
std::vector<float> common_ink_of_rows(const Sheet& ink) {
    std::vector<float> common;
    for (int y = 0; y < ink.height; ++y) {
        const auto first =
            ink.values.begin() + static_cast<std::ptrdiff_t>(position(0, y, ink.width));
        common.push_back(quantile({first, first + ink.width}, 1.0 / 6));
    }
    return common;
}

/// Replaces rows [top, bottom) by paper, except where ink goes through them from above to below.
void remove_line(Sheet& ink, int top, int bottom) {
    const Sheet before = ink;
    const auto near = [&](int x, int y) {
        return std::max(
            {before.at_or(x - 1, y, 0), before.at_or(x, y, 0), before.at_or(x + 1, y, 0)});
    };
    for (int x = 0; x < ink.width; ++x) {
        const float through = std::min(near(x, top - 1), near(x, bottom));
        for (int y = top; y < bottom; ++y)
            ink.at(x, y) = through >= dark_ink ? std::min(through, before.at(x, y)) : 0;
    }
}

/// A line across the sheet: its rows from top to before bottom.
struct Line {
    int top, bottom;
};

/// How thick a ruled line or a frame can be.
int thickest_line(const Sheet& ink) {
    return std::max(1, static_cast<int>(0.04 * std::max(ink.width, ink.height)));
}

/// The rows that are lines across the whole sheet.
std::vector<Line> lines_of(const Sheet& ink) {
    const std::vector<float> common = common_ink_of_rows(ink);
    std::vector<Line> lines;
    for (int y = 0; y < ink.height; ++y) {
        if (common[static_cast<std::size_t>(y)] == 0) continue;
        int bottom = y;
        while (bottom < ink.height && common[static_cast<std::size_t>(bottom)] > 0) ++bottom;
        if (bottom - y <= thickest_line(ink)) lines.push_back({y, bottom});
        y = bottom;
    }
    return lines;
}

/// Takes out the lines across the sheet, and returns them.
std::vector<Line> remove_rows(Sheet& ink) {
    std::vector<Line> lines = lines_of(ink);
    for (const Line& line : lines) remove_line(ink, line.top, line.bottom);
    return lines;
}

/// The box of everything that is drawn; of width 0 if nothing is.
Box box_of_pieces(const Sheet& ink) {
    Box box;
    for (const InkPiece& piece : pieces_of(ink).all)
        box = box.width == 0 ? piece.box : both(box, piece.box);
    return box;
}

/// A picture that is cut tightly around its digit shows the bar of a 7 as a line from side to side,
/// too. It is the only one, and together with it the rest of the drawing (`rest`) comes as near to
/// the top and the bottom as the bar to the sides.
bool is_own_bar(const std::vector<Line>& lines, const Sheet& ink, const Box& rest) {
    if (lines.size() != 1) return false;
    const auto [top, bottom] = lines.front();
    int left = ink.width, right = 0;
    for (int x = 0; x < ink.width; ++x)
        if (ink.at(x, (top + bottom) / 2) >= pale_ink) left = std::min(left, x), right = x + 1;
    const int beside = std::max(left, ink.width - right);
    const bool alone = rest.width == 0;
    const int above = alone ? top : std::min(top, rest.top);
    const int below = ink.height - (alone ? bottom : std::max(bottom, rest.bottom()));
    return std::max(above, below) <= beside + thickest_line(ink);
}

}  // namespace

void remove_rules(Sheet& ink) {
    Sheet rest = ink;
    const std::vector<Line> across = remove_rows(rest);
    rest = transposed(rest);
    const std::vector<Line> down = remove_rows(rest);
    if (across.empty() && down.empty()) return;
    rest = transposed(rest);
    const Box box = box_of_pieces(rest);
    if (!is_own_bar(across, ink, box)) remove_rows(ink);
    ink = transposed(ink);
    if (!is_own_bar(down, ink, {box.top, box.left, box.height, box.width})) remove_rows(ink);
    ink = transposed(ink);
}
