// step_check.cpp: repeats the step that the trainer has just done, and keeps what differed most.
#include "train/step_check.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "train/order.h"
#include "train/rounding.h"
#include "train/schedule.h"

namespace {

std::size_t steps_from(const TrainingState& from, const Schedule& schedule, int epochs) {
    return static_cast<std::size_t>(schedule.steps_in_epoch()) *
               static_cast<std::size_t>(epochs - from.epoch) -
           static_cast<std::size_t>(from.step);
}

}  // namespace

StepCheck::StepCheck(DataParallelNeuralNetwork& network, const SampleSet& set_on_root,
                     const Training& training, const TrainingState& from, Tell tell)
    : network_(network),
      set_(set_on_root),
      training_(training),
      schedule_(training, set_on_root.count()),
      at_(from),
      reference_(network.parameters(), network.replica().shape().objective,
                 network.replica().shape().activation, network.replica().shape().precision),
      tell_(std::move(tell)),
      all_(steps_from(from, schedule_, training.end())),
      worst_(static_cast<std::size_t>(2 * network.layout().layers() *
                                      (1 + moments_of(training.rule)))) {
    reference_.begin_moments(training.rule);
    take_over();
}

bool StepCheck::stops() {
    if (network_.comm().is_root()) compare_step();
    return false;
}

/// The parameters' tensors, then those of each moment.
std::vector<TensorDifference> StepCheck::compare_all() const {
    std::vector<TensorDifference> all = compare(network_.parameters(), reference_.parameters());
    const Moments moments = network_.moments();
    for (std::size_t m = 0; m < moments.size(); ++m)
        for (TensorDifference& d : compare(moments[m], reference_.moments()[m])) {
            d.name = moment_name(training_.rule, m) + std::string(" of ") + d.name;
            all.push_back(std::move(d));
        }
    return all;
}

/// The reference goes on from the trained parameters.
void StepCheck::take_over() {
    if (!network_.comm().is_root()) return;
    std::ranges::copy(network_.parameters().values, reference_.parameters().values.begin());
    const Moments moments = network_.moments();
    for (std::size_t m = 0; m < moments.size(); ++m)
        std::ranges::copy(moments[m].values, reference_.moments()[m].values.begin());
}

void StepCheck::compare_step() {
    if (order_.empty()) order_ = sample_order(set_.count(), at_.epoch, training_);
    const auto batch = static_cast<std::size_t>(training_.batch);
    const std::size_t first = static_cast<std::size_t>(at_.step) * batch;
    const auto samples = std::span(order_).subspan(first, std::min(batch, order_.size() - first));

    const Update update = schedule_.update(at_.epoch, at_.step);
    const Matrix y = target_columns(set_, samples);
    reference_.set_loss_scale(network_.loss_scale_before().value());
    reference_.forward(input_columns(set_, samples, training_.pixel_scale));
    reference_.backward(y, training_.penalty());
    const auto is_finite = [](double value) { return std::isfinite(value); };
    const bool updates = std::ranges::all_of(reference_.gradient().values, is_finite);
    // A step without an update (loss_scale.h) must leave everything as it was.
    std::vector<double> bounds(worst_.size());
    if (updates) bounds = rounding_of_step(reference_, y, update);
    if (updates) reference_.update(update);

    ++steps_;
    ++at_.step;
    const std::vector<TensorDifference> differences = compare_all();
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        const StepVerdict now{at_.epoch + 1, at_.step, differences[i], bounds[i]};
        if (!now.right() && first_wrong_.right()) first_wrong_ = now;
        if (worst_[i].step == 0 || now.ratio() > worst_[i].ratio()) worst_[i] = now;
    }
    take_over();
    if (first + samples.size() == order_.size()) {
        at_ = {at_.epoch + 1, 0, 0};
        order_.clear();
    }
    if (tell_) tell_(static_cast<std::size_t>(steps_), all_);
}
