// evaluate.h: sends a set forward, and compares yhat with the targets.
#pragma once
#include <memory>
#include <vector>

#include "base/real.h"
#include "input/sample_set.h"
#include "neural_network.h"

struct Evaluation {
    double loss = 0;                 ///< mean of the samples' losses
    double accuracy = 0;             ///< fraction of samples whose predicted class is the true one
    std::vector<nn_real> yhat = {};  ///< on rank 0: outputs x N, column-major; empty elsewhere
};

/// Evaluates one set, any number of times.
class Evaluator {
  public:
    /// Evaluates rank 0's set, which must outlive this object and have the network's format. The
    /// set is scattered each time, or sent to the devices once, where it stays under `role`. The
    /// role must not be Role::train, which the training set has. Collective, as all functions here.
    Evaluator(DataParallelNeuralNetwork& network, const SampleSet& set_on_root,
              FeedKind feed = FeedKind::scattered, Role role = Role::test);

    /// Call it only when no mini-batch is current or on its way: before a training, between two of
    /// its epochs (TrainingObserver::on_epoch), or after it. The loss and the accuracy are the same
    /// on every rank.
    Evaluation evaluate();
    /// Returns only yhat; the set may be without targets. On rank 0: outputs x N; empty elsewhere.
    std::vector<nn_real> outputs();

  private:
    std::vector<nn_real> forward(Want want);
    std::vector<Batch> loads() const;
    double correct(const std::vector<nn_real>& yhat) const;

    DataParallelNeuralNetwork& network_;
    const SampleSet& set_;
    std::size_t count_;
    int at_once_;  ///< samples that go forward together on all ranks
    std::unique_ptr<Feed> feed_;
};
