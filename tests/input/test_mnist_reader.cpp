// test_mnist_reader.cpp: what the reader accepts it reads right, what is wrong it refuses by name.
//
// Every bad input is a crafted file in a temporary directory; a refusal must be an InputError of
// one line that holds the file, what was expected, what was found and what to do. Allocations can
// be limited, so that a lying header shows when it is believed. Run from the project's root: the
// real set is read from data/.
#include "mnist_reader.h"

#include "input/image_source.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <new>

#include "base/error.h"
#include "base/random.h"
#include "tests/support/idx_bytes.h"

namespace fs = std::filesystem;

std::size_t largest_allocation = std::numeric_limits<std::size_t>::max();

// Not inlined: where g++ sees only one of a pair, it warns of a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
    if (size > largest_allocation) throw std::bad_alloc();
    if (void* p = std::malloc(size > 0 ? size : 1)) return p;
    throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

/// The two files that a data set would have been read from.
Bytes images_of(const SampleSet& set) {
    return idx_images({static_cast<std::uint32_t>(set.count()),
                       static_cast<std::uint32_t>(set.rows), static_cast<std::uint32_t>(set.cols)},
                      set.pixels);
}
Bytes labels_of(const SampleSet& set) { return idx_labels(set.labels); }

Bytes random_bytes(std::size_t n, Rng& rng) {
    Bytes bytes(n);
    for (auto& b : bytes) b = static_cast<std::uint8_t>(rng.below(256));
    return bytes;
}

// What is read.

TEST(Reader, ReadsImagesAsColumnsWithTheirLabels) {
    TemporaryDirectory dir;
    const SampleSet set =
        read_idx(dir.write("images", good_images), dir.write("labels", good_labels));
    EXPECT_EQ(set.rows, 1);
    EXPECT_EQ(set.cols, 2);
    EXPECT_EQ(set.count(), 3u);
    EXPECT_EQ(set.features(), 2u);
    EXPECT_EQ(set.classes, 3) << "the largest label is 2";
    EXPECT_EQ(set.pixels, six_pixels);
    EXPECT_EQ(set.labels, three_labels);
}

TEST(Reader, TellsGzipByTheFirstBytesAndNotByTheName) {
    TemporaryDirectory dir;
    const SampleSet set =
        read_idx(dir.write("images", gzip(good_images)), dir.write("labels.gz", good_labels));
    EXPECT_EQ(set.pixels, six_pixels);
    EXPECT_EQ(set.labels, three_labels);
}

TEST(Reader, ReadsGzipOfSeveralMembers) {
    TemporaryDirectory dir;
    const auto middle = good_images.begin() + 7;  // within the header
    Bytes packed = joined(gzip({good_images.begin(), middle}), gzip({}));
    packed = joined(packed, gzip({middle, good_images.end()}));
    packed = joined(packed, gzip({}));
    const SampleSet set = read_idx(dir.write("images", packed), dir.write("labels", good_labels));
    EXPECT_EQ(set.pixels, six_pixels);
}

TEST(Reader, ReadsImagesOfOnePixel) {
    TemporaryDirectory dir;
    const SampleSet set = read_idx(dir.write("images", idx_images({1, 1, 1}, {77})),
                                   dir.write("labels", idx_labels({0})));
    EXPECT_EQ(set.features(), 1u);
    EXPECT_EQ(set.classes, 1) << "a set of a single class is legal";
    EXPECT_EQ(set.pixels, Bytes{77});
}

TEST(Reader, ReadsTwoHundredAndFiftySixClasses) {
    TemporaryDirectory dir;
    Bytes every_label(256);
    for (std::size_t i = 0; i < 256; ++i) every_label[i] = static_cast<std::uint8_t>(255 - i);
    const auto images = dir.write("images", idx_images({256, 1, 1}, Bytes(256)));
    const auto labels = dir.write("labels", idx_labels(every_label));
    EXPECT_EQ(read_idx(images, labels).classes, 256);
    EXPECT_EQ(read_idx(images, labels, 256).labels, every_label);
}

