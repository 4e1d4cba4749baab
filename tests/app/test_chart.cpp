// test_chart.cpp: where a value stands in the chart, and that every history makes a sound picture.
#include "app/report/chart.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "tests/support/markup_check.h"
#include "tests/support/scratch_files.h"

namespace fs = std::filesystem;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double half_a_digit = 0.051;  // coordinates are written with one digit behind the point

History with_losses(const std::vector<double>& losses) {
    History history;
    for (const double loss : losses)
        history.push_back({static_cast<int>(history.size()) + 1, loss, 0.5, 1, 1});
    return history;
}
History with_accuracies(const std::vector<double>& accuracies) {
    History history = with_losses(std::vector<double>(accuracies.size(), 1.0));
    for (std::size_t i = 0; i < accuracies.size(); ++i) history[i].accuracy = accuracies[i];
    return history;
}

std::vector<double> numbers(const std::string& text, const std::string& pattern) {
    std::vector<double> found;
    const std::regex number(pattern);
    for (std::sregex_iterator match(text.begin(), text.end(), number), none; match != none; ++match)
        found.push_back(std::stod((*match)[1]));
    return found;
}
std::vector<double> heights(const std::string& panel) {
    return numbers(panel, "<circle [^>]*cy=\"([^\"]*)\"");
}
std::string loss_panel(const History& history) { return svg_panels(history, "test", "epoch")[0]; }
std::string accuracy_panel(const History& history) {
    return svg_panels(history, "test", "epoch")[1];
}

/// Where the grid line of each vertical tick is, by what is written there.
std::vector<std::pair<std::string, double>> grid(const std::string& panel) {
    std::vector<std::pair<std::string, double>> lines;
    const std::regex line("y2=\"([^\"]*)\"/><text [^>]*>([^<]*)<");
    for (std::sregex_iterator match(panel.begin(), panel.end(), line), none; match != none; ++match)
        lines.emplace_back((*match)[2], std::stod((*match)[1]));
    return lines;
}

TEST(Chart, TenTimesTheLossIsAFixedDistanceHigher) {
    const auto y = heights(loss_panel(with_losses({100, 10, 1, 0.1, 0.01})));
    ASSERT_EQ(y.size(), 5u);
    const double decade = (y[4] - y[0]) / 4;
    EXPECT_GT(decade, 20);
    for (std::size_t i = 0; i < 5; ++i)
        EXPECT_NEAR(y[i], y[0] + static_cast<double>(i) * decade, 2 * half_a_digit) << i;
}

TEST(Chart, TenPerCentAreAFixedDistanceHigher) {
    const auto y = heights(accuracy_panel(with_accuracies({0.5, 0.6, 0.7, 0.9})));
    ASSERT_EQ(y.size(), 4u);
    EXPECT_GT(y[0] - y[1], 5);
    EXPECT_NEAR(y[1] - y[2], y[0] - y[1], 2 * half_a_digit);
    EXPECT_NEAR(y[2] - y[3], 2 * (y[0] - y[1]), 3 * half_a_digit);
}

TEST(Chart, AValueStandsOnTheTickThatHasItsName) {
    for (const auto& losses : std::vector<std::vector<double>>{
             {0.2, 0.1}, {5, 0.5, 0.05}, {0.24, 0.22, 0.2}, {1e-6, 1, 1e6}, {0.25}, {3000, 2000}}) {
        const std::string panel = loss_panel(with_losses(losses));
        const auto y = heights(panel);
        int met = 0;
        for (const auto& [name, line] : grid(panel))
            for (std::size_t i = 0; i < losses.size(); ++i)
                if (std::abs(std::stod(name) / losses[i] - 1) < 1e-9) {
                    EXPECT_NEAR(y[i], line, 1e-9) << name;
                    ++met;
                }
        EXPECT_GT(met, 0) << panel;
    }
    const std::string panel = accuracy_panel(with_accuracies({0.94, 0.98}));
    const auto ticks = grid(panel);
    ASSERT_FALSE(ticks.empty());
    EXPECT_EQ(ticks.front(), std::pair(std::string("94"), heights(panel)[0]));
    EXPECT_EQ(ticks.back(), std::pair(std::string("98"), heights(panel)[1]));
}

TEST(Chart, EveryAxisHasThreeToTwelveTicks) {
    for (const double first : {1e-200, 3e-5, 0.11, 0.7, 2.3, 9.99, 1e9})
        for (const double ratio : {1.0, 1.001, 1.3, 1.9, 3.0, 7.0, 11.0, 99.0, 1e3, 1e7, 1e40}) {
            const auto ticks = grid(loss_panel(with_losses({first * ratio, first})));
            EXPECT_GE(ticks.size(), 3u) << first << " " << ratio;
            EXPECT_LE(ticks.size(), 12u) << first << " " << ratio;
        }
    for (const double first : {0.0, 0.098, 0.5, 0.9378, 0.99, 0.9999})
        for (const double gain : {0.0, 0.0001, 0.004, 0.03, 0.5, 1.0}) {
            const double last = std::min(1.0, first + gain);
            const auto ticks = grid(accuracy_panel(with_accuracies({first, last})));
            EXPECT_GE(ticks.size(), 3u) << first << " " << last;
            EXPECT_LE(ticks.size(), 12u) << first << " " << last;
            for (const auto& [name, line] : ticks) {
                EXPECT_GE(std::stod(name), 0) << name;
                EXPECT_LE(std::stod(name), 100) << name;
            }
        }
}

