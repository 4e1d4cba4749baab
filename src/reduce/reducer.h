// reducer.h: sums over replicas.
//
// One file a way to sum (mpi.cpp, node.cpp), one row each in reducers.h. The trainer's verb
// backward starts the parts of the gradient, its verb update finishes them, in the order in which
// they were started, and publishes. Collective: all ranks start the same parts in the same order. A
// call that fails throws Failure. Memory that is lent stays the replica's.
#pragma once
#include <cstddef>

#include "device/lent.h"

class Reducer {
  public:
    virtual ~Reducer() = default;

    /// Begins the sum of a part. May return before the part is complete (it waits for lent.ready
    /// itself) and before the sum is. The memory is the reducer's to write until finish().
    virtual void start(const Lent& lent) = 0;
    /// The oldest part that is started and not finished; waits for it. The addends are valid until
    /// the next start().
    virtual Sum finish() = 0;
    /// After the parameters of all Sums were updated: when it returns, this rank may read every
    /// parameter.
    virtual void publish() {}
    /// What it promises of the bits: the same parameters on every rank after each update, and the
    /// same in two runs with the same number of ranks. Where each rank has its own copy of the
    /// parameters, the trainer compares the copies after each epoch; where all share one, there is
    /// nothing to compare.
    virtual bool has_copies() const = 0;
};
