// evaluate.h: a set goes forward, and what comes out is judged.
#pragma once
#include <memory>
#include <vector>

#include "base/real.h"
#include "input/sample_set.h"
#include "neural_network.h"

struct Evaluation {
    double loss = 0;      ///< mean of the samples' losses
    double accuracy = 0;  ///< part of them whose yhat stands for the class of their target
    std::vector<nn_real> yhat = {};  ///< on rank 0: outputs x N, column-major; empty elsewhere
};

/// Evaluates one set as often as asked.
class Evaluator {
  public:
    /// Of rank 0's set, which has to outlive this object and to be of the network's format. It is
    /// scattered each time, or sent to the devices once, where it stays under `role`: not
    /// Role::train, whose place the training set has. Collective, as all functions here.
    Evaluator(DataParallelNeuralNetwork& network, const SampleSet& set_on_root,
              FeedKind feed = FeedKind::scattered, Role role = Role::test);

    /// Not between load() and update(): it takes the mini-batch's place. The loss and the accuracy
    /// are the same on every rank.
    Evaluation evaluate();
    /// yhat alone; the set may be without targets. On rank 0, empty elsewhere.
    std::vector<nn_real> outputs();

  private:
    std::vector<nn_real> forward(Want want);
    double correct(const std::vector<nn_real>& yhat) const;

    DataParallelNeuralNetwork& network_;
    const SampleSet& set_;
    std::size_t count_;
    int at_once_;  ///< samples that go forward together on all ranks
    std::unique_ptr<Feed> feed_;
};
