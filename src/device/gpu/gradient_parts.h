// gradient_parts.h: the parts in which a GPU's gradient is handed to a reducer.
//
// A large W1 is most of the gradient, and its gradient is computed last. So that is computed and
// sent by columns, while a reducer already sums the parts before. A small gradient is one part.
// Parts come in the order in which they are ready: layers 2 .. L, then layer 1.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "base/range.h"
#include "device/gpu/replica_base.h"

class GradientParts {
  public:
    GradientParts(const Layout& layout, const CudaSettings& settings, unsigned event_flags)
        : device_memory_(settings.lends_device_memory),
          sum_(layout.total()),
          on_host_(device_memory_ ? 0 : layout.total()) {
        const int inputs = layout.inputs(), size = layout.size(1);
        if (layout.layers() > 1 && settings.several_ranks &&
            layout.weights(1) * sizeof(nn_real) >= settings.parts_from) {
            const std::size_t above = elements(size, inputs + 1);
            columns_ = quarters(inputs + 1);
            parts_.push_back({above, layout.total() - above});
            for (const Range& c : columns_)
                parts_.push_back({elements(size, c.first), elements(size, c.count)});
        } else {
            columns_ = {{0, inputs + 1}};
            parts_.push_back({0, layout.total()});
        }
        for (std::size_t p = 0; p < parts_.size(); ++p) {
            added_.emplace_back(event_flags);
            ready_.emplace_back(event_flags);
        }
    }

    /// Columns of [dW1|db1], as they are computed.
    std::span<const Range> columns() const { return columns_; }
    std::span<const Part> parts() const { return parts_; }
    bool is_one() const { return parts_.size() == 1; }

    /// Adds up the runs of a part and sends it to the host: the only part on the kernels' stream,
    /// for it is recorded with them; several on `copies`, while the kernels go on.
    void send(int part, std::span<const Parts> runs, const Gpu& gpu, const GpuStream& compute,
              const GpuStream& copies) {
        gpu_add_parts(gpu, runs, sum_.data());
        const auto p = static_cast<std::size_t>(part);
        const GpuStream& way = is_one() ? compute : copies;
        if (!is_one()) {
            added_[p].record(compute.get());
            wait_for(copies, added_[p]);
        }
        const auto [first, count] = parts_[p];
        if (!device_memory_) download(sum_.data() + first, count, on_host_.data() + first, way);
        if (!is_one()) ready_[p].event.record(copies.get());
    }
    /// After send() of the only part, outside any recording.
    void sent(const GpuStream& compute) {
        if (is_one()) ready_[0].event.record(compute.get());
    }

    Lent lend(int part) {
        const auto p = static_cast<std::size_t>(part);
        const auto [first, count] = parts_[p];
        nn_real* const all = device_memory_ ? sum_.data() : on_host_.data();
        return {first,
                {all + first, count},
                device_memory_ ? Memory::device : Memory::host,
                &ready_[p]};
    }
    /// Whether the sum is all of the gradient, where it was lent: its way back can be recorded.
    bool in_lent_memory(const Sum& sum) const {
        return is_one() && sum.count == sum_.size() &&
               sum.values == (device_memory_ ? sum_.data() : on_host_.data());
    }
    /// Where on the device the sum lies from then on, its element `first` at [0].
    const nn_real* bring_back(const Sum& sum, const GpuStream& compute) {
        if (sum.memory == Memory::device) return sum.values;
        upload(sum.values, sum.count, sum_.data() + sum.first, compute);
        if (!is_lent(sum)) compute.wait();  // the reducer may write its memory when we return
        return sum_.data() + sum.first;
    }

  private:
    /// Whether the sum lies where its part was lent. Nobody writes there before the stream does.
    bool is_lent(const Sum& sum) const { return sum.values == on_host_.data() + sum.first; }
    /// Divides the columns into about four parts. Each part must be large enough to keep the device
    /// and the reducer busy. Tiles begin at multiples of 32.
    static std::vector<Range> quarters(int columns) {
        const int width = (columns + 127) / 128 * 32;
        std::vector<Range> parts;
        for (int first = 0; first < columns; first += width)
            parts.push_back({first, std::min(width, columns - first)});
        return parts;
    }

    const bool device_memory_;  ///< is what is lent
    DeviceArray<nn_real> sum_;
    PinnedArray<nn_real> on_host_;
    std::vector<Range> columns_;
    std::vector<Part> parts_;
    std::vector<GpuEvent> added_;    ///< parts_[i] is on the device
    std::vector<EventReady> ready_;  ///< and where the reducer takes it
};
