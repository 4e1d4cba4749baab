// scaling_measure.cpp: what MPI's collectives cost by size, for the cost model of scaling.py.
//
// Every size is timed once in each round, so that a slow spell of a shared machine falls on all
// sizes; a value is the median over the rounds of the slowest rank's time for one call. It prints
// "collective,ranks,bytes,us": MPI_Allreduce in place over 4 B to 16 MB of floats, MPI_Scatterv of
// bytes from rank 0, the bytes being those of the whole mini-batch. Start it with the number of
// ranks that is to be measured.
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <vector>

namespace {

constexpr int rounds = 5;

struct World {
    int rank = 0, size = 1;
    World() {
        MPI_Comm_rank(MPI_COMM_WORLD, &rank);
        MPI_Comm_size(MPI_COMM_WORLD, &size);
    }
};

/// Microseconds of one call, over enough calls for the clock, from a moment when all are ready.
template <class Call>
double microseconds(int bytes, const Call& call) {
    const int repeats = std::clamp(4'000'000 / bytes, 2, 100);
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    for (int i = 0; i < repeats; ++i) call();
    const double mine = MPI_Wtime() - start;
    double slowest = mine;
    MPI_Reduce(&mine, &slowest, 1, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    return slowest / repeats * 1e6;
}

double time_allreduce(int bytes, std::vector<float>& values) {
    return microseconds(bytes, [&] {
        MPI_Allreduce(MPI_IN_PLACE, values.data(), bytes / 4, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    });
}

double time_scatterv(const World& world, int bytes, const std::vector<std::uint8_t>& all,
                     std::vector<std::uint8_t>& part) {
    std::vector<int> counts, starts(static_cast<std::size_t>(world.size));
    for (int r = 0; r < world.size; ++r)
        counts.push_back(bytes / world.size + (r < bytes % world.size));
    std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
    const int mine = counts[static_cast<std::size_t>(world.rank)];
    return microseconds(bytes, [&] {
        MPI_Scatterv(all.data(), counts.data(), starts.data(), MPI_UINT8_T, part.data(), mine,
                     MPI_UINT8_T, 0, MPI_COMM_WORLD);
    });
}

/// Powers of four, 4 B to 16 MB.
std::vector<int> all_sizes() {
    std::vector<int> sizes;
    for (int bytes = 4; bytes <= 1 << 24; bytes *= 4) sizes.push_back(bytes);
    return sizes;
}

void print_median(const World& world, const char* collective, int bytes, std::vector<double> seen) {
    std::ranges::sort(seen);
    if (world.rank == 0)
        std::printf("%s,%d,%d,%.3f\n", collective, world.size, bytes, seen[seen.size() / 2]);
}

void measure(const World& world) {
    const std::vector<int> sizes = all_sizes();
    std::vector<std::vector<double>> reduced(sizes.size()), scattered(sizes.size());
    std::vector<float> values(static_cast<std::size_t>(sizes.back()) / 4);
    std::vector<std::uint8_t> all(static_cast<std::size_t>(sizes.back())), part(all.size());
    for (int round = -1; round < rounds; ++round)  // round -1 warms up
        for (std::size_t i = 0; i < sizes.size(); ++i) {
            const double reduce = time_allreduce(sizes[i], values);
            const double scatter = time_scatterv(world, sizes[i], all, part);
            if (round < 0) continue;
            reduced[i].push_back(reduce);
            scattered[i].push_back(scatter);
        }
    for (std::size_t i = 0; i < sizes.size(); ++i)
        print_median(world, "allreduce", sizes[i], reduced[i]);
    for (std::size_t i = 0; i < sizes.size(); ++i)
        print_median(world, "scatterv", sizes[i], scattered[i]);
}

}  // namespace

int main(int argc, char** argv) {
    // Ranks that share a core must let each other run while they wait.
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 3;
    measure(World());
    MPI_Finalize();
}
