// test_set_notes.cpp: sets that are wrong get a note, and sets that are right get none.
//
// MNIST itself stands for the right sets, whole and in parts; the wrong ones are made of it.
#include "input/set_notes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "app/report/guessing.h"
#include "input/picture_folder.h"
#include "input/shared_images.h"
#include "mnist_reader.h"
#include "tests/support/file_fixture.h"

namespace {

const SampleSet& mnist(Split split) {
    static const SampleSet train = read_mnist("data", Split::train),
                           test = read_mnist("data", Split::test);
    return split == Split::train ? train : test;
}
/// `count` images from `first` on.
SampleSet part(Split split, std::size_t first, std::size_t count) {
    const SampleSet& all = mnist(split);
    SampleSet set{.rows = all.rows, .cols = all.cols, .classes = all.classes};
    const auto begin = static_cast<std::ptrdiff_t>(first),
               end = begin + static_cast<std::ptrdiff_t>(count);
    const auto features = static_cast<std::ptrdiff_t>(all.features());
    set.pixels.assign(all.pixels.begin() + begin * features, all.pixels.begin() + end * features);
    set.labels.assign(all.labels.begin() + begin, all.labels.begin() + end);
    return set;
}
template <class Change>
SampleSet changed(SampleSet set, Change change) {
    for (std::uint8_t& pixel : set.pixels) pixel = static_cast<std::uint8_t>(change(pixel));
    return set;
}
/// Pixel (row, column) of each image comes from `from(row, column)`.
template <class From>
SampleSet turned(const SampleSet& set, const From& from) {
    SampleSet result = set;
    for (std::size_t i = 0; i < set.count(); ++i)
        for (int r = 0; r < 28; ++r)
            for (int c = 0; c < 28; ++c) {
                const auto [row, column] = from(r, c);
                result.pixels[i * 784 + static_cast<std::size_t>(28 * r + c)] =
                    set.pixels[i * 784 + static_cast<std::size_t>(28 * row + column)];
            }
    return result;
}

void expect_note(const std::vector<std::string>& notes, const std::string& words) {
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes[0].find(words), std::string::npos) << notes[0];
}

}  // namespace

TEST(SetNotes, AreNoneAboutMnistAndItsParts) {
    EXPECT_TRUE(notes_on_images(mnist(Split::train), false).empty());
    EXPECT_TRUE(notes_on_difference(mnist(Split::train), mnist(Split::test)).empty());
    for (const std::size_t count : {1u, 2u, 5u, 10u, 30u, 100u, 300u, 1000u, 5000u})
        for (const std::size_t first : {std::size_t{0}, 10000 - count}) {
            const SampleSet train = part(Split::train, first, count);
            EXPECT_TRUE(notes_on_images(train, false).empty()) << count << " from " << first;
            for (const auto& test : {part(Split::test, first, count),
                                     part(Split::test, 0, std::max<std::size_t>(1, count / 6))})
                EXPECT_TRUE(notes_on_difference(train, test).empty()) << count << " from " << first;
        }
}

TEST(SetNotes, SayWhereTestImagesAreTrainingImages) {
    EXPECT_EQ(note_on_shared_images(mnist(Split::train), mnist(Split::test)), "");
    const SampleSet train = part(Split::train, 0, 2000);
    EXPECT_NE(note_on_shared_images(train, part(Split::train, 1500, 300))
                  .find("300 of 300 test images that were looked at are training images too"),
              std::string::npos);
    // 24 of 500 are fewer than a twentieth, 25 are not.
    for (const std::size_t shared : {24u, 25u}) {
        SampleSet test = part(Split::test, 0, 500);
        std::copy_n(train.pixels.begin(), shared * 784, test.pixels.begin() + 784 * 7);
        EXPECT_EQ(note_on_shared_images(train, test).empty(), shared == 24) << shared;
    }
    const SampleSet same = changed(train, [](int) { return 9; });
    EXPECT_NE(note_on_shared_images(same, same).find("500 of 500"), std::string::npos);
    EXPECT_EQ(note_on_shared_images(train, {}), "");
}

TEST(SetNotes, SayWherePixelsReachOnlyALittle) {
    const SampleSet set = part(Split::train, 0, 200);
    const SampleSet bits = changed(set, [](int p) { return p > 127; });
    expect_note(notes_on_images(bits, false), "reach only 1 of 255");
    EXPECT_TRUE(notes_on_images(bits, true).empty()) << "as they should be with --raw-pixels";
    expect_note(notes_on_images(changed(set, [](int p) { return p / 16; }), false),
                "multiply the pixels by 17");
    for (const bool raw : {false, true})
        expect_note(notes_on_images(changed(set, [](int) { return 0; }), raw), "all pixels are 0");
}

