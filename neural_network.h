// neural_network.h: the network twice, once to be fast and once to be right.
//
// NeuralNetwork is the reference: serial, in double whatever the build, written to be read beside
// the formulas. DataParallelNeuralNetwork is the trainer: each rank has a Replica for its shard of
// every mini-batch, and a Reducer sums the gradients; or all ranks work on one Replica. Both use
// the same order of the samples, but share no arithmetic. So the reference can check the trainer
// (train/judge.h).
//
// Both train fully connected layers. For a mini-batch of n, with an activation f of
// model/activation (the sigmoid has f' = a (1 - a)) and the output layer and the loss of
// model/objective.h:
//     a_0 = x,  z_l = W_l a_(l-1) + b_l,  a_l = f(z_l),  yhat = softmax(z_L) or sigmoid(z_L)
//     J = (1/n) sum of the samples' losses + (reg/2) sum_l ||W_l||^2
//     delta_L = (1/n) dloss/dz_L,  delta_l = W_(l+1)^T delta_(l+1) * f'(z_l)
//     dW_l = delta_l a_(l-1)^T + reg W_l,  db_l = row sums of delta_l
// With k outputs and e = yhat - y, dloss/dz is:
//     cross-entropy, softmax:  (sum_i y_i) yhat - y
//     cross-entropy, sigmoid:  e / k
//     mse, softmax:            (2/k) yhat * (e - sum_i e_i yhat_i)
//     mse, sigmoid:            (2/k) yhat * e * (1 - yhat)
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/real.h"
#include "comm/comm.h"
#include "device/replica.h"
#include "input/sample_set.h"
#include "model/activation/activation.h"
#include "model/objective.h"
#include "model/parameters.h"
#include "model/state.h"
#include "reduce/reducer.h"
#include "train/feed.h"
#include "train/fixed_order.h"
#include "train/loss_scale.h"
#include "train/observer.h"
#include "train/settings.h"
#include "train/slices.h"
#include "train/strategies.h"

/// Column-major matrix of the reference.
struct Matrix {
    int rows = 0, cols = 0;
    std::vector<double> values;

    Matrix() = default;
    Matrix(int r, int c) : rows(r), cols(c), values(static_cast<std::size_t>(r) * c) {}
    double& operator()(int i, int j) { return values[static_cast<std::size_t>(j) * rows + i]; }
    double operator()(int i, int j) const { return values[static_cast<std::size_t>(j) * rows + i]; }
};

/// The serial reference.
class NeuralNetwork {
  public:
    template <class Real>
    explicit NeuralNetwork(const Parameters<Real>& initial, Objective objective = {},
                           Activation activation = {}, Precision precision = Precision::fp32)
        : objective_(objective),
          activation_(activation),
          precision_(precision),
          parameters_(initial.layout),
          gradient_(initial.layout) {
        parameters_.values.assign(initial.values.begin(), initial.values.end());
    }

    /// Returns yhat (classes x n) for x (inputs x n); keeps the activations for the calls below.
    const Matrix& forward(const Matrix& x);
    /// J of the last forward(), whose targets are y (classes x n).
    double loss(const Matrix& y, double reg) const;
    /// dJ/dW and dJ/db of the last forward().
    const Parameters<double>& backward(const Matrix& y, double reg);
    /// p = rule(p, the last gradient).
    void update(const Update& update);
    /// Serial mini-batch gradient descent over the whole set.
    void train(const SampleSet& set, const Training& training);
    /// The class of each column of yhat (class_of).
    std::vector<int> predict(const Matrix& x);
    /// The fraction of the set's samples whose predicted class is the true one, from 0 to 1.
    double accuracy(const SampleSet& set, nn_real pixel_scale);

    Parameters<double>& parameters() { return parameters_; }
    /// The moments that update() changes (model/update/update.h).
    std::vector<Parameters<double>>& moments() { return moments_; }
    const std::vector<Parameters<double>>& moments() const { return moments_; }
    /// Sets all moments that `rule` has to 0. Until then, there are none.
    void begin_moments(const Rule& rule) {
        moments_.assign(static_cast<std::size_t>(moments_of(rule)),
                        Parameters<double>(gradient_.layout));
    }
    const Parameters<double>& parameters() const { return parameters_; }
    const Objective& objective() const { return objective_; }
    const Activation& activation() const { return activation_; }
    Precision precision() const { return precision_; }  ///< of what is multiplied

