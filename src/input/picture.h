// picture.h: pictures become inputs of a network.
//
// A picture of exactly the network's size is taken as it is. Any other picture is prepared as
// MNIST's own images were. It is made light on dark and cut to the drawing. The drawing is scaled
// to 20/28 of the side, with its proportions, and placed with its centre of mass in the middle.
// Source of that rule: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
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

/// Reads a PNG, JPEG, BMP, or PBM, PGM or PPM file; its first bytes say which. Transparent pixels
/// count as background, and a picture whose EXIF data says that the camera was turned is turned
/// back. It may have 10000 pixels a side, 64 million in all, and 64 MiB; a JPEG of more than 3000 a
/// side is read at a half of its size, or less. Throws InputError: one line with the file, what is
/// wrong and what to do.
Picture read_picture(const std::filesystem::path& file);

/// The same from memory; `name` is for messages.
Picture parse_picture(std::span<const std::uint8_t> bytes, const std::string& name);

/// Returns rows x cols bytes, row by row, light on dark, as described above. A picture counts as
/// dark on light if the median of its border pixels is lighter than the mean of its lightest and
/// darkest grey. Throws InputError if nothing is drawn; `name` is for messages.
std::vector<std::uint8_t> as_network_input(const Picture& picture, int rows, int cols,
                                           const std::string& name);

/// The picture as a PNG file's bytes. Throws Failure if libpng cannot make them.
std::vector<std::uint8_t> png_of(const Picture& picture);
