// test_idx_files.cpp: the files of a set are found by every spelling of their names, or said to be
// missing.
#include "input/idx_files.h"

#include <gtest/gtest.h>

#include "input/image_source.h"
#include "mnist_reader.h"
#include "tests/support/idx_bytes.h"

namespace fs = std::filesystem;

namespace {

TEST(Find, TakesEverySpellingInTheOrderThatIsDocumented) {
    TemporaryDirectory dir;
    const std::vector<std::string> order{
        "t10k-images-idx3-ubyte",        "t10k-images-idx3-ubyte.gz",
        "t10k-images.idx3-ubyte",        "t10k-images.idx3-ubyte.gz",
        "test-images-idx3-ubyte",        "test-images-idx3-ubyte.gz",
        "test-images.idx3-ubyte",        "test-images.idx3-ubyte.gz",
        "emnist-test-images-idx3-ubyte", "emnist-test-images-idx3-ubyte.gz",
        "emnist-test-images.idx3-ubyte", "emnist-test-images.idx3-ubyte.gz"};
    for (auto name = order.rbegin(); name != order.rend(); ++name) {
        dir.write(*name, {});
        EXPECT_EQ(find_idx_file(dir.path, "t10k-images-idx3-ubyte"), dir.path / *name);
    }
}

TEST(Find, ReadsASetInEitherSpelling) {
    for (const std::string spelling : {"-", "."}) {
        TemporaryDirectory dir;
        dir.write("train-images" + spelling + "idx3-ubyte", gzip(good_images));
        dir.write("train-labels" + spelling + "idx1-ubyte.gz", good_labels);
        EXPECT_EQ(read_mnist(dir.path, Split::train).pixels, six_pixels) << spelling;
    }
}

TEST(Find, ReadsEmnistByTheEndsOfItsNames) {
    TemporaryDirectory dir;
    dir.write("emnist-digits-train-images-idx3-ubyte.gz", gzip(good_images));
    dir.write("emnist-digits-train-labels-idx1-ubyte.gz", gzip(good_labels));
    dir.write("emnist-digits-test-images-idx3-ubyte.gz", gzip(idx_images({1, 1, 2}, {8, 9})));
    dir.write("emnist-digits-test-labels-idx1-ubyte.gz", gzip(idx_labels({0})));
    const SampleSet train = read_images(dir.path, {}, Split::train).samples;
    EXPECT_EQ(train.pixels, six_pixels);
    const SampleSet test = read_test_images(dir.path, {}, train);
    EXPECT_EQ(test.pixels, (Bytes{8, 9}));
    EXPECT_EQ(test.classes, 3) << "as many as the training set has";
}

TEST(Find, RefusesTwoSetsInOneDirectory) {
    TemporaryDirectory dir;
    dir.write("emnist-digits-train-images-idx3-ubyte", good_images);
    dir.write("emnist-letters-train-images-idx3-ubyte.gz", good_images);
    expect_refusal([&] { find_idx_file(dir.path, "train-images-idx3-ubyte"); },
                   {dir.path.string() + ": expected one set",
                    "both emnist-digits-train-images-idx3-ubyte and "
                    "emnist-letters-train-images-idx3-ubyte.gz",
                    "--data DIR"});
}

TEST(Find, PassesOverDirectoriesAndHiddenFilesWhereThereIsAFile) {
    TemporaryDirectory dir;
    fs::create_directory(dir.path / "train-images-idx3-ubyte");
    dir.write("._train-images-idx3-ubyte", {1});
    EXPECT_EQ(find_idx_file(dir.path, "train-images-idx3-ubyte"),
              dir.path / "train-images-idx3-ubyte")
        << "a directory alone is found, for the reader to say what it is";
    const auto file = dir.write("train-images.idx3-ubyte.gz", good_images);
    EXPECT_EQ(find_idx_file(dir.path, "train-images-idx3-ubyte"), file);
}

TEST(Find, NamesEverySpellingWhenThereIsNone) {
    TemporaryDirectory dir;
    dir.write("._train-images-idx3-ubyte", good_images);
    expect_refusal([&] { read_mnist(dir.path, Split::train); },
                   {dir.path.string() + ": expected train-images-idx3-ubyte or "
                                        "train-images-idx3-ubyte.gz or train-images.idx3-ubyte or "
                                        "train-images.idx3-ubyte.gz",
                    "found no such file in it", "--data DIR"});
}

TEST(Find, RefusesADirectoryThatIsNoneOrMissing) {
    TemporaryDirectory dir;
    const auto file = dir.write("file", {});
    expect_refusal([&] { read_mnist(file, Split::train); },
                   {file.string() + ": expected a directory", "found a file", "--data DIR"});
    expect_refusal([&] { read_mnist(dir.path / "none", Split::train); },
                   {"none: expected a directory", "found no file of this name", "--data DIR"});
}

}  // namespace
