// draw.h: draws a picture in the terminal, so that a person sees the network's input.
#pragma once
#include <cstdint>
#include <span>
#include <string>

enum class Shades {
    ascii,   ///< ten characters, for files and plain terminals
    grey,    ///< the 24 greys of a terminal of 256 colours
    colour,  ///< 24 bits
};

/// The shades that standard output can show: ascii if it is no terminal, or NO_COLOR is set
/// (https://no-color.org), or TERM is dumb; 24 bits if COLORTERM says so.
Shades shades_of_output();

/// pixels: rows x cols, row by row, 0 black. A character shows two pixels, one above the other. A
/// last single row stands above black.
std::string drawn(std::span<const std::uint8_t> pixels, int rows, int cols, Shades shades);
