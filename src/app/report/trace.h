// trace.h: the timelines of all ranks as a file for chrome://tracing, Perfetto or Speedscope, as a
// picture of one step, and in words.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

/// A piece of work of one rank.
struct TracedEvent {
    std::string name;
    int number;         ///< of the layer or part; -1: none
    double start, end;  ///< seconds of rank 0's clock
};

/// The timelines of all ranks, in their order.
struct Trace {
    std::vector<std::vector<TracedEvent>> of_rank;
    std::vector<int> nodes;  ///< of each rank
    std::size_t steps = 0;   ///< the first steps of the run, which were noted
};

/// JSON of the Trace Event Format: a process for each node, a thread for each rank, an event for
/// each piece of work in microseconds from the first one on.
std::string trace_json(const Trace& trace);

/// An SVG picture of the step in the middle: a row for each rank.
std::string step_picture(const Trace& trace);

/// "steps 1 to 250; sums and waits took 2 % of the time of rank 1, the slowest, and 24 % of rank 0,
/// the fastest"; of one rank, only the steps.
std::string trace_words(const Trace& trace);
