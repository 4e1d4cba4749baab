// touching.h: tells two digits that touch from one, by the drawing and what the network reads.
//
// Neither is enough alone: a 0 meets as many strokes as two 1, and a network gives a class to all.
// So a drawing may be the more crowded, the surer the network is. Between what is one and what is
// refused there is what may be two: it is answered, with a note.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/real.h"
#include "input/picture.h"

/// What is more crowded (Strokes::crowding()) than these, by class, and is read with p = 0, is two
/// digits. Each nine of p, as 0.99 has two, adds `crowding_of_a_nine`, up to six. What is less
/// crowded by `doubtful_crowding` may still be two. Chosen on pictures of MNIST's training digits.
inline constexpr std::array<double, 10> most_crowding{1.48, 1.31, 1.41, 1.32, 1.43,
                                                      1.33, 1.47, 1.29, 1.43, 1.41};
inline constexpr double crowding_of_a_nine = 0.075, doubtful_crowding = 0.2;

/// What is wider than so many times its height is a dash, no digit: of MNIST's 70,000 none is
/// wider than 2.5.
inline constexpr double widest_digit = 3;

/// An answer with less shows by itself that it is doubtful, and needs no note.
inline constexpr double sure_reading = 0.9;

/// Whether a network with these class names (empty: numbers) and so many outputs reads the ten
/// digits. Of other signs it is not known how crowded they are.
bool reads_digits(std::span<const std::string> class_names, std::size_t outputs);

enum class HowMany { one, one_or_two, two };

/// How many digits a drawing shows that the network reads so, as one digit. yhat: its ten outputs.
HowMany how_many(const DrawnDigit& digit, std::span<const nn_real> yhat);

/// Whether a sure answer needs a note, for the drawing may be two digits.
bool may_be_two(const DrawnDigit& digit, std::span<const nn_real> yhat);

/// Throws InputError if the drawing looks like two digits, or is a dash; `file` is for messages.
void check_is_one(const std::string& file, const DrawnDigit& digit, std::span<const nn_real> yhat);

/// The same for the digits of a line; yhat has ten outputs for each. Here only what is wider than
/// high is refused: anything narrower is read as a digit.
void check_each_is_one(const std::string& file, std::span<const DrawnDigit> digits,
                       std::span<const nn_real> yhat);
