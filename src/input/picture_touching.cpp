// picture_touching.cpp: what shows that a drawing is two digits that touch, and where to cut them.
//
// Two digits side by side that touch hang together as one does. But a row of pixels meets the
// strokes of both, whatever their proportions are. The cut between them goes from the top to the
// bottom and meets as little ink as a path can.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

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

/// The paths from the first row to each pixel that meet the least ink; a step to the side costs a
/// little, so that they go straight where that is no worse.
struct Paths {
    Sheet met;               ///< ink on the way, with the pixel itself
    std::vector<int> steps;  ///< for each pixel: the place before it is so far to the right
};
Paths paths_from_first_row(const Sheet& ink) {
    constexpr float aside = 0.02F;
    Paths paths{ink, std::vector<int>(ink.values.size())};
    for (int y = 1; y < ink.height; ++y)
        for (int x = 0; x < ink.width; ++x) {
            float least = paths.met.at(x, y - 1);
            int step = 0;
            for (const int side : {-1, 1}) {
                if (!ink.holds(x + side, y - 1)) continue;
                const float met = paths.met.at(x + side, y - 1) + aside;
                if (met < least) least = met, step = side;
            }
            paths.met.at(x, y) += least;
            paths.steps[position(x, y, ink.width)] = step;
        }
    return paths;
}

Sheet upside_down(const Sheet& sheet) {
    Sheet turned = sheet;
    for (int y = 0; y < sheet.height; ++y)
        for (int x = 0; x < sheet.width; ++x) turned.at(x, y) = sheet.at(x, sheet.height - 1 - y);
    return turned;
}

/// A path from the top to the bottom: its place in each row.
using Path = std::vector<int>;

/// The best paths through each place of the middle row.
class Middle {
  public:
    explicit Middle(const Sheet& ink)
        : ink_(ink),
          from_top_(paths_from_first_row(ink)),
          from_bottom_(paths_from_first_row(upside_down(ink))) {}

    float met(int x) const {
        return from_top_.met.at(x, middle) + from_bottom_.met.at(x, rows - 1 - middle) -
               ink_.at(x, middle);
    }
    Path through(int x) const {
        Path path(rows);
        path[middle] = x;
        for (std::size_t y = middle; y > 0; --y)
            path[y - 1] = path[y] + step(from_top_, path[y], static_cast<int>(y));
        for (std::size_t y = middle; y + 1 < rows; ++y)
            path[y + 1] = path[y] + step(from_bottom_, path[y], rows - 1 - static_cast<int>(y));
        return path;
    }

  private:
    static constexpr int middle = rows / 2;
    int step(const Paths& paths, int x, int y) const {
        return paths.steps[position(x, y, ink_.width)];
    }
    const Sheet& ink_;
    Paths from_top_, from_bottom_;
};

/// The ink before the path, if `left`, or that on it and behind it.
Sheet side_of(const Sheet& ink, const Path& path, bool left) {
    Sheet part = ink;
    for (int y = 0; y < ink.height; ++y)
        for (int x = 0; x < ink.width; ++x)
            if ((x < path[static_cast<std::size_t>(y)]) != left) part.at(x, y) = 0;
    return part;
}

/// How much of the ink is before a path.
class Shares {
  public:
    explicit Shares(const Sheet& ink) : before_(ink.width + 1, ink.height) {
        for (int y = 0; y < ink.height; ++y) {
            for (int x = 0; x < ink.width; ++x)
                before_.at(x + 1, y) = before_.at(x, y) + ink.at(x, y);
            all_ += static_cast<double>(before_.at(ink.width, y));
        }
    }
    double before(const Path& path) const {
        double sum = 0;
        for (int y = 0; y < before_.height; ++y)
            sum += static_cast<double>(before_.at(path[static_cast<std::size_t>(y)], y));
        return all_ > 0 ? sum / all_ : 0;
    }

  private:
    Sheet before_;
    double all_ = 0;
};

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

std::vector<Cut> cuts_of(const Sheet& digit) {
    constexpr std::size_t most_cuts = 3;
    constexpr double least_share = 0.12, other_share = 0.06;
    const Sheet ink = of_rows(digit);
    const Middle middle(ink);
    const Shares shares(ink);
    std::vector<int> places(static_cast<std::size_t>(ink.width));
    std::iota(places.begin(), places.end(), 0);
    std::ranges::stable_sort(places, {}, [&](int x) { return middle.met(x); });
    std::vector<Cut> cuts;
    std::vector<double> taken;
    for (const int x : places) {
        if (cuts.size() == most_cuts) break;
        const Path path = middle.through(x);
        const double share = shares.before(path);
        const auto is_near = [&](double other) { return std::abs(share - other) < other_share; };
        if (share < least_share || share > 1 - least_share || std::ranges::any_of(taken, is_near))
            continue;
        taken.push_back(share);
        cuts.push_back({side_of(ink, path, true), side_of(ink, path, false)});
    }
    return cuts;
}
