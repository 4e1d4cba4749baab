// page.cpp: the page, section by section, each a function that returns its HTML.
//
// The HTML is well-formed XML as well, so that a test can read it. Only the style sheet decides how
// things look. It gets the numbers that it needs for that, a share or a position.
#include "app/report/page.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "app/report/chart.h"
#include "app/report/markup.h"
#include "app/run/output_file.h"
#include "base/text.h"
#include "input/picture.h"

namespace {

constexpr std::size_t most_pictures = 24;
constexpr int few_classes = 12;  ///< with more, the matrix has smaller print and the full width

constexpr const char* page_style = R"(
:root{color-scheme:light dark;--back:#f3f2ee;--card:#fcfcfb;--ink:#0b0b0b;--soft:#52514e;
--rule:#e1e0d9;--right:42 120 214;--wrong:214 84 26;--t0:#eda100;--t1:#2a78d6;--t2:#d6541a;
--t3:#4a3aa7;--t4:#a9a79f}
@media(prefers-color-scheme:dark){:root{--back:#111110;--card:#1a1a19;--ink:#fff;--soft:#c3c2b7;
--rule:#383835;--right:70 140 230;--wrong:226 104 50;--t0:#d19a1c;--t1:#5a9ff0;--t2:#e26832;
--t3:#9085e9;--t4:#75746d}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1280px;margin:0 auto;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0 1rem}
h2{font-size:1.15rem;margin:0 0 .5rem}
a{color:rgb(var(--right))}
p{margin:0 0 .75rem;color:var(--soft);max-width:45rem}
section{background:var(--card);border:1px solid var(--rule);border-radius:8px;padding:1rem;
margin:0 0 1rem}
.tiles{display:flex;flex-wrap:wrap;gap:.5rem 3rem}
.tiles div{display:flex;flex-direction:column}
.tiles b{font-size:1.6rem;line-height:1.2}
.tiles span,.small{color:var(--soft);font-size:.875rem}
.curves{display:flex;flex-wrap:wrap;gap:.5rem}
.curves svg{flex:1 1 300px;min-width:0;width:100%;max-width:600px;height:auto}
.bar{display:flex;height:1.5rem;border-radius:4px;overflow:hidden;gap:1px}
.bar span{width:calc(100%*var(--share))}
.step{min-width:640px;width:100%;height:auto;font:11px system-ui,sans-serif}
.step .label{fill:var(--ink)}
.key{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;padding:0;margin:.75rem 0 0}
.key i{display:inline-block;width:.8rem;height:.8rem;border-radius:2px;margin-right:.4rem}
.t0{background:var(--t0)}.t1{background:var(--t1)}.t2{background:var(--t2)}
.t3{background:var(--t3)}.t4{background:var(--t4)}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,17rem),1fr));gap:.5rem 2rem;
margin:0}
dl div{border-top:1px solid var(--rule);padding-top:.25rem;min-width:0}
dt{color:var(--soft);font-size:.875rem}
dd{margin:0;overflow-wrap:anywhere}
.pair{display:flex;flex-wrap:wrap;gap:0 1rem}
.pair section{flex:1 1 30rem;min-width:0}
.pair section+section{flex-basis:39rem}
.scroll{overflow-x:auto}
table{border-collapse:separate;border-spacing:0;font-variant-numeric:tabular-nums}
th,td{padding:.2rem .6rem;text-align:right;white-space:nowrap;font-weight:400}
thead th{color:var(--soft);font-size:.875rem;border-bottom:1px solid var(--rule)}
tbody th{font-weight:600}
.matrix{font-size:.875rem}
.matrix th,.matrix td{padding:.3rem .15rem;text-align:center;min-width:3.2em}
.matrix tbody th,.matrix thead th:first-child{position:sticky;left:0;background:var(--card);
min-width:2.4em}
.matrix thead th{font-size:inherit;font-weight:600;color:inherit;border:0}
.matrix td{border:1px solid var(--card);border-radius:4px}
.matrix .right{background:rgb(var(--right)/calc(.08 + .62*var(--share)))}
.matrix .wrong{background:rgb(var(--wrong)/min(.7,.06 + 1.1*var(--share)))}
.many{font-size:.75rem}
.many th,.many td{min-width:2.6em;padding:.15rem .05rem}
.range{display:inline-block;position:relative;width:8rem;height:.9rem;vertical-align:middle;
background:linear-gradient(var(--rule),var(--rule)) center/100% 1px no-repeat}
.range i{position:absolute;top:.2rem;bottom:.2rem;border-radius:3px;left:calc(100%*var(--low));
right:calc(100% - 100%*var(--high));background:rgb(var(--right)/.45)}
.range b{position:absolute;top:0;bottom:0;width:3px;margin-left:-1.5px;border-radius:1px;
left:calc(100%*var(--at));background:rgb(var(--right))}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(8.2rem,1fr));gap:1rem}
figure{margin:0}
.pictures img{display:block;width:112px;height:112px;object-fit:contain;background:#000;
border-radius:4px;image-rendering:pixelated}
figcaption span{white-space:nowrap}
figcaption{font-size:.875rem;line-height:1.35;margin-top:.3rem}
@media(max-width:520px){main{padding:.5rem}section{padding:.75rem}.matrix{font-size:.7rem}
.matrix th,.matrix td{min-width:2.2em;padding:.3rem 0}.matrix tbody th,.matrix thead th:first-child{min-width:1.6em}
.each{font-size:.75rem}.each th,.each td{padding:.2rem .3rem}
.each thead th{font-size:inherit;white-space:normal}.each .drawn{display:none}.pictures{grid-template-columns:repeat(auto-fill,
minmax(7.2rem,1fr))}}
@media print{body{background:none}section{break-inside:avoid}}
)";

