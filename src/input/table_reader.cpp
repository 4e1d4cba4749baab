// table_reader.cpp: decides what the first row is, and says what is wrong with the first wrong row.
//
// The first row waits until the second one tells whether it is a heading; one that counts up waits
// for the whole table. The first sample tells whether a single target column has names: behind a
// number, a name is a mistake.
#include "input/table_reader.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/real.h"
#include "base/whole_file.h"
#include "input/csv_rows.h"
#include "input/table_values.h"

namespace {

constexpr std::size_t most_inputs = std::size_t{1} << 20;
constexpr std::size_t most_classes = 256;

class TableReader {
  public:
    /// Exactly one of `wish` and `network` is there.
    TableReader(const std::string& name, const TableWish* wish, const TableOfNetwork* network)
        : name_(name), wish_(wish), network_(network) {}

    void take(const CsvRow& row) {
        ++rows_;
        line_ = row.line;
        if (rows_ == 1) {
            first_line_ = row.line;
            first_.assign(row.fields.begin(), row.fields.end());
            columns_.count = first_.size();
            return;
        }
        if (row.fields.size() != columns_.count)
            refuse_row(std::to_string(columns_.count) + " columns, as in the first row",
                       std::to_string(row.fields.size()), "give every row the same");
        if (rows_ == 2) begin({row.fields.begin(), row.fields.end()});
        line_ = row.line;
        take_sample(row.fields);
    }

    Table finish() {
        if (rows_ == 1) begin({});
        if (first_row_ == FirstRow::open) decide_first_row();
        if (set_.inputs.empty())
            refuse(name_, "a table with a sample in each row", "none", "give another file");
        finish_classes();
        set_.rows = static_cast<int>(found_.inputs.size());
        set_.cols = 1;
        set_.format = {.number_inputs = true,
                       .number_targets = !found_.targets.empty() && !has_labels(),
                       .without_targets = found_.targets.empty()};
        return {std::move(set_), std::move(columns_), std::move(notes_)};
    }

  private:
    [[noreturn]] void refuse_row(const std::string& expected, const std::string& found,
                                 const std::string& advice) const {
        refuse(name_ + " line " + std::to_string(line_), expected, found, advice);
    }

    // ---- the first row and the columns

    const std::string& wished_target() const { return wish_ ? wish_->target : network_->target; }

    /// True if the first row has a wished target, or all inputs of the network.
    bool has_known_names() const {
        const auto has = [&](const std::string& name) {
            return std::ranges::find(first_, name) != first_.end();
        };
        const bool has_target = std::ranges::any_of(first_, [&](const std::string& field) {
            return is_wished_by_name(wished_target(), trimmed(field));
        });
        if (wish_ || has_target) return has_target;
        const TableColumns& trained = network_->columns;
        return !trained.names.empty() && std::ranges::all_of(trained.inputs(), [&](auto place) {
            return has(trained.names[place]);
        });
    }

    void begin(const std::vector<std::string>& second) {
        first_row_ = has_known_names() ? FirstRow::heading : kind_of_first_row(first_, second);
        if (first_row_ == FirstRow::heading) take_names();
        find_places();
        if (first_row_ == FirstRow::sample)
            find_names_of_classes(first_, second);
        else
            find_names_of_classes(second, {});
        if (first_row_ == FirstRow::sample) take_first();
    }

    void take_names() {
        for (const std::string& field : first_) columns_.names.push_back(name_in(field));
        std::vector<std::string> sorted = columns_.names;
        std::ranges::sort(sorted);
        if (std::ranges::adjacent_find(sorted) != sorted.end()) columns_.names.clear();
    }

    void find_places() {
        if (wish_) {
            if (wish_->target.empty()) require_last_is_target();
            found_.targets = target_places(wish_->target, columns_, name_);
            columns_.targets = found_.targets;
            found_.inputs = columns_.inputs();
        } else {
            find_places_of_network();
            if (!network_->with_targets) found_.targets.clear();
        }
        if (found_.inputs.size() > most_inputs)
            refuse(name_, "at most " + std::to_string(most_inputs) + " inputs",
                   std::to_string(found_.inputs.size()), "give a table with fewer columns");
    }

    void find_places_of_network() {
        const auto& [trained, class_names, inputs, outputs, with_targets, target] = *network_;
        if (!target.empty()) {
            found_ = find_columns(trained, inputs, outputs, columns_,
                                  target_places(target, columns_, name_), name_);
            return;
        }
        if (trained.count == 0 && columns_.count > inputs) require_last_is_target();
        found_ = find_columns(trained, inputs, outputs, columns_, with_targets, name_);
    }

