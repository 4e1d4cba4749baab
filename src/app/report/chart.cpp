// chart.cpp: measures the panels once, and draws them as SVG or as a gnuplot script.
//
// A panel holds what both need: points that can be drawn, thinned to what eyes can tell apart, and
// axes with their ticks. So the two pictures agree.
#include "app/report/chart.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "app/report/gnuplot.h"
#include "app/report/markup.h"
#include "app/run/output_file.h"
#include "base/text.h"

namespace {

// In the SVG's units, which are pixels if it is not scaled.
constexpr double width = 480, height = 320, left = 72, right = 84, top = 44, bottom = 48;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;
constexpr std::size_t most_dots = 40;  ///< with more points, only the line is drawn

struct Point {
    double epoch, value;
};

struct Axis {
    double low = 0, high = 1;
    bool logarithmic = false;
    std::vector<double> ticks;

    /// Returns 0 at the low end, 1 at the high end.
    double place(double value) const {
        return logarithmic ? std::log(value / low) / std::log(high / low)
                           : (value - low) / (high - low);
    }
};

struct Panel {
    std::string kind;    ///< its class in the SVG
    std::string title;   ///< what is drawn
    std::string unit;    ///< of the horizontal axis
    const char* format;  ///< of a value
    std::vector<Point> points;
    Axis x, y;
};

// ---- axes

/// The least number that is 1, 2 or 5 times a power of ten and at least `least` > 0.
double round_step(double least) {
    const double power = std::pow(10, std::floor(std::log10(least)));
    for (const double times : {1.0, 2.0, 5.0})
        if (times * power >= least * (1 - 1e-9)) return times * power;
    return 10 * power;
}

/// The multiples of `step` from low to high. Ends are included, with a tolerance for rounding.
std::vector<double> multiples(double low, double high, double step) {
    std::vector<double> ticks;
    const auto last = std::llround(std::floor(high / step + 1e-6));
    for (auto i = std::llround(std::ceil(low / step - 1e-6)); i <= last; ++i)
        ticks.push_back(static_cast<double>(i) * step);
    return ticks;
}

/// Round numbers on a logarithmic axis: powers of ten; in fewer than three decades also 2 and 5
/// times these. If those are too few, multiples of one step.
std::vector<double> logarithmic_ticks(double low, double high) {
    const double decades = std::log10(high) - std::log10(low);
    const double every = std::max(1.0, std::ceil(decades / 6));
    std::vector<double> ticks;
    for (double power : multiples(std::log10(low) - 1, std::log10(high), every))
        for (const double times : {1.0, 2.0, 5.0}) {
            const double tick = times * std::pow(10, std::round(power));
            const bool wanted = times == 1 || decades < 3;
            if (wanted && tick >= low && tick <= high) ticks.push_back(tick);
        }
    return ticks.size() >= 3 ? ticks : multiples(low, high, round_step((high - low) / 8));
}

/// An axis around all points, with a little room, even if all values are equal.
Axis loss_axis(const std::vector<Point>& points) {
    if (points.empty()) return {0.1, 1, true, {0.1, 1}};
    const auto [least, most] = std::ranges::minmax(points, {}, &Point::value);
    const double room = std::max(0.06 * std::log(most.value / least.value), 0.05);
    Axis axis{least.value * std::exp(-room), most.value * std::exp(room), true, {}};
    axis.ticks = logarithmic_ticks(axis.low, axis.high);
    return axis;
}

/// An axis from tick to tick around all points, at least one per cent long, never beyond 0 or 100.
Axis percent_axis(const std::vector<Point>& points) {
    if (points.empty()) return {0, 100, false, multiples(0, 100, 20)};
    const auto [least, most] = std::ranges::minmax(points, {}, &Point::value);
    const double middle = (least.value + most.value) / 2;
    const double span = std::max(most.value - least.value, 1.0), step = round_step(span / 5);
    Axis axis{std::max(0.0, std::floor((middle - span / 2) / step) * step),
              std::min(100.0, std::ceil((middle + span / 2) / step) * step),
              false,
              {}};
    axis.ticks = multiples(axis.low, axis.high, step);
    return axis;
}

/// An axis from the first epoch to the last. A single epoch stands in the middle.
Axis epoch_axis(const History& history) {
    if (history.empty()) return {0, 1, false, {}};
    const double first = history.front().epoch, last = history.back().epoch;
    const double room = first == last ? 0.5 : 0;
    const double step = round_step(std::max((last - first) / 6, 1.0));
    return {first - room, last + room, false, multiples(first, last, step)};
}

// ---- points

/// Keeps, of all points in one column of pixels, only the first, the last, the least and the
/// greatest, because no more are visible. So a long history makes no large file.
std::vector<Point> thinned(const std::vector<Point>& points, const Axis& x) {
    std::vector<Point> seen;
    for (auto begin = points.begin(); begin != points.end();) {
        const auto column = [&](const Point& p) {
            return std::floor(plot_width * x.place(p.epoch));
        };
        const auto end = std::find_if(begin, points.end(),
                                      [&](const Point& p) { return column(p) != column(*begin); });
        const auto [least, most] = std::minmax_element(
            begin, end, [](const Point& a, const Point& b) { return a.value < b.value; });
        std::vector extremes = {begin, std::min(least, most), std::max(least, most), end - 1};
        extremes.erase(std::unique(extremes.begin(), extremes.end()), extremes.end());
        for (const auto& point : extremes) seen.push_back(*point);
        begin = end;
    }
    return seen;
}

std::vector<Panel> panels_of(const History& history, const std::string& accuracy_name,
                             const std::string& unit) {
    const Axis x = epoch_axis(history);
    Panel loss{"loss", "training loss (log scale)", unit, "%.3g", {}, x, {}};
    Panel accuracy{"accuracy", accuracy_name + " accuracy (%)", unit, "%.2f %%", {}, x, {}};
    for (const EpochRow& row : history) {
        const auto epoch = static_cast<double>(row.epoch);
        if (std::isnormal(row.loss) && row.loss > 0) loss.points.push_back({epoch, row.loss});
        if (std::isfinite(row.accuracy)) accuracy.points.push_back({epoch, 100 * row.accuracy});
    }
    loss.y = loss_axis(loss.points);
    accuracy.y = percent_axis(accuracy.points);
    std::vector<Panel> panels = {std::move(loss)};
    if (!accuracy_name.empty()) panels.push_back(std::move(accuracy));
    for (Panel& panel : panels) panel.points = thinned(panel.points, x);
    return panels;
}

// ---- SVG

// Everyone can tell blue from orange; each curve has its own panel anyway.
constexpr const char* chart_style =
    "<style>.panel text{font:14px system-ui,sans-serif;fill:#52514e}.panel .title{font-weight:600;"
    "fill:#0b0b0b}.panel .value{font-weight:600}.panel .back{fill:#fcfcfb}.panel .grid{stroke:"
    "#e1e0d9}.panel .line{fill:none;stroke-width:2;stroke-linejoin:round}.loss "
    ".line{stroke:#2a78d6}"
    ".loss circle{fill:#2a78d6}.accuracy .line{stroke:#c74a12}.accuracy circle{fill:#c74a12}"
    "@media(prefers-color-scheme:dark){.panel text{fill:#c3c2b7}.panel .title{fill:#fff}.panel "
    ".back{fill:#1a1a19}.panel .grid{stroke:#383835}.loss .line{stroke:#5a9ff0}.loss circle{fill:"
    "#5a9ff0}.accuracy .line{stroke:#f08a5d}.accuracy circle{fill:#f08a5d}}</style>";

double x_of(const Panel& panel, double epoch) { return left + plot_width * panel.x.place(epoch); }
double y_of(const Panel& panel, double value) {
    return top + plot_height * (1 - panel.y.place(value));
}

std::string svg_text(double x, double y, const char* attributes, const std::string& text) {
    return formatted("<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>", x, y, attributes,
                     escaped(text).c_str());
}

std::string svg_axes(const Panel& panel) {
    std::string svg =
        svg_text(left, 24, "class=\"title\"", panel.title) +
        svg_text(left + plot_width / 2, height - 8, "text-anchor=\"middle\"", panel.unit);
    for (const double tick : panel.y.ticks) {
        const double y = y_of(panel, tick);
        svg += formatted("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                         left, left + plot_width, y, y) +
               svg_text(left - 8, y + 5, "text-anchor=\"end\"", formatted("%.5g", tick));
    }
    for (const double tick : panel.x.ticks)
        svg += svg_text(x_of(panel, tick), height - bottom + 20, "text-anchor=\"middle\"",
                        formatted("%.10g", tick));
    return svg;
}

/// The line, dots that show their numbers under the pointer, and the last value as text.
std::string svg_curve(const Panel& panel) {
    if (panel.points.empty())
        return svg_text(left + plot_width / 2, top + plot_height / 2, "text-anchor=\"middle\"",
                        "no value to draw");
    std::string line, dots;
    for (const Point& p : panel.points) {
        const double x = x_of(panel, p.epoch), y = y_of(panel, p.value);
        line += formatted("%s%.1f %.1f", line.empty() ? "M" : "L", x, y);
        dots += formatted("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>%s %.0f: ", x, y,
                          escaped(panel.unit).c_str(), p.epoch) +
                formatted(panel.format, p.value) + "</title></circle>";
    }
    const Point& last = panel.points.back();
    return "<path class=\"line\" d=\"" + line + "\"/>" +
           (panel.points.size() <= most_dots ? dots : "") +
           svg_text(x_of(panel, last.epoch) + 9, y_of(panel, last.value) + 5, "class=\"value\"",
                    formatted(panel.format, last.value));
}

std::string svg_panel(const Panel& panel, double x) {
    return formatted(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"panel %s\" x=\"%.0f\" "
               "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">",
               panel.kind.c_str(), x, width, height, width, height) +
           "<title>" + escaped(panel.title + " by " + panel.unit) + "</title>" + chart_style +
           formatted("<rect class=\"back\" width=\"%.0f\" height=\"%.0f\"/>", width, height) +
           svg_axes(panel) + svg_curve(panel) + "</svg>\n";
}

// ---- several runs

constexpr double legend_width = 330;
/// Colours that are seen on white and on black; each is first a whole line, then a dashed one.
constexpr const char* run_colours[] = {"#2f7fd8", "#d97706", "#2a9d5c",
                                       "#c2459b", "#8a8f2a", "#d64545"};

/// The attributes of run i's line.
std::string line_of_run(std::size_t i) {
    constexpr std::size_t colours = std::size(run_colours);
    return formatted("class=\"line\" style=\"stroke:%s\"%s", run_colours[i % colours],
                     i / colours % 2 == 0 ? "" : " stroke-dasharray=\"6 4\"");
}

/// The accuracy in per cent over the seconds.
std::vector<Point> points_of(const History& history) {
    std::vector<Point> points;
    for (const EpochRow& row : history)
        if (std::isfinite(row.accuracy)) points.push_back({row.seconds, 100 * row.accuracy});
    return points;
}

/// A panel around the points of all runs.
Panel race_panel(const std::vector<NamedHistory>& runs) {
    Panel panel{"race", "accuracy (%)", "seconds of training", "%.2f %%", {}, {}, {}};
    for (const NamedHistory& run : runs)
        for (const Point& point : points_of(run.history)) panel.points.push_back(point);
    panel.y = percent_axis(panel.points);
    if (panel.points.empty()) return panel;
    const double last = std::ranges::max(panel.points, {}, &Point::epoch).epoch;
    panel.x = {0, last, false, multiples(0, last, round_step(last / 6))};
    return panel;
}

/// The line of run i and, beside the panel, its name.
std::string svg_run(const Panel& panel, const NamedHistory& run, std::size_t i) {
    std::string line;
    for (const Point& p : thinned(points_of(run.history), panel.x))
        line += formatted("%s%.1f %.1f", line.empty() ? "M" : "L", x_of(panel, p.epoch),
                          y_of(panel, p.value));
    const double x = left + plot_width + 24, y = top + 8 + 20 * static_cast<double>(i);
    constexpr std::size_t longest_name = 40;
    const std::string path =
        line.empty() ? "" : formatted("<path d=\"%s\" %s/>", line.c_str(), line_of_run(i).c_str());
    return path + formatted("<path d=\"M%.0f %.0fh24\" %s/>", x, y, line_of_run(i).c_str()) +
           svg_text(x + 32, y + 5, "", harmless(run.name, longest_name));
}

// ---- gnuplot

/// `text` in gnuplot's single quotes, in which only a quote has a meaning.
std::string quoted(const std::string& text) {
    std::string safe;
    for (const char c : text) safe += c == '\'' ? "''" : std::string(1, c);
    return "'" + safe + "'";
}

std::string gnuplot_axis(const char* name, const Axis& axis) {
    std::string ticks;
    for (const double tick : axis.ticks)
        ticks += formatted("%s'%.10g' %.17g", ticks.empty() ? "" : ", ", tick, tick);
    return formatted("%sset logscale %s\nset %srange [%.17g:%.17g]\nset %stics (",
                     axis.logarithmic ? "" : "un", name, name, axis.low, axis.high, name) +
           ticks + ")\n";
}

std::string gnuplot_panel(const Panel& panel) {
    std::string script = "set title " + quoted(panel.title) + "\nset xlabel " + quoted(panel.unit) +
                         "\n" + gnuplot_axis("x", panel.x) + gnuplot_axis("y", panel.y) +
                         "unset label\n";
    if (panel.points.empty())
        return script + "set label 'no value to draw' at graph 0.5, 0.5 center\nplot NaN notitle\n";
    const Point& last = panel.points.back();
    script += "set label " + quoted(formatted(panel.format, last.value)) +
              formatted(" at %.17g, %.17g left offset 1, 0\n$points << end_of_points\n", last.epoch,
                        last.value);
    for (const Point& p : panel.points) script += formatted("%.17g %.17g\n", p.epoch, p.value);
    const char* colour = panel.kind == "loss" ? "#2a78d6" : "#c74a12";
    return script + "end_of_points\nplot $points notitle with " +
           (panel.points.size() <= most_dots ? "linespoints pt 7 ps 1.1" : "lines") +
           formatted(" lw 2.5 lc rgb '%s'\n", colour);
}

/// True if `png` begins with PNG's signature and ends with its last chunk.
bool is_whole_png(const std::string& png) {
    return png.starts_with("\x89PNG\r\n\x1a\n") && png.ends_with("IEND\xae\x42\x60\x82");
}

}  // namespace

std::vector<std::string> svg_panels(const History& history, const std::string& accuracy_name,
                                    const std::string& unit) {
    std::vector<std::string> svg;
    for (const Panel& panel : panels_of(history, accuracy_name, unit))
        svg.push_back(svg_panel(panel, 0));
    return svg;
}

std::string svg_chart(const History& history, const std::string& accuracy_name,
                      const std::string& unit) {
    std::string inside;
    double x = 0;
    for (const Panel& panel : panels_of(history, accuracy_name, unit)) {
        inside += svg_panel(panel, x);
        x += width;
    }
    return formatted(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
               "viewBox=\"0 0 %.0f %.0f\">\n",
               x, height, x, height) +
           inside + "</svg>\n";
}

std::string svg_race(const std::vector<NamedHistory>& runs, double goal) {
    const Panel panel = race_panel(runs);
    const double wide = left + plot_width + legend_width;
    const double high = std::max(height, top + 20 * static_cast<double>(runs.size()) + 8);
    std::string svg = formatted(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"panel race\" width=\"%.0f\" "
        "height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\" role=\"img\">"
        "<title>accuracy of each run by seconds of training</title>",
        wide, high, wide, high);
    svg += chart_style +
           formatted("<rect class=\"back\" width=\"%.0f\" height=\"%.0f\"/>", wide, high) +
           svg_axes(panel);
    if (goal >= panel.y.low && goal <= panel.y.high && goal > 0)
        svg += formatted(
            "<path class=\"line\" style=\"stroke:#8a8983\" stroke-dasharray=\"3 3\" "
            "d=\"M%.1f %.1fh%.1f\"/>",
            left, y_of(panel, goal), plot_width);
    for (std::size_t i = 0; i < runs.size(); ++i) svg += svg_run(panel, runs[i], i);
    return svg + "</svg>\n";
}

std::string gnuplot_chart(const History& history, const std::string& accuracy_name,
                          const std::string& unit) {
    const auto panels = panels_of(history, accuracy_name, unit);
    std::string script = formatted(
        "set terminal pngcairo noenhanced size %zu,%.0f fontscale 1.3\nset multiplot layout 1,%zu\n"
        "set border 3 lc rgb '#52514e'\nset tics nomirror\nset grid lc rgb '#e1e0d9' lt 1\n"
        "set rmargin 10\n",
        panels.size() * 720, 480.0, panels.size());
    for (const Panel& panel : panels) script += gnuplot_panel(panel);
    return script + "unset multiplot\n";
}

void check_plot(const std::string& file) {
    const std::string ending = std::filesystem::path(file).extension();
    if (ending != ".svg" && ending != ".png")
        throw InputError(
            named("--plot", file) +
            ": expected a name that ends in .svg or .png; give it one of these endings");
    check_writable("--plot", file);
    if (ending == ".svg") return;
    std::string nothing;
    if (const auto words = run_gnuplot("set terminal pngcairo\n", nothing))
        throw InputError(named("--plot", file) +
                         ": gnuplot, which draws .png, does not run here (" + *words +
                         "); install gnuplot, or name a .svg file");
}

void write_plot(const std::string& file, const History& history, const std::string& accuracy_name,
                const std::string& unit) {
    if (std::filesystem::path(file).extension() != ".png") {
        write_file("--plot", file, svg_chart(history, accuracy_name, unit));
        return;
    }
    std::string png;
    auto words = run_gnuplot(gnuplot_chart(history, accuracy_name, unit), png);
    // With no room for its output, gnuplot may end as if all were well.
    if (!words && !is_whole_png(png)) words = "its PNG is not complete";
    if (words)
        throw Failure(__FILE__, __LINE__, "drawing --plot " + file + " by gnuplot", *words,
                      "name a .svg file, which needs no gnuplot");
    write_file("--plot", file, png);
}
