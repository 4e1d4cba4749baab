// touching.cpp: see touching.h.
#include "app/commands/touching.h"

#include "base/error.h"
#include "base/text.h"
#include "train/score.h"

namespace {

/// More strokes than these are not one digit's: fewer, where there is another sign of two.
double most_strokes(const DrawnDigit& digit, const PredictedClass& predicted) {
    const StrokesOfDigit& strokes = strokes_of_digits.at(static_cast<std::size_t>(predicted.c));
    return digit.is_wide || predicted.probability < sure_reading ? strokes.usual : strokes.most;
}

}  // namespace

bool reads_digits(std::span<const std::string> class_names, std::size_t outputs) {
    if (outputs != strokes_of_digits.size()) return false;
    for (std::size_t c = 0; c < class_names.size(); ++c)
        if (class_names[c] != std::to_string(c)) return false;
    return true;
}

bool looks_like_two(const DrawnDigit& digit, std::span<const nn_real> yhat) {
    return digit.strokes > most_strokes(digit, predicted_class(yhat));
}

void check_is_one(const std::string& file, const DrawnDigit& digit, std::span<const nn_real> yhat) {
    if (!looks_like_two(digit, yhat)) return;
    const PredictedClass predicted = predicted_class(yhat);
    const char* const article = predicted.c == 8 ? "an" : "a";
    throw InputError(formatted(
        "%s: expected one digit, found what looks like two that touch: read as one, it would be "
        "%s %d, but a row of its pixels meets %.2f strokes, and of %s %d at most %.2f; cut the "
        "picture between them, write them apart, or turn the picture upright",
        one_line(file).c_str(), article, predicted.c, digit.strokes, article, predicted.c,
        most_strokes(digit, predicted)));
}

void check_each_is_one(const std::string& file, std::span<const DrawnDigit> digits,
                       std::span<const nn_real> yhat) {
    constexpr std::size_t outputs = strokes_of_digits.size();
    for (std::size_t i = 0; i < digits.size(); ++i)
        if (digits[i].is_wide && looks_like_two(digits[i], yhat.subspan(i * outputs, outputs)))
            refuse(one_line(file), "one line of digits that stand apart",
                   "something that looks like two that touch as number " + std::to_string(i + 1) +
                       " of " + std::to_string(digits.size()) + ", from the left",
                   "cut the picture, or write them anew");
}
