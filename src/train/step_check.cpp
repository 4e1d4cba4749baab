// step_check.cpp: repeats the step that the trainer has just done, and keeps what differed most.
#include "train/step_check.h"

#include <algorithm>
#include <span>
#include <utility>

#include "train/order.h"
#include "train/rounding.h"
#include "train/schedule.h"

namespace {

std::size_t steps_from(const TrainingState& from, std::size_t samples, const Training& training) {
    const auto batch = static_cast<std::size_t>(training.batch);
    const std::size_t in_epoch = (samples + batch - 1) / batch;
    return in_epoch * static_cast<std::size_t>(training.epochs - from.epoch) -
           static_cast<std::size_t>(from.step);
}

}  // namespace

StepCheck::StepCheck(DataParallelNeuralNetwork& network, const SampleSet& set_on_root,
                     const Training& training, TrainingState from, Tell tell)
    : network_(network),
      set_(set_on_root),
      training_(training),
      at_(from),
      reference_(network.parameters(), network.replica().shape().objective,
                 network.replica().shape().activation),
      tell_(std::move(tell)),
      all_(steps_from(from, set_on_root.count(), training)),
      worst_(static_cast<std::size_t>(2 * network.layout().layers())) {}

bool StepCheck::stops() {
    if (network_.comm().is_root()) compare_step();
    return false;
}

void StepCheck::compare_step() {
    if (order_.empty()) order_ = sample_order(set_.count(), at_.epoch, training_);
    const auto batch = static_cast<std::size_t>(training_.batch);
    const std::size_t first = static_cast<std::size_t>(at_.step) * batch;
    const auto samples = std::span(order_).subspan(first, std::min(batch, order_.size() - first));

    const Update update = update_at(at_.epoch, training_);
    const Matrix y = target_columns(set_, samples);
    reference_.forward(input_columns(set_, samples, training_.pixel_scale));
    reference_.backward(y, training_.reg);
    const std::vector<double> bounds = rounding_of_step(reference_, y, update);
    reference_.update(update);

    ++steps_;
    ++at_.step;
    const Parameters<nn_real> trained = network_.parameters();
    std::vector<TensorDifference> differences = compare(trained, reference_.parameters());
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        const StepVerdict now{at_.epoch + 1, at_.step, std::move(differences[i]), bounds[i]};
        if (!now.right() && first_wrong_.right()) first_wrong_ = now;
        if (worst_[i].step == 0 || now.ratio() > worst_[i].ratio()) worst_[i] = now;
    }
    std::ranges::copy(trained.values, reference_.parameters().values.begin());
    if (first + samples.size() == order_.size()) {
        at_ = {at_.epoch + 1, 0, 0};
        order_.clear();
    }
    if (tell_) tell_(static_cast<std::size_t>(steps_), all_);
}