    // Of the last forward() and backward(), a column a sample. Layer 0 is the input.
    const Matrix& sums(int l) const { return sums_[static_cast<std::size_t>(l) - 1]; }  ///< z_l
    const Matrix& values(int l) const {
        return activations_[static_cast<std::size_t>(l)];
    }  ///< a_l
    const Matrix& deltas(int l) const { return deltas_[static_cast<std::size_t>(l) - 1]; }
    /// delta_l before it was rounded to the precision; of float, the same.
    const Matrix& whole_deltas(int l) const { return whole_[static_cast<std::size_t>(l) - 1]; }
    const Parameters<double>& gradient() const { return gradient_; }
    /// Deltas are rounded to the precision times this, a power of two, and divided by it again.
    void set_loss_scale(double scale) { loss_scale_ = scale; }
    double loss_scale() const { return loss_scale_; }

  private:
    Matrix output_delta(const Matrix& y) const;              ///< n delta_L
    Matrix rounded(Matrix operand, double scale = 1) const;  ///< to the precision

    Objective objective_;
    Activation activation_;
    Precision precision_;
    double loss_scale_ = 1;
    Parameters<double> parameters_, gradient_;
    std::vector<Parameters<double>> moments_;
    std::vector<Matrix> activations_;            ///< a_0 .. a_L
    std::vector<Matrix> sums_, deltas_, whole_;  ///< of the layers 1 .. L
};

/// The samples' inputs, and their targets y (classes x n), as the reference takes them.
Matrix input_columns(const SampleSet& set, std::span<const std::uint32_t> samples,
                     nn_real pixel_scale);
Matrix target_columns(const SampleSet& set, std::span<const std::uint32_t> samples);

/// How all ranks train together: how gradients are summed, how samples come to the devices, and in
/// which order the verbs of a step are called.
struct Techniques {
    std::unique_ptr<Reducer> reducer;  ///< null: nothing to sum, or fixed_order or strategy does it
    FeedKind feed = FeedKind::resident;
    std::unique_ptr<Strategy> strategy = make_every_step();
    FixedOrderWay fixed_order = {};  ///< if it is taken, there is no reducer
};

/// The trainer: one object on each rank, all functions collective. A rank's shard of a mini-batch
/// may be empty.
class DataParallelNeuralNetwork {
  public:
    /// Rank 0's `initial` replaces the values of the other ranks. The objective and the samples'
    /// format are the replica's.
    DataParallelNeuralNetwork(const Comm& comm, std::unique_ptr<Replica> replica,
                              Parameters<nn_real> initial, Techniques techniques = {});

    // ---- a step: four verbs, in this order (train/strategy.h)

    /// This rank's shard of a mini-batch becomes the current samples. feed() must have been called.
    void load(const Batch& batch);
    /// The same with a shard that the strategy has dealt itself. The feed must be resident.
    void load(const Batch& batch, const Range& shard);
    /// Computes yhat, the losses and the output's delta of the current samples, times `weight`.
    void forward(nn_real weight = 1);
    /// Computes the gradient, and starts the sum of its parts over all replicas. If there is only
    /// one replica, update() does it. Of several slices, the last one starts the sum for all.
    void backward(Slice slice = {});
    /// p = rule(p, sum of the gradients + reg p), in every replica.
    void update(const Update& update);

    // ---- a training: all its steps

    /// Mini-batch gradient descent over rank 0's set. It starts at the state `from`, for which the
    /// network already has the parameters. It ends after the last epoch, or when the observer stops
    /// it, and returns the state at the end. Throws Diverged if an epoch's loss is not finite, and
    /// RanksDiffer if the replicas' parameters differ after an epoch or at the stop.
    TrainingState train(const SampleSet& set_on_root, const Training& training,
                        TrainingObserver* observer, TrainingState from = {});

    /// Makes and returns the feed from which load() takes the samples of rank 0's set. train()
    /// calls it by itself.
    Feed& feed(const SampleSet& set_on_root);
    /// J of all samples that went forward since the last call. Call it before the next update. The
    /// same on all ranks.
    double loss(double reg);
    /// Throws std::logic_error if the set on rank 0 does not have the replica's format.
    void check_format(const SampleSet& set_on_root, bool with_targets = true) const;

