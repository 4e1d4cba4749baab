// test_touching.cpp: which drawings are taken for two digits, and how they are read in a line.
#include "app/commands/touching.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "input/picture_stages.h"
#include "mnist_reader.h"
#include "tests/support/file_fixture.h"

namespace {

using Outputs = std::vector<nn_real>;

/// Outputs that give `p` to class c.
Outputs reading(int c, double p) {
    Outputs yhat(10, static_cast<nn_real>((1 - p) / 9));
    yhat[static_cast<std::size_t>(c)] = static_cast<nn_real>(p);
    return yhat;
}
Outputs all_of(const std::vector<Outputs>& each) {
    Outputs all;
    for (const Outputs& one : each) all.insert(all.end(), one.begin(), one.end());
    return all;
}

DrawnDigit digit_of(double strokes, bool is_wide = false) {
    DrawnDigit digit;
    digit.strokes = strokes;
    digit.is_wide = is_wide;
    return digit;
}

}  // namespace

// The limits are those of MNIST, rounded up to two digits: 95 and 99 of 100 images of each class.
TEST(Touching, begins_above_the_strokes_of_mnists_digits) {
    const SampleSet train = read_mnist("data", Split::train);
    std::array<std::vector<double>, 10> strokes;
    for (std::size_t i = 0; i < 20000; ++i) {
        Sheet ink(28, 28);
        for (std::size_t k = 0; k < 784; ++k)
            ink.values[k] = static_cast<float>(train.pixels[784 * i + k]) / 255;
        strokes[train.labels[i]].push_back(strokes_met(ink));
    }
    for (int c = 0; c < 10; ++c) {
        auto& all = strokes[static_cast<std::size_t>(c)];
        std::ranges::sort(all);
        const auto exceeded = [&](double part) {
            const double value =
                all[static_cast<std::size_t>(part * static_cast<double>(all.size()))];
            return std::ceil(100 * value - 1e-9) / 100;
        };
        const auto expect_limit = [&](double limit, bool is_wide, double p) {
            EXPECT_FALSE(looks_like_two(digit_of(limit - 0.001, is_wide), reading(c, p)))
                << c << ": " << limit;
            EXPECT_TRUE(looks_like_two(digit_of(limit + 0.001, is_wide), reading(c, p)))
                << c << ": " << limit;
        };
        expect_limit(exceeded(0.99), false, 0.95);
        expect_limit(exceeded(0.95), true, 0.95);
        expect_limit(exceeded(0.95), false, 0.85);
    }
}

TEST(Touching, is_asked_only_of_networks_that_read_digits) {
    std::vector<std::string> names{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    EXPECT_TRUE(reads_digits({}, 10));
    EXPECT_TRUE(reads_digits(names, 10));
    EXPECT_FALSE(reads_digits({}, 26));
    names[9] = "shoe";
    EXPECT_FALSE(reads_digits(names, 10));
}

TEST(Touching, refuses_what_should_be_one_digit) {
    EXPECT_NO_THROW(check_is_one("it.png", digit_of(1.1), reading(7, 0.99)));
    expect_refusal([] { check_is_one("it.png", digit_of(2.345), reading(7, 0.99)); },
                   {"it.png: expected one digit, found what looks like two that touch: read as "
                    "one, it would be a 7, but a row of its pixels meets 2.35 strokes",
                    "cut the picture between them", "turn the picture upright"});
}

TEST(Touching, refuses_in_a_line_only_what_is_wider_than_high) {
    const Outputs yhat = all_of({reading(1, 0.99), reading(2, 0.99)});
    const auto read_with = [&](const DrawnDigit& second) {
        check_each_is_one("it.png", std::vector{digit_of(1), second}, yhat);
    };
    EXPECT_NO_THROW(read_with(digit_of(2.6, false)));
    EXPECT_NO_THROW(read_with(digit_of(1.6, true)));
    expect_refusal([&] { read_with(digit_of(2.6, true)); },
                   {"it.png: ", "two that touch as number 2 of 2, from the left"});
}
