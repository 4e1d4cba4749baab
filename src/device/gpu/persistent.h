// persistent.h: a whole epoch of a small network in one kernel.
//
// A step of the default network is so short that the starts of its kernels and their waits for
// memory are most of it. Here blocks start once, keep their weights in shared memory, and exchange
// one thing a step, the hidden layer's activations. persistent.cu draws it. One step and many give
// the same bits, and so do GPUs with different numbers of multiprocessors.
#pragma once
#include <string>

#include "device/gpu/kernels.h"
#include "device/gpu/owned.h"
#include "device/gpu/samples.h"
#include "device/replica.h"

/// 16 bytes of the exchange: some activations of a hidden unit, and the step that they belong to.
inline constexpr int values_of_word = 12 / static_cast<int>(sizeof(nn_real));
struct alignas(16) ExchangeWord {
    nn_real at[values_of_word];
    unsigned step;
};

/// How a network is shared out: `blocks` blocks have `rows` hidden units each, the last one maybe
/// fewer, and `shared_bytes` of shared memory.
struct PersistentPlan {
    int rows = 0, blocks = 0;
    std::size_t shared_bytes = 0;
};
/// One block a multiprocessor, with as few units as that allows: 1, 2 or 4. rows is 0 where that is
/// not enough.
PersistentPlan plan_persistent(int multiprocessors, int inputs, int hidden, int batch);

/// Steps of one launch, over samples that lie behind each other.
struct PersistentSteps {
    const std::uint8_t *pixels, *labels;
    std::size_t count;      ///< samples of all steps; 0: one step without samples
    int batch;              ///< of a step; the last one may have fewer
    nn_real scale, last;    ///< 1/M of all steps but the last one, and of the last one
    UpdateNumbers numbers;  ///< of all steps
    nn_real* p;             ///< the flat parameters
    nn_real* yhat;          ///< gets those of the last step
    double* loss;           ///< persistent_loss_slots doubles, to which losses are added
    bool counts_losses;     ///< false: they were counted before
};
inline constexpr int persistent_loss_slots = 16;

/// The kernel with its exchange, for one network on one chip.
class PersistentKernel {
  public:
    /// Why the kernel cannot take these trainings on this device; empty: it can. Asks CUDA.
    static std::string why_not(const ReplicaShape& shape, const CudaSettings& settings,
                               const GpuChip& chip);
    /// For what why_not() says nothing against. first_step: the number of its first step, from 1.
    PersistentKernel(const ReplicaShape& shape, int batch, const Gpu& gpu, unsigned first_step = 1);

    int batch() const { return batch_; }  ///< the largest

    /// Puts the steps on gpu.stream.
    void run(const PersistentSteps& steps);
    /// Throws Failure if a block gave up waiting for the others. Then the parameters are of
    /// no use. Waits.
    void check() const;

    /// After so many cycles, about ten seconds, a block gives up waiting for the others.
    static constexpr long long most_cycles = 20'000'000'000;

  private:
    unsigned numbers_for(std::size_t steps);

    const Gpu gpu_;
    const Layout layout_;
    const Activation activation_;
    const int batch_;  ///< the largest
    const nn_real pixel_scale_;
    const PersistentPlan plan_;
    DeviceArray<ExchangeWord> exchange_;  ///< two halves, by turns
    DeviceArray<unsigned> counters_;      ///< blocks that came to the end; threads that gave up
    unsigned next_step_;                  ///< numbers below it were used
};
