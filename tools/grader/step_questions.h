// step_questions.h: the questions about one mini-batch: its loss, its step, and the penalty in
// both.
#pragma once
#include <string>
#include <vector>

#include "answers.h"

class StepQuestions {
  public:
    StepQuestions(const GradedCase& asked, const Answers& answers)
        : asked_(asked), answers_(answers) {}

    Fault loss() const;
    Fault step() const;
    /// What a penalty adds to the loss of rank 0, whatever that loss is.
    Fault penalty_in_loss() const;
    /// A step with a penalty must differ from one without by rate reg W, and nothing in the biases.
    /// Both have the same gradient, so a wrong one changes nothing, except that one that is too
    /// large rounds so much more coarsely. Rank 0 is asked alone, because ranks that differ have
    /// lost the points of the step.
    Fault penalty_in_step(bool of_weights) const;

  private:
    Fault told_penalty() const;
    NeuralNetwork reference_forward() const;
    Matrix targets() const { return target_columns(asked_.step_set, all_of(asked_.step_set)); }
    double reference_loss(double reg) const { return reference_forward().loss(targets(), reg); }
    double loss_bound(double reg) const;
    std::vector<double> penalty_bounds() const;

    const GradedCase& asked_;
    const Answers& answers_;
};