TEST(Reader, FixesTheNumberOfClassesWhereItIsAsked) {
    TemporaryDirectory dir;
    const auto images = dir.write("images", good_images);
    const auto labels = dir.write("labels", good_labels);
    EXPECT_EQ(read_idx(images, labels, 3).classes, 3);
    EXPECT_EQ(read_idx(images, labels, 10).classes, 10);
}

TEST(Reader, ReadsFilesOfManyBuffersPlainAndGzipped) {
    TemporaryDirectory dir;
    Rng rng(1);
    const auto labels = dir.write("labels", good_labels);
    // Exact multiples of every power of two that a buffer may have, and one image off them.
    for (const std::uint32_t cols : {1024u, 1023u}) {
        const Bytes pixels = random_bytes(3 * 1024 * cols, rng);
        const Bytes file = idx_images({3, 1024, cols}, pixels);
        EXPECT_TRUE(read_idx(dir.write("plain", file), labels).pixels == pixels) << cols;
        EXPECT_TRUE(read_idx(dir.write("packed", gzip(file)), labels).pixels == pixels) << cols;
    }
}

// The real set.

/// The sha256 sum of a file, by the command of that name.
std::string sha256(const fs::path& file) {
    const std::string command = "sha256sum '" + file.string() + "'";
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::array<char, 65> sum{};
    if (!pipe || std::fread(sum.data(), 1, 64, pipe.get()) != 64) return "no output of " + command;
    return sum.data();
}

using Histogram = std::array<int, 10>;

Histogram label_histogram(const SampleSet& set) {
    Histogram counts{};
    for (const auto label : set.labels) ++counts.at(label);
    return counts;
}

TEST(RealMnist, TrainingSetIsTheOneThatWasPublished) {
    TemporaryDirectory dir;
    const SampleSet set = read_mnist("data", Split::train);
    EXPECT_EQ(set.count(), 60000u);
    EXPECT_EQ(set.rows, 28);
    EXPECT_EQ(set.cols, 28);
    EXPECT_EQ(set.classes, 10);
    EXPECT_EQ(sha256(dir.write("images", images_of(set))),
              "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db");
    EXPECT_EQ(sha256(dir.write("labels", labels_of(set))),
              "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5");
    EXPECT_EQ(label_histogram(set),
              (Histogram{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}));
    EXPECT_EQ(Bytes(set.labels.begin(), set.labels.begin() + 5), (Bytes{5, 0, 4, 1, 9}));
}

