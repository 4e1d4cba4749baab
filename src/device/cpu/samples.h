// samples.h: samples in a rank's own memory.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "device/cpu/buffer.h"
#include "device/sample_store.h"

class CpuSamples : public SampleStore {
  public:
    /// Takes the number of bytes of one sample's inputs and of its targets.
    CpuSamples(std::size_t input_bytes, std::size_t target_bytes)
        : input_bytes_(input_bytes), target_bytes_(target_bytes) {}

    bool keep(Role role, const SampleBytes& set) override;
    void set_order(std::span<const std::uint32_t> order) override;
    void select(Role role, std::size_t first, Shard shard) override;
    Staging stage(Shard shard) override;
    void arrived() override;

    /// The current samples, and the address of the bytes of sample j of them.
    Shard shard() const { return shard_; }
    const std::uint8_t* input(int j) const { return inputs_ + place(j) * input_bytes_; }
    const std::uint8_t* target(int j) const { return targets_ + place(j) * target_bytes_; }

  private:
    struct Kept {
        Buffer<std::uint8_t> inputs, targets;
    };
    /// Two of these are used in turns: one has the current samples while the other one is written.
    struct Staged {
        std::vector<std::uint8_t> inputs, targets;
    };

    std::size_t place(int j) const {
        const auto at = static_cast<std::size_t>(j);
        return order_from_ == nullptr ? at : order_from_[at];
    }

    std::size_t input_bytes_, target_bytes_;
    std::array<Kept, 3> kept_;  ///< by Role
    std::vector<std::uint32_t> order_;
    std::array<Staged, 2> staged_;
    std::size_t turn_ = 0;  ///< the one that stage() returns next
    Shard staged_shard_ = {};
    bool is_staging_ = false;  ///< stage() lent memory, and arrived() did not follow yet
    // The current samples.
    Shard shard_ = {};
    const std::uint8_t *inputs_ = nullptr, *targets_ = nullptr;
    const std::uint32_t* order_from_ = nullptr;  ///< null: one sample after the other
};
