// picture_formats.h: the formats of picture files, each read by a file of its own.
//
// They say what the file holds; picture_grey.cpp makes greys of it. All check the size that a file
// claims against its bytes before they take memory for pixels: BMP and Netpbm exactly, PNG and
// JPEG, whose pixels are packed, by the most that a byte can hold (check_packed).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "input/picture.h"

/// A picture as its file has it: row by row, for each pixel grey (1 channel), grey and alpha (2),
/// red, green, blue (3), or these and alpha (4).
struct Raster {
    int width = 0, height = 0, channels = 1;
    std::vector<std::uint8_t> values = {};
    int orientation = 1;  ///< as EXIF numbers how the camera was held: 1 upright, 6 and 8 turned
};

/// Each reads a file that begins as its format does. `name` is for messages. Throws InputError: one
/// line with the file, what is wrong and what to do.
Raster parse_png(std::span<const std::uint8_t> bytes, const std::string& name);
Raster parse_jpeg(std::span<const std::uint8_t> bytes, const std::string& name);
Raster parse_bmp(std::span<const std::uint8_t> bytes, const std::string& name);
Raster parse_pnm(std::span<const std::uint8_t> bytes, const std::string& name);

/// Refuses a picture of more than 10000 pixels a side or 64 million in all.
void check_size(const std::string& name, std::uint64_t width, std::uint64_t height);

/// Refuses a packed picture of more pixels than so many bytes can hold in PNG: 8 pixels in a byte
/// before packing, of which deflate makes no less than 1/1032. In JPEG, a block of 64 pixels has
/// two bits in the usual scan and one in a progressive one, which is less than 8 * 1032 pixels a
/// byte even where colours make 16 blocks of it; arithmetic coding, which no camera writes, could
/// pack blank paper closer.
void check_packed(const std::string& name, std::uint64_t width, std::uint64_t height,
                  std::size_t bytes);

/// The orientation, 1 to 8, in EXIF data; 1 where it is not said by the letter of the standard.
/// `tiff` begins with "II" or "MM". Source: CIPA DC-008, "Exchangeable image file format", 4.5.
int exif_orientation(std::span<const std::uint8_t> tiff);

/// Greys of what the file holds, upright. Where colours differ in brightness, the grey is the
/// brightness; otherwise it is what tells them apart best. Transparent pixels get the background.
Picture grey_of(Raster raster);
