// owned.h: CUDA's memory, streams and events, each freed by its owner's destructor.
//
// A call that throws half-way must leave nothing behind on the device: grading, tests and
// benchmarks go on afterwards. Destructors check no result. An error that they could see happened
// earlier and was already reported.
#pragma once
#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "device/gpu/runtime.h"

/// Device memory for `size` elements of T; its first content is undefined.
template <class T>
class DeviceArray {
  public:
    explicit DeviceArray(std::size_t size) : size_(size) {
        GPU_CHECK(cudaMalloc(&data_, std::max<std::size_t>(size, 1) * sizeof(T)));
    }
    DeviceArray(std::span<const T> from, cudaStream_t stream) : DeviceArray(from.size()) {
        upload(from, stream);
    }
    /// Returns nothing if the device has no room for it.
    static std::optional<DeviceArray> if_it_fits(std::size_t size) {
        T* data = nullptr;
        const cudaError_t status = cudaMalloc(&data, std::max<std::size_t>(size, 1) * sizeof(T));
        if (status == cudaErrorMemoryAllocation) {
            cudaGetLastError();  // clears the error: the next check must not see it
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

    /// Both wait until the copy is done.
    void upload(std::span<const T> from, cudaStream_t stream) {
        GPU_CHECK(
            cudaMemcpyAsync(data_, from.data(), from.size_bytes(), cudaMemcpyHostToDevice, stream));
        GPU_CHECK(cudaStreamSynchronize(stream));
    }
    std::vector<T> download(cudaStream_t stream) const {
        std::vector<T> to(size_);
        GPU_CHECK(
            cudaMemcpyAsync(to.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost, stream));
        GPU_CHECK(cudaStreamSynchronize(stream));
        return to;
    }
    /// Fills every byte, in the stream's order: 0xff makes floating-point numbers NaN.
    void fill_bytes(int byte, cudaStream_t stream) {
        GPU_CHECK(cudaMemsetAsync(data_, byte, size_ * sizeof(T), stream));
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

class GpuStream {
  public:
    GpuStream() { GPU_CHECK(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
    ~GpuStream() { cudaStreamDestroy(stream_); }
    GpuStream(const GpuStream&) = delete;
    GpuStream& operator=(const GpuStream&) = delete;

    cudaStream_t get() const { return stream_; }
    void wait() const { GPU_CHECK(cudaStreamSynchronize(stream_)); }
    /// For destructors: what the work uses must stay until it is done. An error was reported.
    void finish() const noexcept { cudaStreamSynchronize(stream_); }

  private:
    cudaStream_t stream_{};
};

/// A point in a stream's work. By default it records when the stream passed it.
class GpuEvent {
  public:
    explicit GpuEvent(unsigned flags = cudaEventDefault) {
        GPU_CHECK(cudaEventCreateWithFlags(&event_, flags));
    }
    ~GpuEvent() {
        if (event_ != nullptr) cudaEventDestroy(event_);
    }
    GpuEvent(GpuEvent&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
    GpuEvent(const GpuEvent&) = delete;
    GpuEvent& operator=(const GpuEvent&) = delete;
    GpuEvent& operator=(GpuEvent&&) = delete;

    cudaEvent_t get() const { return event_; }
    void record(cudaStream_t stream) { GPU_CHECK(cudaEventRecord(event_, stream)); }
    void wait() const { GPU_CHECK(cudaEventSynchronize(event_)); }
    bool is_past() const {
        const cudaError_t status = cudaEventQuery(event_);
        if (status == cudaErrorNotReady) {
            cudaGetLastError();  // no error: the next check must not see it
            return false;
        }
        GPU_CHECK(status);
        return true;
    }
    /// The stream must have passed both.
    double seconds_since(const GpuEvent& before) const {
        float milliseconds = 0;
        GPU_CHECK(cudaEventElapsedTime(&milliseconds, before.event_, event_));
        return static_cast<double>(milliseconds) * 1e-3;
    }

  private:
    cudaEvent_t event_{};
};
