// limits_probe.h: one thing that limits.cpp times, and those that need no other rank.
#pragma once
#include <chrono>
#include <functional>
#include <string>
#include <vector>

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class Work>
double seconds_of(Work&& work) {
    const auto start = Clock::now();
    work();
    return seconds_since(start);
}

/// A line of the output: work / seconds / 1e9, or the microseconds themselves where work is 0.
struct Line {
    std::string name;
    double work;
    const char* unit;
};

/// One thing that is timed; what it took may be said in several lines.
struct Probe {
    std::vector<Line> lines;
    std::function<double()> seconds;
    std::vector<double> seen = {};
};

/// A loop of multiply-adds in registers, the widest that this processor has.
using MultiplyAdds = void (*)(long steps);
struct FmaPeak {
    MultiplyAdds with_float, with_double;
    int bytes;  ///< of a vector
};
FmaPeak fma_peak();

/// What the processor and its memory reach.
std::vector<Probe> machine_probes();
/// What oneDNN's products reach; nothing where oneDNN is not installed.
std::vector<Probe> onednn_probes();
