// checked.h: MPI as this folder uses it: every call checked by MPI_CHECK, counts that fit an int.
#pragma once
#include <mpi.h>

#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "base/real.h"

inline MPI_Datatype mpi_real() { return std::is_same_v<nn_real, double> ? MPI_DOUBLE : MPI_FLOAT; }

inline constexpr const char* usual_advice =
    "check that all ranks run the same binary, with the same flags, on live nodes";

inline void mpi_check(int status, const char* call, const char* file, int line,
                      const char* advice = usual_advice) {
    if (status == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(status, text, &length);
    throw Failure(file, line, call, std::string(text, static_cast<std::size_t>(length)), advice);
}
#define MPI_CHECK(call) mpi_check((call), #call, __FILE__, __LINE__)

/// A count for MPI, which takes ints.
inline int to_count(std::size_t n) {
    if (n > static_cast<std::size_t>(std::numeric_limits<int>::max()))
        throw InputError("a message of " + std::to_string(n) +
                         " elements is more than MPI can send at once (2147483647): use a smaller "
                         "network (-n) or batch (-b)");
    return static_cast<int>(n);
}