TEST(RealMnist, TestSetIsTheOneThatWasPublished) {
    TemporaryDirectory dir;
    const SampleSet set = read_mnist("data", Split::test, 10);
    EXPECT_EQ(set.count(), 10000u);
    EXPECT_EQ(set.features(), 784u);
    EXPECT_EQ(sha256(dir.write("images", images_of(set))),
              "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7");
    EXPECT_EQ(sha256(dir.write("labels", labels_of(set))),
              "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2");
    EXPECT_EQ(label_histogram(set),
              (Histogram{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
}

TEST(RealMnist, ReadsTheSamePlainAsGzipped) {
    TemporaryDirectory dir;
    const SampleSet packed = read_mnist("data", Split::test);
    dir.write("t10k-images-idx3-ubyte", images_of(packed));
    dir.write("t10k-labels-idx1-ubyte", labels_of(packed));
    const SampleSet plain = read_mnist(dir.path, Split::test);
    EXPECT_TRUE(plain.pixels == packed.pixels);
    EXPECT_TRUE(plain.labels == packed.labels);
}

// What is refused: the bytes of one file.

const std::string only_bytes = "only unsigned bytes can be used; convert the file";

Bytes bad_magic(std::uint32_t magic) { return idx(magic, {3, 1, 2}, six_pixels); }

const std::vector<BadFile> bad_images{
    {"Empty", {}, {"expected an IDX header of 16 bytes", "found no data", "get the file again"}},
    {"HeaderCutInTheMagic", {0, 0, 8}, {"expected an IDX header of 16 bytes", "only 3 bytes"}},
    {"HeaderCutInTheDimensions",
     {good_images.begin(), good_images.begin() + 15},
     {"expected an IDX header of 16 bytes", "only 15 bytes"}},
    {"LabelsFile",
     good_labels,
     {"expected magic 0x00000803 (unsigned bytes, 3 dimensions)",
      "found 0x00000801 (unsigned bytes, 1 dimension)",
      "is this the labels file? Give the images file"}},
    {"TwoDimensions",
     bad_magic(0x0802),
     {"found 0x00000802 (unsigned bytes, 2 dimensions)",
      "images need 3 dimensions (count, rows, columns)"}},
    {"FourDimensions", bad_magic(0x0804), {"found 0x00000804 (unsigned bytes, 4 dimensions)"}},
    {"SignedBytes", bad_magic(0x0903), {"found 0x00000903 (signed bytes, 3", only_bytes}},
    {"Shorts", bad_magic(0x0b03), {"found 0x00000b03 (16-bit integers (short), 3", only_bytes}},
    {"Ints", bad_magic(0x0c03), {"found 0x00000c03 (32-bit integers (int), 3", only_bytes}},
    {"Floats", bad_magic(0x0d03), {"found 0x00000d03 (32-bit floats (float), 3", only_bytes}},
    {"Doubles", bad_magic(0x0e03), {"found 0x00000e03 (64-bit floats (double), 3", only_bytes}},
    {"UnknownElement", bad_magic(0x0a03), {"found 0x00000a03; this is no IDX file"}},
    {"LittleEndianMagic", bad_magic(0x03080000), {"found 0x03080000; this is no IDX file"}},
    {"Text", Bytes(100, 'A'), {"found 0x41414141; this is no IDX file"}},
    {"NoImages", idx_images({0, 28, 28}, {}), {"at least 1", "found dimensions 0 x 28 x 28"}},
    {"NoRows", idx_images({3, 0, 28}, {}), {"at least 1", "found dimensions 3 x 0 x 28"}},
    {"NoColumns", idx_images({3, 28, 0}, {}), {"at least 1", "found dimensions 3 x 28 x 0"}},
    {"MoreImagesThanInt",
     idx_images({0x80000000, 1, 1}, six_pixels),
     {"at most 2147483647 images of at most 2147483647 elements", "2147483648 x 1 x 1"}},
    {"MorePixelsThanInt",
     idx_images({1, 32768, 65536}, six_pixels),
     {"at most 2147483647 images of at most 2147483647 elements", "1 x 32768 x 65536"}},
    {"ProductThatWrapsTo0In64Bits",
     idx_images({1u << 22, 1u << 21, 1u << 21}, {}),
     {"at most 2147483647 images", "4194304 x 2097152 x 2097152"}},
    {"LargestDimensions",
     idx_images({0xffffffff, 0xffffffff, 0xffffffff}, six_pixels),
     {"at most 2147483647 images", "4294967295 x 4294967295 x 4294967295"}},
    {"NoBody",
     idx_images({3, 1, 2}, {}),
     {"expected 6 bytes after the header (3 x 1 x 2)", "found only 0"}},
    {"BodyCut",
     {good_images.begin(), good_images.end() - 1},
     {"expected 6 bytes after the header (3 x 1 x 2)", "found only 5", "get the file again"}},
    {"TrailingByte",
     joined(good_images, {0}),
     {"expected 6 bytes after the header (3 x 1 x 2)", "found trailing bytes"}},
};

const std::vector<BadFile> bad_labels{
    {"ImagesFile",
     good_images,
     {"expected magic 0x00000801 (unsigned bytes, 1 dimension)", "found 0x00000803",
      "is this the images file? Give the labels file"}},
    {"TwoDimensions", bad_magic(0x0802), {"labels need 1 dimension (count)"}},
    {"Shorts", bad_magic(0x0b01), {"found 0x00000b01 (16-bit integers (short), 1 dim", only_bytes}},
    {"IntsCut", bad_magic(0x0c01), {"expected 12 bytes after the header (3)"}},
    {"HeaderCut", {0, 0, 8, 1, 0, 0, 0}, {"an IDX header of 8 bytes", "only 7 bytes"}},
    {"NoLabels", idx_labels({}), {"at least 1", "found dimensions 0;"}},
    {"BodyCut",
     {good_labels.begin(), good_labels.end() - 1},
     {"expected 3 bytes after the header (3)", "found only 2"}},
    {"TrailingByte", joined(good_labels, {0}), {"expected 3 bytes", "found trailing bytes"}},
    {"FewerThanImages",
     idx_labels({0, 1}),
     {"expected 3 labels, one for each image of ", "images", "found 2", "of the same set"}},
    {"MoreThanImages", idx_labels({0, 1, 2, 0}), {"expected 3 labels", "found 4"}},
    {"LabelNotBelowTheClasses",
     idx_labels({0, 2, 3}),
     {"expected labels below 3 (the number of classes)",
      "found 3 as the label of image 2 (counted from 0)", "are of the same set"}},
    {"Label255", idx_labels({255, 0, 1}), {"labels below 3", "found 255 as the label of image 0"}},
};

class BadImages : public testing::TestWithParam<BadFile> {};
class BadLabels : public testing::TestWithParam<BadFile> {};

TEST_P(BadImages, AreRefusedPlainAndGzipped) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    for (const auto& bytes : {GetParam().bytes, gzip(GetParam().bytes)}) {
        const auto images = dir.write("images", bytes);
        expect_refusal([&] { read_idx(images, labels); }, with_file(images, GetParam().parts));
    }
}

TEST_P(BadLabels, AreRefusedPlainAndGzipped) {
    TemporaryDirectory dir;
    const auto images = dir.write("images", good_images);
    for (const auto& bytes : {GetParam().bytes, gzip(GetParam().bytes)}) {
        const auto labels = dir.write("labels", bytes);
        expect_refusal([&] { read_idx(images, labels, 3); }, with_file(labels, GetParam().parts));
    }
}

const auto its_name = [](const auto& bad) { return std::string(bad.param.name); };
INSTANTIATE_TEST_SUITE_P(Reader, BadImages, testing::ValuesIn(bad_images), its_name);
INSTANTIATE_TEST_SUITE_P(Reader, BadLabels, testing::ValuesIn(bad_labels), its_name);

// A header or a gzip that promises more than a machine has.

constexpr std::size_t few_megabytes = 4 << 20;

TEST(Memory, GrowsWithTheDataAndNotWithThePromise) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    const auto images = dir.write("images", idx_images({2147483647, 32767, 65535}, six_pixels));
    AllocationLimit limit(few_megabytes);
    expect_refusal([&] { read_idx(images, labels); },
                   {"expected 4611474912194953215 bytes", "found only 6"});
}

TEST(Memory, IsNotTakenForMoreThanTheHeaderPromises) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    const auto bomb = dir.write("images.gz", gzip(joined(good_images, Bytes(64 << 20))));
    AllocationLimit limit(few_megabytes);
    expect_refusal([&] { read_idx(bomb, labels); }, {"found trailing bytes"});
}

