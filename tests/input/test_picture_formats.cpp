// test_picture_formats.cpp: a picture file of any format gives the greys that it holds, or is
// refused by name.
//
// libpng and libjpeg write their formats; the others are written here byte by byte. Damaged files
// are cut from right ones.
#include <gtest/gtest.h>
#include <png.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "base/error.h"
#include "input/picture.h"
#include "input/picture_formats.h"
#include "tests/support/file_fixture.h"
#include "tests/support/picture_bytes.h"

namespace fs = std::filesystem;
using picture_bytes::bmp_of, picture_bytes::exif_bytes, picture_bytes::jpeg_of;

namespace {

Picture parse(const Bytes& bytes) { return parse_picture(bytes, "it.png"); }

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

/// A light ring of 28 x 28 pixels with a notch, unlike its mirror images.
Picture ring() {
    Picture picture{28, 28, {}};
    for (int y = 0; y < 28; ++y)
        for (int x = 0; x < 28; ++x) {
            const int away = (x - 12) * (x - 12) + (y - 15) * (y - 15);
            picture.grey.push_back(away > 30 && away < 90 && x + 2 * y < 55 ? 250 : 5);
        }
    return picture;
}

/// Refused with a message that holds `because`, before much memory is taken.
void expect_refused(const std::string& file, const std::string& because) {
    const AllocationLimit limit(std::size_t{1} << 20);
    expect_refusal([&] { parse(bytes_of(file)); }, {"it.png: expected ", because});
}

bool is_refused(const Bytes& bytes) {
    try {
        parse(bytes);
    } catch (const InputError&) {
        return true;
    }
    return false;
}

/// A PNG by libpng's full interface: `row_bytes` as they are in the file, before compression.
struct PngKind {
    int depth = 8, color = PNG_COLOR_TYPE_GRAY;
    bool interlaced = false;
    std::vector<png_color> palette = {};
    Bytes palette_alpha = {};
};
Bytes write_png(int width, int height, Bytes pixels, const PngKind& kind) {
    Bytes file;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(
        png, &file,
        [](png_structp to, png_bytep data, std::size_t length) {
            auto* const bytes = static_cast<Bytes*>(png_get_io_ptr(to));
            bytes->insert(bytes->end(), data, data + length);
        },
        [](png_structp) {});
    png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height),
                 kind.depth, kind.color, kind.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (!kind.palette.empty())
        png_set_PLTE(png, info, kind.palette.data(), static_cast<int>(kind.palette.size()));
    if (!kind.palette_alpha.empty())
        png_set_tRNS(png, info, kind.palette_alpha.data(),
                     static_cast<int>(kind.palette_alpha.size()), nullptr);
    png_write_info(png, info);
    const std::size_t row_bytes = png_get_rowbytes(png, info);
    std::vector<png_bytep> rows;
    for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y)
        rows.push_back(pixels.data() + y * row_bytes);
    png_write_image(png, rows.data());
    png_write_end(png, nullptr);
    png_destroy_write_struct(&png, &info);
    return file;
}

}  // namespace

TEST(Png, every_kind_of_file_gives_the_same_greys) {
    const Bytes greys = {0, 51, 102, 153, 204, 255};  // 3 x 2; thirds of 255, so 2 bits hold four
    const auto each = [&](auto&& bytes_of_grey) {
        Bytes row;
        for (const std::uint8_t grey : greys)
            for (const int byte : bytes_of_grey(grey))
                row.push_back(static_cast<std::uint8_t>(byte));
        return row;
    };
    using List = std::vector<int>;
    for (const bool interlaced : {false, true}) {
        const auto expect = [&](const char* what, const Bytes& pixels, PngKind kind) {
            kind.interlaced = interlaced;
            const Picture picture = parse(write_png(3, 2, pixels, kind));
            EXPECT_EQ(picture.width, 3) << what;
            EXPECT_EQ(picture.height, 2) << what;
            EXPECT_EQ(picture.grey, greys) << what << (interlaced ? ", interlaced" : "");
        };
        expect("grey", greys, {});
        expect("grey, 16 bits", each([](int g) { return List{g, g}; }), {.depth = 16});
        expect("grey and alpha", each([](int g) {
                   return List{g, 255};
               }),
               {.color = PNG_COLOR_TYPE_GRAY_ALPHA});
        expect("RGB", each([](int g) { return List{g, g, g}; }), {.color = PNG_COLOR_TYPE_RGB});
        expect("RGB, 16 bits", each([](int g) { return List{g, g, g, g, g, g}; }),
               {.depth = 16, .color = PNG_COLOR_TYPE_RGB});
        expect("RGBA", each([](int g) {
                   return List{g, g, g, 255};
               }),
               {.color = PNG_COLOR_TYPE_RGB_ALPHA});
        PngKind palette{.depth = 4, .color = PNG_COLOR_TYPE_PALETTE};
        for (const std::uint8_t g : greys) palette.palette.push_back({g, g, g});
        expect("palette", {0x01, 0x20, 0x34, 0x50}, palette);
    }
    const Picture bits = parse(write_png(3, 2, {0b10100000, 0b01000000}, {.depth = 1}));
    EXPECT_EQ(bits.grey, (Bytes{255, 0, 255, 0, 255, 0}));
}

