// touching.cpp: see touching.h.
#include "app/commands/touching.h"

#include <array>

#include "base/error.h"
#include "base/text.h"
#include "train/score.h"

namespace {

/// How many strokes a row of pixels meets in MNIST's first 20000 training images of a class:
/// strokes_met(), which 95 of 100 do not exceed, and 99.
struct Strokes {
    double usual, most;
};
constexpr std::array<Strokes, 10> strokes_of_digits{{{1.88, 2.08},
                                                     {1.04, 1.22},
                                                     {1.61, 1.75},
                                                     {1.43, 1.56},
                                                     {1.65, 1.78},
                                                     {1.40, 1.54},
                                                     {1.77, 2.02},
                                                     {1.40, 1.50},
                                                     {1.74, 1.88},
                                                     {1.60, 1.77}}};

/// The network's answer is doubtful below this.
constexpr double sure = 0.9;

/// More strokes than these are not one digit's: fewer, where there is another sign of two.
double most_strokes(const DrawnDigit& digit, const PredictedClass& predicted) {
    const Strokes& strokes = strokes_of_digits.at(static_cast<std::size_t>(predicted.c));
    return digit.is_wide || predicted.probability < sure ? strokes.usual : strokes.most;
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
    throw InputError(formatted(
        "%s: expected one digit, found what looks like two that touch: read as one, it would be a "
        "%d, but a row of its pixels meets %.2f strokes, and of a %d at most %.2f; cut the picture "
        "between them, or let it be read as a line: --digits",
        one_line(file).c_str(), predicted.c, digit.strokes, predicted.c,
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
