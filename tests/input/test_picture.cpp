// test_picture.cpp: a picture of a digit, however it was made, becomes what MNIST holds.
//
// Pictures are made here from MNIST's test images, so what should come out is known. libpng writes
// every kind of PNG; damaged files are cut from right ones. Run from the project's root.
#include "input/picture.h"

#include <gtest/gtest.h>
#include <png.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/random.h"
#include "mnist_reader.h"
#include "tests/support/file_fixture.h"

namespace fs = std::filesystem;

namespace {

Picture parse(const Bytes& bytes) { return parse_picture(bytes, "it.png"); }

Bytes bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

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

const SampleSet& mnist() {
    static const SampleSet set = read_mnist("data", Split::test);
    return set;
}

/// MNIST's test image of this index, as a picture.
Picture digit(std::size_t index) {
    const auto first = mnist().pixels.begin() + static_cast<std::ptrdiff_t>(index * 784);
    return {28, 28, {first, first + 784}};
}

Picture inverted(Picture picture) {
    for (auto& grey : picture.grey) grey = static_cast<std::uint8_t>(255 - grey);
    return picture;
}

/// Each pixel `factor` times as wide and high, on a black canvas, its corner at (left, top).
Picture enlarged(const Picture& from, double factor, int width, int height, int left, int top) {
    Picture to{width, height, Bytes(static_cast<std::size_t>(width * height))};
    const int side = static_cast<int>(std::lround(28 * factor));
    for (int y = 0; y < side; ++y)
        for (int x = 0; x < side; ++x) {
            const int row = std::min(27, static_cast<int>((y + 0.5) / factor));
            const int col = std::min(27, static_cast<int>((x + 0.5) / factor));
            to.grey[static_cast<std::size_t>((top + y) * width + left + x)] =
                from.grey[static_cast<std::size_t>(row * 28 + col)];
        }
    return to;
}

/// Dark grey paper, light grey ink or the other way round, and normal noise.
Picture photographed(Picture picture, int paper, int ink, double noise, std::uint64_t seed) {
    Rng rng(seed);
    for (auto& grey : picture.grey)
        grey = static_cast<std::uint8_t>(std::clamp(
            std::round(paper + (ink - paper) * grey / 255.0 + noise * rng.normal()), 0.0, 255.0));
    return picture;
}

/// By so much brighter at one end of each row than at the other, and by half of it down the rows.
Picture lit_from_the_side(Picture picture, double more) {
    for (std::size_t i = 0; i < picture.grey.size(); ++i) {
        const auto width = static_cast<std::size_t>(picture.width);
        const double x = static_cast<double>(i % width) / picture.width - 0.5;
        const double y = static_cast<double>(i / width) / picture.height - 0.5;
        picture.grey[i] = static_cast<std::uint8_t>(
            std::clamp(std::round(picture.grey[i] + more * (x + y / 2)), 0.0, 255.0));
    }
    return picture;
}

Bytes input_of(const Picture& picture) { return as_network_input(picture, 28, 28, "it.png"); }

/// Which of MNIST's first 500 test images is nearest to `input`, by the sum of squares.
std::size_t nearest(const Bytes& input) {
    std::size_t best = 0;
    int least = std::numeric_limits<int>::max();
    for (std::size_t i = 0; i < 500; ++i) {
        int sum = 0;
        for (std::size_t k = 0; k < 784; ++k) {
            const int apart = input[k] - mnist().pixels[i * 784 + k];
            sum += apart * apart;
        }
        if (sum < least) {
            least = sum;
            best = i;
        }
    }
    return best;
}

/// Where the ink's centre of mass lies, along x and y.
struct Centre {
    double x = 0, y = 0;
};
Centre centre_of(const Bytes& input) {
    double mass = 0;
    Centre centre;
    for (int k = 0; k < 784; ++k) {
        const double ink = input[static_cast<std::size_t>(k)];
        mass += ink;
        centre.x += ink * (k % 28);
        centre.y += ink * (k / 28);
    }
    return {centre.x / mass, centre.y / mass};
}

/// The whole way of each of the first 40 test images: made into a picture by `make`, saved as PNG,
/// read, prepared. It has to come out nearer to an image of its own digit than to any other's.
template <class Make>
void expect_seen_as_itself(const std::string& what, Make&& make) {
    for (std::size_t i = 0; i < 40; ++i) {
        const Bytes input = input_of(parse(png_of(make(i))));
        const std::size_t seen = nearest(input);
        EXPECT_EQ(int{mnist().labels[seen]}, int{mnist().labels[i]})
            << what << ": image " << i << " came out nearest to image " << seen;
    }
}

}  // namespace

TEST(Preparation, a_picture_of_the_networks_size_is_taken_as_it_is) {
    for (std::size_t i = 0; i < 100; ++i) {
        EXPECT_EQ(input_of(parse(png_of(digit(i)))), digit(i).grey) << "image " << i;
        EXPECT_EQ(input_of(parse(png_of(inverted(digit(i))))), digit(i).grey) << "image " << i;
    }
}

