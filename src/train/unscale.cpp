// unscale.cpp: the trainer's update where deltas were computed times a scale (loss_scale.h).
//
// All ranks judge together: of a replica that they share, each rank has a part of the gradient.
#include <cmath>
#include <stdexcept>
#include <utility>
#include <vector>

#include "neural_network.h"

void DataParallelNeuralNetwork::update_unscaled(const Update& update) {
    const auto inverse = static_cast<nn_real>(1 / loss_scale_.value());
    unscaled_.resize(layout_.total());
    std::vector<Sum> sums;
    std::size_t at = 0;
    bool is_finite = true;
    const auto take = [&](const Sum& sum) {
        if (sum.memory == Memory::device)
            throw std::logic_error("a gradient with a loss scale lies in device memory");
        for (std::size_t i = 0; i < sum.count; ++i) {
            unscaled_[at + i] = sum.values[i] * inverse;
            is_finite = is_finite && std::isfinite(unscaled_[at + i]);
        }
        sums.push_back({sum.first, sum.count, &unscaled_[at]});
        at += sum.count;
    };
    if (fixed_order_ && fixed_order_->has_sum()) {
        take(fixed_order_->sum());
    } else if (techniques_.reducer) {
        while (sums.size() < replica_->parts().size()) take(techniques_.reducer->finish());
    } else {
        for (const Sum& sum : std::exchange(own_sums_, {})) take(sum);
    }
    loss_scale_before_ = loss_scale_;
    if (!loss_scale_.takes(comm_.all(is_finite))) return;
    for (const Sum& sum : sums) replica_->update(update, sum);
}
