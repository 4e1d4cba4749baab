// exif.cpp: how the camera was held, from EXIF data, which is a small TIFF file.
//
// Only the first directory is looked at, where the standard puts the orientation. Data that breaks
// the standard says nothing, and is no reason to refuse the picture.
#include <cstddef>

#include "input/picture_formats.h"

int exif_orientation(std::span<const std::uint8_t> tiff) {
    constexpr int upright = 1;
    if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return upright;
    const bool low_first = tiff[0] == 'I';
    // Only called where `size` bytes are there.
    const auto number = [&](std::size_t at, std::size_t size) {
        std::size_t value = 0;
        for (std::size_t i = 0; i < size; ++i)
            value = value << 8 | tiff[at + (low_first ? size - 1 - i : i)];
        return value;
    };
    const std::size_t directory = number(4, 4);
    if (number(2, 2) != 42 || directory > tiff.size() - 2) return upright;
    const std::size_t entries = number(directory, 2);
    for (std::size_t i = 0; i < entries; ++i) {
        const std::size_t at = directory + 2 + 12 * i;  // tag, type, count, value
        if (at + 12 > tiff.size()) return upright;
        if (number(at, 2) != 0x0112) continue;
        const std::size_t value = number(at + 8, 2);
        const bool is_one_short = number(at + 2, 2) == 3 && number(at + 4, 4) == 1;
        return is_one_short && value >= 1 && value <= 8 ? static_cast<int>(value) : upright;
    }
    return upright;
}
