// table_columns.cpp: see table_columns.h.
#include "input/table_columns.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <numeric>
#include <optional>

#include "base/error.h"

namespace {

std::vector<std::string_view> items_of(std::string_view wish) {
    std::vector<std::string_view> items;
    for (std::size_t from = 0; from <= wish.size();) {
        const std::size_t comma = std::min(wish.find(',', from), wish.size());
        items.push_back(wish.substr(from, comma - from));
        from = comma + 1;
    }
    return items;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
    const char* const end = text.data() + text.size();
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || stop != end) return {};
    return value;
}

/// "7" or "-3..-1"
struct NumberRange {
    std::int64_t first, last;
};
std::optional<NumberRange> range_of(std::string_view item) {
    const std::size_t dots = item.find("..");
    const auto first = whole_number(item.substr(0, dots));
    const auto last = dots == std::string_view::npos ? first : whole_number(item.substr(dots + 2));
    if (!first || !last) return {};
    return NumberRange{*first, *last};
}

std::string in_quotes(std::string_view text) { return "\"" + harmless(text, 40) + "\""; }

/// The first names, for a message.
std::string list_of(const std::vector<std::string>& names) {
    constexpr std::size_t most = 5;
    std::string list;
    for (std::size_t i = 0; i < std::min(most, names.size()); ++i)
        list += (i == 0 ? "" : ", ") + in_quotes(names[i]);
    return list + (names.size() > most ? ", ..." : "");
}

std::optional<std::size_t> place_of(const std::string_view name, const TableColumns& columns) {
    const auto found = std::ranges::find(columns.names, name);
    if (found == columns.names.end()) return {};
    return static_cast<std::size_t>(found - columns.names.begin());
}

std::size_t place_of_number(std::int64_t number, const TableColumns& columns,
                            const std::string& table) {
    const auto count = static_cast<std::int64_t>(columns.count);
    if (number == 0 || number > count || number < -count)
        refuse(table, "a target among its " + std::to_string(count) + " columns",
               "--target " + std::to_string(number),
               "count from 1, or from -1 backwards from the last column");
    return static_cast<std::size_t>(number > 0 ? number - 1 : count + number);
}

std::size_t place_of_name(std::string_view name, const TableColumns& columns,
                          const std::string& table) {
    if (const auto place = place_of(name, columns)) return *place;
    refuse(table, "a column named " + in_quotes(name),
           columns.names.empty() ? "no heading with a name for each column"
                                 : "the columns " + list_of(columns.names),
           "give one of them with --target, or its number from 1");
}

void require_each_once(std::vector<std::size_t> places, const TableColumns& columns,
                       const std::string& table) {
    std::ranges::sort(places);
    const auto twice = std::ranges::adjacent_find(places);
    if (twice != places.end())
        refuse(table, "each target once", columns.described(*twice) + " twice",
               "name other columns with --target");
    if (places.size() >= columns.count)
        refuse(table,
               "at least " + std::to_string(places.size() + 1) +
                   " columns: " + std::to_string(places.size()) +
                   (places.size() == 1 ? " target" : " targets") + " and the inputs",
               std::to_string(columns.count),
               "separate the columns by commas, semicolons or tabs, or give fewer targets with "
               "--target");
}

FoundColumns found_by_name(const TableColumns& trained, const TableColumns& here, bool with_targets,
                           const std::string& table) {
    const auto place = [&](std::size_t of_trained, const char* kind) {
        const std::string& name = trained.names[of_trained];
        if (const auto found = place_of(name, here)) return *found;
        refuse(table, std::string("the network's ") + kind + " " + in_quotes(name),
               "the columns " + list_of(here.names),
               "give a table with the columns that the network was trained on");
    };
    FoundColumns found;
    for (const std::size_t input : trained.inputs()) found.inputs.push_back(place(input, "input"));
    for (const std::size_t target : trained.targets)
        if (with_targets) found.targets.push_back(place(target, "target"));
    return found;
}

}  // namespace

