// inspect_table.cpp: reads a table without asking what is an input and what is a target.
#include "app/commands/inspect_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "base/text.h"
#include "base/whole_file.h"
#include "input/csv_rows.h"
#include "input/table_values.h"

namespace {

constexpr std::size_t most_texts = 256, most_lines = 20;

struct Column {
    std::size_t numbers = 0, texts = 0, empty = 0;
    double sum = 0;
    double least = std::numeric_limits<double>::infinity(), most = -least;
    std::set<std::string> different = {};

    void take(std::string_view field) {
        field = trimmed(field);
        if (field.empty()) return void(++empty);
        const auto number = number_in(field);
        if (!number || !std::isfinite(*number)) {
            ++texts;
            if (different.size() < most_texts) different.emplace(field);
            return;
        }
        const auto value = static_cast<double>(*number);
        ++numbers;
        sum += value;
        least = std::min(least, value);
        most = std::max(most, value);
    }
};

using Fields = std::vector<std::string>;

Json json_of(const Column& column, std::size_t place, const Fields& names) {
    Json json = Json::object({{"column", place + 1}});
    if (place < names.size()) json.add("name", name_in(names[place]));
    json.add("numbers", column.numbers);
    json.add("min", column.least);
    json.add("mean", column.sum / static_cast<double>(column.numbers));
    json.add("max", column.most);
    json.add("texts", column.texts);
    json.add("different", column.different.size());
    json.add("empty", column.empty);
    return json;
}

std::string column_line(const Json& column, bool heading) {
    const auto number = [&](const char* name) {
        return column[name].is_number() ? formatted("%.6g", column[name].number()) : "-";
    };
    std::string line =
        formatted("  %6s %9s %12s %12s %12s %7s %9s %6s", column["column"].dump().c_str(),
                  column["numbers"].dump().c_str(), number("min").c_str(), number("mean").c_str(),
                  number("max").c_str(), column["texts"].dump().c_str(),
                  column["different"].dump().c_str(), column["empty"].dump().c_str());
    if (heading) line += "  " + one_line(column["name"].text());
    return line + "\n";
}

}  // namespace

Json found_in_table(const std::filesystem::path& file) {
    const auto bytes = read_whole_file(file, "a table");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    std::vector<Column> columns;
    Fields first;
    std::size_t rows = 0;
    bool heading = false;
    const auto take = [&](const auto& fields) {
        columns.resize(std::max(columns.size(), fields.size()));
        for (std::size_t c = 0; c < fields.size(); ++c) columns[c].take(fields[c]);
    };
    for_each_row(text, file.string(), [&](const CsvRow& row) {
        if (++rows == 1) return first.assign(row.fields.begin(), row.fields.end());
        if (rows == 2) {
            const Fields second(row.fields.begin(), row.fields.end());
            heading = kind_of_first_row(first, second) == FirstRow::heading;
            if (!heading) take(first);
        }
        take(row.fields);
    });
    if (rows == 1) {
        heading = kind_of_first_row(first, {}) == FirstRow::heading;
        if (!heading) take(first);
    }
    Json list = Json::array();
    for (std::size_t c = 0; c < columns.size(); ++c)
        list.add(json_of(columns[c], c, heading ? first : Fields{}));
    return Json::object({{"rows", rows - (heading ? 1 : 0)},
                         {"columns", std::move(list)},
                         {"separator", std::string(1, separator_of(text))},
                         {"heading", heading}});
}

std::string table_text(const Json& table) {
    const std::string separator = table["separator"].text();
    const Json::Array& columns = table["columns"].items();
    const bool heading = table["heading"].truth();
    std::string text =
        formatted("a table of %s rows and %zu columns, separated by %s, %s a heading\n",
                  table["rows"].dump().c_str(), columns.size(),
                  separator == "\t"  ? "tabs"
                  : separator == ";" ? "semicolons"
                  : separator == "|" ? "bars"
                                     : "commas",
                  heading ? "with" : "without");
    text += formatted("  %6s %9s %12s %12s %12s %7s %9s %6s%s\n", "column", "numbers", "min",
                      "mean", "max", "texts", "different", "empty", heading ? "  name" : "");
    for (std::size_t c = 0; c < std::min(most_lines, columns.size()); ++c)
        text += column_line(columns[c], heading);
    if (columns.size() > most_lines)
        text += formatted("  and %zu more columns; --json has them\n", columns.size() - most_lines);
    return text;
}
