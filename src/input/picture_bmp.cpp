// picture_bmp.cpp: reads Windows' BMP, as drawing programs write it: without compression.
//
// The header says where the palette and the pixels are; both must lie within the file. Source:
// Microsoft's documentation of BITMAPFILEHEADER and BITMAPINFOHEADER.
#include <array>
#include <cstdlib>

#include "base/error.h"
#include "base/range.h"
#include "input/picture_formats.h"

namespace {

[[noreturn]] void refuse_bmp(const std::string& name, const std::string& expected,
                             const std::string& found) {
    refuse(name, expected, found, "save it as PNG");
}

/// The numbers of the header, which has the least significant byte first.
struct Header {
    std::int64_t pixels_at, size, width, height, bits, compression, colours;
    bool from_top;
};

std::uint32_t number(std::span<const std::uint8_t> bytes, std::size_t at, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | bytes[at + i];
    return value;
}

Header header_of(std::span<const std::uint8_t> bytes, const std::string& name) {
    constexpr std::size_t shortest = 54;
    if (bytes.size() < shortest)
        refuse_bmp(name, "a whole BMP picture", std::to_string(bytes.size()) + " bytes");
    const auto height = static_cast<std::int32_t>(number(bytes, 22, 4));
    const auto width = static_cast<std::int32_t>(number(bytes, 18, 4));
    Header header{number(bytes, 10, 4),
                  number(bytes, 14, 4),
                  width,
                  std::abs(std::int64_t{height}),
                  number(bytes, 28, 2),
                  number(bytes, 30, 4),
                  number(bytes, 46, 4),
                  height < 0};
    if (header.size < 40)
        refuse_bmp(name, "a BMP header of at least 40 bytes", std::to_string(header.size));
    if (width < 1) refuse_bmp(name, "a width of 1 or more", std::to_string(width));
    check_size(name, static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(header.height));
    const auto mask = [&](std::size_t i) {
        return bytes.size() < 66 ? 0 : number(bytes, 54 + 4 * i, 4);
    };
    const bool usual_masks = mask(0) == 0xff0000 && mask(1) == 0xff00 && mask(2) == 0xff;
    const std::int64_t bits = header.bits;
    const bool plain = header.compression == 0 &&
                       (bits == 1 || bits == 4 || bits == 8 || bits == 24 || bits == 32);
    if (!plain && !(header.compression == 3 && bits == 32 && usual_masks))
        refuse_bmp(
            name, "a BMP of 1, 4, 8, 24 or 32 bits without compression",
            std::to_string(bits) + " bits with compression " + std::to_string(header.compression));
    return header;
}

/// Red, green and blue of the colours that pixels of up to 8 bits name by number.
std::vector<std::array<std::uint8_t, 3>> palette_of(std::span<const std::uint8_t> bytes,
                                                    const Header& header, const std::string& name) {
    const std::int64_t most = std::int64_t{1} << header.bits;
    const std::int64_t count = header.colours == 0 ? most : header.colours;
    const std::int64_t first = 14 + header.size;
    if (count > most || first + 4 * count > header.pixels_at)
        refuse_bmp(name,
                   "a palette of up to " + std::to_string(most) + " colours before the pixels",
                   std::to_string(count) + " colours, and pixels from byte " +
                       std::to_string(header.pixels_at) + " on");
    std::vector<std::array<std::uint8_t, 3>> palette;
    for (std::int64_t i = 0; i < count; ++i) {
        const auto entry = bytes.subspan(static_cast<std::size_t>(first + 4 * i), 3);
        palette.push_back({entry[2], entry[1], entry[0]});
    }
    return palette;
}

}  // namespace

Raster parse_bmp(std::span<const std::uint8_t> bytes, const std::string& name) {
    const Header header = header_of(bytes, name);
    const std::int64_t row_bytes = (header.width * header.bits + 31) / 32 * 4;
    if (header.pixels_at < 14 + header.size)
        refuse_bmp(name,
                   "pixels behind the header of " + std::to_string(14 + header.size) + " bytes",
                   "pixels from byte " + std::to_string(header.pixels_at) + " on");
    if (header.pixels_at + row_bytes * header.height > static_cast<std::int64_t>(bytes.size()))
        refuse_bmp(name, std::to_string(row_bytes * header.height) + " bytes of pixels",
                   "a file of " + std::to_string(bytes.size()));
    std::vector<std::array<std::uint8_t, 3>> palette;
    if (header.bits <= 8) palette = palette_of(bytes, header, name);
    Raster raster{static_cast<int>(header.width), static_cast<int>(header.height), 3};
    raster.values.reserve(3 * elements(raster.width, raster.height));
    const auto bits = static_cast<std::size_t>(header.bits);
    for (std::int64_t y = 0; y < header.height; ++y) {
        const std::int64_t line = header.from_top ? y : header.height - 1 - y;
        const auto row =
            bytes.subspan(static_cast<std::size_t>(header.pixels_at + line * row_bytes));
        for (std::size_t x = 0; x < static_cast<std::size_t>(header.width); ++x) {
            if (bits > 8) {
                const auto bgr = row.subspan(x * bits / 8, 3);
                raster.values.insert(raster.values.end(), {bgr[2], bgr[1], bgr[0]});
                continue;
            }
            const std::size_t shift = 8 - bits - x * bits % 8;
            const std::size_t colour =
                (std::size_t{row[x * bits / 8]} >> shift) & ((1U << bits) - 1);
            if (colour >= palette.size())
                refuse_bmp(
                    name, "pixels that name a colour of the palette",
                    "colour " + std::to_string(colour) + " of " + std::to_string(palette.size()));
            raster.values.insert(raster.values.end(), palette[colour].begin(),
                                 palette[colour].end());
        }
    }
    return raster;
}
