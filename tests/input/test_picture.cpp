// test_picture.cpp: a picture of a digit, however it was made, becomes what MNIST holds.
//
// Pictures are made here from MNIST's test images, so what should come out is known. Run from the
// project's root. How many are read right by a network: bench/pictures.py.
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

TEST(Preparation, what_mnist_holds_is_prepared_already_and_stays_as_it_is) {
    for (std::size_t i = 0; i < 1000; ++i) {
        EXPECT_EQ(input_of(parse(png_of(digit(i)))), digit(i).grey) << "image " << i;
        EXPECT_EQ(input_of(parse(png_of(inverted(digit(i))))), digit(i).grey) << "image " << i;
    }
}

TEST(Preparation, what_is_prepared_stays_as_it_is) {
    for (std::size_t i = 0; i < 40; ++i) {
        const Bytes once = input_of(inverted(enlarged(digit(i), 10, 330, 300, 20, 10)));
        EXPECT_EQ(input_of({28, 28, once}), once) << "image " << i;
    }
}

TEST(Preparation, any_size_is_seen_as_the_digit_that_it_shows) {
    expect_seen_as_itself("ten times as large", [](std::size_t i) {
        return inverted(enlarged(digit(i), 10, 330, 300, static_cast<int>(i), 10));
    });
    expect_seen_as_itself("not in the middle", [](std::size_t i) {
        return enlarged(digit(i), 1, 64, 44, static_cast<int>(i % 36), static_cast<int>(i % 16));
    });
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
    Picture bar{200, 300, Bytes(60000, 255)};  // 24 x 160 pixels, black on white
    for (std::size_t y = 20; y < 180; ++y)
        for (std::size_t x = 150; x < 174; ++x) bar.grey[y * 200 + x] = 0;
    Bytes expected(784);
    for (std::size_t y = 4; y < 24; ++y)
        for (std::size_t x = 13; x < 16; ++x) expected[y * 28 + x] = 255;
    EXPECT_EQ(input_of(bar), expected);
}

// MNIST's strokes have 1.9 to 4.5 pixels of 28. These are lines of 800 pixels, which become 20.
// Sides are rounded to whole pixels.
TEST(Preparation, a_stroke_that_is_too_thin_or_too_thick_gets_the_width_of_mnists) {
    const auto width = [](std::size_t pixels) {
        Picture line{1000, 1000, Bytes(1000000, 255)};
        for (std::size_t y = 100; y < 900; ++y)
            std::fill_n(line.grey.begin() + static_cast<std::ptrdiff_t>(y * 1000 + 400), pixels, 0);
        const Bytes input = input_of(line);
        EXPECT_EQ(std::ranges::max(input), 255);
        double sum = 0;
        for (int x = 0; x < 28; ++x) sum += input[static_cast<std::size_t>(14 * 28 + x)] / 255.0;
        return sum;
    };
    EXPECT_NEAR(width(1), 1.9, 0.5);
    EXPECT_NEAR(width(120), 3, 0.5);
    EXPECT_NEAR(width(200), 4.5, 0.5);
}

/// Ink on white paper: a light digit becomes a dark one.
Picture paper(std::size_t i) { return inverted(enlarged(digit(i), 5, 180, 190, 20, 25)); }

/// Every pixel changed by f(x, y, grey).
template <class Change>
Picture changed(Picture picture, Change&& f) {
    for (int y = 0; y < picture.height; ++y)
        for (int x = 0; x < picture.width; ++x) {
            auto& grey = picture.grey[static_cast<std::size_t>(y * picture.width + x)];
            grey = static_cast<std::uint8_t>(std::clamp(f(x, y, double{1} * grey), 0.0, 255.0));
        }
    return picture;
}

TEST(Preparation, what_is_on_the_paper_beside_the_digit_is_taken_out) {
    expect_seen_as_itself("in a frame", [](std::size_t i) {
        return changed(paper(i), [](int x, int y, double grey) {
            return x < 4 || y < 4 || x > 175 || y > 185 ? 0 : grey;
        });
    });
    expect_seen_as_itself("on squared paper", [](std::size_t i) {
        return changed(paper(i), [](int x, int y, double grey) {
            return x % 30 < 2 || y % 30 < 2 ? std::min(grey, 170.0) : grey;
        });
    });
    expect_seen_as_itself("in a shadow's edge", [](std::size_t i) {
        return changed(paper(i), [](int x, int y, double grey) {
            return 0.8 * grey - 100 / (1 + std::exp(-(x + y - 200) / 12.0));
        });
    });
    expect_seen_as_itself("darker to the corners", [](std::size_t i) {
        return changed(paper(i), [](int x, int y, double grey) {
            return 0.85 * grey - 100 * (std::pow(x / 90.0 - 1, 2) + std::pow(y / 95.0 - 1, 2)) / 2;
        });
    });
    expect_seen_as_itself("with specks", [](std::size_t i) {
        return changed(paper(i), [](int x, int y, double grey) {
            return (x == 9 || x == 170) && (y == 12 || y == 150) ? 0 : grey;
        });
    });
}

