// picture_decode.cpp: tells the format of a picture file, and names those that are not read.
//
// The first bytes decide, not the file's name: a JPEG that is named .png is read as what it is.
// Each format has a file of its own: picture_formats.h.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/whole_file.h"
#include "input/picture.h"
#include "input/picture_formats.h"

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t most_side = 10000, most_pixels = 64'000'000;
constexpr std::size_t most_bytes = std::size_t{64} << 20;
constexpr const char* readable = "a PNG, JPEG, BMP, PPM, PGM or PBM picture";

/// What stands at `at` in a file of this kind.
struct OtherKind {
    std::size_t at;
    std::string_view mark;
    const char *name, *advice;
};
constexpr const char* save_it = "save it as PNG or JPEG";
constexpr OtherKind other_kinds[] = {
    {0, "GIF8", "a GIF picture", save_it},
    {8, "WEBP", "a WebP picture", save_it},
    {0, std::string_view("II*\0", 4), "a TIFF picture", save_it},
    {0, std::string_view("MM\0*", 4), "a TIFF picture", save_it},
    {4, "ftypavif", "an AVIF picture", save_it},
    {4, "ftypavis", "an AVIF picture", save_it},
    {4, "ftyp", "a HEIC picture or a film", "export it as JPEG (on a phone: \"most compatible\")"},
    {0, "\xff\x0a", "a JPEG XL picture", save_it},
    {4, "JXL ", "a JPEG XL picture", save_it},
    {4, "jP  ", "a JPEG 2000 picture", save_it},
    {0, "8BPS", "a Photoshop file", "export it as PNG or JPEG"},
    {0, "<svg", "an SVG drawing", "export it as PNG"},
    {0, "%PDF", "a PDF document", "save its page as a PNG picture, or take a screenshot of it"},
    {0, "P7", "a PAM picture", "save it as PNG or PPM"}};

[[noreturn]] void refuse_other(std::span<const std::uint8_t> bytes, const std::string& name) {
    const auto first = bytes.first(std::min<std::size_t>(bytes.size(), 64));
    const std::string_view text(reinterpret_cast<const char*>(first.data()), first.size());
    for (const OtherKind& kind : other_kinds)
        if (text.size() > kind.at && text.substr(kind.at).starts_with(kind.mark))
            refuse(name, readable, kind.name, kind.advice);
    if (const std::string kind = file_kind(first); !kind.empty())
        refuse(name, readable, kind, file_kind_advice);
    std::string found = bytes.empty() ? "no data" : "one that begins with";
    for (const char c : text.substr(0, 4)) {
        std::array<char, 8> hex;
        std::snprintf(hex.data(), hex.size(), " %02x", static_cast<unsigned>(c) & 0xff);
        found += hex.data();
    }
    refuse(name, readable, found, save_it);
}

}  // namespace

void check_size(const std::string& name, std::uint64_t width, std::uint64_t height) {
    if (width >= 1 && height >= 1 && width <= most_side && height <= most_side &&
        width * height <= most_pixels)
        return;
    refuse(name, "a picture of 1 to 10000 pixels a side and at most 64 million in all",
           std::to_string(width) + " x " + std::to_string(height), "scale or cut it");
}

void check_packed(const std::string& name, std::uint64_t width, std::uint64_t height,
                  std::size_t bytes) {
    constexpr std::uint64_t most_pixels_a_byte = 8 * 1032;
    if (width * height <= most_pixels_a_byte * bytes) return;
    refuse(name,
           "a file that can hold " + std::to_string(width) + " x " + std::to_string(height) +
               " pixels",
           std::to_string(bytes) + " bytes", "save it again, or get it again");
}

Picture parse_picture(std::span<const std::uint8_t> bytes, const std::string& name) {
    const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                                 std::min<std::size_t>(bytes.size(), 8));
    if (start == "\x89PNG\r\n\x1a\n") return grey_of(parse_png(bytes, name));
    if (start.starts_with("\xff\xd8\xff")) return grey_of(parse_jpeg(bytes, name));
    if (start.starts_with("BM")) return grey_of(parse_bmp(bytes, name));
    if (start.size() >= 2 && start[0] == 'P' && start[1] >= '1' && start[1] <= '6')
        return grey_of(parse_pnm(bytes, name));
    refuse_other(bytes, name);
}

Picture read_picture(const fs::path& file) {
    const auto bytes = read_whole_file(file, readable, most_bytes + 1);
    if (bytes.size() > most_bytes)
        refuse(file.string(), "a picture file of at most 64 MiB", "more", "scale or cut it");
    return parse_picture(bytes, file.string());
}
