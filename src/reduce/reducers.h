// reducers.h: the ways to sum over replicas, a row each. --allreduce, the choice and the banner
// read it.
#pragma once
#include <memory>

#include "base/names.h"
#include "comm/comm.h"
#include "reduce/reducer.h"

enum class AllreduceKind { automatic, mpi, shared };

template <>
struct Names<AllreduceKind> {
    static constexpr Named<AllreduceKind> all[] = {{AllreduceKind::automatic, "auto"},
                                                   {AllreduceKind::mpi, "mpi"},
                                                   {AllreduceKind::shared, "shared"}};
};

/// MPI_Allreduce of every part, in place. Each rank has a copy of the parameters.
std::unique_ptr<Reducer> make_mpi_reducer(const Comm& comm);

struct ReducerRow {
    AllreduceKind kind;
    const char* text;  ///< for the banner
    /// Null where all ranks, of one node, work on one replica: then there is nothing to sum.
    std::unique_ptr<Reducer> (*make)(const Comm& comm);
};
inline constexpr ReducerRow reducers[] = {
    {AllreduceKind::mpi, "gradients summed by MPI_Allreduce", make_mpi_reducer},
    {AllreduceKind::shared, "all work on one replica in shared memory", nullptr}};

/// The row of a way that is not automatic.
constexpr const ReducerRow& row_of(AllreduceKind kind) {
    const ReducerRow* row = reducers;
    while (row->kind != kind) ++row;
    return *row;
}
