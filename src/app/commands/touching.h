// touching.h: tells two digits that touch from one, by the drawing and what the network reads.
//
// Neither is enough alone: a 0 meets as many strokes as two 1, and a network gives a class to all.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/real.h"
#include "input/picture.h"

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
