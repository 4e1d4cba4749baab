// markup_check.h: checks that text is well-formed XML, as far as the program writes XML.
//
// Elements must nest and close, attributes must be quoted and not come twice, every & must begin an
// entity, and there must be one root. So it finds everything that a user's text could break.
#pragma once
#include <regex>
#include <set>
#include <string>
#include <vector>

/// Returns an empty string if the text is well-formed, else what is wrong, and where.
inline std::string markup_error(const std::string& text) {
    const auto at = [&](std::size_t i) { return ": " + text.substr(i, 60); };
    const std::regex entity("&(amp|lt|gt|quot|#\\d+);");
    const std::regex tag("<(/?)([A-Za-z][\\w-]*)((?: [\\w:-]+=\"[^\"<]*\")*)(/?)>");
    const std::regex attribute(" ([\\w:-]+)=");
    std::vector<std::string> open;
    int roots = 0;
    std::size_t i = text.starts_with("<!DOCTYPE html>") ? 15 : 0;
    for (; i < text.size(); ++i) {
        const char c = text[i];
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n') return "control character" + at(i);
        if (c == '&' &&
            !std::regex_search(text.substr(i, 8), entity, std::regex_constants::match_continuous))
            return "bare &" + at(i);
        if (c != '<' && c != '\n' && open.empty()) return "text outside the root" + at(i);
        if (c != '<') continue;
        const std::size_t end = text.find('>', i);
        if (end == std::string::npos) return "tag without end" + at(i);
        // The patterns do not get a picture's bytes, which are too many for them.
        std::string words = text.substr(i, end + 1 - i);
        if (const auto data = words.find("base64,"); data != std::string::npos)
            words.erase(data, words.find('"', data) - data);
        std::smatch part;
        if (!std::regex_match(words, part, tag)) return "no tag" + at(i);
        std::set<std::string> names;
        const std::string attributes = part[3];
        for (std::sregex_iterator a(attributes.begin(), attributes.end(), attribute), none;
             a != none; ++a)
            if (!names.insert((*a)[1]).second) return "attribute twice" + at(i);
        if (part[1].length() > 0) {
            if (open.empty() || open.back() != part[2]) return "closes what is not open" + at(i);
            open.pop_back();
        } else {
            if (open.empty() && ++roots > 1) return "second root" + at(i);
            if (part[4].length() == 0) open.push_back(part[2]);
        }
        i = end;
    }
    if (!open.empty()) return "never closed: " + open.back();
    return roots == 1 ? "" : "no root";
}
