// test_cli_pictures.cpp: what predict says of pictures, and what it writes and refuses.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <set>

#include "tests/support/cli_fixture.h"

namespace {

/// MNIST's test images 0 .. count - 1 as PGM files of their own.
std::vector<std::string> pictures(std::size_t count) {
    const fs::path folder = scratch("pictures");
    fs::create_directory(folder);
    cut("t10k-images-idx3-ubyte", 16, 784, count, folder);
    const std::string bytes = read_text(folder / "t10k-images-idx3-ubyte");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) {
        names.push_back((folder / (std::to_string(i) + ".pgm")).string());
        std::ofstream(names.back(), std::ios::binary) << "P5\n28 28\n255\n"
                                                      << bytes.substr(16 + 784 * i, 784);
    }
    return names;
}

TEST(Predict, JudgesAPictureAsItsIdxImage) {
    const std::vector<std::string> names = pictures(5);
    std::string all;
    for (const std::string& name : names) all += name + " ";
    const std::string load = "predict --json --load " + trained_network() + " ";
    const Result one_by_one = run_main(load + all);
    const Result together =
        run_main(load + (scratch("pictures") / "t10k-images-idx3-ubyte").string(), 2);
    ASSERT_EQ(one_by_one.code, 0) << one_by_one.err;
    ASSERT_TRUE(succeeded(together));
    const auto a = lines_of(one_by_one.out), b = lines_of(together.out);
    ASSERT_EQ(a.size(), 5u);
    ASSERT_EQ(b.size(), 5u);
    for (std::size_t i = 0; i < 5; ++i) {
        EXPECT_EQ(json_number(a[i], "class"), json_number(b[i], "class"));
        EXPECT_NEAR(json_number(a[i], "probability"), json_number(b[i], "probability"), 1e-5);
    }
}

TEST(Predict, BadFilesAmongGoodOnesGetALineEach) {
    const std::string good = pictures(1)[0];
    const Result mixed =
        run_main("predict --load " + trained_network() + " nowhere.png " + good + " Makefile");
    EXPECT_EQ(mixed.code, 2);
    EXPECT_EQ(lines_of(mixed.out).size(), 1u) << mixed.out;
    EXPECT_EQ(lines_of(mixed.err).size(), 2u) << mixed.err;
    EXPECT_TRUE(says(mixed.err, "nowhere.png"));
    EXPECT_TRUE(says(mixed.err, "Makefile"));
}

TEST(Predict, ShowDrawsWhatTheNetworkSees) {
    const Result shown =
        run_main("predict --show --load " + trained_network() + " " + pictures(1)[0]);
    ASSERT_TRUE(succeeded(shown));
    EXPECT_GT(lines_of(shown.out).size(), 10u) << shown.out;
}

/// The images side by side, three times as large: a line of digits.
std::string line_of(const std::vector<std::string>& names, const std::string& name) {
    const int wide = 84 * static_cast<int>(names.size());
    std::string bytes(static_cast<std::size_t>(wide * 84), '\0');
    for (std::size_t d = 0; d < names.size(); ++d) {
        const std::string image = read_text(names[d]).substr(13);
        for (std::size_t y = 0; y < 84; ++y)
            for (std::size_t x = 0; x < 84; ++x)
                bytes[y * static_cast<std::size_t>(wide) + 84 * d + x] = image[y / 3 * 28 + x / 3];
    }
    const std::string file = (scratch("pictures") / name).string();
    std::ofstream(file, std::ios::binary) << "P5\n" << wide << " 84\n255\n" << bytes;
    return file;
}

TEST(Predict, NotesWhatTheNetworkIsNotSureOf) {
    const std::vector<std::string> names = pictures(20);
    std::string all;
    for (const std::string& name : names) all += " " + name;
    const Result said = run_main("predict --load " + trained_network() + all);
    std::size_t unsure = 0;
    for (const std::string& line : lines_of(said.out))
        if (std::stod(line.substr(line.size() - 6)) < 0.5) {
            ++unsure;
            EXPECT_TRUE(
                says(said.err, line.substr(0, line.find(' ')) + ": the network is not sure ("));
        }
    EXPECT_GT(unsure, 0u);
    // So small a network misreads some, which then look like two that touch, and are refused.
    const auto is_note = [](const std::string& line) { return says(line, "is not sure ("); };
    EXPECT_EQ(std::ranges::count_if(lines_of(said.err), is_note), unsure) << said.err;
}

