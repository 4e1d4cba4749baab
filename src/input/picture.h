// picture.h: PNG and PGM pictures become what a network was trained on.
//
// A picture of exactly the network's size is taken as it is. Any other is treated as MNIST's own
// were: light on dark, cut to what is drawn, scaled with its proportions to 20/28 of the side, and
// placed with its centre of mass in the middle. Source of that rule: LeCun, Cortes, Burges, "The
// MNIST database of handwritten digits".
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

/// Grey values, row by row, 0 black.
struct Picture {
    int width = 0, height = 0;
    std::vector<std::uint8_t> grey;
};

/// Reads a PNG (any kind; what is transparent counts as its background) or a PGM (P2 or P5, to
/// 16 bits), of at most 10000 pixels a side and 64 MiB. Told apart by their first bytes. Throws
/// InputError: one line with the file, what is wrong and what to do.
Picture read_picture(const std::filesystem::path& file);

/// The same from memory; `name` is for messages.
Picture parse_picture(std::span<const std::uint8_t> bytes, const std::string& name);

/// rows x cols bytes, row by row, light on dark, as described above. A picture is dark on light
/// where the median of its outermost pixels is lighter than the middle of its greys. Throws
/// InputError where nothing is drawn; `name` is for messages.
std::vector<std::uint8_t> as_network_input(const Picture& picture, int rows, int cols,
                                           const std::string& name);

/// The picture as a PNG file's bytes. Throws Failure where libpng cannot make them.
std::vector<std::uint8_t> png_of(const Picture& picture);
