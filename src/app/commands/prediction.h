// prediction.h: one prediction as a line for people, as JSON, and as a row of a CSV file.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/real.h"

/// One sample of a file, and the network's answer.
struct Prediction {
    std::string file;
    std::size_t index;  ///< in an IDX file or a table, from 0; 0 otherwise
    std::span<const nn_real> yhat;
    std::span<const std::string> class_names = {};  ///< empty: classes are numbers
    bool is_class = true;  ///< otherwise the outputs themselves are the answer
};

/// "7.png  7  0.9987", with the index behind the name of a file of many: "test.csv:0". If the
/// answer is no class, the outputs stand in place of class and probability. Throws as
/// predicted_class().
std::string prediction_line(const Prediction& prediction, bool with_index);

/// One line: {"file":..., "index":..., "class":..., "name":..., "probability":...,
/// "probabilities":[...]}; "name" only where classes have names. If the answer is no class: "file",
/// "index", "outputs".
std::string prediction_json(const Prediction& prediction);

/// A line of digits: "line.png  4711  0.9876", the probability being the product of those of the
/// digits, which follow, a line each: "    4  0.9991". There must be a digit.
std::string number_lines(std::span<const Prediction> digits);
/// One line: {"file":..., "number":"4711", "probability":..., "digits":[...]}, each digit with
/// class, name, probability and probabilities as above.
std::string number_json(std::span<const Prediction> digits);

/// The file of --out as CSV: its heading, and the row of the prediction with this number, from 1.
/// With a `submission`, "ID,CLASS", there are these two columns alone, and the first is the number.
/// `targets` are the names of outputs that are no classes.
std::string csv_heading(const std::string& submission, bool is_class,
                        const std::vector<std::string>& targets);
std::string csv_row(const Prediction& prediction, std::size_t number,
                    const std::string& submission);
