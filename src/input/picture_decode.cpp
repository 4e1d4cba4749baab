// picture_decode.cpp: reads and writes PNG by libpng, and reads PGM by hand.
//
// It checks a file's sizes before it takes memory for the pixels.
#include <png.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

#include "base/error.h"
#include "base/range.h"
#include "base/whole_file.h"
#include "input/picture.h"
#include "input/picture_border.h"

namespace fs = std::filesystem;

namespace {

constexpr int most_side = 10000;
constexpr std::size_t most_bytes = std::size_t{64} << 20;

/// Called before memory is taken for the pixels.
void check_size(const std::string& name, std::uint64_t width, std::uint64_t height) {
    if (width < 1 || height < 1 || width > most_side || height > most_side)
        refuse(name, "a picture of 1 to " + std::to_string(most_side) + " pixels a side",
               std::to_string(width) + " x " + std::to_string(height), "scale or cut it");
}

// ---- PNG ----------------------------------------------------------------------------------------

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

/// The grey that transparent pixels get. If most of the border is opaque, the border is the
/// background, and its median is taken. Otherwise only the drawing is opaque, and its background is
/// the opposite grey.
std::uint8_t background_of(const std::vector<std::uint8_t>& grey_alpha, int width, int height) {
    std::vector<std::uint8_t> seen;
    std::size_t border = 0;
    for_border(width, height, [&](std::size_t i) {
        ++border;
        if (grey_alpha[2 * i + 1] >= 128) seen.push_back(grey_alpha[2 * i]);
    });
    if (2 * seen.size() >= border) return static_cast<std::uint8_t>(median(seen));
    double sum = 0, weight = 0;
    for (std::size_t i = 0; i < grey_alpha.size(); i += 2) {
        sum += double{1} * grey_alpha[i] * grey_alpha[i + 1];
        weight += grey_alpha[i + 1];
    }
    return sum < 128 * weight ? 255 : 0;
}

std::vector<std::uint8_t> on_background(const std::vector<std::uint8_t>& grey_alpha, int width,
                                        int height) {
    const int background = background_of(grey_alpha, width, height);
    std::vector<std::uint8_t> grey(grey_alpha.size() / 2);
    for (std::size_t i = 0; i < grey.size(); ++i) {
        const int alpha = grey_alpha[2 * i + 1];
        const int mixed = grey_alpha[2 * i] * alpha + background * (255 - alpha);
        grey[i] = static_cast<std::uint8_t>((mixed + 127) / 255);
    }
    return grey;
}

Picture parse_png(std::span<const std::uint8_t> bytes, const std::string& name) {
    PngImage png;
    if (png_image_begin_read_from_memory(&png.image, bytes.data(), bytes.size()) == 0)
        refuse_png(name, png.image);
    check_size(name, png.image.width, png.image.height);
    Picture picture{static_cast<int>(png.image.width), static_cast<int>(png.image.height), {}};
    const bool alpha = (png.image.format & PNG_FORMAT_FLAG_ALPHA) != 0;
    png.image.format = alpha ? PNG_FORMAT_GA : PNG_FORMAT_GRAY;
    png.image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;  // else 16-bit greys would be taken for linear
    picture.grey.resize(PNG_IMAGE_SIZE(png.image));
    if (png_image_finish_read(&png.image, nullptr, picture.grey.data(), 0, nullptr) == 0)
        refuse_png(name, png.image);
    if (alpha) picture.grey = on_background(picture.grey, picture.width, picture.height);
    return picture;
}

// ---- PGM ----------------------------------------------------------------------------------------

/// The words of a PGM: numbers with white space between them; # begins a comment up to the end of
/// its line.
class PgmText {
  public:
    PgmText(std::span<const std::uint8_t> bytes, std::string name)
        : bytes_(bytes), name_(std::move(name)) {}

    /// Reads the next number, which is at most `most`. `what` is its name in messages.
    int number(const std::string& what, int most) {
        skip_space();
        const auto* const start = reinterpret_cast<const char*>(bytes_.data()) + at_;
        const auto* const end = reinterpret_cast<const char*>(bytes_.data()) + bytes_.size();
        const std::string expected = what + ", a whole number from 0 to " + std::to_string(most);
        if (start == end) refuse(name_, expected, "the end of the file", "save the picture again");
        int value = 0;
        const auto [stop, error] = std::from_chars(start, end, value);
        const bool ends = stop == end || is_space(static_cast<std::uint8_t>(*stop)) || *stop == '#';
        if (error != std::errc{} || !ends || value < 0 || value > most)
            refuse(name_, expected, "'" + harmless(word()) + "'", "save the picture again");
        at_ += static_cast<std::size_t>(stop - start);
        return value;
    }
    /// Skips white space and comments; returns the number of bytes that are left.
    std::size_t left_after_space() {
        skip_space();
        return bytes_.size() - at_;
    }
    /// The bytes after exactly one character of white space, which ends the header of a P5.
    std::span<const std::uint8_t> body() const {
        return bytes_.subspan(std::min(at_ + 1, bytes_.size()));
    }