TEST(SetNotes, SayWhereImagesAreDarkOnLight) {
    const SampleSet set = part(Split::train, 0, 200);
    expect_note(notes_on_images(changed(set, [](int p) { return 255 - p; }), false), "--inverted");
    // Without paper around it, nothing is said: no value is at most of the border.
    const SampleSet noise = changed(set, [i = 0u](int) mutable { return (i++ * 7919) % 256; });
    EXPECT_TRUE(notes_on_images(noise, false).empty());
}

TEST(SetNotes, SayWhereTestImagesAreUnlikeTheTrainingImages) {
    const SampleSet train = part(Split::train, 0, 3000), test = part(Split::test, 0, 500);
    expect_note(notes_on_difference(train, changed(test, [](int p) { return 255 - p; })),
                "they look inverted");
    expect_note(notes_on_difference(train, changed(test, [](int p) { return p > 127; })),
                "mean pixel is 0.1");
    expect_note(notes_on_difference(changed(train, [](int p) { return p == 0 ? 1 : p; }), test),
                "18 % of the pixels, not 100 %");
}

TEST(SetNotes, SayWhereTestImagesAreTurned) {
    const SampleSet train = part(Split::train, 0, 3000), test = part(Split::test, 0, 500);
    const auto note = [&](const auto& from, const std::string& words) {
        expect_note(notes_on_difference(train, turned(test, from)), words);
    };
    note([](int r, int c) { return std::pair(c, r); }, "look transposed");
    note([](int r, int c) { return std::pair(r, 27 - c); }, "look mirrored");
    note([](int r, int c) { return std::pair(27 - r, 27 - c); }, "look upside down");
    note([](int r, int c) { return std::pair(c, 27 - r); }, "look turned by a quarter");
}

TEST(SetNotes, SayWhereLabelsBeginAtOne) {
    SampleSet set = part(Split::train, 0, 200);
    for (std::uint8_t& label : set.labels) ++label;
    expect_note(notes_on_images(set, false), "--first-label 1");
    for (std::uint8_t& label : set.labels) label = label == 2 ? 1 : label;
    EXPECT_TRUE(notes_on_images(set, false).empty()) << "a class is missing, not the first";
}

TEST(Guessing, IsNotedWhereTheAccuracyIsNotClearlyAboveIt) {
    const auto noted = [](std::size_t correct, std::size_t total, double share) {
        return !guessing_note("test", correct, total, share, "do so").empty();
    };
    EXPECT_TRUE(noted(1135, 10000, 0.1135));
    EXPECT_TRUE(noted(86, 1000, 0.1135));
    EXPECT_FALSE(noted(1250, 10000, 0.1135)) << "more than chance explains";
    EXPECT_TRUE(noted(2, 10, 0.2));
    EXPECT_FALSE(noted(9, 10, 0.2));
    EXPECT_FALSE(noted(4, 4, 0.5)) << "as XOR";
    EXPECT_FALSE(noted(10, 10, 1)) << "of one class alone";
    EXPECT_FALSE(noted(0, 0, 0));
    EXPECT_EQ(guessing_note("test", 1, 10, 0.5, "do so"),
              "the test accuracy, 10.00 %, is not clearly above the 50.00 % of always saying the "
              "most frequent class: do so");
}

TEST(Guessing, TakesTheLargestClassOfLabelsAndOfTargets) {
    SampleSet set{.rows = 1, .cols = 1, .classes = 3};
    set.labels = {0, 2, 2, 1};
    EXPECT_EQ(share_of_largest_class(set), 0.5);
    SampleSet table{.rows = 1, .cols = 1, .classes = 1};
    table.targets = {0, 1, 1, 1};
    table.format.number_targets = true;
    EXPECT_EQ(share_of_largest_class(table), 0.75);
}

// Folders of pictures.

namespace {
/// A cross, dark on light, as a PGM of 40 x 40.
Bytes cross(int thickness) {
    const std::string head = "P5 40 40 255\n";
    Bytes bytes(head.begin(), head.end());
    for (int y = 0; y < 40; ++y)
        for (int x = 0; x < 40; ++x)
            bytes.push_back(std::abs(x - 20) <= thickness || std::abs(y - 18) <= thickness ? 10
                                                                                           : 240);
    return bytes;
}
}  // namespace

