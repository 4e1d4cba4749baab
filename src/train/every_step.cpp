// every_step.cpp: calls the four verbs in a row, for every mini-batch.
#include "neural_network.h"
#include "train/strategies.h"

namespace {

class EveryStep : public Strategy {
  public:
    void step(DataParallelNeuralNetwork& network, const Batch& batch,
              const Update& update) override {
        network.load(batch);
        network.forward();
        network.backward();
        network.update(update);
    }
    bool is_plain() const override { return true; }
};

}  // namespace

std::unique_ptr<Strategy> make_every_step() { return std::make_unique<EveryStep>(); }
