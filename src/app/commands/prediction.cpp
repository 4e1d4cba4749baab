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
    const PredictedClass predicted = predicted_class(prediction.yhat);
    Json object = Json::object({{"file", prediction.file}, {"index", prediction.index}});
    const Json outputs = Json::Array(prediction.yhat.begin(), prediction.yhat.end());
    if (!prediction.is_class) {
        object.add("outputs", outputs);
        return object.dump() + "\n";
    }
    object.add("class", predicted.c);
    if (!prediction.class_names.empty()) object.add("name", class_text(prediction, predicted.c));
    object.add("probability", predicted.probability);
    object.add("probabilities", outputs);
    return object.dump() + "\n";
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