  private:
    static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
    /// The word that begins here, for messages.
    std::string word() const {
        std::string text;
        for (std::size_t i = at_; i < bytes_.size() && !is_space(bytes_[i]) && text.size() < 16;
             ++i)
            text += static_cast<char>(bytes_[i]);
        return text;
    }
    void skip_space() {
        for (bool comment = false; at_ < bytes_.size(); ++at_) {
            const std::uint8_t c = bytes_[at_];
            if (c == '#') comment = true;
            if (c == '\n' || c == '\r') comment = false;
            if (!comment && !is_space(c)) return;
        }
    }

    std::span<const std::uint8_t> bytes_;
    std::string name_;
    std::size_t at_ = 2;  // behind "P2" or "P5"
};

std::uint8_t to_byte(int value, int most) {
    return static_cast<std::uint8_t>((std::int64_t{value} * 255 + most / 2) / most);
}

/// P2: the pixels are numbers in text. Each takes at least two bytes of the file, which is checked
/// before memory is taken.
void read_plain_pixels(PgmText& text, const std::string& name, int most, Picture& picture) {
    const std::size_t count = elements(picture.width, picture.height);
    if (text.left_after_space() + 1 < 2 * count)
        refuse(name, std::to_string(count) + " pixels", "too few bytes for them",
               "save the picture again");
    picture.grey.resize(count);
    for (std::size_t i = 0; i < count; ++i)
        picture.grey[i] = to_byte(text.number("pixel " + std::to_string(i), most), most);
    if (text.left_after_space() > 0)
        refuse(name, "the end of the file after the last pixel", "more", "save the picture again");
}

/// P5: one byte for each pixel, or two, the higher one first, if the greatest value is at least
/// 256.
void read_raw_pixels(std::span<const std::uint8_t> body, const std::string& name, int most,
                     Picture& picture) {
    const std::size_t count = elements(picture.width, picture.height), size = most < 256 ? 1 : 2;
    if (body.size() != count * size)
        refuse(name, std::to_string(count * size) + " bytes of pixels", std::to_string(body.size()),
               "save the picture again");
    picture.grey.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
        const int value = size == 1 ? body[i] : body[2 * i] * 256 + body[2 * i + 1];
        if (value > most)
            refuse(name, "pixels up to " + std::to_string(most),
                   std::to_string(value) + " as pixel " + std::to_string(i),
                   "save the picture again");
        picture.grey[i] = to_byte(value, most);
    }
}

Picture parse_pgm(std::span<const std::uint8_t> bytes, const std::string& name) {
    PgmText text(bytes, name);
    Picture picture;
    picture.width = text.number("the width", most_side);
    picture.height = text.number("the height", most_side);
    check_size(name, static_cast<std::uint64_t>(picture.width),
               static_cast<std::uint64_t>(picture.height));
    const int most = text.number("the greatest value", 65535);
    if (most == 0) refuse(name, "a greatest value of 1 to 65535", "0", "save the picture again");
    if (bytes[1] == '2')
        read_plain_pixels(text, name, most, picture);
    else
        read_raw_pixels(text.body(), name, most, picture);
    return picture;
}

}  // namespace

Picture parse_picture(std::span<const std::uint8_t> bytes, const std::string& name) {
    const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                                 std::min<std::size_t>(bytes.size(), 8));
    if (start == "\x89PNG\r\n\x1a\n") return parse_png(bytes, name);
    if (start.starts_with("P2") || start.starts_with("P5")) return parse_pgm(bytes, name);
    std::string found = bytes.empty() ? "no data" : "one that begins with";
    for (const char c : start.substr(0, 4)) {
        std::array<char, 8> hex;
        std::snprintf(hex.data(), hex.size(), " %02x", static_cast<unsigned>(c) & 0xff);
        found += hex.data();
    }
    refuse(name, "a PNG or PGM picture", found, "save it as PNG");
}

Picture read_picture(const fs::path& file) {
    const auto bytes = read_whole_file(file, "a PNG or PGM picture", most_bytes + 1);
    if (bytes.size() > most_bytes)
        refuse(file.string(), "a picture file of at most 64 MiB", "more", "scale or cut it");
    return parse_picture(bytes, file.string());
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
