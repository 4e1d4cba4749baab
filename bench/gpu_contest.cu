// gpu_contest.cu: the loop of gpu_contest.h.
#include "gpu_contest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "device/gpu/graph.h"

namespace {

/// A contender with its graphs: together they walk through the batches once, or as far as the
/// chains reach.
class Runner {
  public:
    Runner(const Gpu& gpu, const Contender& contender, int batches, const Effort& effort)
        : gpu_(gpu), contender_(contender) {
        check(0);  // also the first warm-up, and the first use of what is set up late
        const double seconds = time_one(batches);
        chain_ = std::clamp(static_cast<int>(std::lround(effort.chain_seconds / seconds)), 1,
                            effort.chain);
        repetitions_ = seconds <= effort.slow
                           ? effort.repetitions
                           : std::clamp(static_cast<int>(1 / seconds),
                                        std::min(effort.slow_repetitions, effort.repetitions),
                                        effort.repetitions);
        for (int first = 0; first < batches; first += chain_)
            graphs_.push_back(GpuGraph::recorded(gpu.stream, [&] {
                                  for (int r = 0; r < chain_; ++r)
                                      contender.run((first + r) % batches);
                              }).value());
        for (const GpuGraph& graph : graphs_) graph.launch(gpu.stream);
        GPU_CHECK(cudaStreamSynchronize(gpu.stream));
    }

    int repetitions() const { return repetitions_; }
    void launch(int repetition) const {
        graphs_[static_cast<std::size_t>(repetition) % graphs_.size()].launch(gpu_.stream);
    }
    void time(int repetition) {
        before_.record(gpu_.stream);
        launch(repetition);
        after_.record(gpu_.stream);
    }
    /// Of the last time(), which is past.
    void note_time() { seconds_.push_back(after_.seconds_since(before_) / chain_); }

    /// Both halves, or all of it where there is but one repetition.
    void add_results(std::vector<Measured>& results) {
        check(0);
        const std::span<double> all(seconds_);
        const std::size_t half = all.size() / 2;
        if (half > 0) results.push_back(result(all.first(half)));
        results.push_back(result(all.subspan(half)));
    }

  private:
    Measured result(std::span<double> seconds) const {
        std::ranges::sort(seconds);
        const auto quantile = [&](double q) {
            return seconds[static_cast<std::size_t>(
                std::lround(q * static_cast<double>(seconds.size() - 1)))];
        };
        const double median = quantile(0.5);
        return {contender_.what,  contender_.name,
                median,           quantile(0.25),
                quantile(0.75),   static_cast<int>(seconds.size()),
                chain_,           contender_.flops / median * 1e-12,
                error_,           contender_.judged,
                contender_.chosen};
    }
    void check(int batch) {
        contender_.poison();
        contender_.run(batch);
        const double error = contender_.error(batch);
        error_ =
            std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(error_, error);
    }
    /// About how long a run takes, launched by itself.
    double time_one(int batches) {
        before_.record(gpu_.stream);
        contender_.run(batches > 1 ? 1 : 0);
        after_.record(gpu_.stream);
        after_.wait();
        return std::max(after_.seconds_since(before_), 1e-6);
    }

    Gpu gpu_;
    const Contender& contender_;
    GpuEvent before_, after_;
    std::vector<GpuGraph> graphs_;
    std::vector<double> seconds_;
    int repetitions_ = 0, chain_ = 1;
    double error_ = 0;
};

}  // namespace

std::vector<Measured> contest(const Gpu& gpu, const std::vector<Contender>& contenders, int batches,
                              const Effort& effort) {
    std::vector<Runner> runners;
    runners.reserve(contenders.size());
    int rounds = 0;
    for (const Contender& contender : contenders) {
        runners.emplace_back(gpu, contender, batches, effort);
        rounds = std::max(rounds, runners.back().repetitions());
    }
    for (int round = 0; round < rounds; ++round) {
        std::vector<Runner*> turn;
        for (Runner& runner : runners)
            if (round < runner.repetitions()) turn.push_back(&runner);
        std::ranges::rotate(turn, turn.begin() + round % static_cast<int>(turn.size()));
        // The first is run once more than is timed: while the device is busy with it, the host gets
        // ahead, and no event waits for a launch.
        turn.front()->launch(round);
        for (Runner* runner : turn) runner->time(round);
        GPU_CHECK(cudaStreamSynchronize(gpu.stream));
        for (Runner* runner : turn) runner->note_time();
    }
    std::vector<Measured> results;
    for (Runner& runner : runners) runner.add_results(results);
    return results;
}
