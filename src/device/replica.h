// replica.h: one copy of the parameters, and the arithmetic of a step on it.
//
// The trainer (neural_network.cpp) is written once above this interface; device/cpu and device/gpu
// implement it. P parameters lie in Layout's order; n are the current samples, maybe 0; M are the
// samples of the whole mini-batch, all ranks together. A step is
//
//     samples().select, or stage and arrived;  forward;  backward;  update for every part's sum
//
// Calls are asynchronous: only a call that returns a value to the host waits. A replica is one
// rank's, or that of all ranks of a node (SharedReplica). Equal calls give equal bits.
#pragma once
#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/range.h"
#include "base/real.h"
#include "base/wait.h"
#include "device/lent.h"
#include "device/sample_store.h"
#include "input/sample_set.h"
#include "model/activation/activation.h"
#include "model/objective.h"
#include "model/parameters.h"
#include "model/precision.h"
#include "model/update/update.h"

/// What a replica is built for.
struct ReplicaShape {
    Layout layout;
    int capacity;         ///< largest number of current samples, at least 1
    nn_real pixel_scale;  ///< input = pixel x pixel_scale
    Objective objective = {};
    SampleFormat format = {};               ///< of all its samples
    Activation activation = {};             ///< of the hidden layers
    int moments = 0;                        ///< the most that a rule of its updates has
    Precision precision = Precision::fp32;  ///< of the operands of products
};

/// What forward() must compute beside yhat.
enum class Want {
    outputs,  ///< only yhat: the samples may have no targets
    losses,   ///< the samples' losses, for take_loss()
    gradient  ///< the losses, and the output's delta for backward()
};

/// Steps over the kept training set in its order. Each takes `batch` samples, the last one maybe
/// fewer.
struct Steps {
    std::size_t count;  ///< all samples of these steps, from the first of the order on
    int batch;
    Update update;
};

/// What a replica can that adds up the samples of a mini-batch in leaves (base/leaves.h).
class LeafSums {
  public:
    virtual ~LeafSums() = default;
    /// Replica::backward() for a range of the samples of all ranks of this replica: a tree of
    /// leaves.
    virtual void backward_of(Range samples, const std::function<void(int part)>& ready) = 0;
    /// Replica::take_loss(), but the losses of this rank's samples one by one, in their order.
    virtual std::vector<double> take_losses() = 0;
};

class Replica {
  public:
    explicit Replica(ReplicaShape shape) : shape_(std::move(shape)) {}
    virtual ~Replica() = default;
    Replica(const Replica&) = delete;
    Replica& operator=(const Replica&) = delete;

    const ReplicaShape& shape() const { return shape_; }
    /// The device and its arithmetic, for messages: "CPU (avx512, zeros left out, 2 threads)",
    /// "NVIDIA H100 80GB HBM3 (gemm bf16x3)".
    virtual std::string device_name() const = 0;
    virtual SampleStore& samples() = 0;

    /// Computes the activations of all layers for the current samples; the last one is yhat
    /// (outputs x n). Also computes what `want` asks for. The output's delta is dloss/dz times
    /// `scale`, and `scale` is 1/M.
    virtual void forward(nn_real scale, Want want) = 0;
    /// Computes the gradient of the sum of the current samples' losses times forward's `scale`,
    /// without the penalty. Calls ready(p) for every part in the order of parts(). Part p is then
    /// computed, or is on its way on the device, and may be lent from then on.
    virtual void backward(const std::function<void(int part)>& ready) = 0;
    /// The parts are the same in every step. Together they cover this rank's gradient exactly once:
    /// 0 .. P, or what it has of a replica that several ranks share.
    virtual std::span<const Part> parts() const = 0;
    /// Part `part` of the gradient, after its ready(). The memory stays the replica's.
    virtual Lent lend(int part) = 0;
    /// p_i = rule(p_i, sum_i + reg p_i [only weights]) for i in [sum.first, + sum.count). The sums
    /// of the parts come in the order of parts(), each once in a step.
    virtual void update(const Update& update, const Sum& sum) = 0;
    /// backward() and update() together, for the only replica: its own gradient is the sum.
    virtual void backward_and_update(const Update& update) = 0;
    /// Does many steps in one submission, with the bits of single steps. After it, no samples are
    /// current. Returns false, and does nothing, if the replica cannot do this.
    virtual bool run(const Steps&) { return false; }

    /// Null if the replica adds up its samples in another order than leaves.
    virtual LeafSums* leaf_sums() { return nullptr; }

    /// The sum of the losses of all samples that went forward with Want::losses or Want::gradient
    /// since the last call. Waits.
    virtual double take_loss() = 0;
    /// The sum of the squares of all weights, without the biases. Waits.
    virtual double weights_squared() = 0;
    /// yhat of the current samples: outputs x n, column-major. Waits.
    virtual void outputs(std::span<nn_real> yhat) = 0;
    /// The parameters, P numbers, and each moment of them, as many again. All of them wait.
    virtual void read(std::span<nn_real> parameters) = 0;
    virtual void write(std::span<const nn_real> parameters) = 0;
    virtual void read_moment(int moment, std::span<nn_real> values) = 0;
    virtual void write_moment(int moment, std::span<const nn_real> values) = 0;

