// gpu_replica.cu: the trainer's steps on one CUDA device.
//
// What a step needs is allocated once, for the largest slice; all work goes to one stream, so that
// a step is a row of launches with no waiting between them. In a step the host waits only where it
// needs a value: in gradient() before MPI reads it, in the losses, and in stage() for a buffer that
// is still being read. Setting up (parameters, the kept set, each epoch's order) waits as well.
#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "gpu_func.h"
#include "replica.h"

namespace {

/// Device memory for `size` elements of T, freed with the object. Its first content is undefined.
template <class T>
class DeviceArray {
  public:
    explicit DeviceArray(std::size_t size) : size_(size) {
        GPU_CHECK(cudaMalloc(&data_, std::max<std::size_t>(size, 1) * sizeof(T)));
    }
    /// Nothing where the device has no room for it.
    static std::optional<DeviceArray> if_it_fits(std::size_t size) {
        T* data = nullptr;
        const cudaError_t status = cudaMalloc(&data, std::max<std::size_t>(size, 1) * sizeof(T));
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();  // it is dealt with: the next check must not meet it
            return std::nullopt;
        }
        GPU_CHECK(status);
        return DeviceArray(data, size);
    }
    ~DeviceArray() { cudaFree(data_); }
    DeviceArray(DeviceArray&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
    DeviceArray(const DeviceArray&) = delete;
    DeviceArray& operator=(const DeviceArray&) = delete;
    DeviceArray& operator=(DeviceArray&&) = delete;

    T* data() const { return data_; }
    std::size_t size() const { return size_; }

    void upload(const T* from, std::size_t count, cudaStream_t stream) {
        GPU_CHECK(cudaMemcpyAsync(data_, from, count * sizeof(T), cudaMemcpyHostToDevice, stream));
    }
    void download(T* to, std::size_t count, cudaStream_t stream) const {
        GPU_CHECK(cudaMemcpyAsync(to, data_, count * sizeof(T), cudaMemcpyDeviceToHost, stream));
    }
    void fill_zero(cudaStream_t stream) {
        GPU_CHECK(cudaMemsetAsync(data_, 0, size_ * sizeof(T), stream));
    }

  private:
    DeviceArray(T* data, std::size_t size) : data_(data), size_(size) {}
    T* data_ = nullptr;
    std::size_t size_;
};

/// Page-locked host memory, which the device reads and writes while the host goes on.
template <class T>
class PinnedArray {
  public:
    explicit PinnedArray(std::size_t size) {
        GPU_CHECK(cudaMallocHost(&data_, std::max<std::size_t>(size, 1) * sizeof(T)));
    }
    ~PinnedArray() { cudaFreeHost(data_); }
    PinnedArray(const PinnedArray&) = delete;
    PinnedArray& operator=(const PinnedArray&) = delete;

    T* data() const { return data_; }
    std::span<T> first(std::size_t count) const { return {data_, count}; }

  private:
    T* data_ = nullptr;
};

class Stream {
  public:
    Stream() {
        GPU_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
        GPU_CHECK(cudaEventCreateWithFlags(&uploaded_, cudaEventDisableTiming));
    }
    ~Stream() {
        cudaEventDestroy(uploaded_);
        cudaStreamDestroy(stream_);
    }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    cudaStream_t get() const { return stream_; }
    void wait() const { GPU_CHECK(cudaStreamSynchronize(stream_)); }
    void mark() const { GPU_CHECK(cudaEventRecord(uploaded_, stream_)); }
    void wait_for_mark() const { GPU_CHECK(cudaEventSynchronize(uploaded_)); }

  private:
    cudaStream_t stream_{};
    cudaEvent_t uploaded_{};
};

/// A training set that stays on the device.
struct KeptSet {
    DeviceArray<std::uint8_t> pixels, labels;
    DeviceArray<std::uint32_t> order;
};

cudaDeviceProp select_device(int device) {
    GPU_CHECK(cudaSetDevice(device));
    cudaDeviceProp properties;
    GPU_CHECK(cudaGetDeviceProperties(&properties, device));
    return properties;
}

class CudaReplica : public Replica {
  public:
    CudaReplica(const ReplicaShape& shape, int device, bool mpi_takes_device_memory)
        : properties_(select_device(device)),
          gpu_{stream_.get(), properties_.multiProcessorCount},
          layout_(shape.layout),
          pixel_scale_(shape.pixel_scale),
          mpi_takes_device_memory_(mpi_takes_device_memory),
          parameters_(layout_.total()),
          gradient_(layout_.total()),
          gradient_for_mpi_(mpi_takes_device_memory ? 0 : layout_.total()),
          staged_pixels_(elements(layout_.inputs(), shape.capacity)),
          staged_labels_(elements(1, shape.capacity)),
          raw_pixels_(elements(layout_.inputs(), shape.capacity)),
          raw_labels_(elements(1, shape.capacity)),
          labels_(elements(1, shape.capacity)),
          loss_(gpu_loss_slots),
          squares_(elements(gpu_square_slots, layout_.layers())) {
        for (int l = 0; l <= layout_.layers(); ++l) {
            activations_.emplace_back(elements(layout_.size(l), shape.capacity));
            deltas_.emplace_back(l == 0 ? 0 : elements(layout_.size(l), shape.capacity));
        }
        loss_.fill_zero(gpu_.stream);
    }

