// sample_store.h: samples on a device, in the bytes that they came in (SampleFormat).
//
// device/cpu/samples.h and device/gpu/samples.h implement it; the feeds of src/train call it.
// Samples come in two ways: whole sets that stay (keep, select), and single shards that come from
// another rank (stage, arrived). Both make n samples the current ones, which the replica's
// forward() takes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

/// What a kept set is for. A device keeps one set of each role.
enum class Role { train, held_out, test };

/// The inputs and the targets of N samples, one sample's bytes (SampleFormat) after the other's.
struct SampleBytes {
    std::span<const std::uint8_t> inputs, targets;
};

/// Host memory for samples on their way to the device, in the same format.
struct Staging {
    std::span<std::uint8_t> inputs, targets;
};

/// A rank's samples [first, first + count) of a mini-batch.
struct Shard {
    int first, count;
    int batch;  ///< samples of the whole mini-batch

    constexpr Shard(int first_sample, int samples, int of_batch)
        : first(first_sample), count(samples), batch(of_batch) {}
    /// The whole mini-batch, for a rank that is alone.
    constexpr Shard(int of_batch = 0) : Shard(0, of_batch, of_batch) {}
};

class SampleStore {
  public:
    virtual ~SampleStore() = default;

    /// Copies a set to the device, where it stays under `role`, in the set's own order. Returns
    /// false, and keeps nothing, if there is no room. An empty set frees the memory of the set that
    /// was kept.
    virtual bool keep(Role role, const SampleBytes& set) = 0;
    /// Sets the order of the training set: indices below N, which are copied. The order holds until
    /// the next call, or until another training set is kept.
    virtual void set_order(std::span<const std::uint32_t> order) = 0;
    /// A mini-batch begins at sample `first` of the order of the training set, or of another set.
    /// The kept samples of this rank's shard of it become current. The shard may be empty.
    virtual void select(Role role, std::size_t first, Shard shard) = 0;

    /// Returns host memory for the samples of a shard that come from another rank. The caller
    /// writes it before it calls arrived(). Waits until the device has read the memory's last
    /// content. Meanwhile the current samples stay current. The shard may be empty.
    virtual Staging stage(Shard shard) = 0;
    /// The samples in the staged memory become current.
    virtual void arrived() = 0;
};
