// picture_prepare.cpp: makes an image like MNIST's from a picture of a digit.
//
// It calls the steps of picture_stages.h one after another, refuses what is not one digit, or not a
// line of digits, and does the last step itself: proportions, the width of the stroke, size, place.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "base/error.h"
#include "base/range.h"
#include "input/picture.h"
#include "input/picture_stages.h"

namespace {

/// The place where the box begins along one side of the network's input. There the centre of mass
/// is at pixel side / 2, as in MNIST, or as near to it as the box can come without leaving the
/// input.
int placed(double centre_of_mass, int box, int side) {
    return std::clamp(side / 2 - static_cast<int>(std::lround(centre_of_mass)), 0, side - box);
}

/// How much of its side a drawing fills: 20 of 28 pixels.
constexpr double filled = 20.0 / 28;

/// Width and length of the pen's stroke, in pixels: a stroke has twice its length as outline. Noise
/// would make the outline longer, so it is taken out of a large drawing first.
struct Stroke {
    double width, length;
};
Stroke stroke_of(const Sheet& digit, const Box& box) {
    const Sheet smooth = mean_around(digit, std::max(box.width, box.height) / 60);
    double area = 0, outline = 0;
    const auto inked = [&](int x, int y) { return smooth.at_or(x, y, 0) >= 0.5F; };
    for (int y = box.top; y < box.bottom(); ++y)
        for (int x = box.left; x < box.right(); ++x) {
            if (!inked(x, y)) continue;
            ++area;
            for (const auto& [u, v] : {std::pair{1, 0}, {-1, 0}, {0, 1}, {0, -1}})
                if (!inked(x + u, y + v)) ++outline;
        }
    // An outline of pixels is longer than the smooth one: 4 / pi times on average over directions.
    outline *= std::numbers::pi / 4;
    return {outline > 0 ? 2 * area / outline : 1, outline / 2};
}

struct Size {
    double width, height;
};

/// A thin line of a large picture becomes pale when it is scaled down. So the pixel with the most
/// ink becomes full ink.
void stretch(Sheet& drawing) {
    const float most = *std::ranges::max_element(drawing.values);
    for (float& ink : drawing.values) ink *= 255 / most;
}

/// What a person draws may be stretched: on a phone held askew, or in a picture that was scaled. A
/// stroke that winds, unlike that of a 1, gets proportions that digits have.
Size natural_size(const Box& box, const Stroke& stroke) {
    constexpr double winds = 1.3;  // times the diagonal
    constexpr double narrow = 0.5, usual_narrow = 0.6, wide = 1.15, usual_wide = 0.9;
    Size size{1.0 * box.width, 1.0 * box.height};
    if (stroke.length <= winds * std::hypot(size.width, size.height)) return size;
    if (size.width < narrow * size.height) size.width = usual_narrow * size.height;
    if (size.width > wide * size.height) size.width = usual_wide * size.height;
    return size;
}

/// How many pixels of MNIST's 28 a stroke should be wider (or less wide, below 0), so that it is as
/// wide as MNIST's strokes are. A blob is no stroke, and stays one.
double wider_by(double width) {
    constexpr double least = 1.9, most = 4.5, most_change = 4;
    return width < least ? least - width : std::max(-most_change, std::min(0.0, most - width));
}

/// The box of the digit at this size, in pixels of MNIST, with a stroke that is wider by so many of
/// them; four times as large.
Sheet with_wider_stroke(const Sheet& digit, const Box& box, const Size& size, double by) {
    constexpr int fine = 4;
    const auto side = [](double length) {
        return std::max(1, static_cast<int>(std::lround(fine * length)));
    };
    const Sheet inner = scaled(digit, box, side(size.width), side(size.height));
    const int edge = fine * (1 + static_cast<int>(std::ceil(std::abs(by))));
    Sheet large(inner.width + 2 * edge, inner.height + 2 * edge);
    for (int y = 0; y < inner.height; ++y)
        for (int x = 0; x < inner.width; ++x) large.at(x + edge, y + edge) = inner.at(x, y);
    stretch(large);
    const double radius = std::abs(by) / 2 * fine;
    return by > 0 ? thicker(large, radius) : thinner(large, radius);
}

/// The centre of mass; the sheet must have ink.
struct Centre {
    double x, y;
};
Centre centre_of(const Sheet& drawing) {
    double mass = 0, along = 0, down = 0;
    for (int y = 0; y < drawing.height; ++y)
        for (int x = 0; x < drawing.width; ++x) {
            const auto ink = static_cast<double>(drawing.at(x, y));
            mass += ink;
            along += ink * x;
            down += ink * y;
        }
    return {along / mass, down / mass};
}

std::vector<std::uint8_t> centred(const Sheet& drawing, int rows, int cols) {
    const Centre centre = centre_of(drawing);
    const int left = placed(centre.x, drawing.width, cols);
    const int top = placed(centre.y, drawing.height, rows);
    std::vector<std::uint8_t> input(elements(cols, rows));
    for (int y = 0; y < drawing.height; ++y)
        for (int x = 0; x < drawing.width; ++x)
            input[position(left + x, top + y, cols)] =
                static_cast<std::uint8_t>(std::lround(drawing.at(x, y)));
    return input;
}

/// What is drawn on a picture, and its pieces.
struct Drawing {
    Sheet ink;
    InkPieces pieces;
};

/// Values from 0 to `white`, as a picture.
Picture picture_of(const Sheet& sheet, float white) {
    Picture picture{sheet.width, sheet.height, {}};
    for (const float value : sheet.values)
        picture.grey.push_back(
            static_cast<std::uint8_t>(std::lround(std::clamp(255 * value / white, 0.0F, 255.0F))));
    return picture;
}

void keep(Preparation& told, const char* name, const Sheet& sheet, float white) {
    told.stages.push_back({name, picture_of(sheet, white)});
}

Drawing drawing_of(const Picture& picture, const std::string& name, Preparation& told) {
    const Paper paper = paper_of(picture);
    keep(told, "grey", paper.grey, 255);
    const Sheet ground = ground_of(paper.grey);
    keep(told, "ground", ground, 255);
    Drawing drawing{ink_of(paper, ground, name), {}};
    keep(told, "ink", drawing.ink, 1);
    remove_rules(drawing.ink);
    keep(told, "drawn", drawing.ink, 1);
    drawing.pieces = pieces_of(drawing.ink);
    if (drawing.pieces.all.empty())
        throw InputError(name + ": nothing is drawn beside lines and specks; draw one digit");
    // Measured: beside a digit, specks have 0.06 of its ink at most; the grain of blank paper,
    // where it hangs together by chance, 2.
    double drawn = 0;
    for (const InkPiece& piece : drawing.pieces.all) drawn += piece.mass;
    if (2 * drawing.pieces.specks > drawn)
        throw InputError(
            name +
            ": nothing is drawn that stands out from specks all over the picture; draw "
            "one digit, darker, or in better light");
    return drawing;
}

/// What `ink` shows, where `input` came of it.
DrawnDigit drawn_digit(const Sheet& ink, std::vector<std::uint8_t> input) {
    const Box box = box_of(ink);
    return {std::move(input), strokes_of(ink), 1.0 * box.width / box.height};
}

const std::vector<std::uint8_t>& add_group(const Drawing& drawing,
                                           const std::vector<InkPiece>& group, int rows, int cols,
                                           Preparation& told) {
    const Sheet ink = ink_of_pieces(drawing.ink, drawing.pieces, group);
    keep(told, "digit", ink, 1);
    DigitInput input = input_of_digit(ink, rows, cols);
    told.stages.push_back({"input", {cols, rows, input.bytes}});
    DrawnDigit& digit = told.digits.emplace_back(drawn_digit(ink, std::move(input.bytes)));
    digit.was_squeezed = input.was_squeezed;
    return digit.input;
}

Box box_of_group(const std::vector<InkPiece>& group) {
    Box box = group.front().box;
    for (const InkPiece& piece : group) box = both(box, piece.box);
    return box;
}

/// Digits, from left to right, are one line if each stands beside the one before and all are about
/// as large.
void check_line(const std::vector<std::vector<InkPiece>>& digits, int highest,
                const std::string& name) {
    const auto refuse_line = [&](std::size_t i, const char* found) {
        refuse(name, "one line of digits that stand apart",
               std::string(found) + " as number " + std::to_string(i + 1) + " of " +
                   std::to_string(digits.size()) + ", from the left",
               "cut the picture, or write them anew");
    };
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const Box box = box_of_group(digits[i]);
        if (5 * box.height < 2 * highest) refuse_line(i, "something smaller");
        if (4 * box.width > 5 * highest) refuse_line(i, "something wider, such as two that touch");
        if (i == 0) continue;
        const Box before = box_of_group(digits[i - 1]);
        const int beside = std::min(box.bottom(), before.bottom()) - std::max(box.top, before.top);
        if (4 * beside < std::min(box.height, before.height))
            refuse_line(i, "something higher or lower");
        if (2 * (before.right() - box.left) > std::min(box.width, before.width))
            refuse_line(i, "something that overlaps the one before");
    }
}

