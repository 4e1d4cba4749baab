// test_cli_files.cpp: what a run keeps and what is done with it: networks, tables, curves, the
// demo.
#include <array>
#include <cstdint>

#include "tests/support/cli_fixture.h"

namespace {

// ---- networks in files

TEST(Save, TheFileJudgesAsTheRunDid) {
    const Result run = run_main(small_set() + " -n 16 -e 4");
    const Result seen = run_main("evaluate --json --load " + trained_network() + " " + small_set());
    ASSERT_TRUE(succeeded(seen));
    EXPECT_NEAR(100 * json_number(seen.out, "accuracy"), number_behind("# test accuracy ", run.out),
                0.005);
}

TEST(Load, AtRateZeroGivesTheFileBack) {
    const std::string again = scratch("again.safetensors").string();
    for (int ranks : {0, 3}) {
        ASSERT_TRUE(succeeded(run_main(
            small_set() + " -e 1 -l 0 --load " + trained_network() + " --save " + again, ranks)));
        EXPECT_TRUE(same_bits(trained_network(), again)) << ranks << " ranks";
    }
}

TEST(Load, TakesThePixelsAsTheFileWasTrainedOnThem) {
    const std::string raw = scratch("raw.safetensors").string();
    const Result first =
        run_main(small_set() + " -l 0.001 -n 16 -e 1 --raw-pixels --init-scale 0.01 --save " + raw);
    const Result more = run_main(small_set() + " -e 1 -l 0 --load " + raw);
    ASSERT_TRUE(succeeded(first));
    EXPECT_EQ(lines_with("# test accuracy", more.out), lines_with("# test accuracy", first.out));
}

TEST(Load, GoesOnLearning) {
    const Result more = run_main(small_set() + " -e 4 --load " + trained_network());
    const Result first = run_main(small_set() + " -n 16 -e 4");
    EXPECT_LT(first_loss(more), epochs_of(first).back().loss);
}

TEST(Load, ComparesWithAReferenceFromTheSameFile) {
    EXPECT_TRUE(check_passed(run_main(small_set() + " -e 2 -s --load " + trained_network(), 2)));
}

TEST(Load, RefusesWhatIsNotThereOrDoesNotFit) {
    const fs::path torn = scratch("torn.safetensors");
    fs::copy(trained_network(), torn, fs::copy_options::overwrite_existing);
    fs::resize_file(torn, fs::file_size(torn) - 1);
    for (const char* command : {"evaluate --load ", "predict x.png --load "}) {
        EXPECT_TRUE(refused(run_main(command + torn.string()), 2, "", torn.string()));
        EXPECT_TRUE(refused(run_main(std::string(command) + "nowhere"), 2, "", "nowhere"));
    }
    const std::string data = first_images(10, 10);
    EXPECT_TRUE(refused(run_main(data + " --load " + torn.string()), 2, "", torn.string()));
    EXPECT_TRUE(refused(run_main(data + " --load Makefile"), 2, "", "Makefile"));
    const fs::path table = scratch("two.csv");
    std::ofstream(table) << "1,0,0\n0,1,1\n";
    EXPECT_TRUE(refused(run_main("--csv-data " + table.string() + " --load " + trained_network()),
                        2, "", "784 inputs"));
}

// ---- curves and pages

TEST(Plot, IsAnSvgAndTheReportOneHtmlFile) {
    const fs::path svg = scratch("curve.svg"), page = scratch("run.html");
    ASSERT_TRUE(succeeded(run_main(
        small_set() + " -n 8 -e 3 --plot " + svg.string() + " --report " + page.string(), 2)));
    EXPECT_TRUE(says(read_text(svg).substr(0, 200), "<svg"));
    const std::string html = read_text(page);
    EXPECT_TRUE(says(html.substr(0, 100), "<!DOCTYPE html>"));
    for (const char* part : {"<svg", "784-8-10", "data:image/png;base64,", "MPI", "onfusion"})
        EXPECT_NE(html.find(part), std::string::npos) << part;
    for (const char* outside : {"http-equiv", "<script", "src=\"http", "href=\"http"})
        EXPECT_EQ(html.find(outside), std::string::npos) << outside;
}

TEST(Plot, WhatCannotBeWrittenIsRefusedBeforeTheTraining) {
    const std::string run = first_images(10, 10) + " -e 1 ";
    for (const char* flag : {"--plot nowhere/curve.svg", "--report nowhere/run.html",
                             "--save nowhere/net", "--jsonl nowhere/log"})
        EXPECT_TRUE(refused(run_main(run + flag), 2, "", "nowhere/")) << flag;
    EXPECT_TRUE(refused(run_main(run + "--checkpoint Makefile"), 2, "", "Makefile"));
}

// ---- evaluation

TEST(Evaluate, TellsIntervalConfusionPrecisionAndRecall) {
    const Result seen = run_main("evaluate --load " + trained_network() + " " + small_set(), 2);
    ASSERT_TRUE(succeeded(seen));
    for (const char* part : {"accuracy", "95 %", "precision", "recall"})
        EXPECT_TRUE(says(seen.out, part));
}

TEST(Evaluate, RefusesANetworkThatIsForNoPictures) {
    const std::string file = scratch("xor.safetensors").string();
    ASSERT_TRUE(succeeded(run_main("demo xor --save " + file)));
    for (const char* command :
         {"evaluate --load ", "predict data/t10k-images-idx3-ubyte.gz --load "})
        EXPECT_TRUE(refused(run_main(command + file), 2, "",
                            file + ": expected a network for pictures, found one with 4 inputs"))
            << command;
}

TEST(Inspect, TellsOfNetworksStatesAndData) {
    ASSERT_TRUE(
        succeeded(run_main(small_set() + " -n 16 -e 3 --checkpoint " + scratch("told").string())));
    const Result network = run_main("inspect " + trained_network());
    for (const char* part : {"W1", "784", "epoch"}) EXPECT_TRUE(says(network.out, part));
    const Result folder = run_main("inspect --json " + scratch("told").string());
    ASSERT_TRUE(succeeded(folder));
    EXPECT_TRUE(says(folder.out, "\"epoch\":3"));
    const Result data = run_main("inspect data");
    ASSERT_TRUE(succeeded(data));
    for (const char* part : {"60000", "10000", "28"}) EXPECT_TRUE(says(data.out, part));
}

TEST(Commands, TellWhichFilesTheyWrote) {
    const std::string csv = scratch("told.csv").string(), plot = scratch("told.svg").string(),
                      save = scratch("written.safetensors").string();
    const std::string flags = " --csv " + csv + " --plot " + plot + " --save " + save;
    for (const std::string& command : {small_set() + " -n 4 -e 1", std::string("demo xor")}) {
        const Result result = run_main(command + flags);
        ASSERT_TRUE(succeeded(result));
        EXPECT_TRUE(says(result.out, "# written    " + save + ", " + csv + ", " + plot + "\n"));
    }
    EXPECT_EQ(lines_with("# written", run_main(small_set() + " -n 4 -e 1").out).size(), 0u);
}

// ---- tables and the demo

TEST(Table, OfClassesIsLearned) {
    const fs::path table = scratch("classes.csv");
    std::ofstream file(table);
    file << "x,y,class\n";
    for (int i = 0; i < 200; ++i) {
        const double angle = 0.0314 * i, radius = i % 2 == 0 ? 1 : 2;
        file << radius * std::cos(angle) << ',' << radius * std::sin(angle) << ',' << i % 2 << '\n';
    }
    file.close();
    const Result result =
        run_main("--csv-data " + table.string() +
                     " -n 16 -b 10 -e 200 -l 2 --lr-decay 1 -r 0 --init xavier -s",
                 2);
    EXPECT_TRUE(check_passed(result));
    EXPECT_EQ(number_behind("# held-out accuracy ", result.out), 100) << result.out;
}

TEST(Table, OfNumbersHasNoAccuracyInItsLogAlsoAfterAResume) {
    const fs::path table = scratch("plain.csv"), log = scratch("plain.log"),
                   plot = scratch("plain.svg");
    std::ofstream(table) << "0,0.5\n1,0.25\n0.5,0.3\n";
    const std::string flags = "--csv-data " + table.string() +
                              " --output sigmoid --loss mse -n 2 -b 3 --csv " + log.string() +
                              " --plot " + plot.string() + " --resume --checkpoint " +
                              scratch("plain").string();
    ASSERT_TRUE(succeeded(run_main(flags + " -e 2")));
    ASSERT_TRUE(succeeded(run_main(flags + " -e 4")));
    const std::vector<std::string> lines = lines_of(read_text(log));
    ASSERT_EQ(lines.size(), 5u);
    for (std::size_t e = 1; e <= 4; ++e) {
        int epoch = 0;
        char behind = 0;
        EXPECT_EQ(std::sscanf(lines[e].c_str(), "%d,1,%*[^,],,%c", &epoch, &behind), 2) << lines[e];
    }
    // All four epochs are in the curve, those from before the resume too.
    EXPECT_TRUE(says(read_text(plot), "epoch 1"));
}

TEST(Table, OfNumbersIsFittedOnBothDevices) {
    const fs::path table = scratch("numbers.csv");
    std::ofstream file(table);
    for (int i = 0; i < 60; ++i)
        file << i / 60. << ',' << i % 7 / 7. << ',' << i / 120. << ',' << i % 3 / 4. << '\n';
    file.close();
    const std::string flags = "--csv-data " + table.string() +
                              " --target-columns 2 --output sigmoid --loss mse -n 6 -b 7 -e 20 -s";
    const Result cpu = run_main(flags, 3), gpu = run_gpuhost(2, flags + " --device cuda");
    EXPECT_TRUE(check_passed(cpu));
    EXPECT_TRUE(check_passed(gpu));
    EXPECT_EQ(cpu.out.find("accuracy "), std::string::npos) << "of numbers there is none";
}

TEST(Demo, GivesNumPysNumbersOnAnyRanksAndDevice) {
    const double bound = is_float() ? 2e-6 : 1e-12;
    const std::array<std::pair<const char*, double>, 7> numbers = {{
        {"iteration  50  loss ", 0.2160032787902573},
        {"iteration 100  loss ", 0.21042364493114152},
        {"iteration 150  loss ", 0.20237991307866574},
        {"iteration 200  loss ", 0.18882194840404473},
        {"final MSE       ", 0.1884773848670874},
        {"initial loss    ", 0.24298464456670568},
        {"loss reduction  ", 22.4324},
    }};
    const double predicted[] = {0.69124730974417481, 0.68953587270654271, 0.61132311957340901};
    for (int ranks = 1; ranks <= 4; ++ranks)
        for (const bool cuda : {false, true}) {
            const Result seen =
                cuda ? run_gpuhost(ranks, "demo xor --device cuda") : run_main("demo xor", ranks);
            ASSERT_TRUE(succeeded(seen));
            for (const auto& [words, value] : numbers)
                EXPECT_NEAR(number_behind(words, seen.out), value,
                            value > 1 ? 0.00005 + 100 * bound : bound)
                    << words << "at " << ranks << " ranks" << (cuda ? ", CUDA" : "");
            EXPECT_TRUE(says(seen.out,
                             "# note       sample 3 is not learned: its target is 0, and "
                             "the prediction 0.61 "));
            for (int j = 0; j < 3; ++j)
                EXPECT_NEAR(number_behind("\n     " + std::to_string(j + 1) + "       " +
                                              (j < 2 ? "1" : "0") + "  ",
                                          seen.out),
                            predicted[j], bound)
                    << "sample " << j + 1 << " at " << ranks << " ranks" << (cuda ? ", CUDA" : "");
        }
}

}  // namespace
