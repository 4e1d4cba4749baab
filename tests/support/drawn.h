// drawn.h: strokes drawn with a pen on white paper, so that a test knows what a picture shows.
#pragma once
#include <algorithm>
#include <cmath>
#include <numbers>

#include "input/picture.h"

/// White paper, and a pen of this radius.
struct Drawn {
    Picture picture;
    double radius;

    Drawn(int width, int height, double pen) : picture{width, height, {}}, radius(pen) {
        picture.grey.assign(static_cast<std::size_t>(width * height), 255);
    }
    std::uint8_t& at(int x, int y) {
        return picture.grey[static_cast<std::size_t>(y * picture.width + x)];
    }
    void dot(double x, double y) {
        const auto first = [&](double c) { return std::max(0, static_cast<int>(c - radius)); };
        for (int v = first(y); v < std::min<double>(picture.height, y + radius + 1); ++v)
            for (int u = first(x); u < std::min<double>(picture.width, x + radius + 1); ++u)
                if (std::hypot(u - x, v - y) <= radius) at(u, v) = 0;
    }
    Drawn& line(double x0, double y0, double x1, double y1) {
        const double steps = std::hypot(x1 - x0, y1 - y0) + 1;
        for (double i = 0; i <= steps; ++i)
            dot(x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps);
        return *this;
    }
    Drawn& ring(double x, double y, double across, double down) {
        for (double angle = 0; angle < 2 * std::numbers::pi; angle += 0.01)
            dot(x + across * std::cos(angle), y + down * std::sin(angle));
        return *this;
    }
};
