// limits.cpp: what this machine could do at most, so that a measured speed can be called high or
// low.
//
// On one rank it prints what the processor, its memory and oneDNN reach; on two or more, what MPI
// needs for the messages of training. A line is "name value unit", each value the median of
// interleaved rounds: in every round each probe runs once, so that a slow spell of a shared machine
// falls on all of them and not on one. GFLOP/s and GB/s are 1e9.
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "limits_probe.h"

namespace {

double median(std::vector<double> values) {
    std::ranges::sort(values);
    const std::size_t half = values.size() / 2;
    return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void print(const Probe& probe) {
    const double seconds = median(probe.seen);
    for (const Line& line : probe.lines)
        std::printf("%s %.1f %s\n", line.name.c_str(),
                    line.work > 0 ? line.work / seconds / 1e9 : seconds * 1e6, line.unit);
}

struct World {
    int rank = 0, size = 1;
    World() {
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        MPI_Comm_size(MPI_COMM_WORLD, &size);
    }
};

/// Seconds of one call, from a moment at which all ranks are ready, over enough calls for the
/// clock.
template <class Call>
double seconds_of_call(double bytes, const Call& call) {
    const int repeats = std::clamp(static_cast<int>(1e7 / bytes), 3, 200);
    MPI_Barrier(MPI_COMM_WORLD);
    return seconds_of([&] {
               for (int i = 0; i < repeats; ++i) call();
           }) /
           repeats;
}

/// Parameters of 784-H-10: what the gradient's sum has to carry.
int gradient_size(int hidden) { return 784 * hidden + hidden + 10 * hidden + 10; }

Probe allreduce_probe(int hidden) {
    const int count = gradient_size(hidden);
    const std::string kilobytes = std::to_string((count * 4 + 500) / 1000);
    return {{{"allreduce_" + kilobytes + "KB_us", 0, "us"}},
            [count, values = std::vector<float>(static_cast<std::size_t>(count))]() mutable {
                return seconds_of_call(4.0 * count, [&] {
                    MPI_Allreduce(MPI_IN_PLACE, values.data(), count, MPI_FLOAT, MPI_SUM,
                                  MPI_COMM_WORLD);
                });
            }};
}

Probe scatterv_probe(const World& world) {
    constexpr int images = 800, image = 784;
    std::vector<int> counts, starts;
    for (int r = 0, start = 0; r < world.size; start += counts.back(), ++r) {
        starts.push_back(start);
        counts.push_back((images / world.size + (r < images % world.size)) * image);
    }
    const int mine = counts[static_cast<std::size_t>(world.rank)];
    return {{{"scatterv_800_images_us", 0, "us"}},
            [=, all = std::vector<std::uint8_t>(images * image),
             part = std::vector<std::uint8_t>(static_cast<std::size_t>(mine))]() mutable {
                return seconds_of_call(images * image, [&] {
                    MPI_Scatterv(all.data(), counts.data(), starts.data(), MPI_UINT8_T, part.data(),
                                 mine, MPI_UINT8_T, 0, MPI_COMM_WORLD);
                });
            }};
}

/// Does a sum hide behind the computing of what is not yet summed? A step here is 400 us of
/// register arithmetic and the sum of a gradient. Blocking: all arithmetic, then MPI_Allreduce.
/// Overlapped: a quarter of the arithmetic, MPI_Iallreduce of a quarter of the gradient, and so on;
/// MPI_Waitall at the end.
void add_overlap_probes(std::vector<Probe>& probes) {
    constexpr int chunks = 4;
    const MultiplyAdds loop = fma_peak().with_float;
    constexpr long trial = 100'000;
    loop(trial);
    double second_steps = trial / seconds_of([&] { loop(trial); });
    MPI_Bcast(&second_steps, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
    const auto quarter = static_cast<long>(second_steps * 100e-6);
    const int count = gradient_size(100);
    const std::vector<float> gradient(static_cast<std::size_t>(count));

    auto compute = [=] {
        for (int c = 0; c < chunks; ++c) loop(quarter);
    };
    auto blocking = [=, values = gradient]() mutable {
        return seconds_of_call(4.0 * count, [&] {
            compute();
            MPI_Allreduce(MPI_IN_PLACE, values.data(), count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
        });
    };
    auto overlapped = [=, values = gradient]() mutable {
        return seconds_of_call(4.0 * count, [&] {
            MPI_Request requests[chunks];
            for (int c = 0; c < chunks; ++c) {
                loop(quarter);
                const int from = count * c / chunks, to = count * (c + 1) / chunks;
                MPI_Iallreduce(MPI_IN_PLACE, values.data() + from, to - from, MPI_FLOAT, MPI_SUM,
                               MPI_COMM_WORLD, &requests[c]);
            }
            MPI_Waitall(chunks, requests, MPI_STATUSES_IGNORE);
        });
    };
    probes.push_back({{{"overlap_compute_alone_us", 0, "us"}},
                      [=] { return seconds_of_call(4.0 * count, compute); }});
    probes.push_back({{{"compute_then_allreduce_318KB_us", 0, "us"}}, std::move(blocking)});
    probes.push_back({{{"iallreduce_4_chunks_318KB_us", 0, "us"}}, std::move(overlapped)});
}

std::vector<Probe> message_probes(const World& world) {
    std::vector<Probe> probes;
    for (int hidden : {100, 512, 1024}) probes.push_back(allreduce_probe(hidden));
    probes.push_back(scatterv_probe(world));
    add_overlap_probes(probes);
    return probes;
}

/// Rounds until there are nine, or, from the third on, until seven seconds have gone. The first
/// round warms up and is not kept.
void measure(std::vector<Probe>& probes) {
    const auto start = Clock::now();
    for (int round = 0, more = 1; more != 0; ++round) {
        for (Probe& probe : probes) {
            const double seconds = probe.seconds();
            if (round > 0) probe.seen.push_back(seconds);
        }
        more = round < 3 || (round < 9 && seconds_since(start) < 7);
        MPI_Bcast(&more, 1, MPI_INT, 0, MPI_COMM_WORLD);
    }
}

}  // namespace

int main(int argc, char** argv) {
    // Ranks that share a core must let each other run while they wait.
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 3;
    try {
        const World world;
        std::vector<Probe> probes = world.size == 1 ? machine_probes() : message_probes(world);
        if (world.size == 1)
            for (Probe& probe : onednn_probes()) probes.push_back(std::move(probe));
        measure(probes);
        if (world.rank == 0)
            for (const Probe& probe : probes) print(probe);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "limits: %s\n", error.what());
        MPI_Abort(MPI_COMM_WORLD, 3);
    }
    MPI_Finalize();
}
