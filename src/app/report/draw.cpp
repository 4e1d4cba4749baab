// draw.cpp: draws two pixels in each character, because a character is about twice as high as wide.
#include "app/report/draw.h"

#include <cstdlib>
#include <string_view>

#include "app/report/terminal.h"
#include "base/text.h"

namespace {

std::string_view variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
}

/// An upper half block: the upper pixel's colour in front, the lower pixel's behind.
std::string half_blocks(int upper, int lower, Shades shades) {
    if (shades == Shades::colour)
        return formatted("\033[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", upper, upper, upper, lower, lower,
                         lower);
    return formatted("\033[38;5;%d;48;5;%dm▀", 232 + upper * 23 / 255, 232 + lower * 23 / 255);
}

char shade(int upper, int lower) {
    constexpr std::string_view shades = " .:-=+*#%@";
    return shades[static_cast<std::size_t>((upper + lower) * 9 + 255) / 510];
}

}  // namespace

Shades shades_of_output() {
    if (!on_terminal() || !variable("NO_COLOR").empty() || variable("TERM") == "dumb")
        return Shades::ascii;
    const std::string_view colours = variable("COLORTERM");
    return colours == "truecolor" || colours == "24bit" ? Shades::colour : Shades::grey;
}

std::string drawn(std::span<const std::uint8_t> pixels, int rows, int cols, Shades shades) {
    const auto at = [&](int y, int x) -> int {
        return y < rows ? pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(cols) +
                                 static_cast<std::size_t>(x)]
                        : 0;
    };
    std::string text;
    for (int y = 0; y < rows; y += 2) {
        for (int x = 0; x < cols; ++x) {
            if (shades == Shades::ascii)
                text += shade(at(y, x), at(y + 1, x));
            else
                text += half_blocks(at(y, x), at(y + 1, x), shades);
        }
        text += shades == Shades::ascii ? "\n" : "\033[0m\n";
    }
    return text;
}