TEST(Png, what_is_transparent_counts_as_background) {
    // A stroke of `ink` with transparent surroundings, whose hidden grey is `hidden`.
    const auto stroke = [](int ink, int hidden) {
        Bytes grey_alpha;
        for (int i = 0; i < 25; ++i) {
            const bool drawn = i % 5 == 2 && i > 5 && i < 20;
            grey_alpha.push_back(static_cast<std::uint8_t>(drawn ? ink : hidden));
            grey_alpha.push_back(drawn ? 255 : 0);
        }
        return parse(write_png(5, 5, grey_alpha, {.color = PNG_COLOR_TYPE_GRAY_ALPHA}));
    };
    for (const int hidden : {0, 255}) {
        EXPECT_EQ(stroke(0, hidden).grey[0], 255) << "a dark stroke needs a light background";
        EXPECT_EQ(stroke(0, hidden).grey[7], 0);
        EXPECT_EQ(stroke(255, hidden).grey[0], 0) << "a light stroke needs a dark background";
        EXPECT_EQ(stroke(255, hidden).grey[7], 255);
    }
    // A sheet of grey 200 with one transparent corner.
    Bytes sheet;
    for (int i = 0; i < 25; ++i) sheet.insert(sheet.end(), {200, std::uint8_t(i == 0 ? 0 : 255)});
    EXPECT_EQ(parse(write_png(5, 5, sheet, {.color = PNG_COLOR_TYPE_GRAY_ALPHA})).grey,
              Bytes(25, 200));
    const PngKind palette{
        .color = PNG_COLOR_TYPE_PALETTE, .palette = {{255, 0, 0}, {0, 0, 0}}, .palette_alpha = {0}};
    EXPECT_EQ(parse(write_png(3, 3, {0, 0, 0, 0, 1, 0, 0, 0, 0}, palette)).grey,
              (Bytes{255, 255, 255, 255, 0, 255, 255, 255, 255}));
}

TEST(Png, a_file_cut_anywhere_or_with_a_flipped_byte_is_refused_or_read_right) {
    const Bytes whole = png_of(ring());
    // The last 12 bytes end the file and say nothing.
    for (std::size_t length = 0; length + 12 < whole.size(); ++length)
        EXPECT_TRUE(
            is_refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}))
            << "cut to " << length << " of " << whole.size() << " bytes";
    for (std::size_t i = 0; i < whole.size(); ++i) {
        Bytes flipped = whole;
        flipped[i] ^= 0x10;
        if (is_refused(flipped)) continue;
        EXPECT_EQ(parse(flipped).grey, ring().grey) << "byte " << i;
    }
}

TEST(Png, is_refused_by_its_size_before_memory_is_taken) {
    const Bytes file = write_png(20000, 1, Bytes(20000), {});
    expect_refused({file.begin(), file.end()}, "64 million in all, found 20000 x 1");
    const Bytes square = write_png(8001, 8000, Bytes(8001 * 8000 / 8 + 8000), {.depth = 1});
    expect_refused({square.begin(), square.end()}, "64 million in all, found 8001 x 8000");
}

