// step_check.h: compares each step of a training with the reference's step from the same
// parameters.
//
// After every step, the reference takes over the trained parameters. So a step is judged by its own
// rounding alone (rounding.h). Over many steps, a network can amplify rounding without bound, and
// two right trainings can end far from each other.
#pragma once
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "neural_network.h"
#include "train/judge.h"
#include "train/schedule.h"

/// A tensor after a step.
struct StepVerdict {
    int epoch = 0, step = 0;  ///< from 1 on; 0: no step was compared
    TensorDifference difference;
    double bound = 1;  ///< of difference.norm; if it is not finite, nothing passes

    double ratio() const {
        if (!std::isfinite(bound)) return std::numeric_limits<double>::infinity();
        return difference.norm == 0 ? 0 : difference.norm / bound;
    }
    bool right() const { return ratio() <= 1; }
};

/// Give it to train() as the observer. The network's parameters must be those of the state `from`,
/// at which that training starts. Rank 0 compares while the other ranks wait.
class StepCheck : public TrainingObserver {
  public:
    /// Called on rank 0 after each comparison, with the number of steps compared and of all.
    using Tell = std::function<void(std::size_t done, std::size_t all)>;

    StepCheck(DataParallelNeuralNetwork& network, const SampleSet& set_on_root,
              const Training& training, const TrainingState& from = {}, Tell tell = {});

    void on_step(int, int, int, double) override {}
    void on_epoch(int, double) override {}
    bool may_stop() const override { return true; }
    bool stops() override;  ///< compares the step that was just done; returns false

    // On rank 0:
    int steps() const { return steps_; }      ///< compared so far
    std::size_t all() const { return all_; }  ///< that the training has
    /// For W1, b1, W2, ..., then for each moment of them: the step that came nearest to its bound,
    /// or went furthest beyond it.
    const std::vector<StepVerdict>& worst() const { return worst_; }
    /// A tensor beyond its bound in the first step that has one; right() if there is none.
    const StepVerdict& first_wrong() const { return first_wrong_; }

  private:
    void compare_step();
    std::vector<TensorDifference> compare_all() const;
    void take_over();

    DataParallelNeuralNetwork& network_;
    const SampleSet& set_;
    const Training training_;
    const Schedule schedule_;
    TrainingState at_;                  ///< before the next step
    std::vector<std::uint32_t> order_;  ///< of at_.epoch; empty: not drawn yet
    NeuralNetwork reference_;
    Tell tell_;
    std::size_t all_;  ///< steps from `from` on
    int steps_ = 0;
    StepVerdict first_wrong_;
    std::vector<StepVerdict> worst_;
};