std::string section(const char* title, const std::string& inside) {
    return "<section><h2>" + escaped(title) + "</h2>\n" + inside + "</section>\n";
}

/// The fraction `part` of `whole`; 0 if `whole` is 0.
double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

std::string tile(const std::string& value, const std::string& name) {
    return "<div><b>" + value + "</b><span>" + name + "</span></div>\n";
}

std::string headline(const PageSummary& summary, const Score& score) {
    const std::string name = escaped(summary.final_name);
    std::string tiles;
    if (score.total > 0) {
        const Interval interval = wilson_interval(score.correct, score.total);
        tiles = tile(percent(score.accuracy()),
                     name + formatted(" accuracy; 95 %% interval %.2f to ", 100 * interval.low) +
                         percent(interval.high)) +
                tile(std::to_string(score.total - score.correct),
                     "wrong of " + std::to_string(score.total));
    }
    tiles += tile(formatted("%.4g", summary.last.loss), name + " loss") +
             tile(formatted("%.1f s", summary.total_seconds), "total time");
    return "<section><div class=\"tiles\">" + tiles + "</div></section>\n";
}

std::string curves(const PageSummary& summary) {
    std::string panels;
    for (const std::string& panel : svg_panels(summary.history, summary.accuracy_name, "epoch"))
        panels += panel;
    return section("Curves", "<div class=\"curves\">" + panels + "</div>\n");
}

/// Which epochs the table has: all, or every tenth, hundredth or thousandth, and the last.
std::size_t shown_every(std::size_t epochs) {
    constexpr std::size_t most_rows = 100;
    std::size_t every = 1;
    while (epochs / every > most_rows) every *= 10;
    return every;
}

std::string epoch_row(const EpochRow& row, const std::string& rate, bool has_accuracy) {
    return formatted("<tr><th scope=\"row\">%d</th>", row.epoch) +
           (rate.empty() ? "" : "<td>" + escaped(rate) + "</td>") +
           formatted("<td>%.5f</td>", row.loss) +
           (has_accuracy ? "<td>" + percent(row.accuracy) + "</td>" : "") +
           formatted("<td>%.0f</td><td>%.2f</td></tr>\n", row.images_per_second, row.seconds);
}

std::string epochs(const PageSummary& summary, bool is_table) {
    const History& history = summary.history;
    const bool has_accuracy = !summary.accuracy_name.empty();
    const std::size_t every = shown_every(history.size());
    std::string rows;
    for (std::size_t i = 0; i < history.size(); ++i)
        if ((i + 1) % every == 0 || i + 1 == history.size())
            rows +=
                epoch_row(history[i], summary.rates.empty() ? "" : summary.rates[i], has_accuracy);
    if (rows.empty()) return "";
    return section(
        "Epochs",
        (every == 1 ? "" : formatted("<p>Every %zuth epoch, and the last one.</p>", every)) +
            "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>epoch</th>" +
            (summary.rates.empty() ? "" : "<th>learning rate</th>") + "<th>training loss</th>" +
            (has_accuracy ? "<th>" + escaped(summary.accuracy_name) + " accuracy</th>" : "") +
            (is_table ? "<th>samples/s</th>" : "<th>images/s</th>") +
            "<th>seconds so far</th></tr></thead>\n<tbody>" + rows + "</tbody></table></div>\n");
}

std::string link_to_draw(const PageSummary& summary) {
    if (summary.digit_page.empty()) return "";
    return "<p><a href=\"" + escaped(summary.digit_page) +
           "\">Draw a digit, and let this network read it</a></p>\n";
}

