// gpu_contest.h: measures contenders for the same work on a GPU against each other.
//
// A run of a contender is a few kernels of microseconds. So that neither the clock's steps nor the
// launching are measured, up to `chain` runs are recorded as a CUDA graph, and the graph is timed
// by events. Runs take their images from one batch after another, as in training, so that images
// come from where training finds them and not from the nearest cache; weights and deltas, which
// training has just written, stay where they are. Contenders take turns in one loop, first ever
// another, so that heat, clocks and other users of the machine meet all of them alike. What a run
// writes is poisoned with NaN before, and checked, before and after the timing.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "device/gpu/kernels.h"

struct Contender {
    std::string what, name;
    double flops;                        ///< of a run; 0: not told
    std::function<void(int batch)> run;  ///< puts a run on the stream
    std::function<void()> poison;        ///< what a run writes becomes NaN
    std::function<double(int)> error;    ///< of run(batch), waits: its bound is 1
    bool judged = true;                  ///< an error above 1 fails the benchmark
    bool chosen = false;                 ///< it is what the program would take
};

/// One half of a contender's repetitions, in time: the two medians tell how far one can be trusted.
struct Measured {
    std::string what, name;
    double median, q1, q3;  ///< seconds a run
    int repetitions, chain;
    double tflops, error;
    bool judged, chosen;

    bool right() const { return !judged || error <= 1; }
};

/// How long to measure.
struct Effort {
    int repetitions = 200;        ///< of a chain
    double slow = 5e-3;           ///< a run that takes longer is repeated for one second,
    int slow_repetitions = 20;    ///< but at least so often
    int chain = 20;               ///< most runs in a graph,
    double chain_seconds = 2e-3;  ///< which takes about so long
};

/// On gpu.stream. batches: run() takes 0 .. batches - 1. Both halves of each contender are there,
/// one after the other; of one repetition, a single one.
std::vector<Measured> contest(const Gpu& gpu, const std::vector<Contender>& contenders, int batches,
                              const Effort& effort);
