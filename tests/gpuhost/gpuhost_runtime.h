// gpuhost_runtime.h: what the files of the CUDA runtime's stand-in need of each other.
#pragma once
#include <cstddef>
#include <functional>

#include "gpuhost.h"

namespace gpuhost {
using Work = std::function<void()>;
/// Work that may have to wait for another process: false, and it is tried again.
using Attempt = std::function<bool()>;

/// Kept for cudaGetLastError() where it is an error.
cudaError_t result(cudaError_t error);
[[noreturn]] void die_of_freed_memory(const char* what);
extern Traffic all_traffic;
extern int current_device;  ///< that cudaSetDevice has selected, or whose kernel runs

// gpuhost_streams.cpp:
bool is_stream(cudaStream_t stream);  ///< null is one
bool captures(cudaStream_t stream);
/// A stream is of the device that was current when it was made; null is of the current one.
int device_of(cudaStream_t stream);
/// Puts work on a stream, or into the graph that it captures. On the null stream it is done now.
void give(cudaStream_t stream, Work work);
void give_attempt(cudaStream_t stream, Attempt attempt);  ///< no null stream, and no capture
void do_what_can_be_done(cudaStream_t stream);            ///< without waiting for another process
void finish(cudaStream_t stream);
/// As CUDA does before it takes memory back.
void finish_all_streams();
/// What must not be done while a stream captures spoils the capture.
cudaError_t spoil(cudaStream_t stream, cudaError_t error);
/// Allocating and freeing memory may wait for the device, so that no stream may be capturing.
bool spoils_captures();
std::size_t live_streams();  ///< with events and graphs

// gpuhost_memory.cpp:
extern std::size_t graph_bytes;  ///< of device memory, that graphs take
std::size_t live_blocks();       ///< of device memory and of pinned memory
}  // namespace gpuhost
