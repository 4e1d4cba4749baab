// samples.h: samples on a GPU: the sets that stay there, and single shards that are copied to it.
//
// Both replicas on GPUs (replica.cu, course_replica.cu) have one. Sets and shards lie on the device
// as bytes. All memory for shards is allocated once, for the largest shard.
#pragma once
#include <array>
#include <compare>
#include <functional>
#include <optional>

#include "device/gpu/kernels.h"
#include "device/gpu/owned.h"
#include "device/replica.h"

/// n samples on the device, in bytes (SampleFormat).
struct GpuBytes {
    const std::uint8_t *inputs = nullptr, *targets = nullptr;
    int n = 0;
    auto operator<=>(const GpuBytes&) const = default;
};

class GpuSamples final : public SampleStore {
  public:
    /// gpu.stream is `compute`, where all kernels that read samples go; `copies`, which may be the
    /// same, brings shards. settle() is called before the current samples change: whatever has to
    /// read them is on `compute` when it returns.
    GpuSamples(const ReplicaShape& shape, const Gpu& gpu, const GpuStream& compute,
               const GpuStream& copies, unsigned event_flags, std::function<void()> settle);

    bool keep(Role role, const SampleBytes& set) override;
    void set_order(std::span<const std::uint32_t> order) override;
    void select(Role role, std::size_t first, Shard shard) override;
    Staging stage(Shard shard) override;
    void arrived() override;

    const GpuBytes& current() const { return current_; }
    /// Samples first .. first + n - 1 of the training set, in its order.
    GpuBytes in_order(std::size_t first, int n) const;
    /// n of these samples, from `first` on.
    GpuBytes within(const GpuBytes& samples, std::size_t first, int n) const;
    /// Makes a window, in which recorded kernels find one piece of the training set after the
    /// other. Returns false if the device has no room for n samples.
    bool make_window(std::size_t n);
    /// Copies the samples first .. first + n - 1 of the training set, in its order, into the
    /// window. Returns where its samples begin.
    GpuBytes to_window(std::size_t first, std::size_t n);
    /// Makes these samples current, whatever the interface's calls said.
    void set_current(const GpuBytes& samples);
    /// Puts the current samples where a recorded kernel finds them. Samples of a kept set are
    /// copied there. A shard is already in one of two slots, and each slot has its own graph.
    /// Returns false, and does nothing, if the device has no room for the copy.
    bool hold_still();

  private:
    struct Bytes {
        DeviceArray<std::uint8_t> inputs, targets;

        Bytes(std::size_t input_bytes, std::size_t target_bytes)
            : inputs(input_bytes), targets(target_bytes) {}
        Bytes(DeviceArray<std::uint8_t> its_inputs, DeviceArray<std::uint8_t> its_targets)
            : inputs(std::move(its_inputs)), targets(std::move(its_targets)) {}
        static std::optional<Bytes> if_they_fit(std::size_t input_bytes, std::size_t target_bytes);
    };
    /// A second copy of the training set, in the epoch's order.
    struct Ordered {
        Bytes bytes;
        DeviceArray<std::uint32_t> order;
    };
    /// The memory for a shard that comes from the host. There are two of these, used in turns.
    struct Slot {
        PinnedArray<std::uint8_t> staged_inputs, staged_targets;
        Bytes bytes;
        GpuEvent uploaded, released;  ///< the staged bytes, and the device's, may be overwritten

        Slot(std::size_t input_bytes, std::size_t target_bytes, unsigned event_flags)
            : staged_inputs(input_bytes),
              staged_targets(target_bytes),
              bytes(input_bytes, target_bytes),
              uploaded(event_flags),
              released(event_flags) {}
    };

    std::optional<Bytes>& kept(Role role) { return kept_[static_cast<std::size_t>(role)]; }
    /// Bytes of n samples.
    std::size_t all_inputs(int n) const { return static_cast<std::size_t>(n) * input_bytes_; }
    std::size_t all_targets(int n) const { return static_cast<std::size_t>(n) * target_bytes_; }
    GpuBytes part_of_set(const Bytes& set, std::size_t first, int n) const;

    const std::size_t input_bytes_, target_bytes_;  ///< of one sample
    const int capacity_;
    const Gpu gpu_;
    const GpuStream &compute_, &copies_;
    const std::function<void()> settle_;

    std::array<std::optional<Bytes>, 3> kept_;  ///< by role
    std::optional<Ordered> ordered_;
    bool in_file_order_ = true;  ///< the training set itself is in the epoch's order
    Slot slots_[2];
    std::optional<Bytes> still_;  ///< for hold_still()
    std::optional<Bytes> window_;

    GpuBytes current_;
    bool of_a_set_ = false;  ///< true if the current samples lie in a kept set
    Slot* slot_ = nullptr;   ///< or in this slot
    int turn_ = 0;           ///< the slot of the next shard
    int staged_ = 0;         ///< samples of that shard
};
