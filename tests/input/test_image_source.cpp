// test_image_source.cpp: sets of images in every form that people have them in.
#include "input/image_source.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "input/npz_images.h"
#include "tests/support/file_fixture.h"
#include "tests/support/idx_bytes.h"
#include "tests/support/npz_bytes.h"

namespace fs = std::filesystem;

namespace {

/// Two images of 2 x 3, labels 1 and 2.
const Bytes pixels{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16};
const Bytes turned{1, 4, 2, 5, 3, 6, 11, 14, 12, 15, 13, 16};
const Bytes images = idx_images({2, 2, 3}, pixels), labels = idx_labels({1, 2});

void write_set(const TemporaryDirectory& dir, const std::string& prefix = "",
               const std::string& which = "train") {
    dir.write(prefix + which + "-images-idx3-ubyte", images);
    dir.write(prefix + which + "-labels-idx1-ubyte", labels);
}
ImageSet read(const TemporaryDirectory& dir, const ImageForm& form = {}) {
    return read_images(dir.path, form, Split::train);
}
void expect_refused(const TemporaryDirectory& dir, const std::vector<std::string>& parts,
                    const ImageForm& form = {}) {
    expect_refusal([&] { read(dir, form); }, parts);
}

/// An IDX file of 32-bit integers.
Bytes int_labels(const std::vector<std::uint8_t>& dimensions, const Bytes& values) {
    Bytes bytes{0, 0, 0x0c, static_cast<std::uint8_t>(dimensions.size())};
    for (const std::uint8_t d : dimensions) bytes.insert(bytes.end(), {0, 0, 0, d});
    for (const std::uint8_t value : values) bytes.insert(bytes.end(), {0, 0, 0, value});
    return bytes;
}

Bytes npz(const std::string& labels_type = "<i8", const std::string& type = "|u1") {
    using namespace npz_bytes;
    const Bytes y = labels_type == "<i8" ? npz_bytes::bytes_of<std::int64_t>({1, 2}) : Bytes{1, 2};
    return zip_of({{"x_train.npy", npy(type, "(2, 2, 3)", pixels), 0, true},
                   {"y_train.npy", npy(labels_type, "(2,)", y), 0, true},
                   {"x_test.npy", npy(type, "(2, 2, 3, 1)", pixels), 0, true},
                   {"y_test.npy", npy(labels_type, "(2, 1)", y), 0, true}});
}

}  // namespace

TEST(Images, OfAFolderAreItsIdxFiles) {
    TemporaryDirectory dir;
    write_set(dir);
    const ImageSet set = read(dir);
    EXPECT_EQ(set.samples.pixels, pixels);
    EXPECT_EQ(set.samples.labels, (Bytes{1, 2}));
    EXPECT_EQ(set.samples.classes, 3);
    EXPECT_TRUE(set.notes.empty());
    EXPECT_EQ(set.images, "train-images-idx3-ubyte");
    EXPECT_FALSE(has_test_images(dir.path));
}

TEST(Images, AreBroughtIntoTheFormThatIsAskedFor) {
    TemporaryDirectory dir;
    write_set(dir);
    const SampleSet transposed = read(dir, {.transposed = true}).samples;
    EXPECT_EQ(transposed.pixels, turned);
    EXPECT_EQ(transposed.rows, 3);
    EXPECT_EQ(transposed.cols, 2);
    EXPECT_EQ(read(dir, {.inverted = true}).samples.pixels[0], 254);
    const SampleSet from_1 = read(dir, {.first_label = 1}).samples;
    EXPECT_EQ(from_1.labels, (Bytes{0, 1}));
    EXPECT_EQ(from_1.classes, 2);
    EXPECT_EQ(from_1.class_names, (std::vector<std::string>{"1", "2"}));
    expect_refused(dir, {"labels from 2 to 257", "found 1", "--first-label"}, {.first_label = 2});
}

