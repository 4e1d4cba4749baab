// product_ways.h: by which kernels a network's products go on a GPU, in which tiles and parts, and
// the memory that they need.
//
// The ways are fixed for a training; the plans follow from a shard's size. device/gpu/plan.h makes
// each plan, device/gpu/replica.cu carries them out.
#pragma once
#include <algorithm>
#include <string>

#include "device/gpu/kernels.h"
#include "device/replica.h"

class ProductWays {
  public:
    /// first_columns: of layer 1's gradient, the columns that are computed at a time.
    ProductWays(const ReplicaShape& shape, const CudaSettings& settings, const GpuChip& chip,
                int first_columns)
        : chip_(chip),
          layout_(shape.layout),
          capacity_(shape.capacity),
          first_columns_(first_columns),
          precision_(shape.precision),
          first_(first_way(shape, settings, chip)) {}

    GemmBy by(int l) const { return l == 1 ? first_ : GemmBy::fma; }
    std::string name_of_first() const {
        return first_ == GemmBy::bf16x3        ? "bf16x3"
               : first_ == GemmBy::int8        ? "int8"
               : precision_ != Precision::fp32 ? name_of(precision_) + std::string(" in fp32")
               : sizeof(nn_real) == 4          ? "fp32"
                                               : "fp64";
    }

    // ---- the plans of hidden layer l, for n samples

    GemmPlan forward(int l, int n) const {
        return plan_gemm(chip_, by(l), layout_.size(l), n, layout_.size(l - 1), Split::joined);
    }
    GemmPlan delta(int l, int n) const {
        return plan_gemm(chip_, GemmBy::fma, layout_.size(l), n, layout_.size(l + 1),
                         Split::joined);
    }
    int gradient_columns(int l) const { return l == 1 ? first_columns_ : layout_.size(l - 1) + 1; }
    GemmPlan gradient(int l, int n) const {
        return plan_gemm(chip_, by(l), layout_.size(l), gradient_columns(l), n,
                         by(l) == GemmBy::int8 ? Split::joined : Split::left);
    }
    /// Of layer 1's gradient with the update.
    GemmPlan descent(int n) const {
        return plan_gemm(chip_, by(1), layout_.size(1), layout_.inputs() + 1, n, Split::joined);
    }
    int head_parts(int n) const { return gpu_head_parts(chip_, layout_.classes(), n); }

    // ---- what any shard needs at most

    /// The number of parts does not always grow with the shard.
    int most_head_parts() const {
        int most = 0;
        for (int n = 0; n <= capacity_; ++n) most = std::max(most, head_parts(n));
        return most;
    }
    /// Of the largest shard, and of smaller ones, which have fewer tiles and more parts.
    JointSize most_joint() const {
        JointSize most{};
        const auto needs = [&](const JointSize& size) {
            most = {std::max(most.parts, size.parts), std::max(most.tickets, size.tickets)};
        };
        const int top = layout_.layers();
        for (int n = capacity_; n > 0 && top > 1; n /= 2) {
            for (int l = 1; l < top; ++l) {
                needs(joint_size(by(l), forward(l, n), layout_.size(l), n));
                needs(joint_size(GemmBy::fma, delta(l, n), layout_.size(l), n));
            }
            needs(joint_size(first_, descent(n), layout_.size(1), layout_.inputs() + 1));
            if (first_ == GemmBy::int8)
                needs(joint_size(first_, gradient(1, n), layout_.size(1), gradient_columns(1)));
        }
        return most;
    }
    DigitsSize most_digits() const {
        const int size = layout_.size(1), inputs = layout_.inputs();
        const DigitsSize forward = digits_size(first_, size, capacity_, inputs),
                         gradient = digits_size(first_, size, inputs + 1, capacity_);
        return {std::max(forward.words, gradient.words), std::max(forward.scales, gradient.scales)};
    }

  private:
    /// bf16x3 and int8 take pixels; with small operands, inputs are rounded numbers. The head does
    /// not work by them: without a hidden layer there is nothing to do so.
    static GemmBy first_way(const ReplicaShape& shape, const CudaSettings& settings,
                            const GpuChip& chip) {
        if (shape.layout.layers() == 1 || shape.format.number_inputs || is_small(shape.precision) ||
            !gpu_has_bf16x3(chip))
            return GemmBy::fma;
        return settings.int8 ? GemmBy::int8 : settings.bf16x3 ? GemmBy::bf16x3 : GemmBy::fma;
    }

    GpuChip chip_;
    Layout layout_;
    int capacity_, first_columns_;
    Precision precision_;
    GemmBy first_;
};
