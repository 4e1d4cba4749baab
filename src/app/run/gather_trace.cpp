// gather_trace.cpp: timelines as text, from every rank.
#include "app/run/gather_trace.h"

#include <sstream>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/timeline.h"

namespace {

std::string lines_of_this_rank() {
    std::string lines;
    for (const timeline::Event& e : timeline::events())
        lines += formatted("%s %d %.9f %.9f\n", e.name, e.number, e.start, e.end);
    return lines;
}

std::vector<TracedEvent> events_of(const std::string& lines, double ahead) {
    std::vector<TracedEvent> events;
    std::istringstream in(lines);
    for (TracedEvent e; in >> e.name >> e.number >> e.start >> e.end;)
        events.push_back({e.name, e.number, e.start - ahead, e.end - ahead});
    return events;
}

}  // namespace

Trace gather_trace(const Comm& comm) {
    const std::vector<double> ahead = comm.clocks_ahead();
    const auto lines = comm.gather(lines_of_this_rank());
    const auto nodes = comm.gather(std::to_string(comm.node()));
    Trace trace;
    trace.steps = timeline::steps();
    for (std::size_t r = 0; r < lines.size(); ++r) {
        trace.of_rank.push_back(events_of(lines[r], ahead[r]));
        trace.nodes.push_back(std::stoi(nodes[r]));
    }
    return trace;
}
