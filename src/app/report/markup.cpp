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
