// picture_touching.cpp: what shows that a drawing is two digits that touch.
//
// Two digits side by side that touch hang together as one does. But a row of pixels meets the
// strokes of both, whatever their proportions are; one digit that a row meets as often has wide
// paper between its strokes, as a 0 has; and where two digits touch, a column meets little else.
#include <algorithm>
#include <cmath>
#include <iterator>

#include "input/picture_stages.h"

namespace {

/// As high as this, a stroke has six pixels or so, and what a row meets depends on no size.
constexpr int rows = 56;

/// The digit's box, of so many rows. Ink of a thin line gets pale when it is made smaller: so
/// what three quarters of its pixels do not exceed is full ink, 1. The faintest is left out.
Sheet of_rows(const Sheet& digit) {
    constexpr float faint = 0.02F, faintest = 0.1F;
    const Box box = box_of(digit);
    const auto across = static_cast<int>(std::lround(1.0 * box.width * rows / box.height));
    Sheet small = scaled(digit, box, std::clamp(across, 1, std::max(4 * rows, box.width)), rows);
    std::vector<float> inked;
    std::ranges::copy_if(small.values, std::back_inserter(inked),
                         [](float ink) { return ink > faint; });
    const float full = inked.empty() ? 1 : quantile(inked, 0.75);
    for (float& ink : small.values) {
        ink = std::min(ink / full, 1.0F);
        if (ink < faintest) ink = 0;
    }
    return small;
}

/// One row.
struct Row {
    int strokes = 0, ink = 0, first = 0, last = 0;  ///< pixels of ink, the outermost two
};
Row row_of(const Sheet& sheet, int y) {
    Row row;
    for (int x = 0; x < sheet.width; ++x) {
        if (sheet.at(x, y) < dark_ink) continue;
        if (row.ink++ == 0) row.first = x;
        if (sheet.at_or(x - 1, y, 0) < dark_ink) ++row.strokes;
        row.last = x;
    }
    return row;
}

/// The part of the columns of the middle half that meet one stroke at most.
double bridge_of(const Sheet& small) {
    const Sheet columns = transposed(small);
    const int edge = small.width / 4;
    int single = 0;
    for (int x = edge; x < small.width - edge; ++x)
        if (row_of(columns, x).strokes <= 1) ++single;
    return static_cast<double>(single) / (small.width - 2 * edge);
}

}  // namespace

Strokes strokes_of(const Sheet& digit) {
    const Sheet small = of_rows(digit);
    int strokes = 0, inked_rows = 0, ink = 0, across = 0;
    for (int y = 0; y < small.height; ++y) {
        const Row row = row_of(small, y);
        if (row.ink == 0) continue;
        ++inked_rows;
        strokes += row.strokes;
        ink += row.ink;
        across += row.last - row.first + 1;
    }
    if (inked_rows == 0) return {};
    return {static_cast<double>(strokes) / inked_rows, 1 - static_cast<double>(ink) / across,
            bridge_of(small)};
}
