// node_memory.cpp: MPI's shared memory window, and a barrier in it.
#include "comm/node_memory.h"

#include <sys/statvfs.h>

#include <cstdint>
#include <new>

#include "base/wait.h"
#include "comm/checked.h"

namespace {

constexpr std::size_t cache_line = 64;
std::size_t whole_lines(std::size_t count) {
    return (count * sizeof(nn_real) + cache_line - 1) / cache_line * cache_line;
}
/// Room for a barrier, the parameters and each rank's gradient, each beginning on a cache line.
std::size_t shared_bytes(int ranks, std::size_t count) {
    return 3 * cache_line + (1 + static_cast<std::size_t>(ranks)) * whole_lines(count);
}

/// True if /dev/shm, from which MPI takes shared memory on Linux, has room and a tenth to spare.
bool fits_shared_memory(std::size_t bytes) {
    struct statvfs space;
    if (statvfs("/dev/shm", &space) != 0) return true;  // then MPI takes memory from elsewhere
    return static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) >=
           1.1 * static_cast<double>(bytes);
}

}  // namespace

struct NodeMemory::State {
    MPI_Win window = MPI_WIN_NULL;
    Barrier* barrier = nullptr;
};

bool NodeMemory::fit(const Comm& comm, std::size_t count) {
    // If there is no room, Open MPI's rank 0 fails and the others wait for ever.
    return comm.from_root(fits_shared_memory(shared_bytes(comm.size(), count)));
}

NodeMemory::NodeMemory(const Comm& comm, std::size_t count) : state_(std::make_unique<State>()) {
    static_assert(sizeof(Barrier) == 2 * cache_line);
    // Rank 0 asks for the memory of all ranks.
    const std::size_t bytes = comm.is_root() ? shared_bytes(comm.size(), count) : 0;
    char* start = nullptr;
    mpi_check(MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes), 1, MPI_INFO_NULL,
                                      MPI_COMM_WORLD, &start, &state_->window),
              "MPI_Win_allocate_shared", __FILE__, __LINE__,
              "the system may be out of memory to share: use a smaller network (-n), or "
              "--allreduce mpi");
    MPI_CHECK(MPI_Win_set_errhandler(state_->window, MPI_ERRORS_RETURN));
    MPI_Aint size = 0;
    int unit = 0;
    MPI_CHECK(MPI_Win_shared_query(state_->window, 0, &size, &unit, &start));
    start += (cache_line - reinterpret_cast<std::uintptr_t>(start) % cache_line) % cache_line;

    state_->barrier = reinterpret_cast<Barrier*>(start);
    if (comm.is_root()) new (state_->barrier) Barrier(comm.size());
    MPI_CHECK(MPI_Win_lock_all(MPI_MODE_NOCHECK, state_->window));
    MPI_CHECK(MPI_Barrier(MPI_COMM_WORLD));
    start += 2 * cache_line;
    parameters_ = static_cast<nn_real*>(static_cast<void*>(start));
    for (int r = 0; r < comm.size(); ++r) {
        start += whole_lines(count);
        gradients_.push_back(static_cast<nn_real*>(static_cast<void*>(start)));
    }
}

NodeMemory::~NodeMemory() {
    MPI_Win_unlock_all(state_->window);
    MPI_Win_free(&state_->window);
}

void NodeMemory::barrier() { state_->barrier->wait(); }
