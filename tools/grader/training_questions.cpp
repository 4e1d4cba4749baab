// training_questions.cpp: compares trainings with the reference's steps, and with each other.
#include "training_questions.h"

#include <algorithm>

#include "base/text.h"
#include "train/order.h"

TrainingQuestions::TrainingQuestions(const GradedCase& asked, const Answers& answers)
    : asked_(asked),
      answers_(answers),
      schedule_(asked.training, asked.train_set.count()),
      in_epoch_(static_cast<std::size_t>(schedule_.steps_in_epoch())),
      all_(in_epoch_ * static_cast<std::size_t>(asked.training.epochs)) {}

std::vector<std::uint32_t> TrainingQuestions::samples_of(int epoch, int step) const {
    const auto order = sample_order(asked_.train_set.count(), epoch, asked_.training);
    const auto batch = static_cast<std::size_t>(asked_.training.batch),
               first = static_cast<std::size_t>(step) * batch;
    const auto samples = std::span(order).subspan(first, std::min(batch, order.size() - first));
    return {samples.begin(), samples.end()};
}

// ---- the steps

Fault TrainingQuestions::steps() const {
    const Fault reference = steps_of_the_reference();
    if (reference.empty()) return "";
    const Fault own = steps_of_its_own_verbs();
    return own.empty() ? "" : reference;
}

Fault TrainingQuestions::steps_of_the_reference() const {
    const std::size_t size = answers_.size();
    if (Fault fault = answers_.same_on_all("training", all_ * size); !fault.empty()) return fault;
    if (Fault fault = answers_.same_on_all("training-parameters", size); !fault.empty())
        return fault;
    if (Fault fault = answers_.calls(
            "training", all_, static_cast<std::size_t>(asked_.training.epochs), asked_.train_set);
        !fault.empty())
        return fault;
    const auto after = answers_.of(0, "training");
    NeuralNetwork reference(asked_.initial);
    for (std::size_t number = 0; number < all_; ++number) {
        const auto epoch = static_cast<int>(number / in_epoch_),
                   step = static_cast<int>(number % in_epoch_);
        const Fault fault =
            compare_step(reference, asked_, asked_.train_set, samples_of(epoch, step),
                         schedule_.update(epoch, step), after.subspan(number * size, size));
        if (!fault.empty())
            return formatted("epoch %d, step %d of %d: ", epoch + 1, step + 1,
                             static_cast<int>(in_epoch_)) +
                   fault;
    }
    if (!std::ranges::equal(after.last(size), answers_.of(0, "training-parameters")))
        return "train() ends at other parameters than its last step";
    return "";
}

/// The parameters at the end are, on each rank and in each bit, those of the single steps. They
/// moved, because verbs that do nothing are no steps.
Fault TrainingQuestions::steps_of_its_own_verbs() const {
    const std::size_t size = answers_.size(), of_epoch = in_epoch_ * size;
    for (std::size_t r = 0; r < answers_.ranks(); ++r) {
        const auto own = answers_.of(r, "own");
        if (own.empty() || own.size() % of_epoch != 0 || own.size() > all_ * size)
            return "the single steps do not end";
        const std::size_t steps = own.size() / size;
        if (steps < all_ && !ranks_came_to_differ()) return "train() did not find other copies";
        if (Fault fault = answers_.given(r, "training-parameters", size); !fault.empty())
            return fault;
        if (!std::ranges::equal(own.last(size), answers_.of(r, "training-parameters")))
            return "train() does other steps";
        if (Fault fault = answers_.calls("training", steps, steps / in_epoch_, asked_.train_set);
            !fault.empty())
            return fault;
        for (std::size_t before = 0; before + 1 < steps; ++before)
            if (std::ranges::equal(own.subspan(before * size, size),
                                   own.subspan((before + 1) * size, size)))
                return "a step changes nothing";
    }
    return "";
}

bool TrainingQuestions::ranks_came_to_differ() const {
    for (std::size_t r = 0; r < answers_.ranks(); ++r) {
        const auto end = answers_.of(r, "training-end");
        if (end.size() != 4 || end[0] != ranks_differ) return false;
    }
    return true;
}

// ---- how it ends

/// A training returned, on every rank, and at this state.
Fault TrainingQuestions::ended(const std::string& name, const std::string& what, int epoch,
                               int step) const {
    for (std::size_t r = 0; r < answers_.ranks(); ++r) {
        if (Fault fault = answers_.given(r, name + "-end", 4); !fault.empty()) return fault;
        const auto end = answers_.of(r, name + "-end");
        if (end[0] == ranks_differ) return what + " finds that the ranks' parameters differ";
        if (end[0] == diverged) return what + " finds that it diverged, and it did not";
        if (end[1] != epoch || end[2] != step)
            return what +
                   formatted(" returns the state epoch %.0f, step %.0f, not epoch %d, step %d",
                             end[1], end[2], epoch, step);
    }
    return "";
}

/// A training ends at the parameters that `as` has from `first` on. If it has none there, that
/// costs points elsewhere.
Fault TrainingQuestions::same_parameters(const std::string& name, const std::string& as,
                                         std::size_t first, const std::string& what) const {
    const std::size_t size = answers_.size();
    for (std::size_t r = 0; r < answers_.ranks(); ++r) {
        if (Fault fault = answers_.given(r, name + "-parameters", size); !fault.empty())
            return fault;
        const auto expected = answers_.of(r, as);
        if (expected.size() < first + size) continue;
        if (!std::ranges::equal(answers_.of(r, name + "-parameters"),
                                expected.subspan(first, size)))
            return what + " ends at other parameters than the training that is not";
    }
    return "";
}

Fault TrainingQuestions::endings() const {
    const std::size_t size = answers_.size();
    const int epochs = asked_.training.epochs;
    if (!ranks_came_to_differ()) {
        for (const Fault& fault :
             {ended("training", "train()", epochs, 0),
              ended("stopped", "a training that is stopped", 0, graded_stop),
              ended("resumed", "a training that goes on", epochs, 0),
              ended("done", "a training whose observer is done after an epoch", 1, 0),
              ended("silent", "a training without an observer", epochs, 0),
              same_parameters("resumed", "training-parameters", 0, "a training that goes on"),
              same_parameters("done", "training-after-epochs", 0,
                              "a training whose observer is done after an epoch")})
            if (!fault.empty()) return fault;
    }
    for (const Fault& fault :
         {same_parameters("stopped", "training", (graded_stop - 1) * size,
                          "a training that is stopped"),
          same_parameters("silent", "training-parameters", 0, "a training without an observer")})
        if (!fault.empty()) return fault;
    for (std::size_t r = 0; r < answers_.ranks(); ++r) {
        if (Fault fault = answers_.given(r, "diverging-end", 4); !fault.empty()) return fault;
        if (answers_.of(r, "diverging-end")[0] != diverged)
            return "train() does not throw Diverged if the loss is not finite";
        if (answers_.ranks() > 1 && answers_.of(r, "training-end")[3] == 0 &&
            !ranks_came_to_differ())
            return "train() does not call compare_copies()";
    }
    return "";
}