TEST(Images, OfEmnistAreTurnedAndNamedAndANoteSaysSo) {
    TemporaryDirectory dir;
    write_set(dir, "emnist-letters-");
    write_set(dir, "emnist-digits-");
    expect_refused(dir, {"one set", "--set emnist-digits"});
    const ImageSet letters = read(dir, {.set = "emnist-letters"});
    EXPECT_EQ(letters.samples.pixels, turned);
    EXPECT_EQ(letters.samples.labels, (Bytes{0, 1}));
    EXPECT_EQ(letters.samples.classes, 26);
    EXPECT_EQ(letters.samples.class_names.at(25), "Z");
    ASSERT_EQ(letters.notes.size(), 1u);
    EXPECT_NE(letters.notes[0].find("labels begin at 1"), std::string::npos);
    EXPECT_EQ(read(dir, {.set = "emnist-digits"}).samples.labels, (Bytes{1, 2}));
    expect_refused(dir, {"emnist-balanced-", "no such file"}, {.set = "emnist-balanced"});
    fs::remove(dir.path / "emnist-digits-train-images-idx3-ubyte");
    fs::remove(dir.path / "emnist-digits-train-labels-idx1-ubyte");
    EXPECT_EQ(read(dir).samples.pixels, turned) << "known by the files' names";
    TemporaryDirectory renamed;
    write_set(renamed);
    EXPECT_EQ(read(renamed, {.set = "emnist-letters"}).samples.pixels, turned);
}

TEST(Images, OfQmnistHaveTheirClassFirstInARowOfEight) {
    TemporaryDirectory dir;
    dir.write("qmnist-train-images-idx3-ubyte", images);
    dir.write("qmnist-train-labels-idx2-int",
              int_labels({2, 8}, {1, 9, 9, 9, 9, 9, 9, 9, 2, 9, 9, 9, 9, 9, 9, 9}));
    EXPECT_EQ(read(dir).samples.labels, (Bytes{1, 2}));
    TemporaryDirectory plain;
    plain.write("train-images-idx3-ubyte", images);
    plain.write("train-labels-idx1-ubyte", int_labels({2}, {1, 2}));
    EXPECT_EQ(read(plain).samples.labels, (Bytes{1, 2}));
    Bytes large = int_labels({2}, {1, 2});
    large[8] = 1;
    plain.write("train-labels-idx1-ubyte", large);
    expect_refused(plain, {"labels from 0 to 255", "found 16777217"});
}

TEST(Images, OfKerasComeFromOneArchive) {
    for (const std::string type : {"<i8", "|u1"}) {
        TemporaryDirectory dir;
        const fs::path file = dir.write("mnist.npz", npz(type));
        for (const fs::path& data : {dir.path, file}) {
            const SampleSet train = read_images(data, {}, Split::train).samples;
            EXPECT_EQ(train.pixels, pixels);
            EXPECT_EQ(train.labels, (Bytes{1, 2}));
            EXPECT_EQ(train.rows, 2);
            ASSERT_TRUE(has_test_images(data));
            EXPECT_EQ(read_test_images(data, {}, train).pixels, pixels);
        }
        EXPECT_TRUE(is_image_archive(file));
        EXPECT_EQ(read(dir, {.first_label = 1}).samples.labels, (Bytes{0, 1}));
        expect_refused(dir, {"labels from 2"}, {.first_label = 2});
    }
}

