// trace.cpp: writes timelines as JSON, as a picture and in words.
#include "app/report/trace.h"

#include <algorithm>
#include <limits>

#include "app/report/markup.h"
#include "base/text.h"

namespace {

bool is_waiting(const TracedEvent& event) {
    return event.name == "wait" || event.name == "sum" || event.name == "mean";
}

double first_start(const Trace& trace) {
    double first = std::numeric_limits<double>::infinity();
    for (const auto& events : trace.of_rank)
        for (const TracedEvent& event : events) first = std::min(first, event.start);
    return first;
}

/// "gradient 2"
std::string title_of(const TracedEvent& event) {
    return event.number < 0 ? event.name : event.name + " " + std::to_string(event.number);
}

/// The share of its steps' time that a rank spent in sums and at barriers. A step comes after what
/// it is made of.
double waiting_share(const std::vector<TracedEvent>& events) {
    double waiting = 0, all = 0;
    std::vector<TracedEvent> waits;
    for (const TracedEvent& event : events) {
        if (is_waiting(event)) waits.push_back(event);
        if (event.name != "step") continue;
        for (const TracedEvent& wait : waits)
            if (wait.start >= event.start) waiting += wait.end - wait.start;
        all += event.end - event.start;
        waits.clear();
    }
    return all > 0 ? waiting / all : 0;
}

// ---- the picture

constexpr double timeline_width = 960, names_width = 60, row_height = 44, bar_height = 18;

const char* colour_of(const std::string& name) {
    if (name == "load") return "var(--t0)";
    if (name == "forward") return "var(--t1)";
    if (name == "update") return "var(--t3)";
    if (name == "wait" || name == "sum" || name == "mean") return "var(--t4)";
    return "var(--t2)";  // deltas and gradients
}

/// Verbs are drawn above, and what they are made of below.
bool is_verb(const TracedEvent& event) { return event.number < 0 && !is_waiting(event); }

std::string bar(const TracedEvent& event, double y, double from, double scale) {
    const double x = names_width + (event.start - from) * scale,
                 w = (event.end - event.start) * scale;
    const std::string title = escaped(title_of(event));
    std::string text =
        formatted("<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.0f\" fill=\"%s\"><title>",
                  x, y, std::max(w, 0.5), bar_height, colour_of(event.name)) +
        title + formatted(" %.1f us</title></rect>\n", 1e6 * (event.end - event.start));
    if (w > 7.0 * static_cast<double>(title.size()))
        text += formatted("<text x=\"%.2f\" y=\"%.1f\" fill=\"#fff\">", x + 3, y + 13) + title +
                "</text>\n";
    return text;
}

/// A bucket's sum begins while one piece of work is done and ends in another.
bool goes_on_meanwhile(const TracedEvent& event) { return event.name == "bucket"; }

/// A thin line below the bars.
std::string line(const TracedEvent& event, double y, double from, double scale) {
    return formatted(
               "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"3\" "
               "fill=\"var(--t4)\"><title>",
               names_width + (event.start - from) * scale, y + 2 * bar_height + 3,
               std::max((event.end - event.start) * scale, 0.5)) +
           escaped(title_of(event)) +
           formatted(" %.1f us</title></rect>\n", 1e6 * (event.end - event.start));
}

}  // namespace

std::string trace_json(const Trace& trace) {
    const double begin = first_start(trace);
    std::string json = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
    const char* comma = "\n";
    for (std::size_t r = 0; r < trace.of_rank.size(); ++r) {
        const std::string where = formatted("\"pid\":%d,\"tid\":%zu", trace.nodes[r], r);
        json += formatted(
            "%s{\"ph\":\"M\",\"name\":\"thread_name\",%s,\"args\":{\"name\":\"rank %zu\"}}", comma,
            where.c_str(), r);
        json += formatted(
            ",\n{\"ph\":\"M\",\"name\":\"process_name\",%s,\"args\":{\"name\":\"node %d\"}}",
            where.c_str(), trace.nodes[r]);
        comma = ",\n";
        for (const TracedEvent& e : trace.of_rank[r]) {
            if (goes_on_meanwhile(e)) {
                // An event of a thread must lie within another one; these need not.
                for (const char* ends : {"b", "e"})
                    json += formatted(
                        ",\n{\"ph\":\"%s\",\"cat\":\"bucket\",\"id\":\"%zu.%d\",\"name\":\"%s\",%s,"
                        "\"ts\":%.3f}",
                        ends, r, e.number, title_of(e).c_str(), where.c_str(),
                        1e6 * ((*ends == 'b' ? e.start : e.end) - begin));
                continue;
            }
            json += formatted(",\n{\"ph\":\"X\",\"name\":\"%s\",%s,\"ts\":%.3f,\"dur\":%.3f}",
                              title_of(e).c_str(), where.c_str(), 1e6 * (e.start - begin),
                              1e6 * (e.end - e.start));
        }
    }
    return json + "\n]}\n";
}

std::string step_picture(const Trace& trace) {
    const auto step_of = [&](const std::vector<TracedEvent>& events) -> const TracedEvent* {
        std::vector<const TracedEvent*> steps;
        for (const TracedEvent& event : events)
            if (event.name == "step") steps.push_back(&event);
        return steps.empty() ? nullptr : steps[steps.size() / 2];
    };
    double from = std::numeric_limits<double>::infinity(), to = -from;
    for (const auto& events : trace.of_rank)
        if (const TracedEvent* const step = step_of(events); step != nullptr) {
            from = std::min(from, step->start);
            to = std::max(to, step->end);
        }
    if (!(from < to)) return "";
    const double scale = (timeline_width - names_width) / (to - from);
    std::string bars;
    for (std::size_t r = 0; r < trace.of_rank.size(); ++r) {
        const double y = row_height * static_cast<double>(r);
        bars += formatted("<text class=\"label\" x=\"0\" y=\"%.1f\">rank %zu</text>\n", y + 13, r);
        for (const TracedEvent& event : trace.of_rank[r])
            if (event.name != "step" && event.start >= from && event.end <= to)
                bars += goes_on_meanwhile(event)
                            ? line(event, y, from, scale)
                            : bar(event, is_verb(event) ? y : y + bar_height + 2, from, scale);
    }
    return formatted(
               "<svg class=\"step\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"one step, "
               "%.1f microseconds, rank by rank\">\n",
               timeline_width, row_height * static_cast<double>(trace.of_rank.size()),
               1e6 * (to - from)) +
           bars + "</svg>\n" +
           formatted("<p class=\"small\">%.1f us from the left to the right.</p>\n",
                     1e6 * (to - from));
}

std::string trace_words(const Trace& trace) {
    std::string words = trace.steps == 1 ? "step 1" : formatted("steps 1 to %zu", trace.steps);
    if (trace.of_rank.size() < 2) return words;
    std::vector<double> shares;
    for (const auto& events : trace.of_rank) shares.push_back(waiting_share(events));
    const auto slowest = std::ranges::min_element(shares) - shares.begin();
    const auto fastest = std::ranges::max_element(shares) - shares.begin();
    return words + formatted(
                       "; sums and waits took %.0f %% of the time of rank %td, the slowest, "
                       "and %.0f %% of rank %td, the fastest",
                       100 * shares[static_cast<std::size_t>(slowest)], slowest,
                       100 * shares[static_cast<std::size_t>(fastest)], fastest);
}
