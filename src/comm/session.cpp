// session.cpp: starts MPI, ends it, and ends all ranks if one cannot go on.
#include "comm/session.h"

#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "comm/checked.h"

Session::Session(int& argc, char**& argv) {
    // Open MPI spins while it waits, so ranks that share a core starve each other: a step then
    // takes 100 to 300 times as long. Waiting ranks yield instead, unless the user has set it
    // otherwise.
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    // Debian's Open MPI switches off osc/pt2pt, which makes one-sided calls out of messages.
    // Between nodes on plain Ethernet there are no others, so no window could be made (--sync
    // async). Here all are taken but UCX's, which Debian switches off, too. OMPI_MCA_osc= brings
    // those back.
    setenv("OMPI_MCA_osc", "^ucx", 0);
    int provided = MPI_THREAD_SINGLE;
    MPI_CHECK(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
    if (provided < MPI_THREAD_FUNNELED)
        throw Failure(__FILE__, __LINE__, "MPI_Init_thread",
                      "this MPI does not allow for threads beside the one that calls it",
                      "use an MPI built with MPI_THREAD_FUNNELED, as all common ones are");
    MPI_CHECK(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
    MPI_CHECK(MPI_Comm_rank(MPI_COMM_WORLD, &rank_));
    MPI_CHECK(MPI_Comm_size(MPI_COMM_WORLD, &size_));
}

Session::~Session() {
    comm_.reset();
    MPI_Finalize();
}

std::vector<std::string> Session::exchange(const std::string& mine) const {
    const int length = to_count(mine.size());
    std::vector<int> lengths(static_cast<std::size_t>(size_)), starts(lengths.size());
    MPI_CHECK(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD));
    std::exclusive_scan(lengths.begin(), lengths.end(), starts.begin(), 0);
    std::string all(static_cast<std::size_t>(starts.back() + lengths.back()), ' ');
    MPI_CHECK(MPI_Allgatherv(mine.data(), length, MPI_BYTE, all.data(), lengths.data(),
                             starts.data(), MPI_BYTE, MPI_COMM_WORLD));
    std::vector<std::string> texts;
    for (std::size_t r = 0; r < lengths.size(); ++r)
        texts.push_back(
            all.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r])));
    return texts;
}

const Comm& Session::join(int ranks_per_node) {
    comm_ = std::make_unique<const Comm>(ranks_per_node);
    return *comm_;
}

void Session::abort_all(const std::string& message, int code) const {
    std::fprintf(stderr, "main: rank %d of %d: %s\n", rank_, size_, message.c_str());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
}