  private:
    const ReplicaShape shape_;
};

/// What the CPU makes of the first layer's inputs.
enum class FirstLayerKind {
    sparse,  ///< masks: its products pass over zeros (device/cpu/sparse.h)
    dense,   ///< full rows of numbers (device/cpu/dense.h)
    tiles    ///< bf16 pixels in tiles (device/cpu/tiles.h)
};

/// The ranks of a node that work on one replica, with all their threads. They make it together:
/// with the same shape, and with memory and barrier of the node.
struct SharedReplica {
    std::byte* memory;  ///< cpu_shared_bytes() zeros, on a cache line
    Barrier* barrier;   ///< of all workers
    int ranks, first_worker, workers;
};

/// The settings of a CPU's replica.
struct CpuSettings {
    int threads = 1;  ///< of this rank
    FirstLayerKind first_layer = FirstLayerKind::sparse;
    const SharedReplica* shared = nullptr;  ///< null: this rank has the replica alone
    /// Sums over samples are in leaves (base/leaves.h); not with tiles.
    bool in_leaves = false;
    /// A gradient that is lent comes in parts of about so many bytes.
    std::size_t part_bytes = std::numeric_limits<std::size_t>::max();
};

/// True if FirstLayerKind::tiles is possible here: it takes pixels, a hidden layer, operands in
/// float, and a processor with tiles.
bool takes_tiles(const ReplicaShape& shape);

/// The bytes of SharedReplica::memory for so many ranks. shape.capacity is each rank's.
std::size_t cpu_shared_bytes(const ReplicaShape& shape, FirstLayerKind first_layer, int ranks);

/// Every build has this replica. Of a shared replica, all ranks call forward(), backward(),
/// update(), backward_and_update() and write(), in the same order, for their shards of the same
/// mini-batch. It computes the same bits with any number of ranks and threads, but not with tiles.
/// Each of its ranks lends and updates the rows of its own weights; two shared replicas with as
/// many ranks and threads share the rows out alike.
std::unique_ptr<Replica> make_cpu_replica(const ReplicaShape& shape, const CpuSettings& settings);

/// A GPU that this process can use.
struct CudaDevice {
    int number = 0;  ///< CUDA's
    int multiprocessors = 0;
    int capability = 0;   ///< compute capability x 10: 90 is 9.0
    bool bf16x3 = false;  ///< and int8: compute capability 8.0 or above, in float
    bool native = true;   ///< this binary has machine code for it; false: the driver compiles it
};
/// What CUDA says of this process's GPUs.
struct CudaDevices {
    std::vector<CudaDevice> usable;
    std::string why_none;  ///< why none is usable, if none is
    std::string left_out;  ///< which of them are not, and why; empty: all are
    std::string
        runtime_version;      ///< "13.0"; empty in a build without CUDA, or if CUDA was not asked
    bool seems_here = false;  ///< a GPU is here, usable or not
};
/// Starts CUDA's driver, which can take seconds. A GPU that answers no question, or that is too
/// old, is not usable.
CudaDevices find_cuda_devices();
/// The device's UUID, which no other device and no other slice of a device has (MIG). Empty if CUDA
/// does not say.
std::string cuda_uuid(int number);

/// Thrown for a GPU that cannot be used now: busy, sick, too small. The line says what to do.
struct GpuUnavailable : InputError {
    using InputError::InputError;
};

/// The settings of a CUDA replica.
struct CudaSettings {
    int device = 0;       ///< CudaDevice::number
    bool bf16x3 = false;  ///< the first layer's products on bf16 tensor cores
    bool int8 = false;    ///< those products in whole numbers, whatever bf16x3 says
    /// Steps of at most so many samples by the persistent kernel, if it takes the network; 0: not.
    int persistent_batch = 0;
    bool several_ranks = false;        ///< every step's gradient will be lent
    bool shares_device = false;        ///< with other ranks: waiting must leave them the CPU
    bool lends_device_memory = false;  ///< the gradient is lent where it is, for a sum there
    /// With several ranks, dW1 comes in parts if it has at least `parts_from` bytes.
    std::size_t parts_from = std::size_t{1} << 20;
};

/// Throws GpuUnavailable if the GPU cannot be used or has too little memory, and InputError if the
/// network has more outputs than the kernels take, which is some thousands.
std::unique_ptr<Replica> make_cuda_replica(const ReplicaShape& shape, const CudaSettings& settings);
/// Why a replica with these settings could not take its steps by the persistent kernel
/// (device/gpu/persistent.h); empty: it could. One that cannot takes the others.
std::string why_not_persistent(const ReplicaShape& shape, const CudaSettings& settings);
/// A replica with the plain kernels of gpu_func.cu, as a course would write them: one stream, one
/// kernel for each formula, no limit on outputs. Of the settings, it uses only `device` and
/// `shares_device`.
std::unique_ptr<Replica> make_course_replica(const ReplicaShape& shape,
                                             const CudaSettings& settings);
