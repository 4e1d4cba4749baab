// sheet.h: a picture as real numbers, and the arithmetic that the preparation of pictures needs.
#pragma once
#include <vector>

#include "base/range.h"

/// width x height numbers, row by row.
struct Sheet {
    int width = 0, height = 0;
    std::vector<float> values;

    Sheet() = default;
    Sheet(int w, int h, float value = 0) : width(w), height(h), values(elements(w, h), value) {}
    float& at(int x, int y) { return values[position(x, y, width)]; }
    float at(int x, int y) const { return values[position(x, y, width)]; }
    bool holds(int x, int y) const { return x >= 0 && y >= 0 && x < width && y < height; }
    float at_or(int x, int y, float outside) const { return holds(x, y) ? at(x, y) : outside; }
};

/// A rectangle of a sheet.
struct Box {
    int left = 0, top = 0, width = 0, height = 0;
    int right() const { return left + width; }   ///< behind the last column
    int bottom() const { return top + height; }  ///< behind the last row
    bool operator==(const Box&) const = default;
};

/// The smallest rectangle that holds all values above 0; of width 0 if there are none.
Box box_of(const Sheet& sheet);

/// The smallest rectangle that holds both.
Box both(const Box& a, const Box& b);

/// The box, cut out and scaled to width x height. To fewer pixels: each new one is the mean of the
/// stretch that it covers. To more: each lies on the straight line between its two nearest.
Sheet scaled(const Sheet& sheet, const Box& box, int width, int height);

/// Rows become columns.
Sheet transposed(const Sheet& sheet);

/// The mean over a square of 2 reach + 1 pixels a side, as far as it lies in the sheet.
Sheet mean_around(const Sheet& sheet, int reach);

/// The largest value in such a square, or the smallest.
Sheet largest_around(const Sheet& sheet, int reach);
Sheet smallest_around(const Sheet& sheet, int reach);

/// The largest value within `radius` pixels of each, in a disc that may be a fraction of a pixel
/// larger than a smaller one: what lies between them counts by that fraction.
Sheet thicker(const Sheet& sheet, double radius);
/// The same with the smallest value, from 0 outside.
Sheet thinner(const Sheet& sheet, double radius);

/// The value that `part` (0 to 1) of the values do not exceed. There must be a value.
float quantile(std::vector<float> values, double part);

/// The value that splits the values into two classes so that the variance between them is largest.
/// Source: N. Otsu, "A threshold selection method from gray-level histograms", 1979.
float otsu_threshold(const std::vector<float>& values);