TEST(Chart, OneEpochAloneIsADotInTheMiddle) {
    const std::string panel = loss_panel(with_losses({0.5}));
    const auto x = numbers(panel, "<circle cx=\"([^\"]*)\"");
    const auto edges = numbers(panel, "class=\"grid\" x1=\"([^\"]*)\"");
    const auto ends = numbers(panel, "class=\"grid\"[^>]* x2=\"([^\"]*)\"");
    ASSERT_EQ(x.size(), 1u);
    ASSERT_FALSE(edges.empty());
    EXPECT_NEAR(x[0], (edges[0] + ends[0]) / 2, half_a_digit);
}

TEST(Chart, EveryHistoryMakesASoundPictureInsideItsFrame) {
    const std::vector<History> histories = {{},
                                            with_losses({0.5}),
                                            with_losses({0.5, 0.5, 0.5}),
                                            with_losses({0, 0}),
                                            with_losses({1, 0, 0.1}),
                                            with_losses({nan, infinity, -1, 2}),
                                            with_losses({5e-324, 1.7e308}),
                                            with_accuracies({0, 0}),
                                            with_accuracies({1, 1}),
                                            with_accuracies({nan, nan}),
                                            with_accuracies({0.1, nan, 0.9})};
    for (std::size_t h = 0; h < histories.size(); ++h) {
        const std::string svg = svg_chart(histories[h], "held-out", "epoch");
        EXPECT_EQ(markup_error(svg), "") << "history " << h;
        EXPECT_FALSE(std::regex_search(svg, std::regex("[\" ,LM>-](nan|inf)"))) << svg;
        for (const double y : heights(svg)) {
            EXPECT_GE(y, 0) << "history " << h;
            EXPECT_LE(y, 320) << "history " << h;
        }
    }
}

TEST(Chart, WhatALogarithmCannotShowIsLeftOut) {
    EXPECT_EQ(heights(loss_panel(with_losses({1, 0, nan, 0.1}))).size(), 2u);
    EXPECT_NE(loss_panel(with_losses({0, 0})).find("no value to draw"), std::string::npos);
}

TEST(Chart, TenThousandEpochsMakeASmallFileAndLoseNoPeak) {
    std::vector<double> losses(10000);
    for (std::size_t i = 0; i < losses.size(); ++i)
        losses[i] = 2 + std::sin(static_cast<double>(i * i));
    losses[5003] = 100;
    losses[7007] = 0.01;
    const std::string panel = loss_panel(with_losses(losses));
    EXPECT_LT(panel.size(), 60000u);
    const auto y = numbers(panel, "[ML][0-9.]+ ([0-9.]+)");
    const auto lines = grid(panel);
    const auto line_of = [&](const std::string& name) {
        for (const auto& [words, line] : lines)
            if (words == name) return line;
        ADD_FAILURE() << "no tick " << name;
        return nan;
    };
    EXPECT_EQ(*std::ranges::min_element(y), line_of("100"));
    EXPECT_EQ(*std::ranges::max_element(y), line_of("0.01"));
}

TEST(Chart, WithoutANameThereIsNoAccuracy) {
    EXPECT_EQ(svg_panels(with_losses({1, 2}), "", "iteration").size(), 1u);
    EXPECT_EQ(svg_chart(with_losses({1, 2}), "", "iteration").find("accuracy ("),
              std::string::npos);
}

TEST(Chart, WordsCannotBecomeMarkup) {
    const std::string words = "</text><script>'\"&\n\x01";
    const std::string svg = svg_chart(with_losses({1, 2}), words, words);
    EXPECT_EQ(markup_error(svg), "");
    EXPECT_EQ(svg.find("<script"), std::string::npos);
}

TEST(Chart, ItsMarkupCheckFindsWhatIsWrong) {
    for (const char* wrong : {"<a><b></a></b>", "<a>", "</a>", "<a/><b/>", "<a>&</a>", "<a b=1/>",
                              "<a b=\"1\" b=\"2\"/>", "<a b=\"<\"/>", "<a>\x01</a>", "", "a"})
        EXPECT_NE(markup_error(wrong), "") << wrong;
    EXPECT_EQ(markup_error("<a b=\"1\">&lt;<c/></a>\n"), "");
}

// ---- files

/// While it lives, programs are looked for in one folder alone, which holds a gnuplot of `script`,
/// or none.
class OtherGnuplot {
  public:
    explicit OtherGnuplot(const std::string& script = "") {
        if (!script.empty()) {
            fs::permissions(files_.write("gnuplot", "#!/bin/sh\n" + script), fs::perms(0755));
        }
        setenv("PATH", files_.path("").c_str(), 1);
    }
    ~OtherGnuplot() { setenv("PATH", before_.c_str(), 1); }
    OtherGnuplot(const OtherGnuplot&) = delete;
    OtherGnuplot& operator=(const OtherGnuplot&) = delete;

