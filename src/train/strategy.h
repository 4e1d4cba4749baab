// strategy.h: the order in which the four verbs of a step are called.
//
// Each strategy is one file and one row in strategies.h. train() calls it once for each mini-batch,
// on all ranks.
#pragma once
#include <cstddef>
#include <span>

#include "base/real.h"
#include "model/update/update.h"
#include "train/feed.h"
#include "train/staleness.h"

class DataParallelNeuralNetwork;

class Strategy {
  public:
    virtual ~Strategy() = default;
    /// Does all work of one mini-batch. Collective.
    virtual void step(DataParallelNeuralNetwork& network, const Batch& batch,
                      const Update& update) = 0;
    /// A training begins, at the network's parameters. Collective.
    virtual void begin(DataParallelNeuralNetwork&) {}
    /// True if all replicas have the same parameters, and nothing waits for a later step.
    virtual bool is_settled() const { return true; }
    /// An epoch is over: whatever waits for a later step is done. Collective.
    virtual void settle(DataParallelNeuralNetwork&) {}
    /// What it keeps of each of `parameters` parameters, and what a checkpoint needs where it is
    /// settled: none, or as many numbers, the same on all ranks. 0 at first; who resumes writes
    /// them before begin().
    virtual std::span<nn_real> velocity(std::size_t) { return {}; }
    /// True if each rank updates parameters of its own.
    virtual bool has_copies() const { return false; }
    /// The bytes that this rank has handed to MPI so far, beside what a reducer did.
    virtual std::size_t bytes_given() const { return 0; }
    /// True if a rank takes shards that no other rank takes, by itself; then the network counts
    /// this rank's samples alone.
    virtual bool deals_itself() const { return false; }
    /// Of this rank's updates so far, if it is asynchronous.
    virtual Staleness staleness() const { return {}; }
    /// The samples of one load, if a mini-batch has so many samples.
    virtual int slice_of(int batch) const { return batch; }
    /// True if a step is load, forward, backward, update, and nothing else. Then Replica::run may
    /// do a whole epoch at once.
    virtual bool is_plain() const { return false; }
};
