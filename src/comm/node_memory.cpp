// node_memory.cpp: MPI's shared memory window, and a barrier in it.
#include "comm/node_memory.h"

#include <sys/statvfs.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "comm/handle.h"

namespace {

static_assert(sizeof(Barrier) == 2 * cache_line);

/// Room for the barrier and the bytes, each beginning on a cache line.
std::size_t shared_bytes(std::size_t bytes) { return cache_line + sizeof(Barrier) + bytes; }

/// True if /dev/shm, from which MPI takes shared memory on Linux, has room and a tenth to spare.
bool fits_shared_memory(std::size_t bytes) {
    struct statvfs space;
    if (statvfs("/dev/shm", &space) != 0) return true;  // then MPI takes memory from elsewhere
    return static_cast<double>(space.f_bavail) * static_cast<double>(space.f_frsize) >=
           1.1 * static_cast<double>(bytes);
}

}  // namespace

struct NodeMemory::Window {
    MPI_Win handle = MPI_WIN_NULL;
};

bool NodeMemory::fit(std::size_t bytes) { return fits_shared_memory(shared_bytes(bytes)); }

NodeMemory::NodeMemory(const Group& node, std::size_t bytes, int waiters)
    : window_(std::make_unique<Window>()) {
    // The first rank asks for the memory of all.
    const bool is_first = node.rank() == 0;
    const std::size_t mine = is_first ? shared_bytes(bytes) : 0;
    std::byte* start = nullptr;
    mpi_check(MPI_Win_allocate_shared(static_cast<MPI_Aint>(mine), 1, MPI_INFO_NULL,
                                      node.handle().comm, &start, &window_->handle),
              "MPI_Win_allocate_shared", __FILE__, __LINE__,
              "the system may be out of memory to share: use a smaller network (-n) or "
              "mini-batch (-b), or --allreduce mpi");
    MPI_CHECK(MPI_Win_set_errhandler(window_->handle, MPI_ERRORS_RETURN));
    MPI_Aint size = 0;
    int unit = 0;
    MPI_CHECK(MPI_Win_shared_query(window_->handle, 0, &size, &unit, &start));
    start += (cache_line - reinterpret_cast<std::uintptr_t>(start) % cache_line) % cache_line;

    barrier_ = static_cast<Barrier*>(static_cast<void*>(start));
    data_ = start + sizeof(Barrier);
    if (is_first) {
        new (barrier_) Barrier(waiters);
        std::memset(data_, 0, bytes);
    }
    MPI_CHECK(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_->handle));
    MPI_CHECK(MPI_Barrier(node.handle().comm));
}

NodeMemory::~NodeMemory() {
    MPI_Win_unlock_all(window_->handle);
    MPI_Win_free(&window_->handle);
}
