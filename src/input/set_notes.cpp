// set_notes.cpp: sums over some images of a set, and the rules.
#include "input/set_notes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>

#include "input/picture_border.h"

namespace {

std::string decimal(double value, int digits = 0) {
    std::array<char, 40> text;
    std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    return text.data();
}

/// Some images of a set, at equal distances.
struct Some {
    const SampleSet& set;
    std::size_t count;

    explicit Some(const SampleSet& of) : set(of) {
        constexpr std::size_t most_pixels = 4000000, fewest_images = 64;
        count = std::min(set.count(), std::max(fewest_images, most_pixels / set.features()));
    }
    const std::uint8_t* image(std::size_t i) const {
        return set.pixels.data() + i * set.count() / count * set.features();
    }
};

/// A number of each image: its mean over images, and its variance.
struct Spread {
    double sum = 0, squares = 0;
    double count = 0;

    void add(double value) {
        sum += value;
        squares += value * value;
        ++count;
    }
    double mean() const { return sum / count; }
    double variance() const { return std::max(0.0, squares / count - mean() * mean()); }
};

struct Statistics {
    Spread mean, density;        ///< of the images
    std::vector<double> pixels;  ///< the mean image
    double noise = 0;            ///< expected squared distance of it from the set's true mean

    explicit Statistics(const Some& some) {
        const std::size_t features = some.set.features();
        std::vector<std::uint32_t> sums(features), squares(features);
        for (std::size_t i = 0; i < some.count; ++i) {
            const std::uint8_t* const image = some.image(i);
            std::uint32_t sum = 0, lit = 0;
            for (std::size_t p = 0; p < features; ++p) {
                const std::uint32_t value = image[p];
                sum += value;
                lit += value > 0;
                sums[p] += value;
                squares[p] += value * value;  // of at most 62,500 images: below 2^32
            }
            mean.add(sum / static_cast<double>(features));
            density.add(lit / static_cast<double>(features));
        }
        const auto n = static_cast<double>(some.count);
        for (std::size_t p = 0; p < features; ++p) {
            pixels.push_back(sums[p] / n);
            noise += std::max(0.0, squares[p] / n - pixels[p] * pixels[p]) / n;
        }
    }
};

/// True if two means differ by more than sampling, and other writers, explain.
bool differ(const Spread& one, const Spread& other) {
    const double error = std::sqrt(one.variance() / one.count + other.variance() / other.count);
    const double deviation = std::sqrt((one.variance() + other.variance()) / 2);
    return std::abs(one.mean() - other.mean()) > 6 * error + 2 * deviation;
}

std::string note_on_level(const Statistics& train, const Statistics& test) {
    if (!differ(train.mean, test.mean) && !differ(train.density, test.density)) return "";
    std::string note = "the test images are unlike the training images: their mean pixel is " +
                       decimal(test.mean.mean(), 1) + ", not " + decimal(train.mean.mean(), 1) +
                       ", and " + decimal(100 * test.density.mean()) + " % of the pixels, not " +
                       decimal(100 * train.density.mean()) + " %, are above 0";
    const double inverted = std::abs(255 - test.mean.mean() - train.mean.mean());
    if (inverted < std::sqrt(train.mean.variance())) note += "; they look inverted";
    return note;
}

/// Where pixel (row, column) of a square image comes from, and what that is called.
struct Turn {
    const char* name;
    bool exchanged, from_below,
        from_right;  ///< first exchange row and column, then count backwards
};
constexpr Turn turns[] = {
    {"transposed", true, false, false},
    {"upside down", false, true, true},
    {"mirrored", false, false, true},
    {"mirrored top to bottom", false, true, false},
    {"turned by a quarter", true, true, false},
    {"turned by a quarter", true, false, true},
    {"transposed and upside down", true, true, true},
};

double squared_distance(const Statistics& train, const Statistics& test, std::size_t side,
                        const Turn& turn) {
    double sum = 0;
    for (std::size_t r = 0; r < side; ++r)
        for (std::size_t c = 0; c < side; ++c) {
            std::size_t row = turn.exchanged ? c : r, column = turn.exchanged ? r : c;
            if (turn.from_below) row = side - 1 - row;
            if (turn.from_right) column = side - 1 - column;
            const double off = train.pixels[r * side + c] - test.pixels[row * side + column];
            sum += off * off;
        }
    return sum;
}

std::string note_on_turn(const SampleSet& set, const Statistics& train, const Statistics& test) {
    constexpr double fewest = 400;
    if (set.rows != set.cols || set.rows < 2) return "";
    if (std::min(train.mean.count, test.mean.count) < fewest) return "";
    const auto side = static_cast<std::size_t>(set.rows);
    const double as_it_is = squared_distance(train, test, side, {"", false, false, false});
    const Turn* best = nullptr;
    double least = as_it_is / 2;
    for (const Turn& turn : turns)
        if (const double off = squared_distance(train, test, side, turn); off < least) {
            least = off;
            best = &turn;
        }
    if (best == nullptr || as_it_is < 10 * (train.noise + test.noise)) return "";
    return std::string("the test images look ") + best->name +
           ": their mean image is then nearer to that of the training images";
}

std::string note_on_reach(const SampleSet& set, bool raw_pixels) {
    constexpr int half = 128;
    int most = 0;
    for (const std::uint8_t pixel : set.pixels) {
        if (pixel >= half) return "";
        most = std::max<int>(most, pixel);
    }
    if (most == 0) return "all pixels are 0: there is nothing to tell the images apart by";
    if (raw_pixels) return "";
    return "the pixels reach only " + std::to_string(most) + " of 255, so that the inputs reach " +
           decimal(most / 255.0, 3) + ": if that is not meant, multiply the pixels by " +
           std::to_string(255 / most) + ", or take them as they are with --raw-pixels";
}

std::string note_on_paper(const SampleSet& set) {
    const Some some(set);
    std::array<std::size_t, 256> values{};
    std::size_t border = 0;
    for (std::size_t i = 0; i < some.count; ++i) {
        const std::uint8_t* const image = some.image(i);
        for_border(set.cols, set.rows, [&](std::size_t p) {
            ++values[image[p]];
            ++border;
        });
    }
    const auto paper = std::max_element(values.begin() + 128, values.end());
    if (2 * *paper < border) return "";
    return "the images are dark on light, with a border of " +
           std::to_string(paper - values.begin()) +
           ": predict makes pictures light on dark, as MNIST's are; --inverted turns the images";
}

std::string note_on_labels(const SampleSet& set) {
    std::array<bool, 256> seen{};
    for (const std::uint8_t label : set.labels) seen[label] = true;
    const auto labels = std::ranges::count(seen, true);
    const bool run_from_1 =
        labels > 1 && !seen[0] && std::all_of(&seen[1], &seen[1] + labels, std::identity());
    if (!run_from_1) return "";
    return "the labels begin at 1: --first-label 1 makes that the label of the first class";
}

/// Those that are not empty.
std::vector<std::string> said(std::initializer_list<std::string> notes) {
    std::vector<std::string> kept;
    for (const std::string& note : notes)
        if (!note.empty()) kept.push_back(note);
    return kept;
}

}  // namespace

std::vector<std::string> notes_on_images(const SampleSet& set, bool raw_pixels) {
    if (set.format.number_inputs || set.pixels.empty()) return {};
    return said({note_on_reach(set, raw_pixels), note_on_paper(set), note_on_labels(set)});
}

std::vector<std::string> notes_on_difference(const SampleSet& train, const SampleSet& test) {
    constexpr std::size_t fewest = 20;
    const bool comparable = !train.format.number_inputs && !test.format.number_inputs &&
                            std::min(train.count(), test.count()) >= fewest &&
                            train.rows == test.rows && train.cols == test.cols;
    if (!comparable) return {};
    const Statistics of_train{Some(train)}, of_test{Some(test)};
    return said({note_on_level(of_train, of_test), note_on_turn(train, of_train, of_test)});
}