// Enlarged by a whole factor, each pixel of the original is the mean of its copies again. What may
// differ: ink of at most a tenth becomes 0, which is 26 of 255 at most and only at edges; ink above
// the 90th percentile becomes full; and the place, by a pixel, where the centre of mass is next to
// half way between two. Images closer to that than a tenth of a pixel are left out.
TEST(Preparation, a_picture_enlarged_by_a_whole_factor_comes_back) {
    int compared = 0;
    for (std::size_t i = 0; i < 200; ++i) {
        const Centre centre = centre_of(digit(i).grey);
        const auto from_half = [](double x) { return std::abs(x - std::floor(x) - 0.5); };
        if (from_half(centre.x) < 0.1 || from_half(centre.y) < 0.1) continue;
        ++compared;
        const int left = static_cast<int>(i % 36), top = static_cast<int>(i % 16);
        const Bytes thrice = input_of(enlarged(digit(i), 3, 120, 100, left, top));
        const Bytes ten_times = input_of(inverted(enlarged(digit(i), 10, 330, 300, left, top)));
        const Bytes shifted = input_of(enlarged(digit(i), 1, 64, 44, left, top));
        EXPECT_EQ(thrice, ten_times) << "image " << i;
        EXPECT_EQ(thrice, shifted) << "image " << i;
        for (std::size_t k = 0; k < 784; ++k)
            ASSERT_NEAR(thrice[k], digit(i).grey[k], 26) << "image " << i << ", pixel " << k;
    }
    EXPECT_GT(compared, 100);
}

TEST(Preparation, any_size_is_seen_as_the_digit_that_it_shows) {
    expect_seen_as_itself("3.57 times as large", [](std::size_t i) {
        return enlarged(digit(i), 3.57, 150, 140, static_cast<int>(i), static_cast<int>(40 - i));
    });
    expect_seen_as_itself("smaller than the input", [](std::size_t i) {
        return enlarged(digit(i), 0.7, 24, 25, static_cast<int>(i % 4), static_cast<int>(i % 5));
    });
}

TEST(Preparation, a_photograph_is_seen_as_the_digit_that_it_shows) {
    const auto large = [](std::size_t i) {
        return enlarged(digit(i), 5, 180, 190, static_cast<int>(i), static_cast<int>(40 - i));
    };
    expect_seen_as_itself("ink 60 on paper 190",
                          [&](std::size_t i) { return photographed(large(i), 190, 60, 4, i); });
    expect_seen_as_itself("ink 60 on paper 120, which is darker than middle grey",
                          [&](std::size_t i) { return photographed(large(i), 120, 60, 1, i); });
    expect_seen_as_itself("chalk 150 on a board of 20",
                          [&](std::size_t i) { return photographed(large(i), 20, 150, 4, i); });
    expect_seen_as_itself("ink 60 on paper from 135 to 225", [&](std::size_t i) {
        return lit_from_the_side(photographed(large(i), 180, 60, 2, i), 60);
    });
    expect_seen_as_itself("ink 60 on paper from 135 to 225, lit from the other side",
                          [&](std::size_t i) {
                              return lit_from_the_side(photographed(large(i), 180, 60, 2, i), -60);
                          });
    expect_seen_as_itself("chalk 180 on a board from 20 to 80", [&](std::size_t i) {
        return lit_from_the_side(photographed(large(i), 50, 180, 2, i), 40);
    });
}

TEST(Preparation, a_drawing_fills_20_of_28_and_is_centred_and_in_proportion) {
    Picture bar{200, 300, Bytes(60000, 255)};  // 40 x 160 pixels, black on white
    for (std::size_t y = 20; y < 180; ++y)
        for (std::size_t x = 150; x < 190; ++x) bar.grey[y * 200 + x] = 0;
    Bytes expected(784);
    for (std::size_t y = 4; y < 24; ++y)
        for (std::size_t x = 12; x < 17; ++x) expected[y * 28 + x] = 255;
    EXPECT_EQ(input_of(bar), expected);
}

TEST(Preparation, a_thin_line_on_a_large_picture_becomes_full_ink) {
    Picture line{1000, 1000, Bytes(1000000, 255)};
    for (std::size_t y = 100; y < 900; ++y) line.grey[y * 1000 + 500] = 0;
    const Bytes input = input_of(line);
    EXPECT_EQ(std::ranges::count(input, 255), 20);
    EXPECT_EQ(std::ranges::count(input, 0), 784 - 20);
}

TEST(Preparation, works_for_networks_of_other_sizes_and_the_smallest_pictures) {
    const Picture dot{3, 3, {0, 0, 0, 0, 255, 0, 0, 0, 0}};
    for (const int rows : {1, 2, 7, 64})
        for (const int cols : {1, 5, 64}) {
            const Bytes input = as_network_input(dot, rows, cols, "dot");
            ASSERT_EQ(input.size(), static_cast<std::size_t>(rows * cols));
            EXPECT_EQ(std::ranges::max(input), 255) << rows << " x " << cols;
        }
}

