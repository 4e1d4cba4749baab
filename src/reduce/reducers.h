// reducers.h: the ways to sum over replicas, a row each.
#pragma once
#include <cstddef>
#include <memory>

#include "comm/comm.h"
#include "comm/node_memory.h"
#include "reduce/reducer.h"

/// MPI_Allreduce of every part, in place. Each rank has a copy of the parameters.
std::unique_ptr<Reducer> make_mpi_reducer(const Comm& comm);
/// For the ranks of one node whose replicas work in `memory`. Each rank sums the gradients in its
/// own range, and updates that range of the one copy of the parameters. No message is sent.
std::unique_ptr<Reducer> make_node_reducer(const Comm& comm, NodeMemory& memory);
