// test_cli_import.cpp: networks and sets from elsewhere, as a person gives them to the program.
//
// The foreign network is made here: one layer of 784-10 whose weights are drawn, as NumPy would
// write it. What it answers need not be right; it must be the same on every way.
#include <array>

#include "tests/support/cli_fixture.h"
#include "tests/support/npz_bytes.h"

namespace {

using npz_bytes::Bytes;

std::string write(const std::string& name, const Bytes& bytes) {
    const fs::path file = scratch(name);
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return file.string();
}

/// 784-8-10, Keras's way: inputs x outputs.
std::string keras_network() {
    static const std::string file = [] {
        std::uint32_t state = 1;
        const auto drawn = [&](std::size_t count) {
            std::vector<float> values(count);
            for (float& value : values) {
                state = state * 1664525 + 1013904223;
                value = static_cast<float>(state >> 8) / static_cast<float>(1 << 24) - 0.5f;
            }
            return npz_bytes::bytes_of(values);
        };
        using npz_bytes::npy;
        return write("keras.npz",
                     npz_bytes::zip_of({{"dense/kernel.npy", npy("<f4", "(784, 8)", drawn(6272))},
                                        {"dense/bias.npy", npy("<f4", "(8,)", drawn(8))},
                                        {"dense_1/kernel.npy", npy("<f4", "(8, 10)", drawn(80))},
                                        {"dense_1/bias.npy", npy("<f4", "(10,)", drawn(10))}}));
    }();
    return file;
}

std::vector<std::string> results_of(const Result& evaluated) {
    auto lines = lines_with("accuracy", evaluated.out);
    for (const std::string& line : lines_with("loss", evaluated.out)) lines.push_back(line);
    return lines;
}

std::string trained(const std::string& name, const std::string& more = "") {
    const std::string file = scratch(name).string();
    EXPECT_TRUE(succeeded(run_main(small_set() + " -n 8 -e 2 --save " + file + more)));
    return file;
}

void flip(const fs::path& file) {
    std::fstream bytes(file, std::ios::binary | std::ios::in | std::ios::out);
    bytes.seekg(-100, std::ios::end);
    const int byte = bytes.get();
    bytes.seekp(-100, std::ios::end);
    bytes.put(static_cast<char>(byte ^ 0x40));
}

}  // namespace

TEST(Import, TheImportedFileIsJudgedAsTheForeignOneWithItsFlags) {
    const std::string ours = scratch("ours.safetensors").string();
    const std::string flags = " --activation tanh --input-mean 0.1307 --input-std 0.3081";
    const Result imported = run_main("import " + keras_network() + " -o " + ours + flags);
    ASSERT_TRUE(succeeded(imported));
    EXPECT_TRUE(says(imported.out, "784-8-10, tanh, softmax"));
    EXPECT_TRUE(says(imported.out, "(x - 0.1307) / 0.3081, folded into the first layer"));
    const Result foreign =
        run_main("evaluate --load " + keras_network() + flags + " " + small_set());
    const Result own = run_main("evaluate --load " + ours + " " + small_set());
    ASSERT_TRUE(succeeded(own));
    EXPECT_EQ(results_of(own), results_of(foreign));
    EXPECT_EQ(lines_with("# note", own.out).size(), lines_with("# note", foreign.out).size());
    const Result other =
        run_main("evaluate --load " + keras_network() + " --activation tanh " + small_set());
    EXPECT_NE(results_of(other), results_of(own)) << "the scaling changes nothing";
}

TEST(Import, WhatNobodySaysStandsBesideEveryResult) {
    const std::string network = keras_network();
    for (const std::string& command : {"evaluate --load " + network + " " + small_set(),
                                       small_set() + " -e 1 --load " + network}) {
        const Result result = run_main(command);
        ASSERT_TRUE(succeeded(result));
        const auto notes = lines_with("# note", result.out);
        ASSERT_GE(notes.size(), 2u) << result.out;
        EXPECT_TRUE(says(notes[0], "does not say its activation: taken as sigmoid"));
        EXPECT_TRUE(says(notes[1], "taken as pixel / 255"));
    }
    const Result json = run_main("evaluate --json --load " + network + " " + small_set());
    EXPECT_TRUE(says(json.out, "\"notes\":[\"" + network + " does not say its activation"));
    const std::string images = small_set().substr(7) + "/t10k-images-idx3-ubyte";
    const Result predicted = run_main("predict --load " + network + " " + images);
    EXPECT_EQ(predicted.code, 0);
    EXPECT_EQ(lines_with("# note", predicted.err).size(), 2u) << predicted.err;
    EXPECT_TRUE(lines_with("# note", predicted.out).empty());
}

TEST(Import, RefusesWhatIsNotSaidAndWhatIsSaidOtherwise) {
    const std::string to = " -o " + scratch("refused.safetensors").string();
    expect_refused("import " + keras_network() + to, "--activation");
    expect_refused("import " + trained("native.safetensors") + to, "a file of ./main");
    expect_refused("import " + keras_network() + " -o " + keras_network() + " --activation relu",
                   "the same");
    expect_refused("import " + keras_network() + to + " --activation relu --input-std 0",
                   "--input-std");
    expect_refused("import " + keras_network() + to + " --activation relu --input-mean x",
                   "--input-mean");
    expect_refused("evaluate --load " + scratch("native.safetensors").string() +
                       " --activation relu " + small_set(),
                   "a file of ./main");
    EXPECT_FALSE(fs::exists(scratch("refused.safetensors")));
}

TEST(Checksum, AFlippedByteIsRefusedByEveryReader) {
    const std::string file = trained("flipped.safetensors");
    flip(file);
    for (const std::string& command :
         {"evaluate " + small_set() + " --load " + file, "inspect " + file,
          small_set() + " -e 1 --load " + file, "predict x.png --load " + file})
        expect_refused(command, "checksum");
}

