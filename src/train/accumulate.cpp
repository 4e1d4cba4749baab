// accumulate.cpp: gradient accumulation. A mini-batch goes through the network slice by slice, and
// the gradients of the slices are added before they are summed over the replicas.
//
// The update is that of the whole mini-batch, within rounding. A device needs room for one slice
// only, and the replicas exchange one gradient for all slices.
#include <algorithm>

#include "neural_network.h"
#include "train/strategies.h"

namespace {

class Accumulate : public Strategy {
  public:
    explicit Accumulate(int slice) : slice_(slice) {}

    void step(DataParallelNeuralNetwork& network, const Batch& batch,
              const Update& update) override {
        for (int at = 0; at < batch.count; at += slice_) {
            const int count = std::min(slice_, batch.count - at);
            network.load({batch.first + static_cast<std::size_t>(at), count, batch.count});
            network.forward();
            network.backward({at == 0, at + count == batch.count});
        }
        network.update(update);
    }
    int slice_of(int) const override { return slice_; }

  private:
    int slice_;  ///< samples, all ranks together
};

}  // namespace

std::unique_ptr<Strategy> make_accumulate(int slice) { return std::make_unique<Accumulate>(slice); }
