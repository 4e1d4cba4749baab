// markup.cpp: replaces one character after another.
#include "app/report/markup.h"

std::string escaped(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '&')
            safe += "&amp;";
        else if (c == '<')
            safe += "&lt;";
        else if (c == '>')
            safe += "&gt;";
        else if (c == '"')
            safe += "&quot;";
        else if (c == '\'')
            safe += "&#39;";
        else if (code < 0x20 || code == 0x7f)
            safe += "\xef\xbf\xbd";
        else
            safe += c;
    }
    return safe;
}

std::string base64(std::span<const std::uint8_t> bytes) {
    constexpr const char* digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t have = std::min<std::size_t>(3, bytes.size() - i);
        unsigned group = 0;
        for (std::size_t b = 0; b < 3; ++b) group = group << 8 | (b < have ? bytes[i + b] : 0u);
        for (std::size_t d = 0; d < 4; ++d)
            text += d <= have ? digits[group >> (18 - 6 * d) & 63] : '=';
    }
    return text;
}
