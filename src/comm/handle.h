// handle.h: what the files of this folder share: MPI's communicator of a Group, and how far apart
// ranks' words lie in memory that they share.
#pragma once
#include <cstddef>

#include "comm/checked.h"
#include "comm/group.h"

inline constexpr std::size_t cache_line = 64;  ///< bytes

struct Group::Handle {
    MPI_Comm comm = MPI_COMM_NULL;

    explicit Handle(MPI_Comm owned) : comm(owned) {}
    ~Handle() { MPI_Comm_free(&comm); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
};