TEST(Png, that_claims_more_pixels_than_its_bytes_can_hold_is_refused_before_memory_is_taken) {
    Bytes file = png_of(ring());
    const Bytes side{0, 0, 0x1b, 0x58};  // 7000
    std::copy(side.begin(), side.end(), file.begin() + 16);
    std::copy(side.begin(), side.end(), file.begin() + 20);
    const auto sum = crc32(crc32(0, nullptr, 0), file.data() + 12, 17);
    for (int i = 0; i < 4; ++i)
        file[static_cast<std::size_t>(29 + i)] = static_cast<std::uint8_t>(sum >> (24 - 8 * i));
    expect_refused({file.begin(), file.end()}, "a file that can hold 7000 x 7000 pixels");
    // As small as deflate can make so many: it is whole, and is read.
    EXPECT_EQ(parse(write_png(8000, 8000, Bytes(8000000), {.depth = 1})).grey, Bytes(64000000));
}

// Brightness, as ITU-R BT.601 weighs colours; but these two are equally bright, within 1 of 255.
TEST(Png, colours_that_are_equally_bright_get_greys_far_apart) {
    Bytes pixels;
    for (int i = 0; i < 16; ++i) {
        const bool ink = i == 5 || i == 6;
        pixels.insert(pixels.end(),
                      {std::uint8_t(ink ? 200 : 60), std::uint8_t(ink ? 60 : 131), 60});
    }
    const Bytes grey = parse(write_png(4, 4, pixels, {.color = PNG_COLOR_TYPE_RGB})).grey;
    EXPECT_GT(std::abs(grey[5] - grey[0]), 80);
    EXPECT_EQ(grey[5], grey[6]);
    // What differs in brightness stays what it was: 255 * 0.299 = 76 for pure red.
    const Bytes red{255, 0, 0, 255, 255, 255};
    EXPECT_EQ(parse(write_png(2, 1, red, {.color = PNG_COLOR_TYPE_RGB})).grey, (Bytes{76, 255}));
}

TEST(Pnm, and_png_of_the_same_picture_are_equal) {
    const Picture seven = ring();
    std::string raw = "P5\n# a comment\n28 28 255\n", plain = "P2 28\t28\n255# a comment\n";
    std::string wide = "P5 28 28 65535\n";
    for (const int grey : seven.grey) {
        raw += static_cast<char>(grey);
        wide += {static_cast<char>(grey), static_cast<char>(grey)};
        plain += std::to_string(grey) + (grey % 2 == 0 ? " " : "\r\n# one more\n");
    }
    for (const std::string& pgm : {raw, plain, wide}) {
        const Picture read = parse(bytes_of(pgm));
        EXPECT_EQ(read.width, 28);
        EXPECT_EQ(read.height, 28);
        EXPECT_EQ(read.grey, parse(png_of(seven)).grey) << pgm.substr(0, 20);
    }
}

TEST(Pnm, of_colours_and_of_bits_are_read_in_text_and_in_bytes) {
    const Bytes greys{0, 255, 100};
    EXPECT_EQ(parse(bytes_of("P3 3 1 255 0 0 0 255 255 255 100 100 100")).grey, greys);
    EXPECT_EQ(parse(bytes_of(std::string("P6 3 1 255 \0\0\0\xff\xff\xff"
                                         "ddd",
                                         20)))
                  .grey,
              greys);
    const Bytes bits{0, 255, 0, 255, 255, 0};  // 1 is black; rows begin with a new byte
    EXPECT_EQ(parse(bytes_of("P1 3 2 # words may touch\n101 0 01")).grey, bits);
    EXPECT_EQ(parse(bytes_of("P4 3 2 \xa0\x3f")).grey, bits);
}

TEST(Pnm, any_greatest_value_is_white) {
    EXPECT_EQ(parse(bytes_of("P2 3 1 2\n0 1 2")).grey, (Bytes{0, 128, 255}));
    EXPECT_EQ(parse(bytes_of("P2 2 1 1\n0 1")).grey, (Bytes{0, 255}));
    EXPECT_EQ(parse(bytes_of("P2 2 1 1000\n1000 500")).grey, (Bytes{255, 128}));
}

