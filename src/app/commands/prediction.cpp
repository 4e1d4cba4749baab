// prediction.cpp: see prediction.h.
#include "app/commands/prediction.h"

#include "base/json.h"
#include "base/text.h"
#include "input/csv_rows.h"
#include "train/score.h"

namespace {

/// The name of class c, or its number.
std::string class_text(const Prediction& prediction, int c) {
    const auto place = static_cast<std::size_t>(c);
    return place < prediction.class_names.size() ? prediction.class_names[place]
                                                 : std::to_string(c);
}

/// The outputs, with `between`.
std::string outputs_text(std::span<const nn_real> yhat, const char* between) {
    predicted_class(yhat);  // refuses what is not finite
    std::string text;
    for (const nn_real y : yhat)
        text += (text.empty() ? "" : between) + formatted("%.6g", static_cast<double>(y));
    return text;
}

/// Adds the answer and all probabilities.
void add_class(Json& object, const Prediction& prediction) {
    const PredictedClass predicted = predicted_class(prediction.yhat);
    object.add("class", predicted.c);
    if (!prediction.class_names.empty()) object.add("name", class_text(prediction, predicted.c));
    object.add("probability", predicted.probability);
    object.add("probabilities", Json(Json::Array(prediction.yhat.begin(), prediction.yhat.end())));
}

/// What digits say together.
struct Number {
    std::string text;
    double probability = 1;
};
Number number_of(std::span<const Prediction> digits) {
    Number number;
    for (const Prediction& digit : digits) {
        const PredictedClass predicted = predicted_class(digit.yhat);
        number.text += class_text(digit, predicted.c);
        number.probability *= static_cast<double>(predicted.probability);
    }
    return number;
}

}  // namespace

std::string prediction_line(const Prediction& prediction, bool with_index) {
    const std::string about =
        one_line(prediction.file) +
        (with_index ? ":" + std::to_string(prediction.index) : std::string()) + "  ";
    if (!prediction.is_class) return about + outputs_text(prediction.yhat, " ") + "\n";
    const PredictedClass predicted = predicted_class(prediction.yhat);
    return about + one_line(class_text(prediction, predicted.c)) +
           formatted("  %.4f\n", predicted.probability);
}

std::string prediction_json(const Prediction& prediction) {
    Json object = Json::object({{"file", prediction.file}, {"index", prediction.index}});
    if (prediction.is_class)
        add_class(object, prediction);
    else
        object.add("outputs", Json(Json::Array(prediction.yhat.begin(), prediction.yhat.end())));
    return object.dump() + "\n";
}

std::string number_lines(std::span<const Prediction> digits) {
    const Number number = number_of(digits);
    std::string text = one_line(digits.front().file) + "  " + one_line(number.text) +
                       formatted("  %.4f\n", number.probability);
    for (const Prediction& digit : digits) {
        const PredictedClass predicted = predicted_class(digit.yhat);
        text += "    " + one_line(class_text(digit, predicted.c)) +
                formatted("  %.4f\n", predicted.probability);
    }
    return text;
}

std::string number_json(std::span<const Prediction> digits) {
    const Number number = number_of(digits);
    Json::Array each;
    for (const Prediction& digit : digits) {
        Json object = Json::object({});
        add_class(object, digit);
        each.push_back(object);
    }
    return Json::object({{"file", digits.front().file},
                         {"number", number.text},
                         {"probability", number.probability},
                         {"digits", Json(each)}})
               .dump() +
           "\n";
}

std::string csv_heading(const std::string& submission, bool is_class,
                        const std::vector<std::string>& targets) {
    if (!submission.empty()) return submission + "\n";
    if (is_class) return "file,index,class,probability\n";
    std::string heading = "file,index";
    for (const std::string& target : targets) heading += "," + csv_field(target);
    return heading + "\n";
}

std::string csv_row(const Prediction& prediction, std::size_t number,
                    const std::string& submission) {
    const std::string answer =
        prediction.is_class ? csv_field(class_text(prediction, predicted_class(prediction.yhat).c))
                            : outputs_text(prediction.yhat, ",");
    if (!submission.empty()) return std::to_string(number) + "," + answer + "\n";
    std::string row =
        csv_field(prediction.file) + "," + std::to_string(prediction.index) + "," + answer;
    if (prediction.is_class)
        row += formatted(",%.6g", predicted_class(prediction.yhat).probability);
    return row + "\n";
}
