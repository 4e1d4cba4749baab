// check_request.h: refuses what a user asks for and the ranks, their devices or their MPI cannot
// do.
//
// What the flags alone tell is refused before (app/cli/rules.h).
#pragma once
#include "comm/comm.h"
#include "train/choose.h"

/// True if this rank can multiply in bf16 tiles, which need AVX-512 too.
bool may_take_tiles(const DeviceRequest& asked);

/// True if every node has as many ranks as the others. Collective.
bool nodes_are_alike(const Comm& comm);

/// Throws InputError if the ranks cannot do what is asked, with all of them `on_cuda` or none.
/// Collective.
void check_request(const Comm& comm, const DeviceRequest& asked, const ReplicaShape& shape,
                   const CudaDevices& cuda, bool on_cuda);
