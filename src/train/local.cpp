// local.cpp: local descent. Each rank trains parameters of its own for some steps, and then all
// take the mean of them. So gradients do not travel, and parameters travel once for many steps.
//
// A rank's gradient is scaled so that the mean over the ranks is the mini-batch's gradient, also if
// shards are not alike. So with one step alone and plain descent, the mean is the update of every
// step, within rounding. An optimizer's moments stay on their rank; they are not averaged.
#include <algorithm>

#include "base/clock.h"
#include "base/timeline.h"
#include "neural_network.h"
#include "train/strategies.h"

namespace {

class Local : public Strategy {
  public:
    Local(int steps, OuterUpdate outer)
        : steps_(steps),
          momentum_(static_cast<nn_real>(outer.momentum)),
          rate_(static_cast<nn_real>(outer.rate)) {}

    void begin(DataParallelNeuralNetwork& network) override {
        at_last_mean_ = network.parameters().values;
        velocity(at_last_mean_.size());
        alone_ = 0;
    }
    std::span<nn_real> velocity(std::size_t parameters) override {
        if (momentum_ != 0) velocity_.resize(parameters);
        return velocity_;
    }
    void step(DataParallelNeuralNetwork& network, const Batch& batch,
              const Update& update) override {
        network.load(batch);
        network.forward(static_cast<nn_real>(network.comm().size()));
        network.backward();
        network.update(update);
        if (++alone_ == steps_) settle(network);
    }
    bool is_settled() const override { return alone_ == 0; }
    void settle(DataParallelNeuralNetwork& network) override {
        if (is_settled()) return;
        alone_ = 0;
        std::vector<nn_real> mean = network.parameters().values;
        {
            const Span span(Work::communication);
            const Traced traced("mean");
            network.comm().all_ranks().sum(mean);
            bytes_ += mean.size() * sizeof(nn_real);
        }
        const Span span(Work::compute);
        const auto ranks = static_cast<nn_real>(network.comm().size());
        for (nn_real& value : mean) value /= ranks;
        if (momentum_ != 0 || rate_ != 1) descend(mean);
        network.replica().write(mean);
        at_last_mean_ = std::move(mean);
    }
    bool has_copies() const override { return true; }
    std::size_t bytes_given() const override { return bytes_; }

  private:
    /// The mean becomes the parameters that the outer descent makes of it.
    void descend(std::vector<nn_real>& mean) {
        for (std::size_t i = 0; i < mean.size(); ++i) {
            const nn_real difference = at_last_mean_[i] - mean[i];
            nn_real direction = difference;
            if (momentum_ != 0) {
                velocity_[i] = momentum_ * velocity_[i] + difference;
                direction += momentum_ * velocity_[i];
            }
            mean[i] = at_last_mean_[i] - rate_ * direction;
        }
    }

    const int steps_;
    const nn_real momentum_, rate_;
    int alone_ = 0;  ///< steps since the last mean
    std::vector<nn_real> at_last_mean_, velocity_;
    std::size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_local(int steps, OuterUpdate outer) {
    return std::make_unique<Local>(steps, outer);
}
