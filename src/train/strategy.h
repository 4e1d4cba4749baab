// strategy.h: in which order the four verbs of a step are called.
//
// One file a strategy, one row in strategies.h. train() calls it once a mini-batch, on all ranks.
#pragma once
#include "model/update/update.h"
#include "train/feed.h"

class DataParallelNeuralNetwork;

class Strategy {
  public:
    virtual ~Strategy() = default;
    /// All that is done for one mini-batch. Collective.
    virtual void step(DataParallelNeuralNetwork& network, const Batch& batch,
                      const Update& update) = 0;
    /// Whether its steps are the plain ones, so that a device may do an epoch of them at once
    /// (Replica::run).
    virtual bool is_plain() const { return false; }
};
