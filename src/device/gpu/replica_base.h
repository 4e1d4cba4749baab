// replica_base.h: what both replicas on GPUs (replica.cu, course_replica.cu) share: the parameters,
// and the calls that return values to the host.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/range.h"
#include "device/gpu/copies.h"
#include "device/gpu/kernels.h"
#include "device/replica.h"

/// An event that a reducer can wait for.
struct EventReady final : Ready {
    explicit EventReady(unsigned flags) : event(flags) {}
    void wait() const override { event.wait(); }
    GpuEvent event;
};

class GpuReplica : public Replica {
  public:
    double weights_squared() override {
        settle();
        for (int l = 1; l <= top_; ++l)
            gpu_sum_of_squares(gpu_, layout_.weights(l), weights(l),
                               squares_.data() + elements(l - 1, gpu_square_slots));
        return total(squares_);
    }
    void outputs(std::span<nn_real> yhat) override {
        settle();
        download(yhat_.data(), yhat.size(), yhat.data(), compute_);
        wait();
    }
    void read(std::span<nn_real> parameters) override { read_array(0, parameters); }
    void write(std::span<const nn_real> parameters) override { write_array(0, parameters); }
    void read_moment(int moment, std::span<nn_real> values) override {
        read_array(moment + 1, values);
    }
    void write_moment(int moment, std::span<const nn_real> values) override {
        write_array(moment + 1, values);
    }

  protected:
    GpuReplica(const ReplicaShape& shape, const CudaSettings& settings)
        : Replica(shape),
          device_(settings.device),
          chip_(gpu_chip(device_)),
          gpu_{compute_.get(), chip_},
          event_flags_(cudaEventDisableTiming |
                       (settings.shares_device ? cudaEventBlockingSync : 0u)),
          layout_(shape.layout),
          format_(shape.format),
          top_(layout_.layers()),
          parameters_(layout_.total() * static_cast<std::size_t>(1 + shape.moments)),
          yhat_(elements(layout_.classes(), shape.capacity)),
          squares_(elements(gpu_square_slots, top_)),
          done_(event_flags_) {
        cudaDeviceProp properties;
        GPU_CHECK(cudaGetDeviceProperties(&properties, device_));
        name_ = properties.name;
    }

    /// Selects this replica's device for the calling thread. Every public call does so first, for
    /// another replica, or another thread, may have selected another one.
    void here() const { GPU_CHECK(cudaSetDevice(device_)); }
    /// Selects the device, and puts the work that was asked for on the stream, if it is not there
    /// yet.
    virtual void settle() { here(); }

    nn_real* weights(int l) const { return parameters_.data() + layout_.weight_offset(l); }
    nn_real* bias(int l) const { return parameters_.data() + layout_.bias_offset(l); }
    /// Device memory is aligned for numbers, and every sample is a whole count of them.
    static const nn_real* numbers(const std::uint8_t* bytes) {
        return reinterpret_cast<const nn_real*>(bytes);
    }

    /// Waits for all work on the kernels' stream.
    void wait() {
        done_.record(compute_.get());
        done_.wait();
    }
    /// The sum of an array's elements, first to last. Waits.
    double total(const DeviceArray<double>& values) {
        std::vector<double> on_host(values.size());
        download(values.data(), values.size(), on_host.data(), compute_);
        wait();
        double sum = 0;
        for (const double value : on_host) sum += value;
        return sum;
    }

    // Array 0 has the parameters, the next ones their moments.
    void read_array(int array, std::span<nn_real> values) {
        settle();
        download(parameters_.data() + static_cast<std::size_t>(array) * layout_.total(),
                 values.size(), values.data(), compute_);
        wait();
    }
    void write_array(int array, std::span<const nn_real> values) {
        settle();
        upload(values.data(), values.size(),
               parameters_.data() + static_cast<std::size_t>(array) * layout_.total(), compute_);
        wait();
    }

    int device_;
    GpuChip chip_;  ///< first: everything below lives on the device selected with it
    std::string name_;
    GpuStream compute_;  ///< all kernels, in their order
    Gpu gpu_;
    unsigned event_flags_;  ///< say whether the host sleeps while it waits
    Layout layout_;
    SampleFormat format_;
    int top_;                          ///< index of the output layer
    DeviceArray<nn_real> parameters_;  ///< behind them, their moments
    DeviceArray<nn_real> yhat_;
    DeviceArray<double> squares_;
    GpuEvent done_;
};

/// Makes a replica. Throws GpuUnavailable if its device has too little memory for it.
template <class OfGpu>
std::unique_ptr<Replica> made_on_gpu(const ReplicaShape& shape, const CudaSettings& settings) {
    try {
        return std::make_unique<OfGpu>(shape, settings);
    } catch (const GpuOutOfMemory&) {
        cudaGetLastError();  // clears the error: the next check must not see it
        throw GpuUnavailable("device " + std::to_string(settings.device) +
                             ": out of memory for the network and a mini-batch; " +
                             gpu_memory_advice);
    }
}
