// told_questions.cpp: the losses that train() tells its observer, step by step and epoch by epoch.
#include <algorithm>
#include <cmath>

#include "base/range.h"
#include "base/text.h"
#include "loss_rounding.h"
#include "training_questions.h"

void TrainingQuestions::LossSum::add(const LossSum& more) {
    value += more.value, bound += more.bound, samples += more.samples;
}

Fault TrainingQuestions::LossSum::compare_mean(const std::string& what, double found) const {
    return off_by(what, std::abs(found - value / samples), bound / samples);
}

/// The losses of a step that was told, each at the parameters that its rank had before.
TrainingQuestions::LossSum TrainingQuestions::loss_before(std::size_t number) const {
    const auto told = answers_.of(0, "training-steps-told").subspan(3 * number, 3);
    const auto samples = samples_of(static_cast<int>(told[0]), static_cast<int>(told[1]) - 1);
    const std::size_t size = answers_.size();
    LossSum sum;
    for (std::size_t r = 0; r < answers_.ranks(); ++r) {
        const Range shard = shard_of(static_cast<int>(samples.size()), static_cast<int>(r),
                                     static_cast<int>(answers_.ranks()));
        if (shard.count == 0) continue;
        const auto mine = std::span(samples).subspan(static_cast<std::size_t>(shard.first),
                                                     static_cast<std::size_t>(shard.count));
        NeuralNetwork reference(asked_.initial);
        if (number > 0)
            std::ranges::copy(answers_.of(r, "training").subspan((number - 1) * size, size),
                              reference.parameters().values.begin());
        reference.forward(input_columns(asked_.train_set, mine, asked_.training.pixel_scale));
        const Matrix y = target_columns(asked_.train_set, mine);
        const double count = shard.count;
        sum.add({count * reference.loss(y, 0), count * rounding_of_loss(reference, y, 0), count});
    }
    return sum;
}

/// Each step's loss. The steps told are the first ones of each epoch, at least one; that they are
/// all is asked only if all were done, because a submission that leaves some out has lost points
/// for that.
Fault TrainingQuestions::told_by_step(std::vector<LossSum>& sums) const {
    const auto told = answers_.of(0, "training-steps-told");
    const std::size_t count = told.size() / 3;
    for (std::size_t r = 0; r < answers_.ranks(); ++r)
        if (Fault fault = answers_.given(r, "training", count * answers_.size()); !fault.empty())
            return fault;
    int epoch = -1, step = 0;
    for (std::size_t number = 0; number < count; ++number) {
        const auto now = told.subspan(3 * number, 3);
        const bool goes_on = now[0] == epoch && now[1] == step + 1,
                   begins = now[0] == epoch + 1 && now[1] == 1;
        if ((!goes_on && !begins) || now[0] < 0 || now[0] >= asked_.training.epochs ||
            now[1] > static_cast<double>(in_epoch_))
            return "train() tells its observer of other steps than those of the training";
        epoch = static_cast<int>(now[0]), step = static_cast<int>(now[1]);
        sums.push_back(loss_before(number));
        const Fault fault = sums.back().compare_mean(
            formatted("the loss told of epoch %d, step %d", epoch + 1, step), now[2]);
        if (!fault.empty()) return fault;
    }
    const std::size_t done = ranks_came_to_differ() ? in_epoch_ : all_;
    if (count != done && (count == 0 || steps().empty()))
        return formatted("train() told its observer of %zu steps, not of %zu", count, done);
    return "";
}

/// Each epoch's loss, of the trainings in whole and of the one that goes on, if that has done the
/// right steps.
Fault TrainingQuestions::told_by_epoch(const std::vector<LossSum>& sums) const {
    const auto epochs = answers_.of(0, "training-epochs-told"),
               resumed = answers_.of(0, "resumed-epochs-told");
    if (!ranks_came_to_differ() &&
        epochs.size() != 2 * static_cast<std::size_t>(asked_.training.epochs))
        return formatted("train() told its observer of %zu epochs, not of %d", epochs.size() / 2,
                         asked_.training.epochs);
    const std::size_t told = std::min(epochs.size() / 2, sums.size() / in_epoch_);
    for (std::size_t epoch = 0; epoch < told; ++epoch) {
        if (epochs[2 * epoch] != static_cast<double>(epoch))
            return "train() tells its observer of the epochs in another order";
        LossSum sum;
        for (std::size_t step = 0; step < in_epoch_; ++step)
            sum.add(sums[epoch * in_epoch_ + step]);
        const std::string what = formatted("the loss told of epoch %zu", epoch + 1);
        if (Fault fault = sum.compare_mean(what, epochs[2 * epoch + 1]); !fault.empty())
            return fault;
        if (2 * epoch + 1 < resumed.size() && went_on_rightly()) {
            const Fault fault =
                sum.compare_mean(what + ", which was stopped", resumed[2 * epoch + 1]);
            if (!fault.empty()) return fault;
        }
    }
    return "";
}

Fault TrainingQuestions::told() const {
    for (const char* name : {"training-steps-told", "training-epochs-told", "stopped-steps-told",
                             "resumed-epochs-told"})
        for (std::size_t r = 0; r < answers_.ranks(); ++r) {
            if (Fault fault = answers_.came_to(r, name); !fault.empty()) return fault;
            if (!std::ranges::equal(answers_.of(r, name), answers_.of(0, name)))
                return formatted("rank %zu tells its observer other losses than rank 0", r);
        }
    std::vector<LossSum> sums;
    if (Fault fault = told_by_step(sums); !fault.empty()) return fault;
    if (sums.size() < 2) return "train() told its observer of no second step";
    const auto pair = answers_.of(0, "stopped-steps-told");
    if (pair.size() != 3 || pair[0] != 0 || pair[1] != 2)
        return "train() does not tell every second step to an observer that wants it";
    LossSum both = sums[0];
    both.add(sums[1]);
    if (Fault fault = both.compare_mean("the loss told of two steps together", pair[2]);
        !fault.empty())
        return fault;
    // An epoch that lacks a step has lost the points of the training, and has no right mean.
    const bool whole = sums.size() == (ranks_came_to_differ() ? in_epoch_ : all_);
    return whole ? told_by_epoch(sums) : "";
}
