// picture_ground.cpp: tells ink from paper, whatever the light: which is darker, and where how
// bright the paper is.
//
// Two guesses of the paper's brightness are made, one for light that changes slowly and one for
// shadows with an edge, and at each pixel the lower one is taken.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "input/picture_stages.h"

namespace {

constexpr int working_side = 700;

/// Side of the square that ink never fills, as a part of the longer side, halved.
constexpr double reach_of_ink = 0.22;

/// The means of squares of `side` pixels; at the right and the bottom, of what is left of them.
Sheet means_of_squares(const Picture& picture, int side) {
    Sheet sums(ceil_div(picture.width, side), ceil_div(picture.height, side)), counts = sums;
    for (int y = 0; y < picture.height; ++y)
        for (int x = 0; x < picture.width; ++x) {
            sums.at(x / side, y / side) += picture.grey[position(x, y, picture.width)];
            ++counts.at(x / side, y / side);
        }
    for (std::size_t i = 0; i < sums.values.size(); ++i) sums.values[i] /= counts.values[i];
    return sums;
}

/// First by a whole factor, which needs no memory for the large picture in real numbers.
Sheet sheet_of(const Picture& picture) {
    const int longest = std::max(picture.width, picture.height);
    Sheet sheet = means_of_squares(picture, std::max(1, longest / working_side));
    if (longest <= working_side) return sheet;
    const auto side = [&](int length) {
        return std::max(1, static_cast<int>(std::lround(1.0 * length * working_side / longest)));
    };
    return scaled(sheet, {0, 0, sheet.width, sheet.height}, side(picture.width),
                  side(picture.height));
}

/// The part of the pixels on the ring `depth` pixels inside the border that are lighter than
/// `threshold`.
double light_part_of_ring(const Sheet& grey, int depth, float threshold) {
    int light = 0, all = 0;
    for (int y = depth; y < grey.height - depth; ++y) {
        const bool whole_row = y == depth || y == grey.height - 1 - depth;
        const int step = whole_row ? 1 : std::max(1, grey.width - 1 - 2 * depth);
        for (int x = depth; x < grey.width - depth; x += step) {
            ++all;
            if (grey.at(x, y) > threshold) ++light;
        }
    }
    return all == 0 ? 0.5 : 1.0 * light / all;
}

/// From -1 to 1. What is far from the mean around it is ink, because around most pixels there is
/// more paper: below 0 where that is darker.
double skew_of(const Sheet& grey) {
    const int reach = std::max(1, std::min(grey.width, grey.height) / 4);
    const Sheet mean = mean_around(grey, reach);
    double sum = 0, all = 0;
    for (std::size_t i = 0; i < grey.values.size(); ++i) {
        const auto off = static_cast<double>(grey.values[i] - mean.values[i]);
        sum += off * off * off;
        all += std::abs(off * off * off);
    }
    return all > 0 ? sum / all : 0;
}

/// The border shows paper, unless it is a frame: so what most of the outermost rings show that
/// show but one thing. Where light and shadow meet at the border, it is asked how ink lies in the
/// whole.
bool ink_is_darker(const Sheet& grey) {
    const float threshold = otsu_threshold(grey.values);
    int light = 0, dark = 0;
    for (int depth = 0; depth <= std::max(grey.width, grey.height) / 14; ++depth) {
        const double ring = light_part_of_ring(grey, depth, threshold);
        light += ring > 0.97 ? depth + 1 : 0;
        dark += ring < 0.03 ? depth + 1 : 0;
    }
    if (light != dark) return light > dark;
    const double border = light_part_of_ring(grey, 0, threshold);
    if (border < 0.25 || border > 0.75) return border > 0.5;
    return 2 * border - 1 - skew_of(grey) > 0;
}

constexpr std::size_t terms = 6;
using Terms = std::array<double, terms>;

/// 1, x, y, xx, xy, yy, with x and y from -1 to 1.
Terms terms_at(const Sheet& sheet, int x, int y) {
    const double u = sheet.width > 1 ? 2.0 * x / (sheet.width - 1) - 1 : 0;
    const double v = sheet.height > 1 ? 2.0 * y / (sheet.height - 1) - 1 : 0;
    return {1, u, v, u * u, u * v, v * v};
}
double value_of(const Terms& factors, const Terms& at) {
    return std::inner_product(at.begin(), at.end(), factors.begin(), 0.0);
}

/// Solves the normal equations a f = b by elimination. A term that the points say nothing of gets
/// the factor 0.
Terms solved(std::array<Terms, terms> a, Terms b) {
    std::array<bool, terms> told{};
    for (std::size_t i = 0; i < terms; ++i) {
        told[i] = a[i][i] > 1e-9 * a[0][0];
        if (!told[i]) continue;
        for (std::size_t row = 0; row < terms; ++row) {
            if (row == i) continue;
            const double factor = a[row][i] / a[i][i];
            for (std::size_t k = 0; k < terms; ++k) a[row][k] -= factor * a[i][k];
            b[row] -= factor * b[i];
        }
    }
    Terms factors{};
    for (std::size_t i = 0; i < terms; ++i) factors[i] = told[i] ? b[i] / a[i][i] : 0;
    return factors;
}

/// The second-order surface through the paper: by least squares through all pixels, then again
/// and again without those that are far below it, which are ink.
Terms surface_through(const Sheet& grey) {
    const int across = std::max(1, grey.width / 64), down = std::max(1, grey.height / 64);
    struct Point {
        Terms at;
        double grey;
    };
    std::vector<Point> points;
    std::vector<float> greys;
    for (int y = down / 2; y < grey.height; y += down)
        for (int x = across / 2; x < grey.width; x += across) {
            greys.push_back(grey.at(x, y));
            points.push_back({terms_at(grey, x, y), static_cast<double>(greys.back())});
        }
    Terms factors{static_cast<double>(quantile(greys, 0.6))};
    for (int round = 0; round < 8; ++round) {
        std::vector<float> off(points.size());
        std::ranges::transform(points, off.begin(), [&](const Point& p) {
            return static_cast<float>(std::abs(p.grey - value_of(factors, p.at)));
        });
        const double far = std::max(4.0, 2.5 * 1.4826 * static_cast<double>(quantile(off, 0.4)));
        std::array<Terms, terms> a{};
        Terms b{};
        for (const Point& p : points) {
            if (std::abs(p.grey - value_of(factors, p.at)) > far) continue;
            for (std::size_t i = 0; i < terms; ++i) {
                b[i] += p.at[i] * p.grey;
                for (std::size_t k = 0; k < terms; ++k) a[i][k] += p.at[i] * p.at[k];
            }
        }
        factors = solved(a, b);
    }
    return factors;
}

/// The standard deviation of what is noise in the ink: from the differences of neighbours, of which
/// many lie within paper or within ink. Strokes that run in one direction have few edges along it,
/// so the smaller of both estimates is taken.
double noise_of(const Sheet& ink) {
    std::vector<float> across, down;
    for (int y = 0; y < ink.height; ++y)
        for (int x = 0; x < ink.width; ++x) {
            if (x > 0) across.push_back(std::abs(ink.at(x, y) - ink.at(x - 1, y)));
            if (y > 0) down.push_back(std::abs(ink.at(x, y) - ink.at(x, y - 1)));
        }
    if (across.empty() || down.empty()) return 0;
    // A quarter of |a - b|, for two normal deviates, is less than 0.45 of their deviation.
    return static_cast<double>(std::min(quantile(across, 0.25), quantile(down, 0.25))) / 0.45;
}

/// Fills what is dark and narrower than reach_of_ink says.
Sheet without_strokes(const Sheet& sheet) {
    const int longest = std::max(sheet.width, sheet.height);
    const int shortest = std::min(sheet.width, sheet.height);
    const int reach =
        std::max(1, std::min(static_cast<int>(std::lround(reach_of_ink * longest)), shortest / 2));
    const Sheet smooth = mean_around(sheet, longest / 200);
    return smallest_around(largest_around(smooth, reach), reach);
}

}  // namespace

