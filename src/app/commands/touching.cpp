// touching.cpp: see touching.h.
#include "app/commands/touching.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "train/score.h"

namespace {

constexpr std::size_t digit_classes = most_crowding.size();

/// More is not one digit's.
double most_crowding_of(const PredictedClass& predicted) {
    const double nines = -std::log10(std::max(1 - predicted.probability, 1e-6));
    return most_crowding.at(static_cast<std::size_t>(predicted.c)) + crowding_of_a_nine * nines;
}

}  // namespace

bool reads_digits(std::span<const std::string> class_names, std::size_t outputs) {
    if (outputs != digit_classes) return false;
    for (std::size_t c = 0; c < class_names.size(); ++c)
        if (class_names[c] != std::to_string(c)) return false;
    return true;
}

HowMany how_many(const DrawnDigit& digit, std::span<const nn_real> yhat) {
    const double over = digit.strokes.crowding() - most_crowding_of(predicted_class(yhat));
    if (over > 0) return HowMany::two;
    return over > -doubtful_crowding ? HowMany::one_or_two : HowMany::one;
}

bool may_be_two(const DrawnDigit& digit, std::span<const nn_real> yhat) {
    return predicted_class(yhat).probability > sure_reading &&
           how_many(digit, yhat) == HowMany::one_or_two;
}

void check_is_one(const std::string& file, const DrawnDigit& digit, std::span<const nn_real> yhat) {
    if (digit.wide > widest_digit)
        refuse(one_line(file), "one digit", "a flat stroke, such as a dash",
               "draw one digit, or turn the picture upright");
    if (how_many(digit, yhat) != HowMany::two) return;
    const int c = predicted_class(yhat).c;
    const char* const article = c == 8 ? "an" : "a";
    throw InputError(formatted(
        "%s: expected one digit, found what looks like two that touch: read as one, it would be "
        "%s %d, but a row of its pixels meets %.2f strokes, more or closer ones than those of %s "
        "%d; cut the picture between them, write them apart, or turn the picture upright",
        one_line(file).c_str(), article, c, digit.strokes.met, article, c));
}

void check_each_is_one(const std::string& file, std::span<const DrawnDigit> digits,
                       std::span<const nn_real> yhat) {
    for (std::size_t i = 0; i < digits.size(); ++i)
        if (digits[i].wide > 1 &&
            how_many(digits[i], yhat.subspan(i * digit_classes, digit_classes)) == HowMany::two)
            refuse(one_line(file), "one line of digits that stand apart",
                   "something that looks like two that touch as number " + std::to_string(i + 1) +
                       " of " + std::to_string(digits.size()) + ", from the left",
                   "cut the picture, or write them anew");
}
