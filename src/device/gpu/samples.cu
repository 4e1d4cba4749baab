// samples.cu: see samples.h.
#include "device/gpu/samples.h"

#include "device/gpu/copies.h"

namespace {

bool counts_up_from_0(std::span<const std::uint32_t> order) {
    for (std::size_t i = 0; i < order.size(); ++i)
        if (order[i] != i) return false;
    return true;
}

}  // namespace

std::optional<GpuSamples::Bytes> GpuSamples::Bytes::if_they_fit(std::size_t input_bytes,
                                                                std::size_t target_bytes) {
    auto its_inputs = DeviceArray<std::uint8_t>::if_it_fits(input_bytes);
    auto its_targets = DeviceArray<std::uint8_t>::if_it_fits(target_bytes);
    if (!its_inputs || !its_targets) return std::nullopt;
    return Bytes(std::move(*its_inputs), std::move(*its_targets));
}

GpuSamples::GpuSamples(const ReplicaShape& shape, const Gpu& gpu, const GpuStream& compute,
                       const GpuStream& copies, unsigned event_flags, std::function<void()> settle)
    : input_bytes_(shape.format.input_bytes(shape.layout.inputs())),
      target_bytes_(shape.format.target_bytes(shape.layout.classes())),
      capacity_(shape.capacity),
      gpu_(gpu),
      compute_(compute),
      copies_(copies),
      settle_(std::move(settle)),
      slots_{{all_inputs(capacity_), all_targets(capacity_), event_flags},
             {all_inputs(capacity_), all_targets(capacity_), event_flags}} {}

bool GpuSamples::keep(Role role, const SampleBytes& set) {
    settle_();
    copies_.wait();  // nothing may read the old set any more
    compute_.wait();
    kept(role).reset();
    if (role == Role::train) {
        ordered_.reset();
        window_.reset();
        in_file_order_ = true;
    }
    if (set.inputs.empty()) return true;
    // Ranks may share this device, so only the allocation itself tells who gets its memory.
    auto bytes = Bytes::if_they_fit(set.inputs.size(), set.targets.size());
    if (!bytes) return false;
    if (role == Role::train) {
        auto ordered = Bytes::if_they_fit(set.inputs.size(), set.targets.size());
        auto order = DeviceArray<std::uint32_t>::if_it_fits(set.inputs.size() / input_bytes_);
        if (!ordered || !order) return false;
        ordered_.emplace(Ordered{std::move(*ordered), std::move(*order)});
    }
    kept(role).emplace(std::move(*bytes));
    upload(set.inputs.data(), set.inputs.size(), kept(role)->inputs.data(), compute_);
    upload(set.targets.data(), set.targets.size(), kept(role)->targets.data(), compute_);
    compute_.wait();  // the set is the caller's again
    return true;
}

void GpuSamples::set_order(std::span<const std::uint32_t> order) {
    settle_();
    in_file_order_ = counts_up_from_0(order);
    if (in_file_order_) return;
    const Bytes& set = kept(Role::train).value();
    upload(order.data(), order.size(), ordered_->order.data(), compute_);
    compute_.wait();  // the order is the caller's again
    gpu_gather(gpu_, input_bytes_, target_bytes_, static_cast<int>(order.size()),
               ordered_->order.data(), set.inputs.data(), set.targets.data(),
               ordered_->bytes.inputs.data(), ordered_->bytes.targets.data());
}

void GpuSamples::select(Role role, std::size_t first, Shard shard) {
    first += static_cast<std::size_t>(shard.first);
    set_current(role == Role::train ? in_order(first, shard.count)
                                    : part_of_set(kept(role).value(), first, shard.count));
    of_a_set_ = true;
}

Staging GpuSamples::stage(Shard shard) {
    Slot& slot = slots_[turn_];
    staged_ = shard.count;
    slot.uploaded.wait();
    return {slot.staged_inputs.first(all_inputs(staged_)),
            slot.staged_targets.first(all_targets(staged_))};
}

void GpuSamples::arrived() {
    Slot& slot = slots_[turn_];
    turn_ = 1 - turn_;
    set_current({slot.bytes.inputs.data(), slot.bytes.targets.data(), staged_});
    slot_ = &slot;
    wait_for(copies_, slot.released);
    upload(slot.staged_inputs.data(), all_inputs(staged_), slot.bytes.inputs.data(), copies_);
    upload(slot.staged_targets.data(), all_targets(staged_), slot.bytes.targets.data(), copies_);
    slot.uploaded.record(copies_.get());
    wait_for(compute_, slot.uploaded);
}

GpuBytes GpuSamples::in_order(std::size_t first, int n) const {
    return part_of_set(in_file_order_ ? kept_[static_cast<std::size_t>(Role::train)].value()
                                      : ordered_.value().bytes,
                       first, n);
}

GpuBytes GpuSamples::within(const GpuBytes& samples, std::size_t first, int n) const {
    return {samples.inputs + first * input_bytes_, samples.targets + first * target_bytes_, n};
}

bool GpuSamples::make_window(std::size_t n) {
    if (window_ && window_->inputs.size() >= n * input_bytes_) return true;
    compute_.wait();  // nothing may read the old window any more
    window_.reset();
    auto bytes = Bytes::if_they_fit(n * input_bytes_, n * target_bytes_);
    if (bytes) window_.emplace(std::move(*bytes));
    return window_.has_value();
}

GpuBytes GpuSamples::to_window(std::size_t first, std::size_t n) {
    const GpuBytes from = in_order(first, 0);
    copy(from.inputs, n * input_bytes_, window_->inputs.data(), compute_);
    copy(from.targets, n * target_bytes_, window_->targets.data(), compute_);
    return {window_->inputs.data(), window_->targets.data(), 0};
}

GpuBytes GpuSamples::part_of_set(const Bytes& set, std::size_t first, int n) const {
    return {set.inputs.data() + first * input_bytes_, set.targets.data() + first * target_bytes_,
            n};
}

void GpuSamples::set_current(const GpuBytes& samples) {
    settle_();
    // The compute stream has all the work on the shard in slot_; another one may follow there.
    if (slot_ != nullptr) slot_->released.record(compute_.get());
    slot_ = nullptr;
    of_a_set_ = false;
    current_ = samples;
}

bool GpuSamples::hold_still() {
    if (!of_a_set_) return true;
    if (!still_) {
        auto bytes = Bytes::if_they_fit(all_inputs(capacity_), all_targets(capacity_));
        if (!bytes) return false;
        still_.emplace(std::move(*bytes));
    }
    of_a_set_ = false;
    copy(current_.inputs, all_inputs(current_.n), still_->inputs.data(), compute_);
    copy(current_.targets, all_targets(current_.n), still_->targets.data(), compute_);
    current_ = {still_->inputs.data(), still_->targets.data(), current_.n};
    return true;
}