std::string time_split(const PageSummary& summary) {
    const TimeSplit& t = summary.times;
    const double known = t.data + t.compute + t.communication + t.evaluation;
    const std::array<std::pair<const char*, double>, 5> parts = {
        {{"data", t.data},
         {"compute", t.compute},
         {"communication", t.communication},
         {"evaluation", t.evaluation},
         {"other", std::max(summary.total_seconds - known, 0.0)}}};
    std::string bar, key;
    int kind = 0;
    for (const auto& [name, seconds] : parts) {
        const double part = share(seconds, std::max(summary.total_seconds, known));
        bar += formatted("<span class=\"t%d\" style=\"--share:%.4f\"></span>", kind, part);
        key += formatted("<li><i class=\"t%d\"></i>%s <b>%.2f s</b> (%.0f %%)</li>\n", kind, name,
                         seconds, 100 * part);
        ++kind;
    }
    return section("Where rank 0's time went",
                   "<div class=\"bar\">" + bar + "</div><ul class=\"key\">\n" + key + "</ul>\n");
}

std::string one_step(const PageSummary& summary) {
    if (summary.step_picture.empty()) return "";
    return section(
        "One step",
        "<p>What each rank did in one step. The upper bars are the verbs of the step, the "
        "lower ones what they are made of: layers, sums, and waits for others.</p>"
        "<div class=\"scroll\" tabindex=\"0\">" +
            summary.step_picture + "</div>\n");
}

std::string settings(const PageSummary& summary) {
    std::string list;
    for (const auto& [name, value] : summary.settings)
        list += "<div><dt>" + escaped(name) + "</dt><dd>" + escaped(value) + "</dd></div>\n";
    return section("Settings", "<dl>\n" + list + "</dl>\n");
}

/// A cell's shade is the root of its share, so that one in a hundred is visible. Zeros stay empty.
std::string matrix_row(const Score& score, int true_class) {
    const std::size_t whole = score.count_of(true_class);
    std::string row = formatted("<tr><th scope=\"row\">%d</th>", true_class);
    for (int predicted = 0; predicted < score.classes; ++predicted) {
        const std::size_t count = score.at(true_class, predicted);
        const double part = share(static_cast<double>(count), static_cast<double>(whole));
        row += count == 0 ? "<td></td>"
                          : formatted(
                                "<td class=\"%s\" style=\"--share:%.3f\" title=\"%d predicted as "
                                "%d: %zu of %zu (%.1f %%)\">%zu</td>",
                                true_class == predicted ? "right" : "wrong", std::sqrt(part),
                                true_class, predicted, count, whole, 100 * part, count);
    }
    return row + "</tr>\n";
}

std::string confusion_matrix(const Score& score) {
    std::string head, rows;
    for (int c = 0; c < score.classes; ++c) {
        head += formatted("<th scope=\"col\">%d</th>", c);
        rows += matrix_row(score, c);
    }
    return section("Confusion matrix",
                   "<p>Row: the true class. Column: the predicted class. Blue is right, orange is "
                   "wrong; the shade grows with the square root of the share of the row.</p>"
                   "<div class=\"scroll\" tabindex=\"0\"><table class=\"matrix" +
                       std::string(score.classes > few_classes ? " many" : "") +
                       "\"><thead><tr><th></th>" + head + "</tr></thead>\n<tbody>" + rows +
                       "</tbody></table></div>\n");
}

/// The class that is predicted most often instead of `true_class`, and how often; else empty.
std::string mistaken_for(const Score& score, int true_class) {
    int most = -1;
    for (int predicted = 0; predicted < score.classes; ++predicted)
        if (predicted != true_class &&
            score.at(true_class, predicted) > (most < 0 ? 0 : score.at(true_class, most)))
            most = predicted;
    return most < 0 ? "" : formatted("%d (%zu\u00d7)", most, score.at(true_class, most));
}

std::string class_row(const Score& score, int c, double axis_low) {
    const std::size_t count = score.count_of(c), right = score.at(c, c);
    std::string row = formatted("<tr><th scope=\"row\">%d</th><td>%zu</td>", c, count);
    if (count == 0) return row + "<td></td><td></td><td class=\"drawn\"></td><td></td></tr>\n";
    const Interval interval = wilson_interval(right, count);
    const auto place = [&](double part) { return (part - axis_low) / (1 - axis_low); };
    return row + "<td>" + percent(score.recall(c)) + "</td>" +
           formatted(
               "<td>%.1f to %.1f %%</td><td class=\"drawn\"><span class=\"range\"><i "
               "style=\"--low:%.4f;"
               "--high:%.4f\"></i><b style=\"--at:%.4f\"></b></span></td>",
               100 * interval.low, 100 * interval.high, place(interval.low), place(interval.high),
               place(score.recall(c))) +
           "<td>" + mistaken_for(score, c) + "</td></tr>\n";
}

