// settings.cpp: writes a line for each setting; reads such lines, and finds the first that differs.
#include "app/cli/settings.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/text.h"

namespace {

constexpr std::size_t longest_value = 60;  // of a value in a message

/// A line without a tab becomes a name with an empty value.
Settings settings_of(const std::string& text) {
    Settings settings;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const std::size_t tab = line.find('\t');
        settings.emplace_back(line.substr(0, tab),
                              tab == std::string::npos ? "" : line.substr(tab + 1));
    }
    return settings;
}

/// The first setting of `one` that is not in `other` with the same value, in words; or empty.
std::string first_missing(const Settings& one, const std::string& rank, const Settings& other,
                          const std::string& other_rank) {
    for (const auto& [name, value] : one) {
        const auto same_name = std::ranges::find(other, name, &Settings::value_type::first);
        if (same_name != other.end() && same_name->second == value) continue;
        const std::string here = formatted("%s is %s on rank %s", harmless(name).c_str(),
                                           harmless(value, longest_value).c_str(), rank.c_str());
        if (same_name == other.end())
            return formatted("%s, and rank %s has none", here.c_str(), other_rank.c_str());
        return formatted("%s and %s on rank %s", here.c_str(),
                         harmless(same_name->second, longest_value).c_str(), other_rank.c_str());
    }
    return "";
}

}  // namespace

std::string settings_text(const Settings& settings) {
    std::string text;
    for (const auto& [name, value] : settings) text.append(name).append("\t" + value + "\n");
    return text;
}

std::string difference_of_settings(const std::vector<std::string>& text_of_rank) {
    const Settings first = settings_of(text_of_rank.front());
    for (std::size_t r = 1; r < text_of_rank.size(); ++r) {
        if (text_of_rank[r] == text_of_rank.front()) continue;
        const Settings other = settings_of(text_of_rank[r]);
        const std::string rank = std::to_string(r);
        std::string words = first_missing(first, "0", other, rank);
        if (words.empty()) words = first_missing(other, rank, first, "0");
        return words.empty() ? "the settings of rank 0 and rank " + rank + " are in another order"
                             : words;
    }
    return "";
}
