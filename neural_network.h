// neural_network.h: the network twice, once to be fast and once to be right.
//
// NeuralNetwork is the reference: serial, in double whatever the build, written to be read beside
// the formulas. DataParallelNeuralNetwork is the trainer: each rank's Replica works on its slice of
// every mini-batch, and MPI_Allreduce or shared memory sums the gradients. They share the data's
// order and no arithmetic, so that the first can judge the second (judge.h).
//
// Both train fully connected layers with sigmoids. For a mini-batch of n, with the output layer and
// the loss of objective.h:
//     a_0 = x,  z_l = W_l a_(l-1) + b_l,  a_l = sigmoid(z_l),  yhat = softmax(z_L) or sigmoid(z_L)
//     J = (1/n) sum of the samples' losses + (reg/2) sum_l ||W_l||^2
//     delta_L = (1/n) dloss/dz_L,  delta_l = W_(l+1)^T delta_(l+1) * a_l * (1 - a_l)
//     dW_l = delta_l a_(l-1)^T + reg W_l,  db_l = row sums of delta_l
// and dloss/dz is, of k outputs, with e = yhat - y:
//     cross-entropy, softmax:  (sum_i y_i) yhat - y
//     cross-entropy, sigmoid:  e / k
//     mse, softmax:            (2/k) yhat * (e - sum_i e_i yhat_i)
//     mse, sigmoid:            (2/k) yhat * e * (1 - yhat)
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <vector>

#include "base/real.h"
#include "comm/comm.h"
#include "device/replica.h"
#include "input/sample_set.h"
#include "model/objective.h"
#include "model/parameters.h"
#include "model/state.h"

/// How to train: everything that both networks have to agree on. The values here are plain ones;
/// the program's defaults are in app/cli/options.cpp.
struct Training {
    int batch = 1;             ///< samples of a mini-batch, all ranks together
    int epochs = 1;            ///< passes over the set; each takes ceil(N / batch) steps
    double rate = 0.1;         ///< learning rate of the first epoch
    double decay = 1.0;        ///< the rate's factor after each epoch
    double reg = 0.0;          ///< L2 penalty on weights
    bool shuffled = false;     ///< a new order each epoch; otherwise the file's
    std::uint64_t seed = 1;    ///< of the orders
    nn_real pixel_scale = 1;   ///< input = pixel x pixel_scale
    int print_every = 0;       ///< report the loss every so many steps; 0: never
    bool scatter_once = true;  ///< the set goes to every rank once, if their devices have room

    /// Learning rate of an epoch, counted from 0, rounded to nn_real as every device uses it.
    nn_real rate_of(int epoch) const;
};

/// The order in which an epoch (from 0) walks through `count` samples: the same on every rank, at
/// every number of ranks.
std::vector<std::uint32_t> sample_order(std::size_t count, int epoch, const Training& training);

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
    explicit NeuralNetwork(const Parameters<Real>& initial, Objective objective = {})
        : objective_(objective), parameters_(initial.layout), gradient_(initial.layout) {
        parameters_.values.assign(initial.values.begin(), initial.values.end());
    }

    /// yhat (classes x n) for x (inputs x n); keeps the activations for the calls below.
    const Matrix& forward(const Matrix& x);
    /// J of the last forward(), whose targets are y (classes x n).
    double loss(const Matrix& y, double reg) const;
    /// dJ/dW and dJ/db of the last forward().
    const Parameters<double>& backward(const Matrix& y, double reg);
    /// parameters -= rate x the last gradient.
    void step(double rate);
    /// Serial mini-batch gradient descent over the whole set.
    void train(const Dataset& set, const Training& training);
    /// The class of each column of yhat (class_of).
    std::vector<int> predict(const Matrix& x);
    /// Part of the set's samples whose yhat stands for the same class as their target.
    double accuracy(const Dataset& set, nn_real pixel_scale);

    Parameters<double>& parameters() { return parameters_; }
    const Parameters<double>& parameters() const { return parameters_; }

  private:
    Matrix output_delta(const Matrix& y) const;  ///< n delta_L

    Objective objective_;
    Parameters<double> parameters_, gradient_;
    std::vector<Matrix> activations_;  ///< a_0 .. a_L of the last forward
    Matrix logits_;                    ///< z_L of the last forward
};

/// The samples' inputs, and their targets y (classes x n), as the reference takes them.
Matrix input_columns(const Dataset& set, std::span<const std::uint32_t> samples,
                     nn_real pixel_scale);
Matrix target_columns(const Dataset& set, std::span<const std::uint32_t> samples);

/// Where the seconds of a run went.
struct TimeSplit {
    double data = 0, compute = 0, communication = 0, evaluation = 0;
};