std::string each_class(const Score& score) {
    double low = 1;
    for (int c = 0; c < score.classes; ++c)
        if (score.count_of(c) > 0)
            low = std::min(low, wilson_interval(score.at(c, c), score.count_of(c)).low);
    const double axis_low = std::floor(std::min(low, 0.95) * 20) / 20;
    std::string rows;
    for (int c = 0; c < score.classes; ++c) rows += class_row(score, c, axis_low);
    return section(
        "Each class",
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"each\"><thead><tr><th>class</th><th>"
        "samples</th><th>accuracy</th><th>95 % interval</th>" +
            formatted("<th class=\"drawn\">%.0f to 100 %%</th>", 100 * axis_low) +
            "<th>mistaken for</th></tr></thead>\n<tbody>" + rows + "</tbody></table></div>\n");
}

/// A probability with two digits. It reads 0 or 1 only if it is exactly that.
std::string probability(double p) {
    if (p > 0 && p < 0.005) return "&lt;0.01";
    if (p < 1 && p > 0.995) return "&gt;0.99";
    return formatted("%.2f", p);
}

std::string both_classes(const SampleResult& shown) {
    return formatted("<span>predicted %d (%s),</span> <span>true %d (%s)</span>", shown.predicted,
                     probability(shown.probability).c_str(), shown.true_class,
                     probability(shown.true_probability).c_str());
}

std::string picture(const SampleResult& shown, const SampleSet& test) {
    const auto pixels =
        std::span(test.pixels).subspan(shown.sample * test.features(), test.features());
    const auto png = png_of({test.cols, test.rows, {pixels.begin(), pixels.end()}});
    return formatted(
               "<figure><img alt=\"a %d\" width=\"%d\" height=\"%d\" src=\"data:image/png;"
               "base64,",
               shown.true_class, test.cols, test.rows) +
           base64(png) + "\"/><figcaption>" + both_classes(shown) +
           formatted("<br/><span class=\"small\">sample %zu</span></figcaption></figure>\n",
                     shown.sample);
}

std::string worst_predictions(const Score& score, const SampleSet& test) {
    const auto worst = std::span(score.worst).first(std::min(score.worst.size(), most_pictures));
    std::string inside;
    for (const SampleResult& shown : worst)
        inside += test.format.number_inputs ? formatted("<tr><td>%zu</td><td>", shown.sample) +
                                                  both_classes(shown) + "</td></tr>\n"
                                            : picture(shown, test);
    if (test.format.number_inputs)
        inside =
            "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th>sample</th><th>"
            "classes</th></tr></thead>\n<tbody>" +
            inside + "</tbody></table></div>\n";
    else
        inside = "<div class=\"pictures\">\n" + inside + "</div>\n";
    return section("Worst predictions",
                   "<p>The samples whose true class got the lowest probability. Each shows the "
                   "predicted class and the true class, with their probabilities.</p>" +
                       inside);
}

}  // namespace

std::string html_page(const PageSummary& summary, const Score& score, const SampleSet& test) {
    std::string page =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>"
        "<title>Training report</title><style>" +
        std::string(page_style) + "</style></head>\n<body><main><h1>Training report</h1>\n" +
        link_to_draw(summary) + headline(summary, score) + curves(summary) +
        epochs(summary, test.format.number_inputs) + time_split(summary) + one_step(summary) +
        settings(summary);
    if (score.total > 0) {
        const bool beside = score.classes <= few_classes;
        page += std::string(beside ? "<div class=\"pair\">" : "<div>") + confusion_matrix(score) +
                each_class(score) + "</div>\n";
    }
    if (!score.worst.empty()) page += worst_predictions(score, test);
    return page + "</main></body></html>\n";
}

void write_page(const std::string& file, const PageSummary& summary, const Score& score,
                const SampleSet& test) {
    write_file("--report", file, html_page(summary, score, test));
}

std::string address_from(const std::string& file, const std::string& other) {
    namespace fs = std::filesystem;
    const auto whole = [](const std::string& name) {
        return fs::absolute(name).lexically_normal();
    };
    const fs::path folder = whole(file).parent_path();
    const std::string path = whole(other).lexically_relative(folder).generic_string();
    std::string address;
    for (const char c : path) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                           std::string_view("/._-~").find(c) != std::string_view::npos;
        address += plain ? std::string(1, c) : formatted("%%%02X", static_cast<unsigned char>(c));
    }
    return address;
}

void check_page(const std::string& file) { check_writable("--report", file); }