std::vector<std::size_t> TableColumns::inputs() const {
    std::vector<bool> is_target(count);
    for (const std::size_t target : targets) is_target[target] = true;
    std::vector<std::size_t> places;
    for (std::size_t place = 0; place < count; ++place)
        if (!is_target[place]) places.push_back(place);
    return places;
}

std::string TableColumns::described(std::size_t place) const {
    const std::string text = "column " + std::to_string(place + 1);
    return names.empty() ? text : text + " " + in_quotes(names[place]);
}

bool is_wished_by_name(const std::string& wish, std::string_view field) {
    if (field.empty() || range_of(field)) return false;
    if (field == wish) return true;
    const auto items = items_of(wish);
    return std::ranges::find(items, field) != items.end();
}

std::vector<std::size_t> target_places(const std::string& wish, const TableColumns& columns,
                                       const std::string& table) {
    std::vector<std::size_t> places;
    if (const auto whole = place_of(wish, columns); whole && !wish.empty() && !range_of(wish)) {
        places = {*whole};  // a name with commas in it
    } else {
        for (const std::string_view item :
             wish.empty() ? std::vector<std::string_view>{"-1"} : items_of(wish)) {
            const auto range = range_of(item);
            if (!range) {
                places.push_back(place_of_name(item, columns, table));
                continue;
            }
            const std::size_t first = place_of_number(range->first, columns, table),
                              last = place_of_number(range->last, columns, table);
            if (first > last)
                refuse(table, "a range of columns from left to right", in_quotes(item),
                       "exchange its two numbers");
            for (std::size_t place = first; place <= last; ++place) places.push_back(place);
        }
    }
    require_each_once(places, columns, table);
    return places;
}

FoundColumns find_columns(const TableColumns& trained, std::size_t inputs, std::size_t outputs,
                          const TableColumns& here, bool with_targets, const std::string& table) {
    if (!trained.names.empty() && !here.names.empty())
        return found_by_name(trained, here, with_targets, table);
    const std::size_t behind = here.count - std::min(inputs, here.count);
    FoundColumns found;
    if (trained.count > 0 && here.count == trained.count) {
        found = {trained.inputs(), trained.targets};
    } else if (behind == 0 || (trained.count == 0 && (behind == 1 || behind == outputs))) {
        found.inputs.resize(inputs);
        found.targets.resize(behind);
        std::iota(found.inputs.begin(), found.inputs.end(), std::size_t{0});
        std::iota(found.targets.begin(), found.targets.end(), inputs);
    }
    if (found.inputs.size() != inputs || here.count < inputs ||
        (with_targets && found.targets.empty()))
        refuse(table,
               trained.count > 0
                   ? std::to_string(trained.count) + " columns, as in the training" +
                         (with_targets ? "" : ", or its inputs alone, " + std::to_string(inputs))
                   : std::to_string(inputs) + " inputs" +
                         (with_targets ? " and the targets behind them" : ""),
               std::to_string(here.count),
               "give a table with the columns that the network was trained on");
    return found;
}

FoundColumns find_columns(const TableColumns& trained, std::size_t inputs, std::size_t outputs,
                          const TableColumns& here, const std::vector<std::size_t>& targets,
                          const std::string& table) {
    if (targets.size() != 1 && targets.size() != outputs)
        refuse(table,
               outputs == 1 ? "one target"
                            : "one target with the class, or " + std::to_string(outputs) +
                                  ", one for each output",
               std::to_string(targets.size()), "name others behind --target");
    TableColumns others = here;
    others.targets = targets;
    FoundColumns found{others.inputs(), targets};
    if (!trained.names.empty() && !here.names.empty())
        found.inputs = found_by_name(trained, here, false, table).inputs;
    for (const std::size_t input : found.inputs)
        if (std::ranges::find(targets, input) != targets.end())
            refuse(table, "a target that is no input of the network", here.described(input),
                   "name another column behind --target");
    if (found.inputs.size() != inputs)
        refuse(table, std::to_string(inputs) + " inputs beside the target",
               std::to_string(found.inputs.size()),
               "give a table with the columns that the network was trained on");
    return found;
}