TEST(Checksum, AResumedRunPassesOverACheckpointWithAFlippedByte) {
    const std::string state = scratch("flipped-state").string();
    const std::string flags = small_set() + " -n 8 --checkpoint " + state;
    ASSERT_TRUE(succeeded(run_main(flags + " -e 3")));
    const fs::path newest = scratch("flipped-state") / "checkpoint-000003-000000000.safetensors";
    flip(newest);
    const Result resumed = run_main(flags + " -e 3 --resume");
    EXPECT_EQ(resumed.code, 0);
    EXPECT_TRUE(says(resumed.err, "passed over " + newest.string() + ": expected content of the"));
    EXPECT_TRUE(says(resumed.out, ", after 2 epochs\n"));
}

// ---- sets

namespace {

/// The folder of small_set() with these training and test pixels changed.
std::string set_with(const std::string& name, const std::function<char(char)>& train,
                     const std::function<char(char)>& test) {
    const fs::path folder = scratch(name);
    fs::copy(small_set().substr(7), folder);
    for (const auto& [file, change] :
         {std::pair{"train-images-idx3-ubyte", train}, std::pair{"t10k-images-idx3-ubyte", test}}) {
        std::string bytes = read_text(folder / file);
        std::transform(bytes.begin() + 16, bytes.end(), bytes.begin() + 16, change);
        std::ofstream(folder / file, std::ios::binary) << bytes;
    }
    return "--data " + folder.string();
}
char as_it_is(char pixel) { return pixel; }
char inverted(char pixel) { return static_cast<char>(~pixel); }
char bit(char pixel) { return pixel < 0 ? 1 : 0; }

}  // namespace

TEST(Sets, ThatLookWrongAreNotedBesideTheResult) {
    const auto notes = [](const std::string& set, const std::string& flags = "") {
        const Result result = run_main(set + " -n 16 -e 3 " + flags);
        EXPECT_TRUE(succeeded(result));
        std::string all;
        for (const std::string& line : lines_with("# note", result.out)) all += line + "\n";
        return all;
    };
    EXPECT_EQ(notes(small_set()), "");
    const std::string bits = set_with("bits", bit, bit);
    EXPECT_TRUE(says(notes(bits), "reach only 1 of 255"));
    EXPECT_TRUE(says(notes(bits), "not clearly above"));
    EXPECT_EQ(notes(bits, "--raw-pixels"), "") << "as the note says";
    EXPECT_TRUE(says(notes(set_with("other", as_it_is, inverted)), "they look inverted"));
    const std::string negative = set_with("negative", inverted, inverted);
    EXPECT_TRUE(says(notes(negative), "--inverted turns"));
    EXPECT_EQ(notes(negative, "--inverted"), "") << "as the note says";
}

TEST(Sets, OfPicturesTeachTheNamesOfTheirFolders) {
    const fs::path folder = scratch("pictures");
    const std::string images = read_text(small_set().substr(7) + "/train-images-idx3-ubyte");
    const std::string labels = read_text(small_set().substr(7) + "/train-labels-idx1-ubyte");
    for (std::size_t i = 0; i < 300; ++i) {
        const fs::path of_class = folder / (labels[8 + i] < 5 ? "low" : "high");
        fs::create_directories(of_class);
        std::ofstream(of_class / (std::to_string(i) + ".pgm"), std::ios::binary)
            << "P5 28 28 255\n"
            << images.substr(16 + 784 * i, 784);
    }
    // Number 260 is a 0 that falls into two pieces: its class says that it is one digit.
    const std::string file = scratch("pictures.safetensors").string();
    const Result run =
        run_main("--picture-folder " + folder.string() + " -n 16 -e 8 --save " + file, 2);
    ASSERT_TRUE(succeeded(run));
    EXPECT_TRUE(says(run.out, "250 training, 50 held out, 0 test images of 28 x 28"));
    const Result seen =
        run_main("evaluate --load " + file + " --picture-folder " + folder.string());
    ASSERT_TRUE(succeeded(seen));
    EXPECT_TRUE(says(seen.out, "300 test images"));
    fs::remove_all(folder / "high");
    fs::create_directory(folder / "other");
    expect_refused("evaluate --load " + file + " --picture-folder " + folder.string(),
                   "a class of the network");
}

TEST(Import, AReportHasNoLinkToADigitPageThatWasRefused) {
    using npz_bytes::bytes_of, npz_bytes::npy;
    std::vector<float> bias(600);
    bias[5] = 1e5f;  // beyond half precision, in which the page of so large a network is
    const std::string foreign =
        write("large.npz",
              npz_bytes::zip_of(
                  {{"a/kernel.npy", npy("<f4", "(784, 600)", bytes_of(std::vector<float>(470400)))},
                   {"a/bias.npy", npy("<f4", "(600,)", bytes_of(bias))},
                   {"b/kernel.npy", npy("<f4", "(600, 10)", bytes_of(std::vector<float>(6000)))},
                   {"b/bias.npy", npy("<f4", "(10,)", bytes_of(std::vector<float>(10)))}}));
    const fs::path page = scratch("refused.html"), report = scratch("report.html");
    const Result seen = run_main(first_images(10, 10) + " -e 1 --load " + foreign + " --html " +
                                 page.string() + " --report " + report.string());
    EXPECT_EQ(seen.code, 2);
    EXPECT_TRUE(says(seen.err, "half precision"));
    EXPECT_FALSE(fs::exists(page));
    const std::string html = read_text(report);
    EXPECT_NE(html.find("784-600-10"), std::string::npos);
    EXPECT_EQ(html.find("href=\"refused.html"), std::string::npos);
}
