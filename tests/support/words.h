// words.h: functions for texts in tests: the words of a command line, the lines of an output.
#pragma once
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

/// Splits text at spaces, but not inside single quotes, as a shell without variables does.
inline std::vector<std::string> split_words(const std::string& text) {
    std::vector<std::string> words;
    bool quoted = false, inside = false;
    for (const char c : text) {
        if (c == '\'') quoted = !quoted;
        if (c == ' ' && !quoted) {
            inside = false;
            continue;
        }
        if (!inside) words.emplace_back();
        inside = true;
        if (c != '\'') words.back() += c;
    }
    return words;
}

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

inline std::vector<std::string> lines_with(const std::string& start, const std::string& text) {
    std::vector<std::string> found;
    for (const std::string& line : lines_of(text))
        if (line.starts_with(start)) found.push_back(line);
    return found;
}

inline testing::AssertionResult says(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "expected '" << part << "' in:\n" << text;
}