    /// By the first sample, and by the next one if it is known; each is empty if there is none.
    void find_names_of_classes(const std::vector<std::string>& sample,
                               const std::vector<std::string>& next) {
        if (found_.targets.size() != 1 || sample.empty()) return;
        const std::size_t place = found_.targets[0];
        const bool is_name = !number_in(sample[place]) && !trimmed(sample[place]).empty(),
                   mixed = !next.empty() && number_in(next[place]);
        as_names_ = wish_ ? is_name && !mixed : !network_->class_names.empty();
    }

    /// Refuses to take the last column where the heading calls another one the target.
    void require_last_is_target() const {
        const auto is_target = [](std::string name) {
            std::ranges::transform(name, name.begin(), [](unsigned char c) {
                return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
            });
            return name == "label" || name == "class" || name == "target" || name == "y";
        };
        const auto& names = columns_.names;
        const auto other = std::ranges::find_if(names, is_target);
        if (other == names.end() || is_target(names.back())) return;
        const auto place = static_cast<std::size_t>(other - names.begin());
        refuse(name_, "the target in the last column",
               columns_.described(place) + ", and " + columns_.described(names.size() - 1) +
                   " as the last",
               "name the target: --target " + harmless(*other, 40) + ", or --target -1");
    }

    // ---- samples

    bool has_labels() const {
        if (found_.targets.size() != 1) return false;
        return as_names_ || (wish_ ? wish_->class_numbers : network_->outputs > 1);
    }

    template <class Field>
    void take_sample(std::span<const Field> fields) {
        for (const std::size_t place : found_.inputs)
            set_.inputs.push_back(number(fields[place], place));
        if (found_.targets.size() == 1)
            take_target(fields[found_.targets[0]], found_.targets[0]);
        else
            for (const std::size_t place : found_.targets)
                set_.targets.push_back(number(fields[place], place));
    }

    void take_first() {
        line_ = first_line_;
        take_sample(std::span<const std::string>(first_));
    }

    nn_real number(std::string_view field, std::size_t place) const {
        const auto value = number_in(field);
        if (value && std::isfinite(*value)) return *value;
        const std::string text = harmless(trimmed(field), 40);
        const bool is_missing = text.empty() || text == "NA" || text == "NaN" || text == "nan" ||
                                text == "NULL" || text == "null" || text == "?";
        refuse_row("a finite number in " + columns_.described(place) +
                       (value ? std::string(" (of type ") + nn_real_name + ")" : ""),
                   "\"" + harmless(field, 40) + "\"",
                   is_missing
                       ? "a value is missing: fill the gap in, for example with the mean of the "
                         "column, or take the row out"
                   : field.find(',') != std::string_view::npos
                       ? "write numbers with a point and without a comma, as 1000.5"
                       : "write numbers as 1, -0.5 or 2e-3, and in every column; a column with "
                         "names of classes can be the --target");
    }

    void take_target(std::string_view field, std::size_t place) {
        if (as_names_) {
            if (trimmed(field).empty())
                refuse_row("a class in " + columns_.described(place), "\"\"",
                           "give every sample its class");
            set_.labels.push_back(named_class(name_in(field), place));
            return;
        }
        if (has_labels())
            set_.labels.push_back(class_number(field, place));
        else
            set_.targets.push_back(number(field, place));
    }

    std::uint8_t class_number(std::string_view field, std::size_t place) const {
        const nn_real value = number(field, place);
        const std::size_t most = (wish_ ? most_classes : network_->outputs) - 1;
        if (!(value >= 0 && value <= static_cast<nn_real>(most) && value == std::floor(value)))
            refuse_row("a class number 0, 1, ... " + std::to_string(most) + " in " +
                           columns_.described(place),
                       "\"" + harmless(field, 40) + "\"",
                       wish_ ? "number the classes from 0 on, or give --output sigmoid to train on "
                               "numbers from 0 to 1"
                             : "give a table with the classes that the network was trained on");
        return static_cast<std::uint8_t>(value);
    }

    /// In a training, classes have the numbers in which they were met, until finish_classes().
    std::uint8_t named_class(const std::string& name, std::size_t place) {
        if (network_ && met_.empty())
            for (const std::string& known : network_->class_names) met_.emplace(known, met_.size());
        const auto [found, is_new] = met_.emplace(name, met_.size());
        if (is_new && network_)
            refuse_row("a class that the network knows in " + columns_.described(place),
                       "\"" + harmless(name, 40) + "\"",
                       "give a table with the classes that it was trained on");
        if (found->second >= most_classes)
            refuse_row("at most " + std::to_string(most_classes) + " different classes in " +
                           columns_.described(place),
                       "one more, \"" + harmless(name, 40) + "\"",
                       "is this the target? Name it with --target");
        return static_cast<std::uint8_t>(found->second);
    }

