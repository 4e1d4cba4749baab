// step_questions.cpp: compares with the reference at the first parameters.
#include "step_questions.h"

#include <algorithm>
#include <cmath>

#include "loss_rounding.h"
#include "train/judge.h"
#include "train/rounding.h"

Fault StepQuestions::loss() const {
    if (Fault fault = answers_.same_on_all("loss", 4); !fault.empty()) return fault;
    const auto losses = answers_.of(0, "loss");
    const double right = reference_loss(0), bound = loss_bound(0), samples = asked_.training.batch;
    if (Fault fault = off_by("loss()", std::abs(losses[0] - right), bound); !fault.empty())
        return fault;
    if (Fault fault = off_by("loss() of two mini-batches", std::abs(losses[2] - right), 2 * bound);
        !fault.empty())
        return fault;
    return off_by("take_loss() of a sum so far",
                  std::abs(losses[3] - graded_so_far - samples * right), samples * bound);
}

Fault StepQuestions::step() const {
    if (Fault fault = answers_.same_on_all("step", answers_.size()); !fault.empty()) return fault;
    if (Fault fault = answers_.calls("step", 1, 1, asked_.step_set); !fault.empty()) return fault;
    NeuralNetwork reference(asked_.initial);
    return compare_step(reference, asked_, asked_.step_set, all_of(asked_.step_set),
                        {graded_rate, 0}, answers_.of(0, "step"));
}

Fault StepQuestions::penalty_in_loss() const {
    if (Fault fault = answers_.given(0, "loss", 4); !fault.empty()) return fault;
    const auto losses = answers_.of(0, "loss");
    const double expected = reference_loss(asked_.reg) - reference_loss(0);
    Fault fault = off_by("the penalty in the loss", std::abs(losses[1] - losses[0] - expected),
                         loss_bound(0) + loss_bound(asked_.reg));
    return fault.empty() ? told_penalty() : fault;
}

/// What train() tells its observer of one step, with a penalty and without. A submission that
/// tells nothing has lost the points of what is told.
Fault StepQuestions::told_penalty() const {
    const std::string with = "told-with-penalty", without = "told";
    const auto losses = [&](const std::string& name, const char* of) {
        return answers_.of(0, name + of);
    };
    const double bound = loss_bound(0) + loss_bound(asked_.reg);
    const auto step = losses(with, "-steps-told"), plain_step = losses(without, "-steps-told");
    if (step.size() == 3 && plain_step.size() == 3) {
        const double expected = reference_loss(asked_.reg) - reference_loss(0);
        if (Fault fault = off_by("the penalty in the loss that on_step() is told",
                                 std::abs(step[2] - plain_step[2] - expected), bound);
            !fault.empty())
            return fault;
    }
    const auto epoch = losses(with, "-epochs-told"), plain_epoch = losses(without, "-epochs-told");
    if (epoch.size() != 2 || plain_epoch.size() != 2) return "";
    if (Fault fault = answers_.given(0, with + "-parameters", answers_.size()); !fault.empty())
        return fault;
    Parameters<double> end(asked_.layout);
    std::ranges::copy(answers_.of(0, with + "-parameters"), end.values.begin());
    double squared = 0;
    for (int l = 1; l <= asked_.layout.layers(); ++l)
        for (const double w : end.weights(l)) squared += w * w;
    const double expected = asked_.reg / 2 * squared;
    const double coarser = 1 + expected / (reference_loss(asked_.reg) - reference_loss(0));
    return off_by("the penalty in the loss that on_epoch() is told",
                  std::abs(epoch[1] - plain_epoch[1] - expected), bound * coarser);
}

Fault StepQuestions::penalty_in_step(bool of_weights) const {
    const std::size_t size = answers_.size();
    for (const char* name : {"step", "step-with-penalty"})
        if (Fault fault = answers_.given(0, name, size); !fault.empty()) return fault;
    const auto without = answers_.of(0, "step"), with = answers_.of(0, "step-with-penalty");
    Parameters<nn_real> found(asked_.layout), moved(asked_.layout);
    Parameters<double> expected(asked_.layout);
    const Parameters<double> unmoved(asked_.layout);
    for (std::size_t i = 0; i < size; ++i) {
        found.values[i] = static_cast<nn_real>(without[i] - with[i]);
        moved.values[i] = static_cast<nn_real>(without[i]) - asked_.initial.values[i];
    }
    for (int l = 1; l <= asked_.layout.layers(); ++l)
        std::ranges::transform(asked_.initial.weights(l), expected.weights(l).begin(),
                               [&](nn_real w) { return graded_rate * asked_.reg * w; });
    const auto differences = compare(found, expected), moves = compare(moved, unmoved);
    const std::vector<double> bounds = penalty_bounds();
    for (std::size_t i = of_weights ? 0 : 1; i < differences.size(); i += 2) {
        const std::string& name = differences[i].name;
        if (!(moves[i].norm > bounds[i])) return "a step does not change " + name;
        if (Fault fault =
                off_by("the penalty's part in the step of " + name, differences[i].norm, bounds[i]);
            !fault.empty())
            return fault;
    }
    return "";
}

/// The reference at the first parameters, forward over the single mini-batch.
NeuralNetwork StepQuestions::reference_forward() const {
    NeuralNetwork reference(asked_.initial);
    reference.forward(
        input_columns(asked_.step_set, all_of(asked_.step_set), asked_.training.pixel_scale));
    return reference;
}

double StepQuestions::loss_bound(double reg) const {
    return rounding_of_loss(reference_forward(), targets(), reg);
}

/// Of the two steps, whose gradient may be too large by the number of samples: nobody divided it.
std::vector<double> StepQuestions::penalty_bounds() const {
    std::vector<double> bounds(2 * static_cast<std::size_t>(asked_.layout.layers()));
    for (const double reg : {0.0, asked_.reg}) {
        NeuralNetwork reference = reference_forward();
        reference.backward(targets(), reg);
        const auto more =
            rounding_of_step(reference, targets(), {graded_rate, static_cast<nn_real>(reg)});
        for (std::size_t i = 0; i < bounds.size(); ++i)
            bounds[i] += more[i] * asked_.training.batch;
    }
    return bounds;
}
