// sample_store.h: samples on a device, in the bytes that they came in (SampleFormat).
//
// device/cpu/replica.cpp and device/gpu/replica.cu implement it; the feeds of src/train call it.
// Samples are there in two ways: whole sets that stay (keep, select), and single shards that come
// from another rank (stage, arrived). Either makes n samples the current ones, which the replica's
// forward() takes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

/// What a kept set is for. A device keeps one of each.
enum class Role { train, held_out, test };

/// N samples: their inputs and their targets, one sample's bytes (SampleFormat) after the other's.
struct SampleBytes {
    std::span<const std::uint8_t> inputs, targets;
};

/// Host memory for samples on their way to the device, in the same bytes.
struct Staging {
    std::span<std::uint8_t> inputs, targets;
};

class SampleStore {
  public:
    virtual ~SampleStore() = default;

    /// Copies a set to the device, where it stays under `role`, in the set's own order. Returns
    /// false, and keeps nothing, where there is no room. An empty set frees what was kept.
    virtual bool keep(Role role, const SampleBytes& set) = 0;
    /// The order of the training set: indices below N; copied. It holds until the next call, or
    /// until another training set is kept.
    virtual void set_order(std::span<const std::uint32_t> order) = 0;
    /// n kept samples become current: order[first .. first + n) of the training set, or the
    /// samples [first, first + n) of another. n may be 0.
    virtual void select(Role role, std::size_t first, int n) = 0;

    /// Host memory for n samples that come from another rank, to be written until arrived(). Waits
    /// until its last content was read. Meanwhile the current samples stay current. n may be 0.
    virtual Staging stage(int n) = 0;
    /// What was written there becomes current.
    virtual void arrived() = 0;
};
