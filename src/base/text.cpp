// text.cpp: see text.h.
#include "base/text.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>

#include "base/error.h"

std::string formatted(const char* format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = std::vsnprintf(nullptr, 0, format, arguments);
    va_end(arguments);
    std::string text(static_cast<std::size_t>(length), '\0');
    std::vsnprintf(text.data(), text.size() + 1, format, again);
    va_end(again);
    return text;
}

std::string one_line(const std::string& text) { return harmless(text, text.size()); }

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string bytes_text(double bytes) {
    const char* unit = "bytes";
    for (const char* larger : {"KB", "MB", "GB"}) {
        if (bytes < 999.5) break;
        bytes /= 1000;
        unit = larger;
    }
    return formatted("%.3g %s", bytes, unit);
}

std::string percent(double part) {
    return std::isfinite(part) ? formatted("%.2f %%", 100 * part) : "-";
}

std::string progress_text(int epochs, int steps) {
    std::string text = counted(static_cast<std::size_t>(epochs), "epoch");
    if (steps > 0)
        text += " and " + counted(static_cast<std::size_t>(steps), "step") + " of the next";
    return text;
}

void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

void print_error(const std::string& message) {
    std::fprintf(stderr, "main: %s\n", one_line(message).c_str());
}