Paper paper_of(const Picture& picture) {
    Paper paper{sheet_of(picture), false};
    paper.was_light_on_dark = !ink_is_darker(paper.grey);
    if (paper.was_light_on_dark)
        for (float& value : paper.grey.values) value = 255 - value;
    return paper;
}

Sheet ground_of(const Sheet& grey) {
    const Terms factors = surface_through(grey);
    Sheet surface(grey.width, grey.height), rest = grey;
    for (int y = 0; y < grey.height; ++y)
        for (int x = 0; x < grey.width; ++x) {
            surface.at(x, y) = static_cast<float>(value_of(factors, terms_at(grey, x, y)));
            rest.at(x, y) -= surface.at(x, y);
        }
    const Sheet flat = without_strokes(grey), bent = without_strokes(rest);
    Sheet ground = flat;
    for (std::size_t i = 0; i < ground.values.size(); ++i)
        ground.values[i] =
            std::clamp(std::min(flat.values[i], bent.values[i] + surface.values[i]), 0.0F, 255.0F);
    return ground;
}

Sheet ink_of(const Paper& paper, const Sheet& ground, const std::string& name) {
    Sheet ink = paper.grey;
    for (std::size_t i = 0; i < ink.values.size(); ++i) {
        const float bright = ground.values[i];
        // In a shadow, ink on paper is less far from its ground; light strokes on a board are not.
        const float gain = paper.was_light_on_dark ? 1.0F : 255 / std::max(bright, 32.0F);
        ink.values[i] = std::max(0.0F, gain * (bright - ink.values[i]));
    }
    const double noise = noise_of(ink);
    const float base =
        quantile(ink.values, 0.5) < otsu_threshold(ink.values) ? quantile(ink.values, 0.4) : 0;
    for (float& value : ink.values) value = std::max(0.0F, value - base);
    // Full ink: nine tenths of the pixels above Otsu's threshold have no more. So a few stray
    // pixels decide nothing.
    const float threshold = otsu_threshold(ink.values);
    std::vector<float> upper;
    std::ranges::copy_if(ink.values, std::back_inserter(upper),
                         [&](float value) { return value > threshold; });
    const float full = upper.empty() ? 0 : quantile(std::move(upper), 0.9);
    const double least = std::max(12.0, 4 * noise);
    if (static_cast<double>(full) < least)
        throw InputError(name + ": nothing is drawn that stands out from its background (ink " +
                         std::to_string(std::lround(full)) +
                         " of 255, where the background varies by " +
                         std::to_string(std::lround(noise)) +
                         "); draw darker, or on paper that is lit more evenly");
    const float floor = std::max(full / 10, static_cast<float>(1.5 * noise));
    for (float& value : ink.values) value = value <= floor ? 0.0F : std::min(1.0F, value / full);
    return ink;
}
