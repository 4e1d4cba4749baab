// test_picture.cpp: a picture of a digit, however it was made, becomes what MNIST holds.
//
// Pictures are made here from MNIST's test images, so what should come out is known. Run from the
// project's root.
#include "input/picture.h"

#include <gtest/gtest.h>

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
