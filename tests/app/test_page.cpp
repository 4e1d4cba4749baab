// test_page.cpp: the page is sound markup, needs nothing but itself, and says what the score says.
#include "app/report/page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "input/picture.h"
#include "tests/support/markup_check.h"
#include "tests/support/scratch_files.h"

namespace {

PageSummary some_summary() {
    return {{{"network", "784-200-10"}, {"batch", "24"}},
            {{1, 0.4, 0.93, 80000, 1}, {2, 0.1, 0.97, 80000, 2}},
            "test",
            {1, 5, 2, 1},
            10,
            {0.0903, 0.9702, {}},
            "test"};
}

/// Images of 3 x 2 pixels, each pixel another.
SampleSet some_images(std::size_t count) {
    SampleSet set;
    set.rows = 2;
    set.cols = 3;
    set.classes = 10;
    for (std::size_t i = 0; i < 6 * count; ++i) set.pixels.push_back(static_cast<std::uint8_t>(i));
    set.labels.resize(count);
    return set;
}

/// For each class: 90 right predictions, and ten of the next class.
Score some_score(int classes, std::size_t worst) {
    Score score;
    score.classes = classes;
    score.total = static_cast<std::size_t>(100 * classes);
    score.correct = static_cast<std::size_t>(90 * classes);
    score.confusion.resize(static_cast<std::size_t>(classes * classes));
    for (int c = 0; c < classes; ++c) {
        score.confusion[static_cast<std::size_t>(c * classes + c)] = 90;
        score.confusion[static_cast<std::size_t>(c * classes + (c + 1) % classes)] = 10;
    }
    for (std::size_t i = 0; i < worst; ++i) score.worst.push_back({i, 9, 4, 0.98, 0.01});
    return score;
}

/// What a reader reads, without the markup.
std::string words_of(const std::string& page) {
    std::string words;
    bool tag = false;
    for (const char c : page.substr(page.find("</style>"))) {
        if (c == '<') tag = true;
        if (!tag) words += c;
        if (c == '>') tag = false;
    }
    return words;
}
int count(const std::string& text, const std::string& part) {
    int found = 0;
    for (auto i = text.find(part); i != std::string::npos; i = text.find(part, i + 1)) ++found;
    return found;
}
bool holds(const std::string& text, const std::string& part) {
    if (text.find(part) != std::string::npos) return true;
    ADD_FAILURE() << "no \"" << part << "\" in: " << text;
    return false;
}

std::vector<std::uint8_t> decoded(const std::string& base64) {
    const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::vector<std::uint8_t> bytes;
    unsigned bits = 0, have = 0;
    for (const char c : base64.substr(0, base64.find('='))) {
        bits = bits << 6 | static_cast<unsigned>(digits.find(c));
        if ((have += 6) < 8) continue;
        have -= 8;
        bytes.push_back(static_cast<std::uint8_t>(bits >> have));
    }
    return bytes;
}

TEST(Page, IsSoundMarkup) {
    for (const int classes : {1, 2, 10, 47, 62})
        EXPECT_EQ(markup_error(html_page(some_summary(), some_score(classes, 24), some_images(24))),
                  "")
            << classes << " classes";
    PageSummary nothing;
    EXPECT_EQ(markup_error(html_page(nothing, Score{}, SampleSet{})), "");
}

TEST(Page, NeedsNoScriptAndNoOtherFile) {
    std::string page = html_page(some_summary(), some_score(10, 24), some_images(24));
    for (const char* part : {"<script", "<link", "href", "url(", "@import", " on"})
        EXPECT_EQ(count(page.substr(page.find("</style>")), part), 0) << part;
    EXPECT_EQ(count(page, "src="), count(page, "src=\"data:image/png;base64,"));
    EXPECT_EQ(count(page, "http"), count(page, "xmlns=\"http://www.w3.org/2000/svg\""));
}

TEST(Page, TheUsersWordsCannotBecomeMarkup) {
    PageSummary summary = some_summary();
    const std::string words = "</dd><script>alert('\"&\n\x01\x7f')</script>";
    summary.settings = {{words, words}};
    summary.accuracy_name = words;
    const std::string page = html_page(summary, some_score(10, 1), some_images(1));
    EXPECT_EQ(markup_error(page), "");
    EXPECT_EQ(count(page, "<script"), 0);
    holds(page, "&lt;script&gt;alert(&#39;&quot;&amp;");
}

TEST(Page, SaysWhatTheScoreSays) {
    const std::string page = html_page(some_summary(), some_score(10, 1), some_images(1));
    const std::string words = words_of(page);
    // Wilson's interval of 900 of 1000, and of 90 of 100.
    for (const char* part :
         {"90.00 %", "95 % interval 87.98 to 91.71 %", "wrong of 1000", "82.6 to 94.5 %",
          "784-200-10", "predicted 4 (0.98), true 9 (0.01)", "data 1.00 s (10 %)",
          "compute 5.00 s (50 %)", "communication 2.00 s (20 %)", "evaluation 1.00 s (10 %)",
          "other 1.00 s (10 %)", "training loss", "test accuracy (%)"})
        holds(words, part);
    holds(page, "title=\"7 predicted as 8: 10 of 100 (10.0 %)\"");
    holds(page, "title=\"7 predicted as 7: 90 of 100 (90.0 %)\"");
    EXPECT_EQ(count(page, "<td class=\"right\""), 10);
    EXPECT_EQ(count(page, "<td class=\"wrong\""), 10);
}

TEST(Page, NamesTheSetOfTheFinalEvaluation) {
    for (const std::string name : {"training", "held-out", "test"}) {
        PageSummary summary = some_summary();
        summary.final_name = name;
        const std::string words = words_of(html_page(summary, some_score(10, 0), some_images(1)));
        holds(words, "0.0903" + name + " loss");
        holds(words, "90.00 %" + name + " accuracy; 95 % interval");
    }
}

TEST(Page, AProbabilityThatIsNotCertainIsNotCalledSo) {
    Score score = some_score(10, 0);
    score.worst = {{0, 1, 2, 0.9999, 1e-9}, {1, 1, 2, 1, 0}, {2, 1, 2, 0.995, 0.005}};
    const std::string words = words_of(html_page(some_summary(), score, some_images(3)));
    holds(words, "predicted 2 (&gt;0.99), true 1 (&lt;0.01)");
    holds(words, "predicted 2 (1.00), true 1 (0.00)");
}

TEST(Page, APictureHasTheImagesPixels) {
    for (const std::size_t sample : {0u, 1u, 4u}) {
        Score score = some_score(10, 0);
        score.worst = {{sample, 1, 2, 0.6, 0.4}};
        const SampleSet images = some_images(5);
        const std::string page = html_page(some_summary(), score, images);
        const auto begin = page.find("base64,") + 7;
        const auto first = images.pixels.begin() + static_cast<std::ptrdiff_t>(6 * sample);
        EXPECT_EQ(decoded(page.substr(begin, page.find('"', begin) - begin)),
                  png_of({3, 2, {first, first + 6}}))
            << "sample " << sample;
    }
}

TEST(Page, ShowsNoMoreThan24Pictures) {
    for (const std::size_t worst : {0u, 3u, 24u, 100u})
        EXPECT_EQ(count(html_page(some_summary(), some_score(10, worst), some_images(100)), "<img"),
                  static_cast<int>(std::min<std::size_t>(worst, 24)));
}

TEST(Page, ATablesSamplesAreNumbers) {
    SampleSet table;
    table.rows = 4;
    table.cols = 1;
    table.classes = 2;
    table.inputs.resize(4 * 20);
    table.format = {.number_inputs = true, .number_targets = true};
    Score score = some_score(2, 0);
    score.worst = {{17, 1, 0, 0.75, 0.25}};
    const std::string page = html_page(some_summary(), score, table);
    EXPECT_EQ(markup_error(page), "");
    EXPECT_EQ(count(page, "<img"), 0);
    holds(page, "<td>17</td>");
    holds(words_of(page), "predicted 0 (0.75), true 1 (0.25)");
}

TEST(Page, AClassWithoutSamplesAndARunWithoutTimeAreNoDivisionByZero) {
    Score score = some_score(10, 0);
    score.confusion[0] = score.confusion[1] = 0;  // no sample is a 0
    PageSummary summary = some_summary();
    summary.times = {};
    summary.total_seconds = 0;
    for (const Score& each : {score, Score{}}) {
        const std::string page = html_page(summary, each, some_images(1));
        EXPECT_EQ(markup_error(page), "");
        EXPECT_FALSE(std::regex_search(page, std::regex("[:>( ]-?(nan|inf)[^a-z]"))) << page;
    }
}

TEST(Page, AFileThatCannotBeIsRefusedBeforeTrainingByName) {
    const ScratchFiles files;
    for (const std::string& name : {std::string(), files.path("nowhere/page.html"), files.path("")})
        try {
            check_page(name);
            ADD_FAILURE() << name;
        } catch (const InputError& error) {
            holds(error.what(), "--report " + name);
        }
    check_page(files.path("page.html"));
    EXPECT_FALSE(std::filesystem::exists(files.path("page.html")));
}

TEST(Page, IsWrittenWholeOrTheRunFails) {
    const ScratchFiles files;
    const Score score = some_score(10, 3);
    write_page(files.path("page.html"), some_summary(), score, some_images(3));
    EXPECT_EQ(files.read("page.html"), html_page(some_summary(), score, some_images(3)));
    EXPECT_THROW(write_page("/dev/full", some_summary(), score, some_images(3)), Failure);
    EXPECT_THROW(write_page("nowhere/page.html", some_summary(), score, some_images(3)),
                 InputError);
}

}  // namespace