TEST(Predict, DigitsAreTheNumberAndThenEachOfThem) {
    const std::vector<std::string> names = pictures(3);  // 7, 2, 1
    const std::string load = "predict --load " + trained_network() + " ";
    const std::string line = line_of(names, "line.pgm");
    const Result read = run_main(load + "--digits " + line, 2);
    ASSERT_EQ(read.code, 0) << read.err;
    const auto lines = lines_of(read.out);
    ASSERT_EQ(lines.size(), 4u) << read.out;
    std::string number;
    double product = 1;
    for (std::size_t i = 1; i < 4; ++i) {
        number += lines[i].substr(4, 1);
        product *= std::stod(lines[i].substr(7));
    }
    EXPECT_TRUE(lines[0].starts_with(line + "  " + number + "  ")) << read.out;
    EXPECT_NEAR(number_behind(number + "  ", lines[0].substr(line.size())), product, 2e-4);
    const Result json = run_main(load + "--digits --json " + line);
    EXPECT_TRUE(says(json.out, "\"number\":\"" + number + "\""));
    EXPECT_NEAR(json_number(json.out, "probability"), product, 2e-4);
    EXPECT_TRUE(refused(run_main(load + line), 2, "", "--digits"));
    EXPECT_TRUE(refused(run_main(load + "--digits data/t10k-images-idx3-ubyte.gz"), 2, "",
                        "expected a picture, found an IDX file"));
}

TEST(Predict, ExplainWritesThePicturesOfTheWayAlsoOfARefusedOne) {
    const std::vector<std::string> names = pictures(3);
    const std::string load = "predict --load " + trained_network() + " ";
    const fs::path folder = scratch("explained");
    const Result refused_line =
        run_main(load + "--explain " + folder.string() + " " + line_of(names, "line.pgm"));
    EXPECT_EQ(refused_line.code, 2);
    EXPECT_TRUE(says(refused_line.err, "4 stages"));
    const Result whole =
        run_main(load + "--explain " + folder.string() + " " + line_of({names[0]}, "one.pgm"));
    EXPECT_EQ(whole.code, 0) << whole.err;
    for (const char* file : {"line-4-drawn.png", "one-1-grey.png", "one-6-input.png"})
        EXPECT_TRUE(fs::exists(folder / file)) << file;
    EXPECT_FALSE(fs::exists(folder / "line-5-digit.png"));
    EXPECT_TRUE(refused(run_main(load + "a/x.png b/x.png --explain " + folder.string()), 2, "",
                        "two pictures are named x"));
}

TEST(Predict, ExplainReplacesWhatItWroteOfAPictureAndNothingElse) {
    const std::vector<std::string> names = pictures(3);
    const fs::path folder = scratch("explained again");
    const std::string load =
        "predict --load " + trained_network() + " --explain '" + folder.string() + "' ";
    ASSERT_EQ(run_main(load + "--digits " + line_of(names, "same.pgm")).code, 0);
    EXPECT_TRUE(fs::exists(folder / "same-10-input.png"));
    const std::vector<std::string> others{"same-1-notes.png", "same-grey.png", "sa-1-grey.png",
                                          "same-1-grey.txt"};
    for (const std::string& other : others) std::ofstream(folder / other) << "mine";
    ASSERT_EQ(run_main(load + line_of({names[0]}, "same.pgm")).code, 0);
    std::set<std::string> left(others.begin(), others.end()), found;
    for (const char* stage : {"1-grey", "2-ground", "3-ink", "4-drawn", "5-digit", "6-input"})
        left.insert("same-" + std::string(stage) + ".png");
    for (const auto& entry : fs::directory_iterator(folder))
        found.insert(entry.path().filename().string());
    EXPECT_EQ(found, left);
    EXPECT_TRUE(refused(run_main(load + names[0] + " '" + (folder / "same-1-grey.png").string() +
                                 "' " + line_of({names[0]}, "same.pgm")),
                        2, "", "would be replaced by a stage of same"));
}

/// White paper of 180 x 60 pixels, with ink where is_ink(x, y).
std::string drawn_as(const std::string& name, const std::function<bool(int, int)>& is_ink) {
    std::string bytes;
    for (int y = 0; y < 60; ++y)
        for (int x = 0; x < 180; ++x) bytes += is_ink(x, y) ? '\0' : '\xff';
    fs::create_directory(scratch("pictures"));
    const std::string file = (scratch("pictures") / name).string();
    std::ofstream(file, std::ios::binary) << "P5\n180 60\n255\n" << bytes;
    return file;
}

/// Two rings of this width and 40 pixels high, which touch.
std::string two_rings(int wide, const std::string& name) {
    return drawn_as(name, [wide](int x, int y) {
        const auto is_ring = [&](int middle) {
            const double away = std::hypot((x - middle) / (wide / 2.0), (y - 30) / 20.0);
            return away > 0.75 && away < 1;
        };
        return is_ring(50) || is_ring(50 + wide - 2);
    });
}

