// calls.h: how much a submission gives to MPI_Scatterv and to MPI_Allreduce.
//
// The assignment requires both. A submission that trains the serial reference on every rank gets
// right parameters, and calls neither.
#pragma once
#include <cstdint>

struct Calls {
    std::uint64_t summed;     ///< numbers of type nn_real that this rank gave to a sum over ranks
    std::uint64_t scattered;  ///< bytes that this rank sent as the root of a scatter
};

/// Since the process began.
Calls calls_so_far();