/// An input's values as ink, from 0 to 1.
Sheet as_ink(const std::vector<std::uint8_t>& input, int rows, int cols) {
    Sheet ink(cols, rows);
    std::ranges::transform(input, ink.values.begin(),
                           [](std::uint8_t value) { return static_cast<float>(value) / 255; });
    return ink;
}

/// A number may have a point, or a sign, which are not read. They are small, and share no column
/// with a digit, as a digit's own parts do; a point is at the bottom of the line, a sign in the
/// middle of its height.
void check_points(const InkPieces& pieces, int highest, const std::string& name) {
    Box line = pieces.all.front().box;
    for (const InkPiece& piece : pieces.all) line = both(line, piece.box);
    for (const InkPiece& piece : pieces.all) {
        const Box& box = piece.box;
        const auto shares_column = [&](const InkPiece& other) {
            return other.label != piece.label && other.box.left < box.right() &&
                   box.left < other.box.right();
        };
        const double middle = (box.top + 0.5 * box.height - line.top) / line.height;
        const bool is_flat = 5 * box.height <= highest;
        const bool is_point = is_flat && 4 * box.width <= highest && middle > 0.75;
        const bool is_sign = is_flat && box.width <= highest && middle > 0.3 && middle < 0.7;
        if ((is_point || is_sign) && std::ranges::none_of(pieces.all, shares_column))
            refuse(name, "digits alone",
                   is_point ? "a point at the bottom of the line" : "a sign beside a digit",
                   "cover it, or cut the picture: points and signs are not read");
    }
}

