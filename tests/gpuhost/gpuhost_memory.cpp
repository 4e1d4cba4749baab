// gpuhost_memory.cpp: device memory and pinned memory, and what is copied to and from them.
//
// Device memory is host memory from malloc (so that AddressSanitizer knows its ends), filled with
// NaN bytes (so that a read of what was never written shows), and entered in an account: a pointer
// of the wrong side, a range that does not fit its block or a kernel argument that leads to host
// memory is an error here, as it is, sooner or later, on a GPU.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "gpuhost_runtime.h"

namespace gpuhost {
namespace {
/// Memory handed out by one kind of allocation: start of each block -> its bytes, and its device.
class Account {
  public:
    /// Null where the host has no memory left.
    void* allocate(std::size_t bytes) {
        void* memory = nullptr;
        if (posix_memalign(&memory, 256, bytes) != 0) return nullptr;  // as CUDA aligns
        for (std::size_t byte = 0; byte < bytes; byte += sizeof config().fresh_word)
            std::memcpy(static_cast<char*>(memory) + byte, &config().fresh_word,
                        std::min(sizeof config().fresh_word, bytes - byte));
        blocks_[static_cast<char*>(memory)] = bytes;
        devices_[static_cast<char*>(memory)] = current_device;
        total_ += bytes;
        return memory;
    }

    bool release(void* memory) {
        const auto block = blocks_.find(static_cast<char*>(memory));
        if (block == blocks_.end()) return false;
        total_ -= block->second;
        devices_.erase(block->first);
        blocks_.erase(block);
        recent_ = {};
        std::free(memory);
        return true;
    }

    /// Whether [pointer, pointer + bytes) lies in one block. No bytes may lie at a block's end.
    bool contains(const void* pointer, std::size_t bytes) const {
        const auto* start = static_cast<const char*>(pointer);
        const auto holds = [=](const std::pair<const char*, std::size_t>& block) {
            const auto offset = static_cast<std::size_t>(start - block.first);
            return start >= block.first && offset <= block.second && bytes <= block.second - offset;
        };
        for (const auto& block : recent_)
            if (block.first != nullptr && holds(block)) return true;
        auto block = blocks_.upper_bound(start);
        if (block == blocks_.begin() || !holds(*--block)) return false;
        recent_[0] = std::exchange(recent_[1], *block);
        return true;
    }

    /// Whether a block of the current device begins here, or has this byte, or ends here.
    bool is_current(const void* pointer) const {
        const auto block = devices_.upper_bound(static_cast<const char*>(pointer));
        return block != devices_.begin() && std::prev(block)->second == current_device;
    }

    bool overlaps(const void* pointer, std::size_t bytes) const {
        const auto* start = static_cast<const char*>(pointer);
        auto block = blocks_.lower_bound(start + bytes);
        if (block == blocks_.begin()) return false;
        --block;
        return block->first + block->second > start;
    }

    std::size_t count() const { return blocks_.size(); }
    std::size_t total() const { return total_; }

  private:
    std::map<const char*, std::size_t, std::less<>> blocks_;
    std::map<const char*, int, std::less<>> devices_;
    /// The last two that were asked for: a kernel's copies come from two matrices, by turns.
    mutable std::array<std::pair<const char*, std::size_t>, 2> recent_{};
    std::size_t total_ = 0;
};

Account device_memory, pinned_memory;

bool in_an_account(const void* pointer, std::size_t bytes) {
    return device_memory.contains(pointer, bytes) || pinned_memory.contains(pointer, bytes);
}

void count_bytes(std::size_t bytes, cudaMemcpyKind kind) {
    if (kind == cudaMemcpyHostToDevice) all_traffic.uploaded += bytes;
    if (kind == cudaMemcpyDeviceToHost) all_traffic.downloaded += bytes;
}

/// Only a copy between device and pinned memory leaves the host free to go on at once.
cudaError_t give_copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                      cudaStream_t stream) {
    const bool from_pageable = !in_an_account(from, bytes), to_pageable = !in_an_account(to, bytes);
    if ((from_pageable || to_pageable) && captures(stream))
        return spoil(stream, cudaErrorStreamCaptureUnsupported);
    if (from_pageable && config().pageable_is_read_late) {
        give(stream, [=] {
            count_bytes(bytes, kind);
            std::memcpy(to, from, bytes);
        });
    } else if (from_pageable) {  // CUDA takes a copy of it before it returns
        const auto* start = static_cast<const char*>(from);
        std::vector<char> taken(start, start + bytes);
        give(stream, [=] {
            count_bytes(bytes, kind);
            std::memcpy(to, taken.data(), bytes);
        });
    } else {
        give(stream, [=] {
            if (!in_an_account(from, bytes) || (!to_pageable && !in_an_account(to, bytes)))
                die_of_freed_memory("a copy");
            count_bytes(bytes, kind);
            std::memcpy(to, from, bytes);
        });
    }
    if (to_pageable) finish(stream);
    return cudaSuccess;
}
}  // namespace

std::size_t graph_bytes = 0;
std::size_t live_blocks() { return device_memory.count() + pinned_memory.count(); }

bool device_holds(const void* pointer, std::size_t bytes) {
    return device_memory.contains(pointer, bytes);
}
bool device_can_reach(const void* pointer) {
    return !pointer || (device_holds(pointer, 0) && device_memory.is_current(pointer));
}
}  // namespace gpuhost

using namespace gpuhost;

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* total_bytes) {
    *total_bytes = config().memory;
    *free_bytes = config().memory - std::min(device_memory.total() + graph_bytes, config().memory);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void** pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
    if (bytes == 0) return cudaSuccess;
    std::size_t free_bytes = 0, total_bytes = 0;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    if (bytes > free_bytes) return result(cudaErrorMemoryAllocation);
    *pointer = device_memory.allocate(bytes);
    return result(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* pointer) {
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
    finish_all_streams();
    return result(!pointer || device_memory.release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMallocHost(void** pointer, std::size_t bytes) {
    *pointer = nullptr;
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
    if (bytes == 0) return cudaSuccess;
    *pointer = pinned_memory.allocate(bytes);
    return result(*pointer ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void* pointer) {
    if (spoils_captures()) return cudaErrorStreamCaptureUnsupported;
    finish_all_streams();
    return result(!pointer || pinned_memory.release(pointer) ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (bytes == 0) return cudaSuccess;
    const auto right_side = [bytes](const void* pointer, bool on_device) {
        return pointer && (on_device ? device_memory.contains(pointer, bytes)
                                     : !device_memory.overlaps(pointer, bytes));
    };
    const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (!right_side(to, to_device) || !right_side(from, from_device))
        return result(cudaErrorInvalidValue);
    return give_copy(to, from, bytes, kind, stream);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
    if (!is_stream(stream)) return result(cudaErrorInvalidResourceHandle);
    if (bytes == 0) return cudaSuccess;
    if (!device_memory.contains(to, bytes)) return result(cudaErrorInvalidValue);
    give(stream, [=] {
        if (!device_memory.contains(to, bytes)) die_of_freed_memory("a memset");
        std::memset(to, value, bytes);
    });
    return cudaSuccess;
}
