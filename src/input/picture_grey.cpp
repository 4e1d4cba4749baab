// picture_grey.cpp: makes greys of colours, puts a background behind what is transparent, and turns
// a picture upright.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/range.h"
#include "input/picture_border.h"
#include "input/picture_formats.h"

namespace {

using Colour = std::array<double, 3>;

/// The brightness of red, green and blue. Source: ITU-R BT.601.
constexpr Colour brightness{0.299, 0.587, 0.114};

/// Covariance times a constant.
using Covariance = std::array<Colour, 3>;

Colour times(const Covariance& covariance, const Colour& v) {
    Colour result{};
    for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t k = 0; k < 3; ++k) result[i] += covariance[i][k] * v[k];
    return result;
}
double along(const Covariance& covariance, const Colour& v) {
    const Colour image = times(covariance, v);
    return v[0] * image[0] + v[1] * image[1] + v[2] * image[2];
}
/// Divided by the sum of what its numbers are without sign: so greys stay between 0 and 255.
Colour weights_along(Colour v) {
    const double sum = std::abs(v[0]) + std::abs(v[1]) + std::abs(v[2]);
    for (double& x : v) x /= sum;
    return v;
}

Covariance covariance_of(const Raster& raster) {
    const auto channels = static_cast<std::size_t>(raster.channels);
    const std::size_t pixels = raster.values.size() / channels;
    const std::size_t step = std::max<std::size_t>(1, pixels / 50000);
    double weight = 0;
    Colour sum{};
    Covariance squares{};
    for (std::size_t p = 0; p < pixels; p += step) {
        const std::uint8_t* const value = raster.values.data() + p * channels;
        const double seen = channels == 4 ? value[3] : 255;
        weight += seen;
        for (std::size_t i = 0; i < 3; ++i) {
            sum[i] += seen * value[i];
            for (std::size_t k = 0; k < 3; ++k) squares[i][k] += seen * value[i] * value[k];
        }
    }
    if (weight > 0)
        for (std::size_t i = 0; i < 3; ++i)
            for (std::size_t k = 0; k < 3; ++k) squares[i][k] -= sum[i] * sum[k] / weight;
    return squares;
}

/// Brightness, if it tells the colours at least half as well apart as what does so best: the
/// direction in which they spread most, found by the power method.
Colour grey_weights(const Raster& raster) {
    const Covariance covariance = covariance_of(raster);
    Colour widest = *std::ranges::max_element(covariance, {}, [](const Colour& row) {
        return row[0] * row[0] + row[1] * row[1] + row[2] * row[2];
    });
    if (widest == Colour{}) return brightness;
    for (int round = 0; round < 50; ++round)
        widest = weights_along(times(covariance, weights_along(widest)));
    if (!std::isfinite(widest[0]) || 4 * along(covariance, brightness) >= along(covariance, widest))
        return brightness;
    const bool opposite =
        widest[0] * brightness[0] + widest[1] * brightness[1] + widest[2] * brightness[2] < 0;
    for (double& x : widest) x = opposite ? -x : x;
    return widest;
}

/// Grey, or grey and alpha.
std::vector<std::uint8_t> without_colours(const Raster& raster) {
    const Colour weights = grey_weights(raster);
    double black = 0;  // what makes the least grey 0
    for (const double w : weights) black += 255 * std::max(0.0, -w);
    const auto channels = static_cast<std::size_t>(raster.channels);
    std::vector<std::uint8_t> greys;
    greys.reserve(raster.values.size() / channels * (channels - 2));
    for (std::size_t i = 0; i < raster.values.size(); i += channels) {
        const std::uint8_t* const value = raster.values.data() + i;
        const double grey =
            black + weights[0] * value[0] + weights[1] * value[1] + weights[2] * value[2];
        greys.push_back(static_cast<std::uint8_t>(std::clamp(std::lround(grey), 0L, 255L)));
        if (channels == 4) greys.push_back(value[3]);
    }
    return greys;
}

/// The grey that transparent pixels get. If most of the border is opaque, the border is the
/// background, and its median is taken. Otherwise only the drawing is opaque, and its background is
/// the opposite grey.
std::uint8_t background_of(const std::vector<std::uint8_t>& grey_alpha, int width, int height) {
    std::vector<std::uint8_t> seen;
    std::size_t border = 0;
    for_border(width, height, [&](std::size_t i) {
        ++border;
        if (grey_alpha[2 * i + 1] >= 128) seen.push_back(grey_alpha[2 * i]);
    });
    if (2 * seen.size() >= border) return static_cast<std::uint8_t>(median(seen));
    double sum = 0, weight = 0;
    for (std::size_t i = 0; i < grey_alpha.size(); i += 2) {
        sum += double{1} * grey_alpha[i] * grey_alpha[i + 1];
        weight += grey_alpha[i + 1];
    }
    return sum < 128 * weight ? 255 : 0;
}

std::vector<std::uint8_t> on_background(const std::vector<std::uint8_t>& grey_alpha, int width,
                                        int height) {
    const int background = background_of(grey_alpha, width, height);
    std::vector<std::uint8_t> grey(grey_alpha.size() / 2);
    for (std::size_t i = 0; i < grey.size(); ++i) {
        const int alpha = grey_alpha[2 * i + 1];
        const int mixed = grey_alpha[2 * i] * alpha + background * (255 - alpha);
        grey[i] = static_cast<std::uint8_t>((mixed + 127) / 255);
    }
    return grey;
}

/// Turns and mirrors: from the second four orientations on, rows become columns.
Picture upright(Picture stored, int orientation) {
    if (orientation == 1) return stored;
    const bool turned = orientation >= 5;
    const int width = stored.width, height = stored.height;
    Picture result{turned ? height : width, turned ? width : height, {}};
    result.grey.reserve(stored.grey.size());
    const bool from_right =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool from_bottom =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    for (int y = 0; y < result.height; ++y)
        for (int x = 0; x < result.width; ++x) {
            const int col = turned ? y : x, row = turned ? x : y;
            result.grey.push_back(stored.grey[position(
                from_right ? width - 1 - col : col, from_bottom ? height - 1 - row : row, width)]);
        }
    return result;
}

}  // namespace

Picture grey_of(Raster raster) {
    std::vector<std::uint8_t> grey =
        raster.channels > 2 ? without_colours(raster) : std::move(raster.values);
    if (raster.channels % 2 == 0) grey = on_background(grey, raster.width, raster.height);
    return upright({raster.width, raster.height, std::move(grey)}, raster.orientation);
}