TEST(Preparation, a_picture_of_the_networks_size_is_prepared_like_any_other) {
    expect_seen_as_itself("moved by 3 pixels, on grey", [](std::size_t i) {
        Picture moved = digit(i);
        for (int y = 0; y < 28; ++y)
            for (int x = 0; x < 28; ++x)
                moved.grey[static_cast<std::size_t>(y * 28 + x)] = static_cast<std::uint8_t>(
                    60 + (y < 3 || x > 24
                              ? 0
                              : digit(i).grey[static_cast<std::size_t>((y - 3) * 28 + x + 3)]) *
                             195 / 255);
        return moved;
    });
    EXPECT_EQ(as_it_is(paper(0), 190, 180, "it.png"), paper(0).grey);
    expect_refusal([] { as_it_is(paper(0), 28, 28, "it.png"); }, {"28 x 28", "found 190 x 180"});
}

/// The pictures side by side, or one below the other; all are as large.
Picture together(const std::vector<Picture>& pictures, bool below) {
    const int count = static_cast<int>(pictures.size());
    const int width = pictures[0].width, height = pictures[0].height;
    Picture all{below ? width : width * count, below ? height * count : height, {}};
    for (int y = 0; y < all.height; ++y)
        for (int x = 0; x < all.width; ++x)
            all.grey.push_back(pictures[static_cast<std::size_t>(below ? y / height : x / width)]
                                   .grey[static_cast<std::size_t>(y % height * width + x % width)]);
    return all;
}

TEST(Preparation, what_is_not_one_digit_is_refused) {
    for (std::size_t i = 0; i < 20; ++i)
        for (const bool below : {false, true})
            for (const Picture& two : {together({paper(i), paper(i + 1)}, below),
                                       together({digit(i), digit(i + 1)}, below)})
                expect_refusal([&] { input_of(two); },
                               {"it.png: expected one digit, found 2 separate drawings"});
    Preparation told;
    EXPECT_THROW(as_network_input(together({paper(0), paper(1)}, false), 28, 28, "it", &told),
                 InputError);
    ASSERT_EQ(told.stages.size(), 4u);
    EXPECT_EQ(told.stages.back().name, "drawn");
}

TEST(Preparation, a_line_is_its_digits_from_left_to_right) {
    for (std::size_t i = 0; i < 20; i += 4) {
        const auto inputs = as_network_inputs(
            together({paper(i), paper(i + 1), paper(i + 2), paper(i + 3)}, false), 28, 28, "it");
        ASSERT_EQ(inputs.size(), 4u);
        for (std::size_t d = 0; d < 4; ++d)
            EXPECT_EQ(int{mnist().labels[nearest(inputs[d])]}, int{mnist().labels[i + d]});
    }
    EXPECT_EQ(as_network_inputs(paper(0), 28, 28, "it"), std::vector<Bytes>{input_of(paper(0))});
}

TEST(Preparation, what_is_not_a_line_of_digits_is_refused) {
    const auto refused = [](const Picture& picture, const std::string& found) {
        expect_refusal([&] { as_network_inputs(picture, 28, 28, "it"); }, {found});
    };
    refused(together({paper(0), paper(1)}, true), "something higher or lower as number 2 of 2");
    const Picture dot = changed(
        Picture{180, 190, Bytes(180 * 190, 255)},
        [](int x, int y, double grey) { return std::hypot(x - 90, y - 100) < 16 ? 0 : grey; });
    refused(together({paper(0), dot}, false), "something smaller as number 2 of 2");
    const Picture bar =
        changed(dot, [](int, int y, double) { return y > 60 && y < 120 ? 0.0 : 255.0; });
    refused(together({paper(0), Picture{180, 190, Bytes(180 * 190, 255)}, bar, bar,
                      Picture{180, 190, Bytes(180 * 190, 255)}},
                     false),
            "something wider");
    // Also if nothing else stands beside what is as wide as two digits that touch.
    const Picture ring = changed(dot, [](int x, int y, double) {
        const double off = std::hypot((x - 90) / 80.0, (y - 95) / 25.0);
        return off > 0.6 && off < 1 ? 0.0 : 255.0;
    });
    refused(ring, "something wider, such as two that touch as number 1 of 1");
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

TEST(Preparation, a_strip_of_a_few_pixels_is_prepared_or_refused) {
    for (const int width : {1, 2, 3, 700, 5000})
        for (const int height : {1, 2, 3, 700}) {
            Picture strip{width, height, Bytes(static_cast<std::size_t>(width * height), 255)};
            std::fill_n(strip.grey.begin() + width * height / 3, width * height / 9, 0);
            try {
                EXPECT_EQ(input_of(strip).size(), 784u);
            } catch (const InputError&) {
            }
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

/// Blank paper with a slanting light, the grain of a camera, and the edge of a shadow or of a
/// sheet: where the light is low, the grain hangs together by chance.
TEST(Preparation, the_grain_of_blank_paper_is_not_a_digit) {
    for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
        Rng rng(seed);
        Picture paper{414, 384, {}};
        for (int y = 0; y < 384; ++y)
            for (int x = 0; x < 414; ++x) {
                const double light = 215 - 50.0 * x / 413 - (x > 206 && y > 268 ? 30 : 0);
                paper.grey.push_back(
                    static_cast<std::uint8_t>(std::lround(light + 4 * rng.normal())));
            }
        EXPECT_THROW(as_network_input(paper, 28, 28, "it.png"), InputError) << "seed " << seed;
    }
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
