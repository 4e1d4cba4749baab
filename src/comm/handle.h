// handle.h: MPI's communicator of a Group, for the files of this folder.
#pragma once
#include "comm/checked.h"
#include "comm/group.h"

struct Group::Handle {
    MPI_Comm comm = MPI_COMM_NULL;

    explicit Handle(MPI_Comm owned) : comm(owned) {}
    ~Handle() { MPI_Comm_free(&comm); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
};