/// Whether an input shows two digits, about as tall as each other, that stand apart. Some of
/// MNIST's own digits fall into pieces, but into such ones only 20 of 70,000.
bool shows_two_digits(const std::vector<std::uint8_t>& input, int rows, int cols) {
    std::vector<int> heights;
    for (const auto& digit : digits_of(pieces_of(as_ink(input, rows, cols))))
        heights.push_back(box_of_group(digit).height);
    std::ranges::sort(heights, std::greater());
    return heights.size() > 1 && 10 * heights[1] >= 7 * heights[0];
}

/// What MNIST holds is prepared already, and so is what came out of here: nothing but ink on paper
/// that is 0, of the size that a drawing gets, and its centre of mass where it belongs.
bool is_prepared(const Picture& picture) {
    Sheet sheet(picture.width, picture.height);
    std::ranges::copy(picture.grey, sheet.values.begin());
    const Box box = box_of(sheet);
    const double size =
        std::max(1.0 * box.width / picture.width, 1.0 * box.height / picture.height);
    const auto inked = std::ranges::count_if(picture.grey, [](int grey) { return grey > 0; });
    const Centre centre = centre_of(sheet);
    const int middle_x = picture.width / 2, middle_y = picture.height / 2;  // as placed() has it
    const double pixel = 1.0 / std::min(picture.width, picture.height);
    return size > filled - 1.5 * pixel && size < filled + 0.5 * pixel &&
           2 * inked < static_cast<std::ptrdiff_t>(picture.grey.size()) &&
           std::abs(centre.x - middle_x) <= 0.51 && std::abs(centre.y - middle_y) <= 0.51;
}

}  // namespace