TEST(Memory, ThatRunsOutIsAFailureThatNamesTheFile) {
    TemporaryDirectory dir;
    const auto labels = dir.write("labels", good_labels);
    const auto images = dir.write("images", idx_images({3, 2048, 2048}, Bytes(12 << 20)));
    AllocationLimit limit(few_megabytes);
    try {
        read_idx(images, labels);
        ADD_FAILURE() << "12 MB were read into allocations of at most 4 MB";
    } catch (const Failure& e) {
        EXPECT_NE(std::string(e.what()).find("reading " + images.string() + ": out of memory"),
                  std::string::npos)
            << e.what();
    }
}

TEST(TestSet, MustFitTheTrainingSet) {
    TemporaryDirectory dir;
    dir.write("train-images-idx3-ubyte", good_images);
    dir.write("train-labels-idx1-ubyte", good_labels);
    const SampleSet train = read_mnist(dir.path, Split::train);
    const auto labels = dir.write("t10k-labels-idx1-ubyte", good_labels);
    for (const auto& [rows, cols] : {std::pair{2u, 1u}, {2u, 2u}, {1u, 3u}}) {
        const auto images = dir.write("t10k-images-idx3-ubyte",
                                      idx_images({3, rows, cols}, Bytes(3 * rows * cols)));
        expect_refusal([&] { read_test_images(dir.path, {}, train); },
                       {images.string() + ": expected images of 1 x 2 pixels",
                        "found " + std::to_string(rows) + " x " + std::to_string(cols)});
    }
    dir.write("t10k-images-idx3-ubyte", good_images);
    dir.write("t10k-labels-idx1-ubyte", idx_labels({0, 1, 3}));
    expect_refusal([&] { read_test_images(dir.path, {}, train); },
                   {labels.string() + ": expected labels below 3", "found 3"});
}

