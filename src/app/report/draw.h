// draw.h: a picture in the terminal, so that a person sees what the network is given.
#pragma once
#include <cstdint>
#include <span>
#include <string>

enum class Shades {
    ascii,   ///< ten characters, for files and plain terminals
    grey,    ///< the 24 greys of a terminal of 256 colours
    colour,  ///< 24 bits
};

/// What standard output shows: ascii where it is no terminal, or NO_COLOR is set
/// (https://no-color.org), or TERM is dumb; 24 bits where COLORTERM says so.
Shades shades_of_output();

/// pixels: rows x cols, row by row, 0 black. A character shows two of them, one above the other; a
/// last row alone stands above black.
std::string drawn(std::span<const std::uint8_t> pixels, int rows, int cols, Shades shades);
