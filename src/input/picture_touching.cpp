// picture_touching.cpp: what shows that a drawing is two digits that touch.
//
// Two digits side by side that touch hang together as one does. But a row of pixels meets the
// strokes of both, whatever their proportions are.
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

}  // namespace

double strokes_met(const Sheet& digit) {
    const Sheet small = of_rows(digit);
    int strokes = 0, inked_rows = 0;
    for (int y = 0; y < rows; ++y) {
        const int before = strokes;
        for (int x = 0; x < small.width; ++x)
            if (small.at(x, y) >= dark_ink && small.at_or(x - 1, y, 0) < dark_ink) ++strokes;
        if (strokes > before) ++inked_rows;
    }
    return inked_rows > 0 ? static_cast<double>(strokes) / inked_rows : 0;
}