std::vector<std::uint8_t> prepared_already(const Picture& picture, int rows, int cols) {
    if (picture.width != cols || picture.height != rows) return {};
    if (is_prepared(picture)) return picture.grey;
    Picture opposite = picture;
    for (std::uint8_t& grey : opposite.grey) grey = static_cast<std::uint8_t>(255 - grey);
    return is_prepared(opposite) ? opposite.grey : std::vector<std::uint8_t>();
}

DigitInput input_of_digit(const Sheet& digit, int rows, int cols) {
    const Box box = box_of(digit);
    const Stroke stroke = stroke_of(digit, box);
    const Size natural = natural_size(box, stroke);
    const double to_mnist = 20 / std::max(natural.width, natural.height);
    // As large as a drawing may be, with these proportions.
    const auto fitted = [&](const Sheet& from, const Box& piece, const Size& size) {
        const double scale = std::min(filled * cols / size.width, filled * rows / size.height);
        const auto side = [&](double length) {
            return std::max(1, static_cast<int>(std::lround(scale * length)));
        };
        return scaled(from, piece, side(size.width), side(size.height));
    };
    Sheet drawing = fitted(digit, box, natural);
    if (const double by = wider_by(stroke.width * to_mnist); by != 0) {
        const Size size{natural.width * to_mnist, natural.height * to_mnist};
        const Sheet large = with_wider_stroke(digit, box, size, by);
        const Box grown = box_of(large);
        if (grown.width > 0)
            drawing = fitted(large, grown, {1.0 * grown.width, 1.0 * grown.height});
    }
    stretch(drawing);
    return {centred(drawing, rows, cols), natural.width < box.width};
}

std::vector<std::uint8_t> as_network_input(const Picture& picture, int rows, int cols,
                                           const std::string& name, Preparation* told) {
    Preparation unread;
    Preparation& way = told != nullptr ? *told : unread;
    if (auto input = prepared_already(picture, rows, cols);
        !input.empty() && !shows_two_digits(input, rows, cols)) {
        way.stages.push_back({"input", {cols, rows, input}});
        way.drawings = 1;
        way.digits.push_back(drawn_digit(as_ink(input, rows, cols), input));
        return input;
    }
    way.changed_own_size = picture.width == cols && picture.height == rows;
    const Drawing drawing = drawing_of(picture, name, way);
    const auto digits = digits_of(drawing.pieces);
    way.drawings = digits.size();
    if (digits.size() > 1)
        throw InputError(name + ": expected one digit, found " + std::to_string(digits.size()) +
                         " separate drawings; cut the picture");
    return add_group(drawing, digits.front(), rows, cols, way);
}

std::vector<std::vector<std::uint8_t>> as_network_inputs(const Picture& picture, int rows, int cols,
                                                         const std::string& name,
                                                         Preparation* told) {
    Preparation unread;
    Preparation& way = told != nullptr ? *told : unread;
    const Drawing drawing = drawing_of(picture, name, way);
    const auto digits = digits_of(drawing.pieces);
    way.drawings = digits.size();
    int highest = 0;
    for (const auto& group : digits) highest = std::max(highest, box_of_group(group).height);
    check_line(digits, highest, name);
    check_points(drawing.pieces, highest, name);
    std::vector<std::vector<std::uint8_t>> inputs;
    inputs.reserve(digits.size());
    for (const auto& group : digits) inputs.push_back(add_group(drawing, group, rows, cols, way));
    return inputs;
}

std::vector<std::uint8_t> as_it_is(const Picture& picture, int rows, int cols,
                                   const std::string& name) {
    if (picture.width != cols || picture.height != rows)
        refuse(name, std::to_string(rows) + " x " + std::to_string(cols) + " pixels, for --as-is",
               std::to_string(picture.height) + " x " + std::to_string(picture.width),
               "scale it to this size, or use a network of prepared pictures without --as-is");
    return picture.grey;
}