TEST(Preparation, a_picture_with_nothing_on_it_is_refused) {
    const auto refused = [](const Picture& picture) {
        EXPECT_THROW(input_of(picture), InputError)
            << picture.width << " x " << picture.height << " of " << int{picture.grey[0]};
    };
    for (const std::uint8_t grey : Bytes{0, 100, 255}) {
        refused({28, 28, Bytes(784, grey)});
        refused({1, 1, {grey}});
        refused({300, 200, Bytes(60000, grey)});
    }
    refused(photographed({300, 200, Bytes(60000)}, 128, 128, 5, 1));
    Picture slope{256, 256, {}};
    for (std::size_t i = 0; i < 65536; ++i)
        slope.grey.push_back(static_cast<std::uint8_t>(i % 256));
    refused(slope);
}

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
    const Bytes whole = png_of(digit(0));
    // The last 12 bytes end the file and say nothing.
    for (std::size_t length = 0; length + 12 < whole.size(); ++length)
        EXPECT_TRUE(
            is_refused({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}))
            << "cut to " << length << " of " << whole.size() << " bytes";
    for (std::size_t i = 0; i < whole.size(); ++i) {
        Bytes flipped = whole;
        flipped[i] ^= 0x10;
        if (is_refused(flipped)) continue;
        EXPECT_EQ(parse(flipped).grey, digit(0).grey) << "byte " << i;
    }
}

TEST(Png, is_refused_by_its_size_before_memory_is_taken) {
    const Bytes file = write_png(20000, 1, Bytes(20000), {});
    expect_refused({file.begin(), file.end()}, "1 to 10000 pixels a side, found 20000 x 1");
}

TEST(Pgm, and_png_of_the_same_picture_are_equal) {
    const Picture seven = digit(0);
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

TEST(Pgm, any_greatest_value_is_white) {
    EXPECT_EQ(parse(bytes_of("P2 3 1 2\n0 1 2")).grey, (Bytes{0, 128, 255}));
    EXPECT_EQ(parse(bytes_of("P2 2 1 1\n0 1")).grey, (Bytes{0, 255}));
    EXPECT_EQ(parse(bytes_of("P2 2 1 1000\n1000 500")).grey, (Bytes{255, 128}));
}

TEST(Pgm, what_is_wrong_is_refused_by_name) {
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
    expect_refused("P5 2 1 100 a" + std::string(1, '\x7f'), "127 as pixel 1");
    expect_refused("P5 10000 10000 65535 abc", "200000000 bytes of pixels, found 3");
    expect_refused("P2 10000 10000 255 1 2", "too few bytes");
    expect_refused("P2 2 1 255 1 ", "too few bytes");
    expect_refused("P2 2 1 255 1 256", "'256'");
    expect_refused("P2 2 1 255 1 2 3", "found more");
    expect_refused("P2 2 2 255 # 1 2 3 4", "too few bytes");
}

TEST(Picture, another_kind_of_file_is_refused) {
    expect_refused("", "no data");
    expect_refused("P6 1 1 255 abc", "50 36 20 31");
    expect_refused("\xff\xd8\xff\xe0 JFIF", "ff d8 ff e0");
    expect_refused("\x89PNG", "89 50 4e 47");
}

TEST(Picture, is_read_from_a_file_or_refused_with_its_name) {
    const TemporaryDirectory folder;
    const fs::path file = folder.write("3.png", png_of(digit(3)));
    EXPECT_EQ(read_picture(file).grey, digit(3).grey);
    fs::resize_file(file, (std::uintmax_t{64} << 20) + 1);
    expect_refusal([&] { read_picture(file); }, {file.string(), "at most 64 MiB"});
    fs::remove(file);
    expect_refusal([&] { read_picture(file); }, {file.string(), "a PNG or PGM picture", "No such"});
    expect_refusal([&] { read_picture(folder.path); }, {folder.path.string(), "a directory"});
}

TEST(IdxImages, are_read_without_their_labels_and_told_by_their_first_bytes) {
    const fs::path file = "data/t10k-images-idx3-ubyte.gz";
    const SampleSet images = read_idx_images(file);
    EXPECT_EQ(images.pixels, mnist().pixels);
    EXPECT_EQ(images.count(), 10000u);
    EXPECT_TRUE(images.format.without_targets);
    EXPECT_TRUE(images.labels.empty());
    EXPECT_EQ(images.rows, 28);
    EXPECT_EQ(images.cols, 28);
    const TemporaryDirectory folder;
    EXPECT_TRUE(is_idx_or_gzip(file));
    EXPECT_TRUE(is_idx_or_gzip(folder.write("plain", {0, 0, 8, 3})));
    EXPECT_FALSE(is_idx_or_gzip(folder.write("png", png_of(digit(0)))));
    EXPECT_FALSE(is_idx_or_gzip(folder.write("empty", {})));
    EXPECT_FALSE(is_idx_or_gzip(folder.path / "nothere"));
}
