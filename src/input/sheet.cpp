// sheet.cpp: scales, filters and measures sheets.
//
// Filters over squares take the rows and then the columns, and use what one position shares with
// the next, so that their time does not depend on the size of the square.
#include "input/sheet.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>

namespace {

/// The weights of the pixels from `first` on that make one pixel of a scaled row; their sum is 1.
struct Taps {
    int first;
    std::vector<double> weights;
};

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

/// Calls row(from, to, length) for each row, then for each column of what came out.
template <class Row>
Sheet along_both(const Sheet& sheet, Row&& row) {
    Sheet result = sheet;
    for (int turn = 0; turn < 2; ++turn) {
        const Sheet source = result;
        for (int y = 0; y < source.height; ++y)
            row(source.values.data() + position(0, y, source.width),
                result.values.data() + position(0, y, source.width), source.width);
        result = transposed(result);
    }
    return result;
}

/// The extreme of each window of 2 reach + 1 values, where before(a, b) says that a is nearer to
/// the extreme. The queue holds the candidates of the window, the best first.
template <class Before>
Sheet extreme_around(const Sheet& sheet, int reach, Before&& before) {
    return along_both(sheet, [&](const float* from, float* to, int length) {
        std::deque<int> candidates;
        for (int i = 0; i < length + reach; ++i) {
            if (i < length) {
                while (!candidates.empty() && !before(from[candidates.back()], from[i]))
                    candidates.pop_back();
                candidates.push_back(i);
            }
            if (i < reach) continue;
            while (candidates.front() < i - 2 * reach) candidates.pop_front();
            to[i - reach] = from[candidates.front()];
        }
    });
}

}  // namespace

Sheet transposed(const Sheet& sheet) {
    Sheet result(sheet.height, sheet.width);
    for (int y = 0; y < sheet.height; ++y)
        for (int x = 0; x < sheet.width; ++x) result.at(y, x) = sheet.at(x, y);
    return result;
}

Box box_of(const Sheet& sheet) {
    int left = sheet.width, top = sheet.height, right = -1, bottom = -1;
    for (int y = 0; y < sheet.height; ++y)
        for (int x = 0; x < sheet.width; ++x)
            if (sheet.at(x, y) > 0) {
                left = std::min(left, x);
                right = std::max(right, x);
                top = std::min(top, y);
                bottom = y;
            }
    if (right < 0) return {};
    return {left, top, right - left + 1, bottom - top + 1};
}

Box both(const Box& a, const Box& b) {
    const int left = std::min(a.left, b.left), top = std::min(a.top, b.top);
    return {left, top, std::max(a.right(), b.right()) - left,
            std::max(a.bottom(), b.bottom()) - top};
}

Sheet scaled(const Sheet& sheet, const Box& box, int width, int height) {
    Sheet result(width, height);
    const auto across = scaling(box.width, width), down = scaling(box.height, height);
    std::vector<double> row(static_cast<std::size_t>(box.width));
    for (int y = 0; y < height; ++y) {
        std::ranges::fill(row, 0.0);
        const Taps& rows = down[static_cast<std::size_t>(y)];
        for (std::size_t k = 0; k < rows.weights.size(); ++k) {
            const float* const source =
                sheet.values.data() +
                position(box.left, box.top + rows.first + static_cast<int>(k), sheet.width);
            for (std::size_t x = 0; x < row.size(); ++x) row[x] += rows.weights[k] * source[x];
        }
        for (int x = 0; x < width; ++x) {
            const Taps& columns = across[static_cast<std::size_t>(x)];
            double sum = 0;
            for (std::size_t k = 0; k < columns.weights.size(); ++k)
                sum += columns.weights[k] * row[static_cast<std::size_t>(columns.first) + k];
            result.at(x, y) = static_cast<float>(sum);
        }
    }
    return result;
}

Sheet mean_around(const Sheet& sheet, int reach) {
    return along_both(sheet, [&](const float* from, float* to, int length) {
        double sum = 0;
        int count = 0;
        for (int i = 0; i < length + reach; ++i) {
            if (i < length) sum += from[i], ++count;
            if (i > 2 * reach) sum -= from[i - 2 * reach - 1], --count;
            if (i >= reach) to[i - reach] = static_cast<float>(sum / count);
        }
    });
}

Sheet largest_around(const Sheet& sheet, int reach) {
    return extreme_around(sheet, reach, [](float a, float b) { return a > b; });
}
Sheet smallest_around(const Sheet& sheet, int reach) {
    return extreme_around(sheet, reach, [](float a, float b) { return a < b; });
}

Sheet thicker(const Sheet& sheet, double radius) {
    const int reach = static_cast<int>(std::ceil(radius));
    Sheet result = sheet;
    for (int v = -reach; v <= reach; ++v)
        for (int u = -reach; u <= reach; ++u) {
            // 1 within the radius, 0 from one pixel further on, a straight line between.
            const double weight = std::clamp(radius + 1 - std::hypot(u, v), 0.0, 1.0);
            if (weight == 0) continue;
            for (int y = std::max(0, -v); y < std::min(sheet.height, sheet.height - v); ++y)
                for (int x = std::max(0, -u); x < std::min(sheet.width, sheet.width - u); ++x)
                    result.at(x, y) = std::max(result.at(x, y),
                                               static_cast<float>(weight) * sheet.at(x + u, y + v));
        }
    return result;
}

Sheet thinner(const Sheet& sheet, double radius) {
    const float most = *std::ranges::max_element(sheet.values);
    Sheet opposite = sheet;
    for (float& value : opposite.values) value = most - value;
    opposite = thicker(opposite, radius);
    for (float& value : opposite.values) value = most - value;
    return opposite;
}

float quantile(std::vector<float> values, double part) {
    const auto place =
        values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
    std::ranges::nth_element(values, place);
    return *place;
}

float otsu_threshold(const std::vector<float>& values) {
    const auto [low, high] = std::ranges::minmax(values);
    if (low == high) return low;
    std::array<double, 256> histogram{};
    const double step = (high - low) / 255.0;
    double total = 0, sum = 0;
    for (const float value : values) {
        const auto bin = static_cast<std::size_t>(std::lround((value - low) / step));
        histogram[std::min<std::size_t>(bin, 255)] += 1;
    }
    for (std::size_t v = 0; v < 256; ++v) {
        total += histogram[v];
        sum += static_cast<double>(v) * histogram[v];
    }
    double largest = -1, below = 0, sum_below = 0;
    std::size_t best = 0;
    for (std::size_t v = 0; v < 255; ++v) {
        below += histogram[v];
        sum_below += static_cast<double>(v) * histogram[v];
        if (below == 0 || below == total) continue;
        const double apart = sum_below / below - (sum - sum_below) / (total - below);
        const double between = below * (total - below) * apart * apart;
        if (between > largest) {
            largest = between;
            best = v;
        }
    }
    return static_cast<float>(low + (static_cast<double>(best) + 0.5) * step);
}
