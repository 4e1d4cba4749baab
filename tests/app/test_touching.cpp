// test_touching.cpp: which drawings are taken for two digits, and how they are read in a line.
#include "app/commands/touching.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

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

/// A row of it meets so many strokes, and no paper between them: its crowding.
DrawnDigit digit_of(double strokes, double wide = 0.5) {
    DrawnDigit digit;
    digit.strokes.met = strokes;
    digit.wide = wide;
    return digit;
}

constexpr std::size_t pixels = 784;

/// Images of MNIST's training part, as ink.
class Images {
  public:
    Images() : train_(read_mnist("data", Split::train)) {}
    int label(std::size_t i) const { return train_.labels[i]; }
    Sheet operator[](std::size_t i) const {
        Sheet ink(28, 28);
        for (std::size_t k = 0; k < pixels; ++k)
            ink.values[k] = static_cast<float>(train_.pixels[pixels * i + k]) / 255;
        return ink;
    }

  private:
    SampleSet train_;
};

/// Two images side by side, the second as far to the left as it can come: their strokes touch.
Sheet touching(const Sheet& one, const Sheet& other) {
    int space = 56;
    for (int y = 0; y < 28; ++y) {
        int end = -28, begin = 28;
        for (int x = 27; x >= 0; --x) {
            if (other.at(x, y) >= dark_ink) begin = x;
            if (one.at(x, y) >= dark_ink && end < 0) end = x + 1;
        }
        space = std::min(space, 28 + begin - end);
    }
    Sheet both(56, 28);
    for (int y = 0; y < 28; ++y)
        for (int x = 0; x < 56; ++x)
            both.at(x, y) = std::max(one.at_or(x, y, 0), other.at_or(x - 28 + space, y, 0));
    return both;
}

}  // namespace

// What MNIST holds is read as one: of 3000 images, at a p that is usual for them, none or hardly
// any is refused, and few are doubtful.
TEST(Touching, is_not_seen_in_mnists_digits) {
    const Images images;
    int two = 0, doubtful = 0;
    for (std::size_t i = 0; i < 3000; ++i) {
        DrawnDigit digit;
        digit.strokes = strokes_of(images[i]);
        const HowMany found = how_many(digit, reading(images.label(i), 0.999));
        two += found == HowMany::two ? 1 : 0;
        doubtful += found == HowMany::one_or_two ? 1 : 0;
    }
    EXPECT_LE(two, 15);
    EXPECT_LE(doubtful, 150);
}

// The network may read a pair as any class, and says 8 most often.
TEST(Touching, is_seen_in_pairs_of_them) {
    const Images images;
    int two = 0;
    for (std::size_t i = 0; i < 2000; i += 2) {
        DrawnDigit digit;
        digit.strokes = strokes_of(touching(images[i], images[i + 1]));
        two += how_many(digit, reading(8, 0.9)) == HowMany::two ? 1 : 0;
    }
    EXPECT_GE(two, 950);
}

TEST(Touching, needs_more_crowded_strokes_where_the_network_is_surer) {
    for (int c = 0; c < 10; ++c)
        for (const auto& [p, nines] :
             {std::pair{0.5, 0.30103}, {0.9, 1.0}, {0.99, 2.0}, {1.0, 6.0}}) {
            const double most =
                most_crowding.at(static_cast<std::size_t>(c)) + crowding_of_a_nine * nines;
            const auto found = [&](double crowding) {
                return how_many(digit_of(crowding), reading(c, p));
            };
            EXPECT_EQ(found(most + 0.001), HowMany::two) << c << ": " << p;
            EXPECT_EQ(found(most - 0.001), HowMany::one_or_two) << c << ": " << p;
            EXPECT_EQ(found(most - doubtful_crowding - 0.001), HowMany::one) << c << ": " << p;
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

TEST(Touching, needs_a_note_if_the_answer_is_sure) {
    const DrawnDigit doubtful = digit_of(most_crowding[3]), crowded = digit_of(2);
    EXPECT_TRUE(may_be_two(doubtful, reading(3, 0.95)));
    EXPECT_FALSE(may_be_two(doubtful, reading(3, 0.85))) << "its p says it";
    EXPECT_FALSE(may_be_two(digit_of(1), reading(3, 0.95)));
    EXPECT_FALSE(may_be_two(crowded, reading(3, 0.95))) << "it is refused";
}

TEST(Touching, refuses_what_should_be_one_digit) {
    EXPECT_NO_THROW(check_is_one("it.png", digit_of(1.1), reading(7, 0.99)));
    expect_refusal(
        [] { check_is_one("it.png", digit_of(2.345), reading(7, 0.99)); },
        {"it.png: expected one digit, found what looks like two that touch: read as "
         "one, it would be a 7, but a row of its pixels meets 2.35 strokes, more or closer ones",
         "cut the picture between them", "turn the picture upright"});
}

TEST(Touching, refuses_a_dash) {
    EXPECT_NO_THROW(check_is_one("it.png", digit_of(1, 3), reading(7, 0.99)));
    expect_refusal([] { check_is_one("it.png", digit_of(1, 3.1), reading(7, 0.99)); },
                   {"it.png: expected one digit, found a flat stroke, such as a dash",
                    "draw one digit, or turn the picture upright"});
}

TEST(Touching, refuses_in_a_line_only_what_is_wider_than_high) {
    const Outputs yhat = all_of({reading(1, 0.99), reading(2, 0.99)});
    const auto read_with = [&](const DrawnDigit& second) {
        check_each_is_one("it.png", std::vector{digit_of(1), second}, yhat);
    };
    EXPECT_NO_THROW(read_with(digit_of(2.6, 1)));
    EXPECT_NO_THROW(read_with(digit_of(1.5, 1.1))) << "doubtful";
    expect_refusal([&] { read_with(digit_of(2.6, 1.1)); },
                   {"it.png: ", "two that touch as number 2 of 2, from the left"});
}