TEST(Pnm, what_is_wrong_is_refused_by_name) {
    expect_refused("P2", "the width");
    expect_refused("P2 3", "the height");
    expect_refused("P5 3 3", "the greatest value");
    expect_refused("P5 0 3 255 ", "0 x 3");
    expect_refused("P5 10001 3 255 ", "'10001'");
    expect_refused("P5 99999999999999999999 3 255 ", "the width");
    expect_refused("P2 -3 3 255 1", "'-3'");
    expect_refused("P2 3x 3 255 1", "'3x'");
    expect_refused("P2 \x1b[2J 3 255 1", "'?[2J'");  // a terminal would be cleared by it
    expect_refused("P5 1 1 0 a", "greatest value of 1 to 65535");
    expect_refused("P5 1 1 65536 aa", "'65536'");
    expect_refused("P5 2 2 255 abc", "4 bytes of pixels, found 3");
    expect_refused("P5 2 2 255 abcde", "found 5");
    expect_refused("P5 1 1 256 a", "2 bytes of pixels, found 1");
    expect_refused("P5 2 1 100 ad" + std::string(1, '\x7f'), "2 bytes of pixels, found 3");
    expect_refused("P5 2 1 100 a" + std::string(1, '\x7f'), "127 as value 1");
    expect_refused("P5 8000 8000 65535 abc", "128000000 bytes of pixels, found 3");
    expect_refused("P2 8000 8000 255 1 2", "too few bytes");
    expect_refused("P2 2 1 255 1 ", "too few bytes");
    expect_refused("P2 2 1 255 1 256", "'256'");
    expect_refused("P2 2 1 255 1 2 3", "found more");
    expect_refused("P2 2 2 255 # 1 2 3 4", "too few bytes");
    expect_refused("P1 2 2 1 0 2 1", "value 2, 0 or 1, found '2'");
    expect_refused("P1 2 2 10", "too few bytes");
    expect_refused("P1 2 1 101", "found more");
    expect_refused("P4 9 2 abc", "4 bytes of pixels, found 3");
    expect_refused("P6 1 1 255 ab", "3 bytes of pixels, found 2");
    expect_refused("P3 1 1 255 1 2", "too few bytes");
}

TEST(Jpeg, gives_the_greys_of_the_picture) {
    for (const int channels : {1, 3})
        for (const bool progressive : {false, true}) {
            const Picture read = parse(jpeg_of(ring(), channels, progressive));
            ASSERT_EQ(read.grey.size(), ring().grey.size());
            double apart = 0;
            for (std::size_t i = 0; i < read.grey.size(); ++i)
                apart += std::abs(read.grey[i] - ring().grey[i]);
            // Its edges are not exact; a mean of 5 of 255 leaves no doubt what is shown.
            EXPECT_LT(apart / 784, 5) << channels << " channels, progressive " << progressive;
        }
}

TEST(Jpeg, of_a_large_side_is_read_smaller) {
    const Picture read = parse(jpeg_of({6400, 8, Bytes(6400 * 8, 77)}));
    EXPECT_EQ(read.width, 1600);
    EXPECT_EQ(read.height, 2);
    EXPECT_EQ(read.grey, Bytes(3200, 77));
}

TEST(Jpeg, cut_anywhere_is_refused_and_a_flipped_byte_never_ends_the_program) {
    const Bytes whole = jpeg_of(ring(), 3, true);
    for (std::size_t length = 3; length + 2 < whole.size(); ++length)  // the last two end the file
        EXPECT_TRUE(
            is_refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}))
            << "cut to " << length << " of " << whole.size() << " bytes";
    for (std::size_t i = 3; i < whole.size(); ++i) {
        Bytes flipped = whole;
        flipped[i] ^= 0x10;
        if (is_refused(flipped)) continue;
        EXPECT_GT(parse(flipped).grey.size(), 0u) << "byte " << i;
    }
}

TEST(Jpeg, that_cannot_be_read_is_refused_by_name) {
    const auto text = [](const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); };
    expect_refused(text(jpeg_of(ring(), 4)), "CMYK");
    expect_refused("\xff\xd8\xff\xe0 JFIF", "libjpeg: ");
    Bytes huge = jpeg_of(ring());
    const Bytes mark{0xff, 0xc0};
    const auto frame = std::search(huge.begin(), huge.end(), mark.begin(), mark.end());
    ASSERT_NE(frame, huge.end());
    std::fill(frame + 5, frame + 9, 0xf0);  // its height and width
    expect_refused(text(huge), "64 million in all, found 61680 x 61680");
    std::fill(frame + 5, frame + 9, 0x1b);
    expect_refused(text(huge), "a file that can hold 6939 x 6939 pixels");
}

