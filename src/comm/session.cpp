// session.cpp: starts MPI, ends it, and ends all ranks if one cannot go on.
#include "comm/session.h"

#include <cstdio>
#include <cstdlib>

#include "comm/checked.h"

Session::Session(int& argc, char**& argv) {
    // Open MPI spins while it waits, so ranks that share a core starve each other: a step then
    // takes 100 to 300 times as long. Waiting ranks yield instead, unless the user has set it
    // otherwise.
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    int provided = MPI_THREAD_SINGLE;
    MPI_CHECK(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
    if (provided < MPI_THREAD_FUNNELED)
        throw Failure(__FILE__, __LINE__, "MPI_Init_thread",
                      "this MPI does not allow for threads beside the one that calls it",
                      "use an MPI built with MPI_THREAD_FUNNELED, as all common ones are");
    comm_ = std::make_unique<const Comm>();
}

Session::~Session() {
    comm_.reset();
    MPI_Finalize();
}

void Session::abort_all(const std::string& message, int code) const {
    std::fprintf(stderr, "main: rank %d of %d: %s\n", comm_->rank(), comm_->size(),
                 message.c_str());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
}