// A row meets more of their strokes than of any digit, so it does not matter how they are read.
TEST(Predict, RefusesTwoDigitsThatTouch) {
    const std::string load = "predict --load " + trained_network() + " ";
    const std::string wide = two_rings(40, "wide.pgm"), narrow = two_rings(23, "narrow.pgm");
    EXPECT_TRUE(refused(run_main(load + wide), 2, "", "looks like two that touch"));
    EXPECT_TRUE(refused(run_main(load + "--digits " + wide), 2, "",
                        "something wider, such as two that touch as number 1 of 1"));
    EXPECT_TRUE(refused(run_main(load + "--digits " + narrow), 2, "",
                        "something that looks like two that touch as number 1 of 1"));
}

// A row of a Z meets one stroke, which is not more than any digit has.
TEST(Predict, NotesADrawingThatWasMadeNarrower) {
    const std::string wide = drawn_as("z.pgm", [](int x, int y) {
        const bool is_bar = (y >= 10 && y < 15) || (y >= 45 && y < 50);
        const double diagonal = 130 - (y - 10) * 80 / 39.0;
        return x >= 50 && x <= 130 && y >= 10 && y < 50 && (is_bar || std::abs(x - diagonal) < 6);
    });
    const Result said = run_main("predict --load " + trained_network() + " " + wide);
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_TRUE(says(said.err, wide + ": a drawing is wider than a digit is"));
}

// Some of MNIST's digits are as crowded as two that touch: they are answered, and a note says so.
TEST(Predict, NotesFewDigitsThatMayBeTwo) {
    std::string all;
    for (const std::string& name : pictures(300)) all += name + " ";
    const Result said = run_main("predict --load " + trained_network() + " " + all);
    const auto notes = std::ranges::count_if(lines_of(said.err), [](const std::string& line) {
        return says(line, "a drawing has more strokes, or closer ones, than most digits have");
    });
    EXPECT_GE(notes, 1);
    EXPECT_LE(notes, 30);
}

TEST(Predict, AsIsTakesThePictureOrRefusesItsSize) {
    const std::vector<std::string> names = pictures(1);
    const std::string load = "predict --as-is --json --load " + trained_network() + " ";
    EXPECT_EQ(run_main(load + names[0]).out,
              run_main("predict --json --load " + trained_network() + " " + names[0]).out);
    const std::string moved = (scratch("pictures") / "moved.pgm").string();
    const std::string image = read_text(names[0]).substr(13);
    std::ofstream(moved, std::ios::binary)
        << "P5\n28 28\n255\n"
        << image.substr(3 * 28 + 3) + std::string(3 * 28 + 3, '\0');
    EXPECT_TRUE(says(run_main("predict --load " + trained_network() + " " + moved).err,
                     "1 picture of the network's own size prepared as any other"));
    EXPECT_FALSE(says(run_main(load + moved).err, "own size"));
    EXPECT_TRUE(refused(run_main(load + line_of(names, "one.pgm")), 2, "",
                        "28 x 28 pixels, for --as-is, found 84 x 84"));
}

TEST(Predict, TakesPicturesAsTheyAreIfTheNetworkWasTrainedSo) {
    const fs::path folder = scratch("as they are");
    const auto names = pictures(20);
    for (std::size_t i = 0; i < 20; ++i) {
        const fs::path of_class = folder / (i < 10 ? "first" : "second");
        fs::create_directories(of_class);
        std::string dark_on_light = read_text(names[i]);
        for (std::size_t k = 13; k < dark_on_light.size(); ++k)
            dark_on_light[k] = static_cast<char>(~dark_on_light[k]);
        std::ofstream(of_class / std::to_string(i), std::ios::binary) << dark_on_light;
    }
    const std::string network = scratch("as-is.safetensors").string();
    const std::string set = " --picture-folder '" + folder.string() + "' ";
    ASSERT_TRUE(succeeded(run_main(set + "--as-is -n 8 -e 4 --save " + network)));
    const std::string note = "taken as they are, because the network was trained so";
    for (const std::string& command :
         {"evaluate --load " + network + set,
          "predict --load " + network + " '" + (folder / "first" / "3").string() + "' "}) {
        const Result as_is = run_main(command + "--as-is"), said = run_main(command);
        EXPECT_EQ(as_is.code, 0) << as_is.err;
        EXPECT_EQ(said.code, 0) << said.err;
        EXPECT_TRUE(says(said.out + said.err, note)) << command;
        EXPECT_FALSE(says(as_is.out + as_is.err, note)) << command;
        auto lines = lines_of(said.out);
        std::erase_if(lines, [&](const std::string& line) { return says(line, note); });
        EXPECT_EQ(lines, lines_of(as_is.out));
    }
    EXPECT_TRUE(says(run_main("inspect " + network).out, "from pictures as they are"));
    EXPECT_TRUE(refused(run_main("predict --load " + network + " --explain why " + names[0]), 2, "",
                        "a network for prepared pictures"));
    EXPECT_FALSE(
        says(run_main("predict --load " + network + " data/t10k-images-idx3-ubyte.gz").err, note));
}

}  // namespace
