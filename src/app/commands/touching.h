// touching.h: tells two digits that touch from one, by the drawing and what the network reads.
//
// Neither is enough alone: a 0 meets as many strokes as two 1, and a network gives a class to all.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/real.h"
#include "input/picture.h"

/// How many strokes a row of pixels meets in MNIST's first 20000 training images of a class:
/// strokes_met(), which 95 of 100 do not exceed, and 99.
struct StrokesOfDigit {
    double usual, most;
};
inline constexpr std::array<StrokesOfDigit, 10> strokes_of_digits{{{1.88, 2.08},
                                                                   {1.04, 1.22},
                                                                   {1.61, 1.75},
                                                                   {1.43, 1.56},
                                                                   {1.65, 1.78},
                                                                   {1.40, 1.54},
                                                                   {1.77, 2.02},
                                                                   {1.40, 1.50},
                                                                   {1.74, 1.88},
                                                                   {1.60, 1.77}}};

/// The network's answer is doubtful below this. For a part of what was cut, it is not enough.
inline constexpr double sure_reading = 0.9;

/// Whether a network with these class names (empty: numbers) and so many outputs reads the ten
/// digits. Of other signs it is not known how many strokes they have.
bool reads_digits(std::span<const std::string> class_names, std::size_t outputs);

/// Whether a drawing that the network reads so, as one digit, has more strokes than that digit has.
/// yhat: its ten outputs.
bool looks_like_two(const DrawnDigit& digit, std::span<const nn_real> yhat);

/// Throws InputError if the drawing looks like two digits; `file` is for messages.
void check_is_one(const std::string& file, const DrawnDigit& digit, std::span<const nn_real> yhat);

/// The same for the digits of a line; yhat has ten outputs for each. Here only what is wider than
/// high is refused: anything narrower is read as a digit.
void check_each_is_one(const std::string& file, std::span<const DrawnDigit> digits,
                       std::span<const nn_real> yhat);