    std::string device_name() const override { return properties_.name; }

    void set_parameters(std::span<const nn_real> values) override {
        parameters_.upload(values.data(), values.size(), gpu_.stream);
        stream_.wait();
    }
    void get_parameters(std::span<nn_real> values) override {
        parameters_.download(values.data(), values.size(), gpu_.stream);
        stream_.wait();
    }

    bool keep(std::span<const std::uint8_t> pixels, std::span<const std::uint8_t> labels) override {
        kept_.reset();
        // Ranks may share this device, so only the allocation itself tells who gets its memory.
        auto device_pixels = DeviceArray<std::uint8_t>::if_it_fits(pixels.size());
        auto device_labels = DeviceArray<std::uint8_t>::if_it_fits(labels.size());
        auto device_order = DeviceArray<std::uint32_t>::if_it_fits(labels.size());
        if (!device_pixels || !device_labels || !device_order) return false;
        kept_.emplace(KeptSet{std::move(*device_pixels), std::move(*device_labels),
                              std::move(*device_order)});
        kept_->pixels.upload(pixels.data(), pixels.size(), gpu_.stream);
        kept_->labels.upload(labels.data(), labels.size(), gpu_.stream);
        stream_.wait();
        return true;
    }
    void set_order(std::span<const std::uint32_t> order) override {
        kept_->order.upload(order.data(), order.size(), gpu_.stream);
        stream_.wait();
    }

    void pick(std::size_t first, int n) override {
        n_ = n;
        gpu_gather_pixels(gpu_, layout_.inputs(), n, kept_->order.data() + first, pixel_scale_,
                          kept_->pixels.data(), kept_->labels.data(), activation(0),
                          labels_.data());
    }
    Staging stage(int n) override {
        staged_ = n;
        stream_.wait_for_mark();
        return {staged_pixels_.first(elements(layout_.inputs(), n)),
                staged_labels_.first(elements(1, n))};
    }
    void load() override {
        n_ = staged_;
        raw_pixels_.upload(staged_pixels_.data(), elements(layout_.inputs(), n_), gpu_.stream);
        raw_labels_.upload(staged_labels_.data(), elements(1, n_), gpu_.stream);
        stream_.mark();
        gpu_gather_pixels(gpu_, layout_.inputs(), n_, nullptr, pixel_scale_, raw_pixels_.data(),
                          raw_labels_.data(), activation(0), labels_.data());
    }

    void forward(int batch) override {
        const int top = layout_.layers();
        for (int l = 1; l <= top; ++l)
            gpu_layer(gpu_, l < top ? Activation::sigmoid : Activation::none, layout_.size(l), n_,
                      layout_.size(l - 1), weights(parameters_, l), activation(l - 1),
                      bias(parameters_, l), activation(l));
        gpu_softmax_cross_entropy(gpu_, layout_.classes(), n_, labels_.data(),
                                  nn_real{1} / static_cast<nn_real>(batch), activation(top),
                                  delta(top), loss_.data());
    }

    void backward() override {
        for (int l = layout_.layers(); l >= 1; --l) {
            const int rows = layout_.size(l), below = layout_.size(l - 1);
            gpu_gemm(gpu_, Transposed::no, Transposed::yes, rows, below, n_, 1, delta(l),
                     activation(l - 1), 0, weights(gradient_, l));
            gpu_row_sums(gpu_, rows, n_, delta(l), bias(gradient_, l));
            if (l == 1) break;
            gpu_gemm(gpu_, Transposed::yes, Transposed::no, below, n_, rows, 1,
                     weights(parameters_, l), delta(l), 0, delta(l - 1));
            gpu_sigmoid_backward(gpu_, elements(below, n_), activation(l - 1), delta(l - 1));
        }
        lent_ = false;
    }

