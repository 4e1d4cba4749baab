// joint.h: the memory in which blocks that share a tile of a product join their parts, and that in
// which products by int8 keep their operands.
//
// One product uses them at a time: all work lies on one stream. The tickets are 0 between products,
// for the last block of a tile sets them back.
#pragma once
#include "device/gpu/kernels.h"
#include "device/gpu/owned.h"

class JointMemory {
  public:
    JointMemory(const JointSize& size, cudaStream_t stream)
        : parts_(size.parts), tickets_(size.tickets) {
        tickets_.fill_bytes(0, stream);
    }
    Joint get() const { return {parts_.data(), tickets_.data()}; }
    /// The plan with as many splits as there is room for.
    GemmPlan fitting(GemmBy by, GemmPlan plan, int m, int n) const {
        const auto fits = [&] {
            const JointSize size = joint_size(by, plan, m, n);
            return size.parts <= parts_.size() && size.tickets <= tickets_.size();
        };
        while (!fits()) --plan.splits;
        return plan;
    }

  private:
    DeviceArray<nn_real> parts_;
    DeviceArray<unsigned> tickets_;
};

class DigitsMemory {
  public:
    explicit DigitsMemory(const DigitsSize& size) : words_(size.words), scales_(size.scales) {}
    Digits get() const { return {words_.data(), scales_.data()}; }

  private:
    DeviceArray<std::uint32_t> words_;
    DeviceArray<float> scales_;
};
