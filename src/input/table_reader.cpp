// table_reader.cpp: reads a table line by line, and says what is wrong with the first wrong line.
//
// A text is a number if std::from_chars reads it to its last character; the user's language does
// not matter. It is rounded once, from the text to nn_real. A first line with some numbers in it is
// no heading but a sample with a mistake, and is reported.
#include "input/table_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/real.h"
#include "base/whole_file.h"

namespace {

constexpr std::size_t most_inputs = std::size_t{1} << 20;

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Returns infinity if the number is too large for nn_real.
std::optional<nn_real> number_in(std::string_view text) {
    const char* const end = text.data() + text.size();
    nn_real value = 0;
    auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error == std::errc::result_out_of_range) {  // too large, or so small that it is 0
        double wide = 0;
        const bool tells = std::from_chars(text.data(), end, wide).ec == std::errc{};
        const bool tiny = tells && std::abs(wide) < 1;
        value = tiny ? static_cast<nn_real>(wide) : std::numeric_limits<nn_real>::infinity();
        error = {};
    }
    if (error != std::errc{} || stop != end) return {};
    return value;
}

class TableReader {
  public:
    TableReader(const std::string& name, int target_columns, bool as_classes)
        : name_(name), targets_(static_cast<std::size_t>(target_columns)), as_classes_(as_classes) {
        if (target_columns < 1 || (as_classes && target_columns != 1))
            ::refuse(
                name,
                as_classes ? "one target column, with class numbers" : "at least one target column",
                std::to_string(target_columns), "give another --target-columns");
    }

    /// Takes the next line, without its end.
    void take(std::string_view line) {
        ++line_;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (trimmed(line).empty() || line.starts_with('#')) return;
        split(line);
        const bool first = columns_ == 0;
        if (first) set_columns();
        if (fields_.size() != columns_)
            refuse(std::to_string(columns_) + " columns, as in the first line with any",
                   std::to_string(fields_.size()), "give every line the same");
        if (first && std::none_of(fields_.begin(), fields_.end(), number_in)) return;
        take_sample();
    }

    SampleSet finish() {
        if (set_.inputs.empty())
            ::refuse(name_, "a table with a sample in each line", "none", "give another file");
        set_.rows = static_cast<int>(columns_ - targets_);
        set_.cols = 1;
        set_.format = {.number_inputs = true, .number_targets = !as_classes_};
        set_.classes = as_classes_ ? *std::max_element(set_.labels.begin(), set_.labels.end()) + 1
                                   : static_cast<int>(targets_);
        return std::move(set_);
    }

  private:
    [[noreturn]] void refuse(const std::string& expected, const std::string& found,
                             const std::string& advice) const {
        ::refuse(name_ + " line " + std::to_string(line_), expected, found, advice);
    }

    void split(std::string_view line) {
        fields_.clear();
        for (std::size_t from = 0; from <= line.size();) {
            const std::size_t comma = std::min(line.find(',', from), line.size());
            fields_.push_back(trimmed(line.substr(from, comma - from)));
            from = comma + 1;
        }
    }

    void set_columns() {
        columns_ = fields_.size();
        if (columns_ <= targets_)
            refuse("more than the " + std::to_string(targets_) + " target columns, with commas",
                   std::to_string(columns_) + (columns_ == 1 ? " column" : " columns"),
                   "separate numbers by commas, or give a smaller --target-columns");
        if (columns_ - targets_ > most_inputs)
            refuse("at most " + std::to_string(most_inputs) + " inputs",
                   std::to_string(columns_ - targets_), "give a table with fewer columns");
    }

    nn_real number(std::size_t column) const {
        const auto value = number_in(fields_[column]);
        if (value && std::isfinite(*value)) return *value;
        refuse("a finite number in column " + std::to_string(column + 1) +
                   (value ? std::string(" (of type ") + nn_real_name + ")" : ""),
               "\"" + harmless(fields_[column], 40) + "\"",
               "write numbers as 1, -0.5 or 2e-3, and in every column");
    }

    void take_sample() {
        const std::size_t inputs = columns_ - targets_;
        for (std::size_t c = 0; c < inputs; ++c) set_.inputs.push_back(number(c));
        for (std::size_t c = inputs; c < columns_ && !as_classes_; ++c)
            set_.targets.push_back(number(c));
        if (as_classes_) set_.labels.push_back(label());
    }

    std::uint8_t label() const {
        const nn_real value = number(columns_ - 1);
        if (!(value >= 0 && value <= 255 && value == std::floor(value)))
            refuse("a class number 0, 1, ... 255 in column " + std::to_string(columns_),
                   "\"" + harmless(fields_.back(), 40) + "\"",
                   "number the classes from 0 on, or give --loss mse to train on numbers");
        return static_cast<std::uint8_t>(value);
    }

    std::string name_;
    std::size_t targets_;
    bool as_classes_;
    std::size_t line_ = 0, columns_ = 0;  ///< columns_ is 0 before the first line that counts
    std::vector<std::string_view> fields_;
    SampleSet set_;
};

}  // namespace

SampleSet parse_table(std::string_view text, const std::string& name, int target_columns,
                      bool as_classes) {
    TableReader reader(name, target_columns, as_classes);
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // some spreadsheets write this
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        reader.take(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return reader.finish();
}

SampleSet read_table(const std::filesystem::path& file, int target_columns, bool as_classes) {
    const auto bytes = read_whole_file(file, "a table");
    return parse_table({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.string(),
                       target_columns, as_classes);
}