  private:
    ScratchFiles files_;
    std::string before_ = std::getenv("PATH");
};

template <class Error>
std::string words_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
}
bool holds(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return true;
    ADD_FAILURE() << "no \"" << part << "\" in: " << text;
    return false;
}

TEST(Plot, AFileThatCannotBeIsRefusedBeforeTrainingByName) {
    const ScratchFiles files;
    fs::create_directory(files.path("folder.svg"));
    for (const std::string& name :
         {std::string("chart"), std::string("chart.pdf"), std::string("chart.SVG"), std::string(),
          files.path("nowhere/chart.svg"), files.path("folder.svg")})
        holds(words_of<InputError>([&] { check_plot(name); }), "--plot " + name);
}

TEST(Plot, TheCheckLeavesNoFileAndChangesNone) {
    const ScratchFiles files;
    check_plot(files.path("new.svg"));
    EXPECT_FALSE(fs::exists(files.path("new.svg")));
    check_plot(files.write("old.svg", "old"));
    EXPECT_EQ(files.read("old.svg"), "old");
}

TEST(Plot, AnSvgIsTheChart) {
    const ScratchFiles files;
    const History history = with_losses({1, 0.5});
    write_plot(files.path("chart.svg"), history, "test", "epoch");
    EXPECT_EQ(files.read("chart.svg"), svg_chart(history, "test", "epoch"));
}

TEST(Plot, APngWithoutGnuplotIsRefusedBeforeTraining) {
    const ScratchFiles files;
    const OtherGnuplot none;
    const std::string words = words_of<InputError>([&] { check_plot(files.path("a.png")); });
    for (const char* part : {"install gnuplot", ".svg", "No such file"}) holds(words, part);
    check_plot(files.path("a.svg"));
}

const std::string png_begin = "\x89PNG\r\n\x1a\n", png_end = "IEND\xae\x42\x60\x82";

/// For a shell: prints the bytes.
std::string printing(const std::string& bytes) {
    std::string octal;
    for (const char c : bytes) octal += formatted("\\%03o", static_cast<unsigned char>(c));
    return "printf '" + octal + "'\n";
}

TEST(Plot, APngIsWhatGnuplotMakesOfTheScript) {
    const ScratchFiles files;
    const OtherGnuplot copies(printing(png_begin) + "/bin/cat\n" + printing(png_end));
    const History history = with_losses({1, 0.5});
    // To a shell this name would be commands; to the script it is nothing.
    const std::string name = "it's $(echo a) `b`;\"c.png";
    check_plot(files.path(name));
    write_plot(files.path(name), history, "test", "epoch");
    EXPECT_EQ(files.read(name), png_begin + gnuplot_chart(history, "test", "epoch") + png_end);
}

/// Where there is no room for its output, gnuplot may end with 0.
TEST(Plot, APngThatIsNotWholeIsAFailureAndTheOldFileStays) {
    const ScratchFiles files;
    const std::string name = files.write("a.png", "old");
    for (const std::string& cut : {std::string(), png_begin, png_end, png_begin + "IEN"}) {
        const OtherGnuplot ends_well(printing(cut) + "exit 0\n");
        holds(words_of<Failure>([&] { write_plot(name, {}, "test", "epoch"); }), "not complete");
        EXPECT_EQ(files.read("a.png"), "old");
    }
}

TEST(Plot, WhatGnuplotComplainsOfIsTold) {
    const ScratchFiles files;
    const OtherGnuplot fails("echo 'line 3:\n\n  no   such\tterminal' >&2; exit 1\n");
    const std::string told = "line 3: no such terminal";
    holds(words_of<InputError>([&] { check_plot(files.path("a.png")); }), told);
    holds(words_of<Failure>([&] { write_plot(files.path("a.png"), {}, "test", "epoch"); }), told);
}

TEST(Plot, AGnuplotThatIsKilledIsAFailure) {
    const ScratchFiles files;
    const OtherGnuplot dies("kill -9 $$\n");
    EXPECT_THROW(write_plot(files.path("a.png"), {}, "test", "epoch"), Failure);
}

TEST(Plot, TheRealGnuplotDrawsEveryHistory) {
    const ScratchFiles files;
    try {
        check_plot(files.path("a.png"));
    } catch (const InputError& error) {
        GTEST_SKIP() << error.what();
    }
    for (const History& history :
         {History{}, with_losses({0.5}), with_losses({1, 0.1}), with_losses({0, 0})}) {
        write_plot(files.path("a.png"), history, "it's {held}-out_", "epoch");
        const std::string png = files.read("a.png");
        EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n") << history.size() << " epochs";
        EXPECT_EQ(png.substr(png.size() - 8, 4), "IEND") << history.size() << " epochs";
    }
}

}  // namespace