TEST(PictureFolder, HasAClassForEachSubfolder) {
    TemporaryDirectory dir;
    for (const char* name : {"10", "9", "2"}) std::filesystem::create_directory(dir.path / name);
    dir.write("2/b.pgm", cross(1));
    dir.write("2/a.pgm", cross(2));
    dir.write("9/a.pgm", cross(3));
    dir.write("10/a.pgm", cross(4));
    dir.write("10/.DS_Store", {1});
    dir.write("10/Thumbs.db", {1});
    std::vector<std::string> notes;
    const SampleSet set = read_picture_folder(dir.path, 28, 28, notes);
    EXPECT_EQ(notes, std::vector<std::string>{});
    EXPECT_EQ(set.class_names, (std::vector<std::string>{"2", "9", "10"}));
    EXPECT_EQ(set.labels, (Bytes{0, 0, 1, 2}));
    EXPECT_EQ(set.classes, 3);
    EXPECT_EQ(set.pixels.size(), 4u * 784);
    EXPECT_EQ(set.pixels[0], 0) << "light on dark, as predict prepares it";
    expect_refusal([&] { read_picture_folder(dir.path, 28, 28, notes, {}, true); },
                   {"4 of 4 pictures"});
    const SampleSet known = read_picture_folder(dir.path, 28, 28, notes, {"10", "9", "8", "2"});
    EXPECT_EQ(known.labels, (Bytes{3, 3, 1, 0})) << "the classes of a network";
    expect_refusal(
        [&] {
            read_picture_folder(dir.path, 28, 28, notes, {"9", "10"});
        },
        {(dir.path / "2").string(), "a class of the network"});
}

TEST(PictureFolder, ThatCannotBeUsedIsRefused) {
    TemporaryDirectory dir;
    std::vector<std::string> notes;
    const auto refused = [&](const std::vector<std::string>& parts) {
        expect_refusal([&] { read_picture_folder(dir.path, 28, 28, notes); }, parts);
    };
    refused({"from 2 to 256 subfolders", "found 0"});
    std::filesystem::create_directory(dir.path / "a");
    dir.write("a/1.pgm", cross(1));
    refused({"from 2 to 256 subfolders", "found 1"});
    std::filesystem::create_directory(dir.path / "b");
    refused({(dir.path / "b").string(), "expected pictures, found none"});
    dir.write("b/notes.txt", {'h', 'i'});
    dir.write("b/other.txt", {'h', 'i'});
    refused({"2 of 3 pictures", "the first: " + (dir.path / "b" / "notes.txt").string()});
    expect_refusal([&] { read_picture_folder(dir.path / "none", 28, 28, notes); },
                   {"found no such file; check its name"});
}

TEST(PictureFolder, NotesPicturesOfTheNetworksSizeThatWerePreparedAndDrawingsMadeNarrower) {
    TemporaryDirectory dir;
    for (const char* name : {"a", "b"}) std::filesystem::create_directory(dir.path / name);
    dir.write("a/1.pgm", cross(1));
    dir.write("b/1.pgm", cross(2));
    std::vector<std::string> notes;
    read_picture_folder(dir.path, 40, 40, notes);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes[0].find("2 of 2 pictures in " + dir.path.string() +
                            " have the network's own size and were prepared"),
              std::string::npos)
        << notes[0];
    notes.clear();
    const SampleSet as_is = read_picture_folder(dir.path, 40, 40, notes, {}, true);
    EXPECT_EQ(notes, std::vector<std::string>{});
    EXPECT_EQ(as_is.pixels[0], 240) << "dark on light, as it is";
    // Two rings that touch.
    const std::string head = "P5 120 60 255\n";
    Bytes two(head.begin(), head.end());
    for (int y = 0; y < 60; ++y)
        for (int x = 0; x < 120; ++x) {
            const double away = std::min(std::hypot(x - 38, y - 30), std::hypot(x - 76, y - 30));
            two.push_back(away > 15 && away < 20 ? 0 : 255);
        }
    const auto file = dir.write("b/2.pgm", two);
    read_picture_folder(dir.path, 28, 28, notes);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_NE(notes[0].find("1 of 3 pictures"), std::string::npos) << notes[0];
    EXPECT_NE(notes[0].find(file.string()), std::string::npos) << notes[0];
}
