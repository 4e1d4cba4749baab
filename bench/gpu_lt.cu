// gpu_lt.cu: times cublasLt's algorithms, and keeps the fastest. See gpu_lt.h.
#include "gpu_lt.h"

#include <algorithm>
#include <limits>

#include "device/gpu/graph.h"
#include "device/gpu/owned.h"

namespace {

/// What is timed takes about so long, unless one run alone takes longer,
constexpr double chain_seconds = 2e-4;
/// has at most so many runs,
constexpr int longest_chain = 10;
/// and the shortest of so many times counts.
constexpr int times = 4;

}  // namespace

double LtProducts::seconds(const LtCall& call, const LtWay& way) {
    GpuEvent before, after;
    before.record(gpu_.stream);
    library_.run(call, way);
    after.record(gpu_.stream);
    after.wait();
    const double once = std::max(after.seconds_since(before), 1e-6);
    const int chain = std::clamp(static_cast<int>(chain_seconds / once), 1, longest_chain);
    const GpuGraph graph = GpuGraph::recorded(gpu_.stream, [&] {
                               for (int r = 0; r < chain; ++r) library_.run(call, way);
                           }).value();
    double least = std::numeric_limits<double>::infinity();
    graph.launch(gpu_.stream);
    for (int t = 0; t < times; ++t) {
        before.record(gpu_.stream);
        graph.launch(gpu_.stream);
        after.record(gpu_.stream);
        after.wait();
        least = std::min(least, after.seconds_since(before) / chain);
    }
    return least;
}

std::optional<LtWay> LtProducts::fastest(const LtCall& call) {
    std::vector<LtWay> ways = library_.ways(call, false);
    if (call.ones != Ones::none)
        for (const LtWay& way : library_.ways(call, true)) ways.push_back(way);
    std::optional<LtWay> best;
    double least = std::numeric_limits<double>::infinity();
    std::size_t number = 0;
    for (std::size_t i = 0; i < ways.size(); ++i) {
        if (!library_.run(call, ways[i])) continue;  // also the first, slow run
        const double time = seconds(call, ways[i]);
        if (time >= least) continue;
        least = time;
        best = ways[i];
        number = i;
    }
    taken_ += (taken_.empty() ? "" : "; ") + std::to_string(call.m) + " x " +
              std::to_string(call.n) + " x " + std::to_string(call.k) + " " +
              (best ? std::to_string(number + 1) + " of " : "none of ") +
              std::to_string(ways.size()) + (best && best->in_epilogue ? ", in the epilogue" : "");
    return best;
}

void LtProducts::product(Ones ones, int m, int n, int k, CublasMatrix a, CublasMatrix b, nn_real* c,
                         int c_stride) {
    const LtCall call{by_, ones, m, n, k, a, b, c, c_stride};
    const Kind kind{ones, m, n, k, a.stride, b.stride, c_stride, a.transposed, b.transposed};
    auto known = known_.find(kind);
    if (known == known_.end()) known = known_.emplace(kind, fastest(call)).first;
    if (known->second)
        library_.run(call, *known->second);
    else
        can_ = false;
}
