// copies.h: copies between host and device, in a stream's order. The host does not wait for them.
//
// Host memory must stay as it is until the stream has passed the copy, page-locked or not: on some
// machines the GPU reads it no sooner. If it is not page-locked, nothing may be recorded.
#pragma once
#include "device/gpu/owned.h"

template <class T>
void upload(const T* from, std::size_t count, T* to_device, const GpuStream& stream) {
    GPU_CHECK(
        cudaMemcpyAsync(to_device, from, count * sizeof(T), cudaMemcpyHostToDevice, stream.get()));
}
template <class T>
void download(const T* from_device, std::size_t count, T* to, const GpuStream& stream) {
    GPU_CHECK(
        cudaMemcpyAsync(to, from_device, count * sizeof(T), cudaMemcpyDeviceToHost, stream.get()));
}
template <class T>
void copy(const T* from_device, std::size_t count, T* to_device, const GpuStream& stream) {
    GPU_CHECK(cudaMemcpyAsync(to_device, from_device, count * sizeof(T), cudaMemcpyDeviceToDevice,
                              stream.get()));
}
/// Work that the stream gets from now on waits for the event; the host does not.
inline void wait_for(const GpuStream& stream, const GpuEvent& event) {
    GPU_CHECK(cudaStreamWaitEvent(stream.get(), event.get(), 0));
}