    nn_real* gradient() override {
        lent_ = true;
        if (!mpi_takes_device_memory_)
            gradient_.download(gradient_for_mpi_.data(), gradient_.size(), gpu_.stream);
        stream_.wait();
        return mpi_takes_device_memory_ ? gradient_.data() : gradient_for_mpi_.data();
    }

    void step(nn_real rate, nn_real reg) override {
        if (lent_ && !mpi_takes_device_memory_)
            gradient_.upload(gradient_for_mpi_.data(), gradient_.size(), gpu_.stream);
        for (int l = 1; l <= layout_.layers(); ++l) {
            gpu_step(gpu_, layout_.weights(l), rate, reg, weights(gradient_, l),
                     weights(parameters_, l));
            gpu_step(gpu_, elements(layout_.size(l), 1), rate, 0, bias(gradient_, l),
                     bias(parameters_, l));
        }
    }

    double take_loss() override {
        const double sum = total(loss_);
        loss_.fill_zero(gpu_.stream);
        return sum;
    }
    double weights_squared() override {
        for (int l = 1; l <= layout_.layers(); ++l)
            gpu_sum_of_squares(gpu_, layout_.weights(l), weights(parameters_, l),
                               squares_.data() + elements(l - 1, gpu_square_slots));
        return total(squares_);
    }
    void get_probabilities(std::span<nn_real> yhat) override {
        activations_.back().download(yhat.data(), yhat.size(), gpu_.stream);
        stream_.wait();
    }
    void get_predictions(std::span<std::uint8_t> classes) override {
        const auto height = static_cast<std::size_t>(layout_.classes());
        std::vector<nn_real> yhat(classes.size() * height);
        get_probabilities(yhat);
        for (std::size_t j = 0; j < classes.size(); ++j) {
            const auto column = yhat.begin() + static_cast<std::ptrdiff_t>(j * height);
            classes[j] = static_cast<std::uint8_t>(
                std::max_element(column, column + layout_.classes()) - column);
        }
    }

  private:
    static std::size_t elements(int rows, int cols) {
        return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
    }
    nn_real* activation(int l) { return activations_[static_cast<std::size_t>(l)].data(); }
    nn_real* delta(int l) { return deltas_[static_cast<std::size_t>(l)].data(); }
    nn_real* weights(DeviceArray<nn_real>& flat, int l) {
        return flat.data() + layout_.weight_offset(l);
    }
    nn_real* bias(DeviceArray<nn_real>& flat, int l) {
        return flat.data() + layout_.bias_offset(l);
    }
    /// The sum of an array's elements, first to last. Waits.
    double total(const DeviceArray<double>& values) {
        std::vector<double> on_host(values.size());
        values.download(on_host.data(), on_host.size(), gpu_.stream);
        stream_.wait();
        double sum = 0;
        for (double value : on_host) sum += value;
        return sum;
    }

    cudaDeviceProp properties_;  ///< first: everything below lives on the device selected with it
    Stream stream_;
    Gpu gpu_;
    Layout layout_;
    nn_real pixel_scale_;
    bool mpi_takes_device_memory_;
    bool lent_ = false;  ///< gradient() has lent the gradient to MPI; step() takes it back
    DeviceArray<nn_real> parameters_, gradient_;
    PinnedArray<nn_real> gradient_for_mpi_;
    PinnedArray<std::uint8_t> staged_pixels_, staged_labels_;
    DeviceArray<std::uint8_t> raw_pixels_, raw_labels_, labels_;
    DeviceArray<double> loss_, squares_;
    std::vector<DeviceArray<nn_real>> activations_;  ///< a_0 .. a_L, each H_l x capacity
    std::vector<DeviceArray<nn_real>> deltas_;       ///< of layers 1 .. L, the same shapes
    std::optional<KeptSet> kept_;
    int staged_ = 0;  ///< samples of the slice that stage() lent buffers for
    int n_ = 0;       ///< samples of the current slice
};

}  // namespace

CudaDevices find_cuda_devices() {
    CudaDevices found;
    int version = 0;
    if (cudaRuntimeGetVersion(&version) == cudaSuccess)
        found.runtime_version =
            std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
    // On an error the count is left unwritten, so the status alone decides.
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status == cudaSuccess && count > 0)
        found.count = count;
    else
        found.why_none =
            status == cudaSuccess ? "CUDA counts 0 devices" : cudaGetErrorString(status);
    return found;
}

std::unique_ptr<Replica> make_cuda_replica(const ReplicaShape& shape, int device,
                                           bool mpi_takes_device_memory) {
    return std::make_unique<CudaReplica>(shape, device, mpi_takes_device_memory);
}
