// reducers.h: the ways to sum over replicas, a row each. --allreduce, the choice and the banner
// read it.
#pragma once
#include <memory>

#include "base/names.h"
#include "comm/comm.h"
#include "comm/node_memory.h"
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
/// For ranks of one node whose replicas work in `memory`: each rank adds up and updates its own
/// range of the one copy of the parameters, and no message is sent.
std::unique_ptr<Reducer> make_node_reducer(const Comm& comm, NodeMemory& memory);

struct ReducerRow {
    AllreduceKind kind;
    const char* summed;   ///< for people: gradients are summed "by MPI_Allreduce"
    bool in_node_memory;  ///< the replicas work in memory of the node, which all ranks must be on
    /// memory: null unless in_node_memory.
    std::unique_ptr<Reducer> (*make)(const Comm& comm, NodeMemory* memory);
};
inline constexpr ReducerRow reducers[] = {
    {AllreduceKind::mpi, "by MPI_Allreduce", false,
     [](const Comm& comm, NodeMemory*) { return make_mpi_reducer(comm); }},
    {AllreduceKind::shared, "in shared memory", true,
     [](const Comm& comm, NodeMemory* memory) { return make_node_reducer(comm, *memory); }}};

/// The row of a way that is not automatic.
constexpr const ReducerRow& row_of(AllreduceKind kind) {
    const ReducerRow* row = reducers;
    while (row->kind != kind) ++row;
    return *row;
}
