// picture_prepare.cpp: makes an image like MNIST's from a drawing.
//
// Each step of MNIST's own preparation is a function: which side is ink, how much ink each pixel
// has, where it lies, how it is scaled, and where it is put.
#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "base/range.h"
#include "input/picture.h"
#include "input/picture_border.h"

namespace {

/// The ink of a whole picture; 0 is background.
struct Ink {
    std::vector<std::uint8_t> amount;
    double noise = 0;  ///< standard deviation of the background
};

/// A pixel's place and grey.
struct Spot {
    double x, y, grey;
};

/// The grey of a background that may be brighter on one side, because paper is seldom lit from
/// straight above.
struct Plane {
    double x, y, grey;                 ///< a point of the plane
    double across = 0, down = 0;       ///< change of grey from pixel to pixel
    double off(const Spot& s) const {  ///< distance from the plane, up or down
        return std::abs(s.grey - at(s.x, s.y));
    }
    double at(double to_x, double to_y) const {
        return grey + across * (to_x - x) + down * (to_y - y);
    }
};

/// The nearest plane by least squares; it is flat if the spots determine no slope.
Plane plane_through(const std::vector<Spot>& spots) {
    Plane plane{};
    for (const Spot& s : spots) {
        plane.x += s.x / static_cast<double>(spots.size());
        plane.y += s.y / static_cast<double>(spots.size());
        plane.grey += s.grey / static_cast<double>(spots.size());
    }
    double xx = 0, xy = 0, yy = 0, xg = 0, yg = 0;
    for (const Spot& s : spots) {
        const double x = s.x - plane.x, y = s.y - plane.y, grey = s.grey - plane.grey;
        xx += x * x;
        xy += x * y;
        yy += y * y;
        xg += x * grey;
        yg += y * grey;
    }
    const double determinant = xx * yy - xy * xy;
    if (determinant > 1e-6 * xx * yy) {
        plane.across = (xg * yy - yg * xy) / determinant;
        plane.down = (yg * xx - xg * xy) / determinant;
    }
    return plane;
}

/// The standard deviation of a normal distribution, from the median distance of the spots. Ink that
/// touches the border hardly changes the median.
double deviation(const std::vector<Spot>& spots, const Plane& plane) {
    std::vector<double> off(spots.size());
    std::ranges::transform(spots, off.begin(), [&](const Spot& s) { return plane.off(s); });
    return 1.4826 * median(std::move(off));
}

/// The plane through the border's spots that are no ink: first through those near the median, then
/// through those near the first plane.
Plane background_of(const std::vector<Spot>& border) {
    std::vector<double> greys(border.size());
    std::ranges::transform(border, greys.begin(), &Spot::grey);
    Plane plane{.x = 0, .y = 0, .grey = median(std::move(greys))};
    for (int round = 0; round < 3; ++round) {
        const double far = std::max(1.0, 3 * deviation(border, plane));
        std::vector<Spot> paper;
        std::ranges::copy_if(border, std::back_inserter(paper),
                             [&](const Spot& s) { return plane.off(s) <= far; });
        plane = plane_through(paper);
    }
    return plane;
}

/// Makes the picture light on dark, and subtracts the background's grey.
Ink ink_of(const Picture& picture, bool dark_on_light) {
    const auto light_on_dark = [&](std::size_t i) {
        const std::uint8_t grey = picture.grey[i];
        return dark_on_light ? static_cast<std::uint8_t>(255 - grey) : grey;
    };
    const auto spot = [&](std::size_t i) {
        const auto width = static_cast<std::size_t>(picture.width);
        const std::size_t row = i / width;
        return Spot{static_cast<double>(i % width), static_cast<double>(row),
                    static_cast<double>(light_on_dark(i))};
    };
    std::vector<Spot> border;
    for_border(picture.width, picture.height, [&](std::size_t i) { border.push_back(spot(i)); });
    const Plane background = background_of(border);
    Ink ink{std::vector<std::uint8_t>(picture.grey.size()), deviation(border, background)};
    for (std::size_t i = 0; i < ink.amount.size(); ++i) {
        const Spot s = spot(i);
        ink.amount[i] = static_cast<std::uint8_t>(
            std::lround(std::clamp(s.grey - background.at(s.x, s.y), 0.0, 255.0)));
    }
    return ink;
}

/// True if the median of the border is nearer to the lightest than to the darkest grey.
bool is_dark_on_light(const Picture& picture) {
    const auto [darkest, lightest] = std::ranges::minmax(picture.grey);
    std::vector<std::uint8_t> border;
    for_border(picture.width, picture.height,
               [&](std::size_t i) { border.push_back(picture.grey[i]); });
    return 2 * median(border) > darkest + lightest;
}

using Histogram = std::array<std::size_t, 256>;

/// The value that splits a histogram into two classes so that the variance between them is largest;
/// what lies above it is the upper class. Source: N. Otsu, "A threshold selection method from
/// gray-level histograms", 1979.
int otsu_threshold(const Histogram& histogram) {
    double total = 0, sum = 0;
    for (std::size_t v = 0; v < histogram.size(); ++v) {
        total += static_cast<double>(histogram[v]);
        sum += static_cast<double>(v * histogram[v]);
    }
    int best = 0;
    double largest = -1, below = 0, sum_below = 0;
    for (int v = 0; v < 255; ++v) {
        const auto count = static_cast<double>(histogram[static_cast<std::size_t>(v)]);
        below += count;
        sum_below += v * count;
        if (below == 0 || below == total) continue;
        const double apart = sum_below / below - (sum - sum_below) / (total - below);
        const double between = below * (total - below) * apart * apart;
        if (between > largest) {
            largest = between;
            best = v;
        }
    }
    return best;
}

/// The amount that counts as full ink: nine tenths of the pixels above Otsu's threshold have no
/// more. So a few stray pixels decide nothing.
int full_ink(const std::vector<std::uint8_t>& amount) {
    Histogram histogram{};
    for (const auto value : amount) ++histogram[value];
    const auto threshold = static_cast<std::size_t>(otsu_threshold(histogram));
    std::size_t upper = 0;
    for (std::size_t v = threshold + 1; v < 256; ++v) upper += histogram[v];
    std::size_t value = threshold, seen = 0;
    while (value < 255 && 10 * seen < 9 * upper) seen += histogram[++value];
    return static_cast<int>(value);
}

/// Stretches the ink to 0..255. An amount below a tenth of full ink, or within six standard
/// deviations of the background, is noise and becomes 0. Of a hundred million normal deviates, none
/// is expected beyond six.
void clean(Ink& ink, const std::string& name) {
    const int full = full_ink(ink.amount);
    const double floor = std::max(full / 10.0, 6 * std::max(1.0, ink.noise));
    if (floor >= full / 2.0)
        throw InputError(name + ": nothing is drawn that stands out from its background (ink " +
                         std::to_string(full) + " of 255, where the background varies by " +
                         std::to_string(std::lround(ink.noise)) +
                         "); draw darker, or on paper that is lit more evenly");
    for (auto& value : ink.amount)
        value = value <= floor
                    ? std::uint8_t{0}
                    : static_cast<std::uint8_t>(std::min(255.0, std::round(value * 255.0 / full)));
}

/// The smallest rectangle that holds all ink. There must be some ink.
struct Box {
    int left, top, width, height;
};
Box box_of(const std::vector<std::uint8_t>& amount, int width, int height) {
    int left = width, top = height, right = -1, bottom = -1;
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            if (amount[position(x, y, width)] > 0) {
                left = std::min(left, x);
                right = std::max(right, x);
                top = std::min(top, y);
                bottom = y;
            }
    return {left, top, right - left + 1, bottom - top + 1};
}

/// The weights of the pixels from `first` on that make one pixel of a scaled row; their sum is 1.
struct Taps {
    int first;
    std::vector<double> weights;
};

/// Scales `from` pixels to `to`. To fewer: each new pixel is the mean of the stretch that it
/// covers. To more: each lies on the straight line between the centres of the two nearest pixels.
std::vector<Taps> scaling(int from, int to) {
    std::vector<Taps> all;
    const double stretch = static_cast<double>(from) / to;
    for (int i = 0; i < to; ++i) {
        if (stretch >= 1) {
            const double begin = i * stretch, end = std::min<double>(from, (i + 1) * stretch);
            Taps taps{static_cast<int>(begin), {}};
            for (int k = taps.first; k < from && k < end; ++k)
                taps.weights.push_back((std::min(end, k + 1.0) - std::max<double>(begin, k)) /
                                       (end - begin));
            all.push_back(std::move(taps));
        } else {
            const double centre = std::clamp((i + 0.5) * stretch - 0.5, 0.0, from - 1.0);
            const int first = std::min(static_cast<int>(centre), std::max(0, from - 2));
            const double second = centre - first;
            all.push_back({first, from == 1 ? std::vector<double>{1}
                                            : std::vector<double>{1 - second, second}});
        }
    }
    return all;
}

struct Scaled {
    int width, height;
    std::vector<double> ink;
};

/// The box, cut out and scaled to width x height: first down the columns, row by row, then along
/// the rows.
Scaled scaled(const std::vector<std::uint8_t>& amount, int picture_width, const Box& box, int width,
              int height) {
    Scaled result{width, height, std::vector<double>(elements(width, height))};
    const auto across = scaling(box.width, width), down = scaling(box.height, height);
    std::vector<double> row(static_cast<std::size_t>(box.width));
    for (int y = 0; y < height; ++y) {
        std::ranges::fill(row, 0.0);
        const Taps& rows = down[static_cast<std::size_t>(y)];
        for (std::size_t k = 0; k < rows.weights.size(); ++k) {
            const std::uint8_t* const source =
                amount.data() +
                position(box.left, box.top + rows.first + static_cast<int>(k), picture_width);
            for (std::size_t x = 0; x < row.size(); ++x) row[x] += rows.weights[k] * source[x];
        }
        for (int x = 0; x < width; ++x) {
            const Taps& columns = across[static_cast<std::size_t>(x)];
            double sum = 0;
            for (std::size_t k = 0; k < columns.weights.size(); ++k)
                sum += columns.weights[k] * row[static_cast<std::size_t>(columns.first) + k];
            result.ink[position(x, y, width)] = sum;
        }
    }
    return result;
}

/// The place where the box begins along one side of the network's input. There the centre of mass
/// is at pixel side / 2, as in MNIST, or as near to it as the box can come without leaving the
/// input.
int placed(double centre_of_mass, int box, int side) {
    return std::clamp(side / 2 - static_cast<int>(std::lround(centre_of_mass)), 0, side - box);
}

/// A thin line of a large picture becomes pale when it is scaled down. So the pixel with the most
/// ink becomes full ink.
void stretch(Scaled& drawing) {
    const double most = *std::ranges::max_element(drawing.ink);
    for (double& ink : drawing.ink) ink *= 255 / most;
}

std::vector<std::uint8_t> centred(const Scaled& drawing, int rows, int cols) {
    double mass = 0, along = 0, down = 0;
    for (int y = 0; y < drawing.height; ++y)
        for (int x = 0; x < drawing.width; ++x) {
            const double ink = drawing.ink[position(x, y, drawing.width)];
            mass += ink;
            along += ink * x;
            down += ink * y;
        }
    const int left = placed(along / mass, drawing.width, cols);
    const int top = placed(down / mass, drawing.height, rows);
    std::vector<std::uint8_t> input(elements(cols, rows));
    for (int y = 0; y < drawing.height; ++y)
        for (int x = 0; x < drawing.width; ++x)
            input[position(left + x, top + y, cols)] =
                static_cast<std::uint8_t>(std::lround(drawing.ink[position(x, y, drawing.width)]));
    return input;
}

/// For a picture of the network's own size: changes only its polarity.
std::vector<std::uint8_t> as_it_is(const Picture& picture, bool dark_on_light,
                                   const std::string& name) {
    std::vector<std::uint8_t> input = picture.grey;
    if (std::ranges::count(input, input.front()) == std::ssize(input))
        throw InputError(name + ": every pixel has the same grey; draw something");
    if (dark_on_light)
        for (auto& value : input) value = static_cast<std::uint8_t>(255 - value);
    return input;
}

}  // namespace

std::vector<std::uint8_t> as_network_input(const Picture& picture, int rows, int cols,
                                           const std::string& name) {
    const bool dark_on_light = is_dark_on_light(picture);
    if (picture.width == cols && picture.height == rows)
        return as_it_is(picture, dark_on_light, name);
    Ink ink = ink_of(picture, dark_on_light);
    clean(ink, name);
    const Box box = box_of(ink.amount, picture.width, picture.height);
    const double scale = std::min(20.0 / 28 * cols / box.width, 20.0 / 28 * rows / box.height);
    const auto side = [&](int length) {
        return std::max(1, static_cast<int>(std::lround(scale * length)));
    };
    Scaled drawing = scaled(ink.amount, picture.width, box, side(box.width), side(box.height));
    stretch(drawing);
    return centred(drawing, rows, cols);
}
