// training_questions.h: the questions about train(): its steps, what it tells, and how it ends.
//
// No mistake should be paid for twice. So the steps are also right if they are those that the
// submission's own verbs do, called one by one; and each loss is judged at the parameters that the
// submission had before that step.
#pragma once
#include <string>
#include <vector>

#include "answers.h"
#include "train/schedule.h"

class TrainingQuestions {
  public:
    TrainingQuestions(const GradedCase& asked, const Answers& answers);

    Fault steps() const;    ///< the parameters after them
    Fault told() const;     ///< the losses that on_step() and on_epoch() get
    Fault endings() const;  ///< it stops, goes on, is done, runs unseen, and diverges

  private:
    /// A sum over samples, and what rounding explains of it.
    struct LossSum {
        double value = 0, bound = 0, samples = 0;
        void add(const LossSum& more);
        Fault compare_mean(const std::string& what, double found) const;
    };
    std::vector<std::uint32_t> samples_of(int epoch, int step) const;
    LossSum loss_before(std::size_t number) const;
    Fault steps_of_the_reference() const;
    Fault steps_of_its_own_verbs() const;
    Fault told_by_step(std::vector<LossSum>& sums) const;
    Fault told_by_epoch(const std::vector<LossSum>& sums) const;
    bool ranks_came_to_differ() const;
    bool went_on_rightly() const {
        return same_parameters("resumed", "training-parameters", 0, "").empty();
    }
    Fault ended(const std::string& name, const std::string& what, int epoch, int step) const;
    Fault same_parameters(const std::string& name, const std::string& as, std::size_t first,
                          const std::string& what) const;

    const GradedCase& asked_;
    const Answers& answers_;
    const Schedule schedule_;
    const std::size_t in_epoch_, all_;  ///< steps
};