// Every scan of a progressive JPEG goes over the whole picture, and can take a few bytes.
TEST(Jpeg, of_endless_scans_is_refused) {
    const Picture flat{400, 400, Bytes(160000, 9)};
    // Its last scan has all bits, so that it may come again: libjpeg only frowns at one that adds
    // bits to others.
    const Bytes file = jpeg_of(flat, 1, true, {}, true);
    const Bytes mark{0xff, 0xda};
    const auto scan = std::find_end(file.begin(), file.end() - 2, mark.begin(), mark.end());
    const auto with_scans = [&](int count) {
        Bytes longer(file.begin(), scan);
        for (int i = 1; i < count; ++i) longer.insert(longer.end(), scan, file.end() - 2);
        longer.insert(longer.end(), file.end() - 2, file.end());
        return longer;
    };
    EXPECT_EQ(parse(with_scans(100)).grey, flat.grey);
    expect_refusal([&] { parse(with_scans(300)); }, {"more than 100 scans"});
}

// Each of the eight ways to store the picture of three pixels, 10 20 / 30 40 / 50 60.
TEST(Exif, turns_a_picture_as_its_orientation_says) {
    const std::array<std::string, 8> stored{
        "2 3 255 10 20 30 40 50 60", "2 3 255 20 10 40 30 60 50", "2 3 255 60 50 40 30 20 10",
        "2 3 255 50 60 30 40 10 20", "3 2 255 10 30 50 20 40 60", "3 2 255 20 40 60 10 30 50",
        "3 2 255 60 40 20 50 30 10", "3 2 255 50 30 10 60 40 20"};
    for (int orientation = 1; orientation <= 8; ++orientation) {
        Raster raster = parse_pnm(
            bytes_of("P2 " + stored[static_cast<std::size_t>(orientation - 1)]), "it.pgm");
        raster.orientation = orientation;
        const Picture upright = grey_of(raster);
        EXPECT_EQ(upright.width, 2) << orientation;
        EXPECT_EQ(upright.height, 3) << orientation;
        EXPECT_EQ(upright.grey, (Bytes{10, 20, 30, 40, 50, 60})) << orientation;
    }
}

TEST(Exif, is_found_in_jpeg_and_png) {
    const Picture wide{16, 8, Bytes(128, 90)};
    for (const bool low_first : {false, true})
        EXPECT_EQ(parse(jpeg_of(wide, 1, false, exif_bytes(6, low_first))).width, 8);
    Bytes png = png_of(wide);
    Bytes chunk{0, 0, 0, 26, 'e', 'X', 'I', 'f'};
    for (const std::uint8_t byte : exif_bytes(8)) chunk.push_back(byte);
    const auto sum = crc32(crc32(0, nullptr, 0), chunk.data() + 4, 30);
    for (int i = 24; i >= 0; i -= 8) chunk.push_back(static_cast<std::uint8_t>(sum >> i));
    png.insert(png.begin() + 33, chunk.begin(), chunk.end());  // behind the header
    EXPECT_EQ(parse(png).width, 8);
}

TEST(Exif, that_is_not_by_the_letter_turns_nothing) {
    EXPECT_EQ(exif_orientation(exif_bytes(3)), 3);
    for (const int orientation : {0, 9, 255})
        EXPECT_EQ(exif_orientation(exif_bytes(orientation)), 1);
    const Bytes right = exif_bytes(3);
    for (std::size_t length = 0; length < 22; ++length)
        EXPECT_EQ(exif_orientation(std::span(right).first(length)), 1) << length;
    for (const std::size_t i : {0u, 1u, 3u, 4u, 11u, 13u, 17u}) {
        Bytes wrong = right;  // order, 42, directory, tag, type, count
        wrong[i] ^= 0x40;
        EXPECT_EQ(exif_orientation(wrong), 1) << "byte " << i;
    }
}

