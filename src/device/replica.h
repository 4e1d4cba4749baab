// replica.h: what one rank's device does for the trainer.
//
// A replica holds one copy of the parameters and works on this rank's slice of a mini-batch. The
// trainer (DataParallelNeuralNetwork) is written once above this interface; the CPU
// (device/cpu/replica.cpp) and CUDA (device/gpu/replica.cu) implement it. Calls come in this order:
//
//     set_parameters;  to pick from a set on the device: keep, and each epoch set_order
//     each mini-batch:  pick, or stage and load;  forward;  backward;
//                       [gradient, each part summed by MPI];  step, or step_part
//     or, instead of an epoch's mini-batches:  epoch
//
// A slice of no samples is legal: its loss is 0 and its gradient is all zeros. Work may be
// asynchronous; only the functions that hand a value to the host wait for it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/real.h"
#include "input/sample_set.h"
#include "model/objective.h"
#include "model/parameters.h"

/// Host memory for a slice on its way to the device, in bytes (SampleFormat).
struct Staging {
    std::span<std::uint8_t> inputs, targets;
};

/// A run of the gradient, in Layout's order, that begins at its element `first`.
struct GradientPart {
    std::size_t first;
    std::span<nn_real> values;
};

/// What a replica has to be built for.
struct ReplicaShape {
    Layout layout;
    int capacity;         ///< most samples in one slice, at least 1
    nn_real pixel_scale;  ///< input = pixel x pixel_scale
    Objective objective = {};
    SampleFormat format = {};  ///< of every sample that it is given
};

class Replica {
  public:
    explicit Replica(ReplicaShape shape) : shape_(std::move(shape)) {}
    virtual ~Replica() = default;
    Replica(const Replica&) = delete;
    Replica& operator=(const Replica&) = delete;

    const ReplicaShape& shape() const { return shape_; }

    /// What it computes on, for people: "CPU (avx512, gemm bf16x3, 2 threads)", "NVIDIA H100 80GB
    /// HBM3 (gemm bf16x3)".
    virtual std::string device_name() const = 0;

    /// Parameters in and out, in Layout's order. Both wait.
    virtual void set_parameters(std::span<const nn_real> values) = 0;
    virtual void get_parameters(std::span<nn_real> values) = 0;

    /// Keeps a whole set of N samples on the device: their inputs and their targets, one sample's
    /// bytes (ReplicaShape::format) after the other's. Returns false, and keeps nothing, where the
    /// device has no room for it. An empty set frees what was kept.
    virtual bool keep(std::span<const std::uint8_t> inputs,
                      std::span<const std::uint8_t> targets) = 0;
    /// The order in which pick() walks through the kept set: indices of samples, each below N.
    virtual void set_order(std::span<const std::uint32_t> order) = 0;

    /// The slice of the next forward(): samples order[first .. first + n) of the kept set. n may be
    /// 0.
    virtual void pick(std::size_t first, int n) = 0;
    /// The same from the host: stage() lends buffers for n samples' inputs and targets; load()
    /// makes what was written there the current slice. Between the two, the slice before may still
    /// be worked on. n may be 0. stage() waits until the last load() has read the buffers.
    virtual Staging stage(int n) = 0;
    virtual void load() = 0;

    /// Activations of every layer, the output's included, and with it the output's delta,
    /// dloss/dz / batch, and the samples' losses. batch: samples in the whole mini-batch, all ranks
    /// together.
    virtual void forward(int batch) = 0;
    /// The slice's part of the data gradient: sum over its samples, divided by forward's batch.
    virtual void backward() = 0;
    /// In how many parts the gradient comes; together they cover it once. While MPI sums one, a
    /// device may still be computing the next.
    virtual int gradient_parts() const { return 1; }
    /// Part `part`, complete, for MPI to sum in place. Waits for this part alone. To be called for
    /// every part, the first one first. The memory is the host's, or the device's where the replica
    /// was made for a CUDA-aware MPI. The next step() uses what stands there then.
    virtual GradientPart gradient(int part) = 0;
    /// W -= rate (dW + reg W), b -= rate db.
    virtual void step(nn_real rate, nn_real reg) = 0;
    /// The same for the parameters [first, first + count) alone, with the sum of several ranks'
    /// gradients, added in their order. For ranks that share their parameters' memory, which only
    /// the CPU's replica can (CpuSettings).
    virtual void step_part(nn_real, nn_real, std::span<const nn_real* const>, std::size_t,
                           std::size_t) {
        throw std::logic_error(device_name() + " does not share its parameters");
    }

    /// Every mini-batch of an epoch at once: pick, forward, backward and step for each `batch`
    /// samples of the first `count` in the order, the last ones maybe fewer. No slice is current
    /// after it. False where the device cannot: then nothing was done, and the caller goes step by
    /// step, which gives the same bits.
    virtual bool epoch(std::size_t /*count*/, int /*batch*/, nn_real /*rate*/, nn_real /*reg*/) {
        return false;
    }

    /// Sum of the losses of every sample that went forward since the last call. Waits.
    virtual double take_loss() = 0;
    /// Sum of the squares of all weights, biases not counted. Waits.
    virtual double weights_squared() = 0;
    /// yhat of the current slice: classes x n, column-major. Waits.
    virtual void get_probabilities(std::span<nn_real> yhat) = 0;

  private:
    const ReplicaShape shape_;
};

/// How the CPU's replica works.
struct CpuSettings {
    int threads = 1;
    bool bf16x3 = true;  ///< the first layer's products by device/cpu/tiles.h, where they can be
    /// Memory of layout.total() elements each that other ranks see too, or null for its own.
    nn_real *parameters = nullptr, *gradient = nullptr;
};

/// Always there.
std::unique_ptr<Replica> make_cpu_replica(const ReplicaShape& shape, const CpuSettings& settings);

/// CUDA devices that this process can use; `why_none` says why when `count` is 0.
struct CudaDevices {
    int count = 0;
    std::string why_none;
    std::string runtime_version;  ///< "13.0"; empty in a build without CUDA
    bool bf16x3 = false;          ///< all of them can: from compute capability 8.0, in float
};
CudaDevices find_cuda_devices();

/// How the CUDA replica works.
struct CudaSettings {
    int device = 0;                        ///< of find_cuda_devices()
    bool bf16x3 = false;                   ///< the first layer's products by bf16 tensor cores
    bool several_ranks = false;            ///< every step's gradient will be asked for
    bool shares_device = false;            ///< with other ranks: waiting must leave them the CPU
    bool mpi_takes_device_memory = false;  ///< gradient() is the device's memory
    /// With several ranks, dW1 comes in parts if it has so many bytes.
    std::size_t parts_from = std::size_t{1} << 20;
};

/// Throws InputError where the network has more outputs than the kernels take: some thousands.
std::unique_ptr<Replica> make_cuda_replica(const ReplicaShape& shape, const CudaSettings& settings);
