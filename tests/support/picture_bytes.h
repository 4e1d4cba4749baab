// picture_bytes.h: small files of picture formats that the program reads and does not write.
#pragma once
#include <cstdio>  // jpeglib.h needs it
#include <cstdlib>

#include <jpeglib.h>

#include "input/picture.h"

namespace picture_bytes {

using Bytes = std::vector<std::uint8_t>;

/// EXIF data that says this orientation alone, in the order of bytes of Motorola (first the high
/// one) or Intel.
inline Bytes exif_bytes(int orientation, bool low_first = false) {
    const auto o = static_cast<std::uint8_t>(orientation);
    if (low_first)
        return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                0,   1,   0,  0, 0, o, 0, 0, 0, 0, 0,    0, 0};
    return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, o, 0, 0, 0, 0, 0, 0};
}

/// A JPEG of the picture, of good quality. `channels`: 1, 3 (RGB) or 4 (CMYK), all equal.
/// `exif`: the data of its EXIF marker; empty: none. `in_two_scans`: a grey one, of two progressive
/// scans, each with all bits: first the means of blocks, then the rest.
inline Bytes jpeg_of(const Picture& picture, int channels = 1, bool progressive = false,
                     const Bytes& exif = {}, bool in_two_scans = false) {
    static const jpeg_scan_info two_scans[] = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}};
    jpeg_compress_struct info{};
    jpeg_error_mgr errors{};
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    unsigned char* memory = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&info, &memory, &size);
    info.image_width = static_cast<JDIMENSION>(picture.width);
    info.image_height = static_cast<JDIMENSION>(picture.height);
    info.input_components = channels;
    info.in_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, 95, TRUE);
    if (progressive) jpeg_simple_progression(&info);
    if (in_two_scans) {
        info.scan_info = two_scans;
        info.num_scans = 2;
    }
    jpeg_start_compress(&info, TRUE);
    if (!exif.empty()) {
        Bytes data{'E', 'x', 'i', 'f', 0, 0};
        data.insert(data.end(), exif.begin(), exif.end());
        jpeg_write_marker(&info, JPEG_APP0 + 1, data.data(), static_cast<unsigned>(data.size()));
    }
    for (int y = 0; y < picture.height; ++y) {
        Bytes row;
        for (int x = 0; x < picture.width; ++x)
            row.insert(row.end(), static_cast<std::size_t>(channels),
                       picture.grey[static_cast<std::size_t>(y * picture.width + x)]);
        JSAMPROW rows = row.data();
        jpeg_write_scanlines(&info, &rows, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    Bytes file(memory, memory + size);
    std::free(memory);
    return file;
}

/// A BMP: a header of 40 bytes with these numbers, the palette if there is one (blue, green, red,
/// 0 for each colour), and the rows as they are in the file, each filled up to four bytes.
inline Bytes bmp_of(int width, int height, int bits, const Bytes& rows, const Bytes& palette = {},
                    int compression = 0) {
    Bytes file{'B', 'M'};
    const auto add = [&](std::size_t value, int bytes) {
        for (int i = 0; i < bytes; ++i) file.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    };
    add(54 + palette.size() + rows.size(), 4);
    add(0, 4);
    add(54 + palette.size(), 4);
    add(40, 4);
    add(static_cast<std::size_t>(width), 4);
    add(static_cast<std::size_t>(height), 4);
    add(1, 2);
    add(static_cast<std::size_t>(bits), 2);
    add(static_cast<std::size_t>(compression), 4);
    add(rows.size(), 4);
    add(0, 8);
    add(palette.size() / 4, 4);
    add(0, 4);
    file.insert(file.end(), palette.begin(), palette.end());
    file.insert(file.end(), rows.begin(), rows.end());
    return file;
}

}  // namespace picture_bytes