TEST(Bmp, of_every_depth_gives_the_same_greys) {
    const Bytes palette{0, 0, 0, 0, 255, 255, 255, 0}, greys{0, 255, 255, 255, 0, 255};  // 3 x 2
    EXPECT_EQ(parse(bmp_of(3, 2, 1, {0b10100000, 0, 0, 0, 0b01100000, 0, 0, 0}, palette)).grey,
              greys);
    EXPECT_EQ(parse(bmp_of(3, 2, 4, {0x10, 0x10, 0, 0, 0x01, 0x10, 0, 0}, palette)).grey, greys);
    EXPECT_EQ(parse(bmp_of(3, 2, 8, {1, 0, 1, 0, 0, 1, 1, 0}, palette)).grey, greys);
    const std::uint8_t w = 255;
    const Bytes rgb{w, w, w, 0, 0, 0, w, w, w, 0, 0, 0, 0, 0, 0, w, w, w, w, w, w, 0, 0, 0};
    EXPECT_EQ(parse(bmp_of(3, 2, 24, rgb)).grey, greys);
    const Bytes rgbx{w, w, w, 0, 0, 0, 0, 0, w, w, w, 0, 0, 0, 0, 0, w, w, w, 0, w, w, w, 0};
    EXPECT_EQ(parse(bmp_of(3, 2, 32, rgbx)).grey, greys);
    const Bytes from_top(rgbx.begin() + 12, rgbx.end());
    EXPECT_EQ(parse(bmp_of(3, -1, 32, from_top)).grey, (Bytes{0, 255, 255}));
}

TEST(Bmp, that_is_wrong_is_refused_by_name) {
    const auto refused = [](Bytes file, const std::string& because) {
        expect_refused({file.begin(), file.end()}, because);
    };
    refused({'B', 'M', 1}, "a whole BMP picture, found 3 bytes");
    refused(bmp_of(3, 2, 24, Bytes(23)), "24 bytes of pixels");
    refused(bmp_of(9000, 9000, 24, {}), "64 million in all, found 9000 x 9000");
    refused(bmp_of(-3, 2, 24, Bytes(24)), "a width of 1 or more, found -3");
    refused(bmp_of(3, 2, 16, Bytes(16)), "16 bits with compression 0");
    refused(bmp_of(3, 2, 8, Bytes(8), Bytes(8), 1), "8 bits with compression 1");
    refused(bmp_of(3, 1, 8, {0, 2, 0, 0}, Bytes(8)), "colour 2 of 2");
    refused(bmp_of(3, 1, 1, {0, 0, 0, 0}, Bytes(12)), "up to 2 colours");
    Bytes early = bmp_of(3, 2, 24, Bytes(24));
    early[10] = 53;
    refused(early, "pixels behind the header of 54 bytes, found pixels from byte 53 on");
    Bytes within = bmp_of(3, 1, 8, {0, 0, 0, 0}, Bytes(8));
    within[10] = 58;  // between its two colours
    refused(within, "up to 256 colours before the pixels");
    Bytes shorter = bmp_of(3, 2, 24, Bytes(24));
    shorter[14] = 12;
    refused(shorter, "a BMP header of at least 40 bytes, found 12");
}

TEST(Picture, of_another_kind_is_named_with_advice) {
    expect_refused("", "no data");
    expect_refused("\x89PNG", "a PNG picture");
    expect_refused("\1\2\3", "01 02 03");
    expect_refused("GIF89a", "a GIF picture; save it as PNG or JPEG");
    expect_refused("RIFF....WEBPVP8 ", "a WebP picture; save it");
    expect_refused(std::string("II*\0 ", 5), "a TIFF picture; save it");
    expect_refused(std::string("\0\0\0\x1c"
                               "ftypavif",
                               12),
                   "an AVIF picture; save it");
    expect_refused(std::string("\0\0\0\x18"
                               "ftypheic",
                               12),
                   "a HEIC picture or a film; export");
    expect_refused("%PDF-1.4", "a PDF document; save its page");
    expect_refused("<!DOCTYPE html>", "a web page");
}

TEST(Picture, is_read_from_a_file_or_refused_with_its_name) {
    const TemporaryDirectory folder;
    const fs::path file = folder.write("3.png", png_of(ring()));
    EXPECT_EQ(read_picture(file).grey, ring().grey);
    fs::resize_file(file, (std::uintmax_t{64} << 20) + 1);
    expect_refusal([&] { read_picture(file); }, {file.string(), "at most 64 MiB"});
    fs::remove(file);
    expect_refusal([&] { read_picture(file); },
                   {file.string(), "a PNG, JPEG, BMP, PPM, PGM or PBM picture", "no such file"});
    expect_refusal([&] { read_picture(folder.path); }, {folder.path.string(), "a directory"});
}