    /// The parameters after the last update, on every rank.
    Parameters<nn_real> parameters();
    /// The moments that the rule of the updates keeps (model/update/update.h), on every rank.
    Moments moments();
    /// What this rank's reducer has not sent yet (Reducer::residual): P numbers, or none. A resume
    /// writes them after restart().
    std::span<nn_real> residual();
    /// What the strategy keeps (Strategy::velocity): P numbers, or none; the same on all ranks. A
    /// resume writes them after restart().
    std::span<nn_real> velocity() { return techniques_.strategy->velocity(layout_.total()); }
    /// Rank 0's `parameters` and `moments` replace those of every replica. No moments: all are 0.
    /// Residuals and velocity are 0.
    void restart(Parameters<nn_real> parameters, Moments moments = {});
    const Layout& layout() const { return layout_; }
    const Comm& comm() const { return comm_; }
    Replica& replica() { return *replica_; }
    /// Whether each of several ranks has parameters of its own, which are compared after each
    /// epoch, and where a training stops.
    bool has_copies() const {
        return techniques_.reducer != nullptr || techniques_.fixed_order.across != nullptr ||
               techniques_.strategy->has_copies();
    }
    /// The bytes that a rank has handed to MPI in a step, for gradients or for means of parameters:
    /// the mean over the steps so far, and over the ranks, which may have done different numbers.
    double bytes_a_step();
    /// What keeps the gradients in range, after the last step, and before it.
    const LossScale& loss_scale() const { return loss_scale_; }
    const LossScale& loss_scale_before() const { return loss_scale_before_; }
    /// Of the updates of all ranks, if they are asynchronous; else there are none. Collective.
    Staleness staleness() { return techniques_.strategy->staleness().of_all(comm_); }
    /// Of this rank's sums that go on while it computes; all 0 if none do.
    SumTimes sum_times() const {
        return techniques_.reducer ? techniques_.reducer->times() : SumTimes{};
    }
    /// The samples' losses, summed over all ranks. `loads` are the mini-batches, or slices of them,
    /// that went forward since the last call, dealt as `dealing` says; the sum is added to
    /// `so_far`.
    double take_loss(std::span<const Batch> loads, const Dealing& dealing, double so_far = 0);
    /// Whether the last training compared them. It did not if it had nothing left to train.
    bool compared_copies() const { return compared_; }
    /// The feed of the last training. It is scattered, although resident was asked for, if the set
    /// did not fit. Before the first training: the feed that was asked for.
    FeedKind feed_kind() const { return feed_ ? feed_->kind() : techniques_.feed; }

  private:
    bool train_epoch(std::size_t count, const Training& training, TrainingObserver* observer,
                     TrainingState& state);
    void compare_copies(const std::string& when);
    bool run_epoch(std::size_t count, const Training& training, int epoch);
    double take_loss(double so_far = 0);  ///< of the unreported samples
    double penalty(double reg);
    void update_unscaled(const Update& update);
    /// Samples of all ranks.
    double unreported() {
        const auto samples = static_cast<double>(unreported_);
        return techniques_.strategy->deals_itself() ? comm_.sum(samples) : samples;
    }

    const Comm& comm_;
    std::unique_ptr<Replica> replica_;
    Layout layout_;
    Techniques techniques_;
    std::unique_ptr<Feed> feed_;
    bool compared_ = false;
    Batch batch_ = {};  ///< the current samples, all ranks together
    GradientOfSlices slices_;
    std::size_t updates_ = 0;
    LossScale loss_scale_, loss_scale_before_;
    std::vector<nn_real> unscaled_;  ///< the gradient without the scale
    std::vector<Sum> own_sums_;      ///< of the only replica, if its gradient came in slices
    std::unique_ptr<FixedOrder> fixed_order_;  ///< null: sums are in another order
    /// Samples of all ranks whose losses take_loss() has not returned yet; of this rank, if the
    /// strategy deals them itself.
    std::size_t unreported_ = 0;
    std::vector<Batch> unreported_loads_;  ///< those samples, if sums are in the fixed order
};
