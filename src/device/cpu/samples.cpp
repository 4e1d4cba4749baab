// samples.cpp: copies a set once; a step only stores where its samples are.
#include "device/cpu/samples.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <utility>

bool CpuSamples::keep(Role role, const SampleBytes& set) {
    Kept& kept = kept_[static_cast<std::size_t>(role)];
    if (role == Role::train) order_.clear();
    shard_ = {};
    try {
        kept.inputs = Buffer<std::uint8_t>(set.inputs.size());
        kept.targets = Buffer<std::uint8_t>(set.targets.size());
    } catch (const std::bad_alloc&) {
        kept = {};
        return false;
    }
    std::ranges::copy(set.inputs, kept.inputs.data());
    std::ranges::copy(set.targets, kept.targets.data());
    return true;
}

void CpuSamples::set_order(std::span<const std::uint32_t> order) {
    order_.assign(order.begin(), order.end());
}

void CpuSamples::select(Role role, std::size_t first, Shard shard) {
    first += static_cast<std::size_t>(shard.first);
    const Kept& kept = kept_[static_cast<std::size_t>(role)];
    const bool ordered = role == Role::train && !order_.empty();
    shard_ = shard;
    order_from_ = ordered ? order_.data() + first : nullptr;
    inputs_ = kept.inputs.data() + (ordered ? 0 : first * input_bytes_);
    targets_ = kept.targets.data() + (ordered ? 0 : first * target_bytes_);
}

Staging CpuSamples::stage(Shard shard) {
    if (std::exchange(is_staging_, true))
        throw std::logic_error("stage() was called again before arrived()");
    staged_shard_ = shard;
    Staged& next = staged_[turn_];
    const auto n = static_cast<std::size_t>(shard.count);
    next.inputs.resize(n * input_bytes_);
    next.targets.resize(n * target_bytes_);
    return {next.inputs, next.targets};
}

void CpuSamples::arrived() {
    is_staging_ = false;
    shard_ = staged_shard_;
    order_from_ = nullptr;
    inputs_ = staged_[turn_].inputs.data();
    targets_ = staged_[turn_].targets.data();
    turn_ = 1 - turn_;
}