struct Evaluation {
    double loss = 0;      ///< mean of the samples' losses
    double accuracy = 0;  ///< part of them whose yhat stands for the class of their target
};

/// What train() tells while it runs, on every rank.
struct TrainingObserver {
    virtual ~TrainingObserver() = default;
    /// loss: mean over the steps since the last report, each taken before its step, plus the
    /// penalty.
    virtual void on_step(int epoch, int step, int steps, double loss) = 0;
    /// loss: the same over the whole epoch.
    virtual void on_epoch(int epoch, double loss) = 0;
    /// Whether stops() is to be asked. It takes a device that can do an epoch at once its speed.
    virtual bool may_stop() const { return false; }
    /// After every step: true to end there. The same on every rank.
    virtual bool stops() { return false; }
};

/// The most samples of which one MPI message, whose counts are ints, holds inputs, targets or yhat.
std::size_t most_samples_in_message(const Layout& layout, const SampleFormat& format);

/// The trainer: one object on each rank, all functions collective. Any number of ranks may have no
/// samples of a mini-batch.
class DataParallelNeuralNetwork {
  public:
    /// `initial` is rank 0's; the other ranks' values are overwritten by it. The objective and the
    /// samples' format are the replica's. slice_capacity: most samples that a replica takes at
    /// once, the same on all ranks. shared: the memory that the replicas of all ranks were made
    /// with, or null; then MPI_Allreduce sums the gradients.
    DataParallelNeuralNetwork(const Comm& comm, std::unique_ptr<Replica> replica,
                              Parameters<nn_real> initial, int slice_capacity,
                              SharedParameters* shared = nullptr);

    /// One step by hand, in this order. samples: indices into rank 0's set, the same on all ranks.
    void load(const Dataset& set_on_root, std::span<const std::uint32_t> samples);
    void forward();
    double loss(double reg);  ///< J of the mini-batch, the same on all ranks
    void backward();
    void step(nn_real rate, double reg);

    /// Mini-batch gradient descent over rank 0's set, from `from` on, whose parameters these are,
    /// to the last epoch or to where the observer stops it. Returns where that is. Throws Diverged
    /// when an epoch's loss is not finite.
    TrainingState train(const Dataset& set_on_root, const Training& training,
                        TrainingObserver* observer, TrainingState from = {});
    /// Over rank 0's set. Not between forward() and step(): it takes the mini-batch's place.
    Evaluation evaluate(const Dataset& set_on_root);
    /// yhat of rank 0's set, which may be without targets: classes x count, column-major, on rank 0; empty elsewhere.
    std::vector<nn_real> probabilities(const Dataset& set_on_root);

    /// The parameters after the last step, on every rank.
    Parameters<nn_real> parameters();
    const Layout& layout() const { return layout_; }
    /// Whether every rank's parameters have the same bits as rank 0's.
    bool ranks_agree();
    /// Whether train() took the set to every rank once (scatter_once, and there was room).
    bool scattered_once() const { return resident_; }
    const TimeSplit& times() const { return times_; }
    Replica& replica() { return *replica_; }

  private:
    /// Rank 0's set goes forward, as many samples at once as all replicas take. After each forward
    /// `use` gets the number of its first sample.
    void forward_all(const Dataset& set_on_root, const std::function<void(std::size_t)>& use);
    std::size_t correct_in_slice();
    /// Throws on every rank.
    void check_format(const Dataset& set_on_root, bool with_targets = true) const;
    void keep_everywhere(const Dataset& set_on_root, std::size_t count);
    void start_scatter(const Dataset& set_on_root, std::span<const std::uint32_t> samples);
    void finish_scatter();
    void pick_batch(std::size_t first, std::size_t count);
    std::span<nn_real> complete_gradient(int part);
    void step_shared(nn_real rate, nn_real reg);
    bool epoch_at_once(std::size_t count, int epoch, const Training& training);
    bool train_epoch(const Dataset& set_on_root, std::size_t count, const Training& training,
                     TrainingObserver* observer, TrainingState& state);
    double take_loss();  ///< summed over the ranks
    double penalty(double reg);

    const Comm& comm_;
    std::unique_ptr<Replica> replica_;
    Layout layout_;
    SampleFormat format_;
    int slice_capacity_;
    SharedParameters* shared_;
    bool resident_ = false;
    int batch_ = 0;  ///< samples of the current mini-batch, all ranks together
    TimeSplit times_;
    // The mini-batch on its way from rank 0.
    std::vector<std::uint8_t> batch_inputs_, batch_targets_;  ///< rank 0: all of it, in order
    std::vector<int> input_counts_, target_counts_;           ///< bytes for each rank
    Staging arriving_;                                        ///< this rank's part of it
    int arriving_batch_ = 0;
    Scatter input_scatter_, target_scatter_;
};