    void finish_classes() {
        if (network_) {
            if (found_.targets.empty()) return;
            set_.classes = static_cast<int>(network_->outputs);
            set_.class_names = network_->class_names;
        } else if (as_names_) {
            std::vector<std::uint8_t> place_of(met_.size());
            for (const auto& [name, number] : met_) {
                place_of[number] = static_cast<std::uint8_t>(set_.class_names.size());
                set_.class_names.push_back(name);
            }
            for (std::uint8_t& label : set_.labels) label = place_of[label];
            set_.classes = static_cast<int>(met_.size());
        } else {
            set_.classes = has_labels() ? *std::ranges::max_element(set_.labels) + 1
                                        : static_cast<int>(found_.targets.size());
        }
    }

    // ---- a first row that counts up

    /// How many of the first row's fields are no value like those below them.
    std::size_t fields_unlike_the_rest() const {
        std::size_t unlike = 0;
        const auto judge = [&](std::size_t place, const auto& values, std::size_t at,
                               std::size_t each) {
            const auto number = number_in(first_[place]);
            if (!number || values.empty()) return void(++unlike);
            auto least = static_cast<nn_real>(values[at]), most = least;
            for (std::size_t i = at; i < values.size(); i += each) {
                least = std::min(least, static_cast<nn_real>(values[i]));
                most = std::max(most, static_cast<nn_real>(values[i]));
            }
            unlike += *number < least || *number > most;
        };
        const std::size_t inputs = found_.inputs.size(), targets = found_.targets.size();
        for (std::size_t i = 0; i < inputs; ++i) judge(found_.inputs[i], set_.inputs, i, inputs);
        for (std::size_t i = 0; i < targets; ++i)
            if (as_names_)
                unlike += met_.find(name_in(first_[found_.targets[i]])) == met_.end();
            else if (has_labels())
                judge(found_.targets[i], set_.labels, i, 1);
            else
                judge(found_.targets[i], set_.targets, i, targets);
        return unlike;
    }

    void decide_first_row() {
        constexpr std::size_t enough = 3;  // samples to compare with
        if (set_.inputs.size() >= enough * found_.inputs.size() &&
            2 * fields_unlike_the_rest() >= found_.inputs.size() + found_.targets.size()) {
            take_names();
            notes_.push_back(harmless(name_, 4096) + " line " + std::to_string(first_line_) +
                             ": counts up and is unlike the rows below, so it is taken for a "
                             "heading and not for a sample; write it with names to be sure");
            return;
        }
        take_first();
        const auto to_front = [](auto& values, std::size_t each) {
            if (!values.empty())
                std::rotate(values.begin(), values.end() - static_cast<std::ptrdiff_t>(each),
                            values.end());
        };
        to_front(set_.inputs, found_.inputs.size());
        to_front(set_.targets, found_.targets.size());
        to_front(set_.labels, 1);
    }

    const std::string& name_;
    const TableWish* wish_;
    const TableOfNetwork* network_;
    bool as_names_ = false;  ///< the single target column has names of classes
    std::size_t rows_ = 0, line_ = 0, first_line_ = 0;
    std::vector<std::string> first_;  ///< fields of the first row
    FirstRow first_row_ = FirstRow::sample;
    TableColumns columns_;
    FoundColumns found_;
    std::map<std::string, std::size_t> met_;  ///< names of classes
    SampleSet set_;
    std::vector<std::string> notes_;
};

Table parsed(std::string_view text, const std::string& name, const TableWish* wish,
             const TableOfNetwork* network) {
    TableReader reader(name, wish, network);
    for_each_row(text, name, [&](const CsvRow& row) { reader.take(row); });
    return reader.finish();
}

template <class How>
Table read(const std::filesystem::path& file, const How& how) {
    const auto bytes = read_whole_file(file, "a table");
    return parse_table({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.string(),
                       how);
}

}  // namespace

Table parse_table(std::string_view text, const std::string& name, const TableWish& wish) {
    return parsed(text, name, &wish, nullptr);
}

Table parse_table(std::string_view text, const std::string& name, const TableOfNetwork& network) {
    return parsed(text, name, nullptr, &network);
}

Table read_table(const std::filesystem::path& file, const TableWish& wish) {
    return read(file, wish);
}
Table read_table(const std::filesystem::path& file, const TableOfNetwork& network) {
    return read(file, network);
}

bool is_named_as_table(const std::filesystem::path& file) {
    std::string end = file.extension().string();
    std::ranges::transform(end, end.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    return end == ".csv" || end == ".tsv" || end == ".tab" || end == ".txt";
}
