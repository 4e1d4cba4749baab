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

/// The samples that are the number's digits, from left to right. The samples are `digits`, and then
/// the parts of them all, in this order; yhat has `outputs` for each. A drawing that looks like two
/// digits, and is too wide for the line, becomes the two parts of the cut of which the network is
/// surest. Without `is_of_digits`, none is cut. Throws InputError if what breaks the line, or looks
/// like two, cannot be cut so that the network is sure.
std::vector<std::size_t> samples_of_line(const std::string& file,
                                         std::span<const DrawnDigit> digits,
                                         std::span<const nn_real> yhat, std::size_t outputs,
                                         bool is_of_digits);
