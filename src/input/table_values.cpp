// table_values.cpp: see table_values.h.
#include "input/table_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/json.h"
#include "input/csv_rows.h"

namespace {

bool counts_up(std::span<const std::string> fields) {
    std::size_t numbers = 0;
    nn_real before = 0;
    for (const std::string& field : fields) {
        const auto value = number_in(field);
        if (!value) continue;
        if (*value != std::floor(*value) || (numbers > 0 && *value != before + 1)) return false;
        before = *value;
        ++numbers;
    }
    return numbers >= 3;
}

}  // namespace

std::optional<nn_real> number_in(std::string_view field) {
    field = trimmed(field);
    if (field.size() > 1 && field[0] == '+' && field[1] != '-') field.remove_prefix(1);
    const char* const end = field.data() + field.size();
    nn_real value = 0;
    auto [stop, error] = std::from_chars(field.data(), end, value);
    if (error == std::errc::result_out_of_range) {  // too large, or so small that it is 0
        double wide = 0;
        const bool tells = std::from_chars(field.data(), end, wide).ec == std::errc{};
        const bool tiny = tells && std::abs(wide) < 1;
        value = tiny ? static_cast<nn_real>(wide) : std::numeric_limits<nn_real>::infinity();
        error = {};
    }
    if (error != std::errc{} || stop != end) return {};
    return value;
}

std::string name_in(std::string_view field) {
    const std::string name(trimmed(field));
    const bool plain = std::ranges::all_of(name, [](unsigned char c) { return c < 0x80; });
    return plain ? name : Json::parse(Json(name).dump()).text();
}

FirstRow kind_of_first_row(std::span<const std::string> first,
                           std::span<const std::string> second) {
    const auto is_name = [](const std::string& field) { return !number_in(field); };
    if (std::ranges::all_of(first, is_name)) return FirstRow::heading;
    if (second.size() != first.size() || !counts_up(first) || counts_up(second))
        return FirstRow::sample;
    for (std::size_t c = 0; c < first.size(); ++c)
        if (is_name(first[c]) && !is_name(second[c])) return FirstRow::heading;
    return FirstRow::open;
}