TEST(Images, OfAnArchiveThatAreNoBytesAreRefused) {
    using namespace npz_bytes;
    TemporaryDirectory dir;
    const auto refused = [&](const std::vector<Entry>& entries,
                             const std::vector<std::string>& parts) {
        dir.write("a.npz", zip_of(entries));
        expect_refused(dir, parts);
    };
    const Entry y{"y_train.npy", npy("|u1", "(2,)", {1, 2})};
    const Entry x{"x_train.npy", npy("|u1", "(2, 2, 3)", pixels)};
    refused({{"x_train.npy", npy("<f4", "(1, 1, 1)", Bytes(4))}, y}, {"type uint8", "by 255"});
    refused({{"x_train.npy", npy("|u1", "(2, 6)", pixels)}, y}, {"count x rows", "2 x 6"});
    refused({{"x_train.npy", npy("|u1", "(2, 2, 3)", pixels, true)}, y}, {"C's order"});
    refused({x}, {"x_train and y_train", "one alone"});
    refused({x, {"y_train.npy", npy("|u1", "(1,)", {1})}}, {"2 labels", "found 1"});
    refused({x, {"y_train.npy", npy("<f8", "(2,)", Bytes(16))}}, {"whole numbers"});
    refused({x, {"y_train.npy", npy("<i2", "(2,)", {0, 0, 0, 2})}}, {"found 512"});
    refused({x, {"y_train.npy", npy("|i1", "(2,)", {0, 255})}}, {"found -1"});
}

TEST(Images, WithinAFolderAndInOtherFormsAreNamed) {
    TemporaryDirectory dir;
    const auto hinted = [&](const std::string& file, const std::string& hint) {
        fs::create_directories((dir.path / file).parent_path());
        dir.write(file, {1});
        expect_refused(dir, {"no such file in it; ", hint});
    };
    hinted("set.zip", "unpack " + (dir.path / "set.zip").string());
    hinted("table.csv", "--csv-data " + (dir.path / "table.csv").string());
    hinted("own/seven/1.PNG", "--picture-folder " + (dir.path / "own").string());
    hinted("far/set.npz", "--data " + (dir.path / "far" / "set.npz").string());
    hinted("MNIST/raw/train-images-idx3-ubyte", "--data " + (dir.path / "MNIST" / "raw").string());
}

TEST(Images, OfOtherKindsOfFileAreCalledWhatTheyAre) {
    const std::pair<std::string, std::string> kinds[] = {
        {"<!DOCTYPE html><html>403", "a web page (HTML)"},
        {" \n<HTML><head>", "a web page (HTML)"},
        {"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer"},
        {"<?xml version=\"1.0\"?><Error>", "an XML document"},
        {"{\"message\": \"Not Found\"}", "JSON"},
        {std::string("PK\3\4\0\0\0\0", 8), "a zip archive"},
        {"\x89PNG\r\n", "a PNG picture"},
        {"BZh91AY", "bzip2 data"}};
    for (const auto& [begin, name] : kinds) {
        TemporaryDirectory dir;
        write_set(dir);
        const auto file = dir.write("train-images-idx3-ubyte", Bytes(begin.begin(), begin.end()));
        expect_refused(dir, {file.string(), "found " + name});
    }
}

TEST(Images, OfTwoFilesOfOneNameMustBeTheSame) {
    TemporaryDirectory dir;
    write_set(dir);
    dir.write("train-images-idx3-ubyte.gz", gzip(images));
    EXPECT_EQ(read(dir).samples.pixels, pixels);
    Bytes other = images;
    other.back() ^= 1;
    for (const Bytes& different : {other, Bytes(images.begin(), images.end() - 1)}) {
        dir.write("train-images-idx3-ubyte.gz", gzip(different));
        expect_refused(dir, {"both train-images-idx3-ubyte and train-images-idx3-ubyte.gz, which "
                             "differ",
                             "remove the wrong one"});
    }
    fs::remove(dir.path / "train-images-idx3-ubyte.gz");
    dir.write("train-images.idx3-ubyte", other);
    expect_refused(dir, {"which differ"});
}

TEST(Images, OfAGzipFileWithZerosBehindAreRead) {
    TemporaryDirectory dir;
    write_set(dir);
    fs::remove(dir.path / "train-images-idx3-ubyte");
    for (const std::size_t zeros : {1u, 512u, 200000u}) {
        Bytes padded = gzip(images);
        padded.resize(padded.size() + zeros);
        dir.write("train-images-idx3-ubyte.gz", padded);
        EXPECT_EQ(read(dir).samples.pixels, pixels) << zeros;
    }
}
