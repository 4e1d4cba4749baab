// reducer.h: sums over replicas.
//
// Each way to sum is one file (mpi.cpp) and one row in reducers.h. The trainer's verb backward
// starts the parts of the gradient. Its verb update finishes them, in the order in which they were
// started. Collective: all ranks start the same parts in the same order. A call that fails throws
// Failure. Memory that is lent stays the replica's.
#pragma once
#include <cstddef>
#include <span>

#include "device/lent.h"

/// Seconds in which sums went on while this rank could compute.
struct SumTimes {
    double under_way = 0;  ///< at least one sum was
    double spent = 0;      ///< of these, this rank worked on sums or waited for them

    /// From 0 to 1; not a number if no sum ever was under way.
    double hidden_share() const { return (under_way - spent) / under_way; }
};

/// A reducer promises the same parameters on every rank after each update, and the same ones in two
/// runs with the same number of ranks. The trainer compares the copies after each epoch.
class Reducer {
  public:
    virtual ~Reducer() = default;

    /// Begins the sum of a part. It may return before the part is complete (it waits for lent.ready
    /// itself) and before the sum is complete. Until finish(), the reducer may write the memory.
    virtual void start(const Lent& lent) = 0;
    /// Waits for the oldest part that is started and not finished, and returns its sum, which
    /// is valid until the next finish() or start().
    virtual Sum finish() = 0;
    /// The bytes of gradients that this rank has handed to MPI or NCCL so far, as they travel.
    virtual std::size_t bytes_given() const = 0;
    /// Of a reducer whose sums go on while this rank computes.
    virtual SumTimes times() const { return {}; }
    /// What this rank keeps for its next sums, a number for each parameter, and only of this rank:
    /// 0 at first. A resume needs it, so checkpoints have it. Empty: the sums need nothing.
    virtual std::span<nn_real> residual() { return {}; }
};