// Whatever the bytes: refused, or read as what they say.

Bytes mutated(Bytes bytes, Rng& rng) {
    const auto anywhere = [&] { return static_cast<std::ptrdiff_t>(rng.below(bytes.size())); };
    for (auto changes = 1 + rng.below(4); changes > 0 && !bytes.empty(); --changes) {
        const auto at = bytes.begin() + anywhere();
        const auto value = static_cast<std::uint8_t>(rng.below(256));
        switch (rng.below(6)) {
            case 0:
                bytes.erase(at, bytes.end());
                break;
            case 1:
                bytes.erase(at);
                break;
            case 2:
                bytes.insert(at, value);
                break;
            case 3:
                bytes.push_back(value);
                break;
            case 4:
                *at ^= static_cast<std::uint8_t>(1u << rng.below(8));
                break;
            default:
                *at = value;
        }
    }
    return bytes;
}

TEST(Mutations, AreRefusedOrReadAsWhatTheySay) {
    constexpr int mutations = 4000;
    TemporaryDirectory dir;
    Rng rng(20240229);
    const Bytes plain_images = idx_images({9, 3, 5}, random_bytes(9 * 3 * 5, rng));
    const Bytes plain_labels = idx_labels({3, 1, 4, 1, 5, 9, 2, 6, 5});
    const auto images = dir.write("images", plain_images);
    const auto labels = dir.write("labels", plain_labels);
    int refused = 0, read = 0;
    for (int i = 0; i < mutations; ++i) {
        const bool packed = rng.below(2) == 0, of_images = rng.below(2) == 0;
        const Bytes& plain = of_images ? plain_images : plain_labels;
        const Bytes bytes = mutated(packed ? gzip(plain) : plain, rng);
        const auto file = dir.write("mutated", bytes);
        try {
            const SampleSet set = of_images ? read_idx(file, labels) : read_idx(images, file);
            // The checksum of gzip lets through only the data as it was.
            const bool right =
                (of_images ? images_of(set) : labels_of(set)) == (packed ? plain : bytes);
            ASSERT_TRUE(right) << "mutation " << i << " was read as something else";
            ++read;
        } catch (const InputError& e) {
            ASSERT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
            ++refused;
        }
    }
    EXPECT_GT(refused, mutations / 2);
    EXPECT_GT(read, mutations / 20) << "too few were legal to show that these are read right";
}

}  // namespace
