// test_cli_tables.cpp: tables from the command line, and sets that hold out samples of their own.
#include "tests/support/cli_fixture.h"

namespace {

/// A table of `rows` samples of two inputs and a class, which is 1 where the inputs differ in sign.
fs::path two_classes(const std::string& name, int rows, const std::string& heading = "") {
    const fs::path file = scratch(name);
    std::ofstream out(file);
    out << heading;
    for (int i = 0; i < rows; ++i) {
        const double x = (i * 7 % 11 - 5.1) / 5, y = (i * 5 % 13 - 6.1) / 6;
        out << x << ',' << y << ',' << (x * y < 0) << '\n';
    }
    return file;
}

// ---- what is held out ---------------------------------------------------------------------------

TEST(HeldOut, IsASixthOfATableUnlessTrainSizeSaysOtherwise) {
    const std::string table = "--csv-data " + two_classes("sixth.csv", 62).string() + " -n 2 -e 1 ";
    const struct {
        const char *flags, *data, *result;
    } cases[] = {{"", "52 training, 10 held out samples", "# held-out accuracy "},
                 {"--train-size 40", "40 training, 22 held out samples", "# held-out accuracy "},
                 {"--train-size 0", "62 training, 0 held out samples", "# training accuracy "}};
    for (const auto& c : cases) {
        const Result result = run_main(table + c.flags);
        EXPECT_TRUE(succeeded(result));
        EXPECT_TRUE(says(result.out, c.data)) << c.flags;
        EXPECT_TRUE(says(result.out, c.result)) << c.flags;
    }
}

TEST(HeldOut, IsDrawnByTheSeedOrTheLastRows) {
    const std::string table =
        "--csv-data " + two_classes("drawn.csv", 60).string() + " -n 2 -e 1 -l 0 ";
    const auto held_out = [&](const std::string& flags) {
        const Result result = run_main(table + flags);
        EXPECT_TRUE(succeeded(result));
        return lines_with("# held-out accuracy", result.out);
    };
    // At rate 0 the weights stay as they were drawn, so that only the samples decide the loss.
    const auto last = held_out("--train-size 50 --seed 4");
    EXPECT_EQ(held_out("--no-shuffle --seed 4"), last);
    EXPECT_EQ(held_out("--course --seed 4"), last);
    EXPECT_NE(held_out("--seed 4"), last);
    EXPECT_EQ(held_out("--seed 4"), held_out("--seed 4"));
}

TEST(HeldOut, IsASixthOfImagesWithoutTestFilesAlso) {
    const fs::path whole = fs::path(first_images(66, 10).substr(7)), alone = scratch("no-test");
    fs::create_directory(alone);
    for (const char* name : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"})
        fs::copy(whole / name, alone / name);
    const Result result = run_main("--data " + alone.string() + " -n 4 -e 1 -s", 2);
    EXPECT_TRUE(check_passed(result));
    EXPECT_TRUE(says(result.out, "55 training, 11 held out, 0 test images"));
    EXPECT_TRUE(says(result.out, "# held-out accuracy "));
    EXPECT_TRUE(says(run_main("--data " + alone.string() + " -n 4 -e 1 --train-size 60").out,
                     "60 training, 6 held out"));
    const Result seen = run_main("inspect " + alone.string());
    EXPECT_TRUE(succeeded(seen));
    EXPECT_TRUE(says(seen.out, "training set, 66 images of 28 x 28"));
    // One test file without the other is a mistake.
    fs::copy(whole / "t10k-labels-idx1-ubyte", alone / "t10k-labels-idx1-ubyte");
    expect_refused("--data " + alone.string(), "t10k-images-idx3-ubyte");
}

TEST(Classes, ThatTheTrainingLacksAreNotedOfImagesAlso) {
    const fs::path whole = fs::path(first_images(66, 10).substr(7)), alone = scratch("one-class");
    fs::copy(whole, alone);
    const std::string labels = read_text(alone / "train-labels-idx1-ubyte");
    const auto note = [&](const std::string& label) {
        std::string all = labels;
        for (std::size_t i = 8; i < all.size(); ++i)
            all.replace(i, 1, label.substr(i % label.size(), 1));
        std::ofstream(alone / "train-labels-idx1-ubyte", std::ios::binary) << all;
        const Result result = run_main("--data " + alone.string() + " -n 2 -e 1");
        EXPECT_TRUE(succeeded(result));
        const auto notes = lines_with("# note ", result.out);
        EXPECT_FALSE(notes.empty()) << result.out;
        return notes.empty() ? std::string() : notes[0];
    };
    EXPECT_TRUE(says(note("\x09"), "all training samples have the class 9"));
    EXPECT_TRUE(
        says(note("\x01\x09"), "no training sample has the class 0, 2, 3, 4, 5 and 3 more"));
}

/// The number behind these words.
double number_after(const std::string& words, const std::string& text) {
    const auto at = text.find(words);
    return at == std::string::npos ? std::nan("")
                                   : std::strtod(text.c_str() + at + words.size(), nullptr);
}

// ---- a table as Kaggle has it -------------------------------------------------------------------

/// The first images of MNIST as a table with the label first; without labels as a test set.
fs::path pixel_table(const std::string& name, std::size_t first, std::size_t count, bool labels) {
    const std::string folder = first_images(600, 200).substr(7);
    const std::string pixels = read_text(fs::path(folder) / "train-images-idx3-ubyte").substr(16),
                      classes = read_text(fs::path(folder) / "train-labels-idx1-ubyte").substr(8);
    const fs::path file = scratch(name);
    std::ofstream out(file);
    for (int i = 0; i < 784; ++i) out << (i > 0 ? "," : labels ? "label," : "") << "pixel" << i;
    for (std::size_t k = first; k < first + count; ++k) {
        out << '\n';
        if (labels) out << int{static_cast<unsigned char>(classes[k])} << ',';
        for (std::size_t i = 0; i < 784; ++i)
            out << (i > 0 ? "," : "") << int{static_cast<unsigned char>(pixels[784 * k + i])};
    }
    out << '\n';
    return file;
}
std::string pixel_network() {
    static const std::string file = [] {
        const std::string name = scratch("pixels.safetensors").string();
        const Result result =
            run_main("--csv-data " + pixel_table("train.csv", 0, 500, true).string() +
                         " --target label --scale minmax -n 32 -e 10 --save " + name,
                     2);
        EXPECT_TRUE(succeeded(result));
        EXPECT_TRUE(
            says(result.out, "417 training, 83 held out samples of 784 inputs, 10 outputs"));
        EXPECT_TRUE(says(result.out, " samples/s "));
        EXPECT_EQ(result.out.find("images/s"), std::string::npos);
        EXPECT_EQ(result.out.find("# note"), std::string::npos) << result.out;
        EXPECT_GT(epochs_of(result).back().accuracy, 70);
        return name;
    }();
    return file;
}

TEST(KaggleTable, IsRefusedWithoutItsTarget) {
    expect_refused("--csv-data " + pixel_table("refused.csv", 0, 20, true).string(),
                   "--target label");
}

TEST(KaggleTable, NeedsNoFurtherFlagToPredictAndToEvaluate) {
    const fs::path test = pixel_table("test.csv", 500, 100, false), answer = scratch("answer.csv"),
                   truth = pixel_table("truth.csv", 500, 100, true);
    const std::string network = " --load " + pixel_network();
    const Result written = run_main("predict" + network + " --csv-data " + test.string() +
                                        " --out " + answer.string() + " --submission ImageId,Label",
                                    2);
    ASSERT_TRUE(succeeded(written));
    EXPECT_EQ(written.out, "# written    " + answer.string() + ": 100 predictions\n");
    const std::vector<std::string> rows = lines_of(read_text(answer)),
                                   labels = lines_of(read_text(truth));
    ASSERT_EQ(rows.size(), 101u);
    EXPECT_EQ(rows[0], "ImageId,Label");
    std::size_t correct = 0;
    for (std::size_t i = 1; i <= 100; ++i) {
        const std::string number = std::to_string(i) + ",";
        ASSERT_TRUE(rows[i].starts_with(number)) << rows[i];
        correct += labels[i].substr(0, labels[i].find(',')) == rows[i].substr(number.size());
    }
    EXPECT_GT(correct, 70u);
    const Result seen = run_main("evaluate --json" + network + " --csv-data " + truth.string());
    ASSERT_TRUE(succeeded(seen));
    EXPECT_TRUE(says(seen.out, "\"samples\":100,\"correct\":" + std::to_string(correct) + ","));
}

TEST(KaggleTable, IsTakenByANetworkOfImagesButAnImageNotByItsNetwork) {
    const std::string images = scratch("images.safetensors").string(), table = pixel_network(),
                      csv = " --csv-data " + pixel_table("either.csv", 0, 20, true).string();
    ASSERT_TRUE(succeeded(run_main(small_set() + " -n 8 -e 1 --save " + images)));
    for (const char* command : {"predict", "evaluate"}) {
        const std::string run = std::string(command) + " --load " + images + csv;
        expect_refused(run, "--target label");
        EXPECT_TRUE(succeeded(run_main(run + " --target label"))) << command;
    }
    expect_refused("--load " + images + csv + " --target label", "images of 28 x 28");
    expect_refused("predict x.png --load " + table, "one for tables, which has 784 inputs");
    expect_refused("evaluate --load " + table + " " + small_set(), "one for tables");
    expect_refused("--load " + table + " " + small_set(), "one for tables");
}

TEST(KaggleTable, GoesOnLearningFromItsNetwork) {
    const std::string train = "--csv-data " + scratch("train.csv").string();
    const Result more = run_main(train + " -e 1 -s --load " + pixel_network(), 2);
    EXPECT_TRUE(check_passed(more));
    EXPECT_GT(epochs_of(more).back().accuracy, 70);
    expect_refused(train + " --target label --load " + pixel_network(), "leave --target and");
    expect_refused(train + " --scale minmax --load " + pixel_network(), "leave --target and");
}

TEST(KaggleTable, WithPixelsUpTo255IsNotedWithoutAScale) {
    const Result result = run_main("--csv-data " + pixel_table("raw.csv", 0, 60, true).string() +
                                   " --target label -n 4 -e 1");
    EXPECT_TRUE(succeeded(result));
    const auto notes = lines_with("# note ", result.out);
    ASSERT_FALSE(notes.empty()) << result.out;
    EXPECT_TRUE(says(notes[0], "inputs reach 255"));
    EXPECT_TRUE(says(notes[0], "--scale minmax"));
}

TEST(RowNumbers, AsPandasWritesThemAreNoted) {
    const fs::path table = scratch("index.csv");
    std::ofstream file(table);
    file << ",width,kind\n";
    for (int row = 0; row < 30; ++row) file << row << ',' << row % 7 << ',' << row % 2 << '\n';
    file.close();
    const Result result = run_main("--csv-data " + table.string() + " --target kind -n 4 -e 1");
    EXPECT_TRUE(says(result.out, "# note       column 1 \"\" only counts the rows"));
    EXPECT_FALSE(says(result.out, "\"width\" only counts"));
}

// ---- classes and numbers ------------------------------------------------------------------------

TEST(NamedClasses, AreToldByTheirNames) {
    const fs::path table = scratch("flowers.csv"), answer = scratch("flowers-answer.csv");
    std::ofstream file(table);
    file << "size,kind\n";
    for (int i = 0; i < 60; ++i)
        file << (i % 2 ? 0.9 : 0.1) + 0.001 * i << (i % 2 ? ",\"oak, red\"" : ",elm") << "\n";
    file.close();
    const std::string network = scratch("flowers.safetensors").string(),
                      csv = " --csv-data " + table.string();
    ASSERT_TRUE(succeeded(run_main(csv + " -n 4 -e 60 -l 2 --save " + network)));
    const Result seen = run_main("evaluate --load " + network + csv);
    EXPECT_TRUE(says(seen.out, "accuracy  100.00 % (60 of 60)"));
    EXPECT_TRUE(says(seen.out, "100.00 %  oak, red\n"));
    const Result lines = run_main("predict --load " + network + csv);
    EXPECT_TRUE(says(lines.out, table.string() + ":1  oak, red  0."));
    EXPECT_TRUE(says(run_main("predict --json --load " + network + csv).out,
                     "\"class\":1,\"name\":\"oak, red\","));
    ASSERT_TRUE(
        succeeded(run_main("predict --load " + network + csv + " --out " + answer.string())));
    EXPECT_TRUE(
        says(read_text(answer), "file,index,class,probability\n" + table.string() + ",0,elm,"));
    EXPECT_TRUE(says(read_text(answer), ",1,\"oak, red\",0."));
    EXPECT_TRUE(says(run_main("inspect " + network).out, "elm, oak, red\n"));
}

TEST(Numbers, ArePredictedAsNumbers) {
    const fs::path table = scratch("halves.csv");
    std::ofstream file(table);
    file << "x,half\n";
    for (int i = 0; i < 60; ++i) file << i / 60. << ',' << i / 120. << '\n';
    file.close();
    const std::string network = scratch("halves.safetensors").string(),
                      csv = " --csv-data " + table.string();
    ASSERT_TRUE(succeeded(run_main(
        csv + " --output sigmoid --loss mse -n 4 -e 300 -l 5 --lr-decay 1 --save " + network)));
    const std::vector<std::string> lines =
        lines_of(run_main("predict --load " + network + csv).out);
    ASSERT_EQ(lines.size(), 60u);
    const std::string name = table.string() + ":40  ";
    ASSERT_TRUE(lines[40].starts_with(name)) << lines[40];
    EXPECT_NEAR(std::stod(lines[40].substr(name.size())), 40 / 120., 0.1);
    const Result seen = run_main("evaluate --load " + network + csv);
    EXPECT_TRUE(succeeded(seen));
    EXPECT_EQ(seen.out.find("accuracy"), std::string::npos) << "of numbers there is none";
    EXPECT_TRUE(says(seen.out, "loss      0.0"));
    // The file says that the output is a sigmoid, so the target is a number again.
    const Result more = run_main(csv + " --loss mse -e 1 -s --load " + network, 2);
    EXPECT_TRUE(check_passed(more));
    EXPECT_LT(number_after("loss ", lines_with("epoch ", more.out).at(0)), 0.01);
}

TEST(Scale, IsThatOfTheTrainingSamplesAlone) {
    const fs::path table = scratch("scaled.csv");
    std::ofstream file(table);
    for (int i = 0; i < 10; ++i) file << 2 * i << ',' << i % 2 << '\n';
    file << "1000,0\n-1000,1\n";  // the sixth that is held out
    file.close();
    const std::string network = scratch("scaled.safetensors").string();
    ASSERT_TRUE(succeeded(run_main("--csv-data " + table.string() +
                                   " --no-shuffle --scale minmax -n 2 -e 1 --save " + network)));
    EXPECT_TRUE(says(run_main("inspect --json " + network).out,
                     R"("scale":"minmax","from":[0.0],"by":[18.0])"));
}

TEST(Scale, OfTooManyInputsForAModelFileIsRefused) {
    const fs::path table = scratch("wide.csv");
    std::ofstream file(table);
    for (int row = 0; row < 2; ++row) {
        for (int i = 0; i < 300000; ++i) file << 0.1234567 * (i + 1) * (row + 1) << ',';
        file << row << '\n';
    }
    file.close();
    const std::string flags = "--csv-data " + table.string() + " -n 1 -e 1";
    expect_refused(flags + " --scale standard", "leave --scale out");
    EXPECT_TRUE(succeeded(run_main(flags)));
}

TEST(Predict, WithOutWritesTheWholeFileOrNothing) {
    const fs::path answer = scratch("nothing.csv");
    const std::string network = "predict --load " + pixel_network() + " --out " + answer.string();
    expect_refused(network + " --csv-data nowhere.csv", "nowhere.csv");
    EXPECT_FALSE(fs::exists(answer));
    const fs::path test = pixel_table("few.csv", 0, 3, false);
    EXPECT_TRUE(refused(run_main("predict --load " + pixel_network() + " --csv-data " +
                                 test.string() + " --out nowhere/answer.csv"),
                        2, "", "nowhere/answer.csv"));
}

TEST(Inspect, ShowsATablesColumns) {
    const fs::path table = two_classes("shown.csv", 10, "x,y,kind\n");
    const Result seen = run_main("inspect " + table.string());
    EXPECT_TRUE(succeeded(seen));
    EXPECT_TRUE(
        says(seen.out, "a table of 10 rows and 3 columns, separated by commas, with a heading"));
    EXPECT_TRUE(says(lines_with("       3", seen.out).at(0), "kind"));
    EXPECT_TRUE(says(
        run_main("inspect --json " + table.string()).out,
        R"("kind":"table","table":{"rows":10,"columns":[{"column":1,"name":"x","numbers":10,)"));
    expect_refused("inspect " + scratch("none.csv").string(), "none.csv");
}

}  // namespace
