// picture_border.h: functions for a picture's outermost pixels, which mostly show its background.
#pragma once
#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/range.h"

/// The median of `values`, which must not be empty.
template <class Value>
Value median(std::vector<Value> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// Calls see(index) for each of the outermost pixels of a picture, each once.
template <class See>
void for_border(int width, int height, See&& see) {
    for (int y = 0; y < height; ++y) {
        const bool whole_row = y == 0 || y == height - 1;
        for (int x = 0; x < width; x += whole_row || width == 1 ? 1 : width - 1)
            see(position(x, y, width));
    }
}
