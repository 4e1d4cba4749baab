// calls.cpp: counts calls of MPI on their way, by MPI's profiling interface.
//
// The program's own MPI_Allreduce is taken before the library's, and calls the library by its other
// name, PMPI_Allreduce. The calls that do not wait for their end (MPI_I...) count alike.
#include "calls.h"

#include "comm/checked.h"

namespace {

Calls calls = {};

void count_sum(int count, MPI_Datatype type, MPI_Op op) {
    if (type == mpi_real() && op == MPI_SUM) calls.summed += static_cast<std::uint64_t>(count);
}

void count_scatter(const int* counts, MPI_Datatype type, int root, MPI_Comm comm) {
    int rank = 0, ranks = 0, bytes = 0;
    PMPI_Comm_rank(comm, &rank);
    if (rank != root) return;
    PMPI_Comm_size(comm, &ranks);
    PMPI_Type_size(type, &bytes);
    for (int r = 0; r < ranks; ++r)
        calls.scattered +=
            static_cast<std::uint64_t>(counts[r]) * static_cast<std::uint64_t>(bytes);
}

}  // namespace

Calls calls_so_far() { return calls; }

extern "C" {

int MPI_Allreduce(const void* mine, void* sum, int count, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
    count_sum(count, type, op);
    return PMPI_Allreduce(mine, sum, count, type, op, comm);
}

int MPI_Iallreduce(const void* mine, void* sum, int count, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request* request) {
    count_sum(count, type, op);
    return PMPI_Iallreduce(mine, sum, count, type, op, comm, request);
}

int MPI_Scatterv(const void* all, const int* counts, const int* starts, MPI_Datatype type,
                 void* mine, int count, MPI_Datatype my_type, int root, MPI_Comm comm) {
    count_scatter(counts, type, root, comm);
    return PMPI_Scatterv(all, counts, starts, type, mine, count, my_type, root, comm);
}

int MPI_Iscatterv(const void* all, const int* counts, const int* starts, MPI_Datatype type,
                  void* mine, int count, MPI_Datatype my_type, int root, MPI_Comm comm,
                  MPI_Request* request) {
    count_scatter(counts, type, root, comm);
    return PMPI_Iscatterv(all, counts, starts, type, mine, count, my_type, root, comm, request);
}
}
