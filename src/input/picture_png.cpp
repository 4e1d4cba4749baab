// picture_png.cpp: reads and writes PNG by libpng.
#include <png.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "input/picture_formats.h"

namespace {

/// libpng's simplified reader; its destructor always frees it.
struct PngImage {
    png_image image{};
    PngImage() { image.version = PNG_IMAGE_VERSION; }
    ~PngImage() { png_image_free(&image); }
    PngImage(const PngImage&) = delete;
    PngImage& operator=(const PngImage&) = delete;
};

[[noreturn]] void refuse_png(const std::string& name, const png_image& image) {
    refuse(name, "a whole PNG picture",
           std::string("damage (libpng: ") + static_cast<const char*>(image.message) + ")",
           "save it again, or get it again");
}

/// The data of the first chunk of this kind, which the simplified reader passes over; or nothing.
std::span<const std::uint8_t> chunk_of(std::span<const std::uint8_t> bytes, std::string_view kind) {
    bytes = bytes.subspan(8);  // behind the signature: length, kind, data, checksum
    while (bytes.size() >= 12) {
        const std::size_t length = std::size_t{bytes[0]} << 24 | std::size_t{bytes[1]} << 16 |
                                   std::size_t{bytes[2]} << 8 | bytes[3];
        if (length > bytes.size() - 12) break;
        if (std::equal(kind.begin(), kind.end(), bytes.begin() + 4))
            return bytes.subspan(8, length);
        bytes = bytes.subspan(length + 12);
    }
    return {};
}

}  // namespace

Raster parse_png(std::span<const std::uint8_t> bytes, const std::string& name) {
    PngImage png;
    if (png_image_begin_read_from_memory(&png.image, bytes.data(), bytes.size()) == 0)
        refuse_png(name, png.image);
    check_size(name, png.image.width, png.image.height);
    check_packed(name, png.image.width, png.image.height, bytes.size());
    Raster raster{static_cast<int>(png.image.width), static_cast<int>(png.image.height)};
    png.image.format &= PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA;  // 8 bits a channel
    png.image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // else 16-bit greys would be taken for linear
    raster.channels = static_cast<int>(PNG_IMAGE_PIXEL_CHANNELS(png.image.format));
    raster.values.resize(PNG_IMAGE_SIZE(png.image));
    if (png_image_finish_read(&png.image, nullptr, raster.values.data(), 0, nullptr) == 0)
        refuse_png(name, png.image);
    raster.orientation = exif_orientation(chunk_of(bytes, "eXIf"));
    return raster;
}

std::vector<std::uint8_t> png_of(const Picture& picture) {
    PngImage png;
    png.image.width = static_cast<png_uint_32>(picture.width);
    png.image.height = static_cast<png_uint_32>(picture.height);
    png.image.format = PNG_FORMAT_GRAY;
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png.image);
    std::vector<std::uint8_t> bytes(size);
    if (png_image_write_to_memory(&png.image, bytes.data(), &size, 0, picture.grey.data(), 0,
                                  nullptr) == 0)
        throw Failure(__FILE__, __LINE__, "png_image_write_to_memory",
                      static_cast<const char*>(png.image.message), "report this");
    bytes.resize(size);
    return bytes;
}
