// course_replica.cu: the trainer's steps on one CUDA device, by the plain kernels of gpu_func.cu.
//
// One stream and a kernel a formula, in the order in which the formulas are written: nothing is
// fused, recorded or sent in parts, and no network has too many outputs for it. Activations and
// deltas of every layer stay in memory of their own, allocated once, for the largest shard.
#include <stdexcept>
#include <utility>
#include <vector>

#include "device/gpu/replica_base.h"
#include "device/gpu/samples.h"
#include "device/layers.h"
#include "gpu_func.h"

namespace {

class CourseReplica : public GpuReplica {
  public:
    CourseReplica(const ReplicaShape& shape, const CudaSettings& settings)
        : GpuReplica(shape, settings),
          samples_(shape, gpu_, compute_, compute_, event_flags_, [this] { settle(); }),
          gradient_(layout_.total()),
          gradient_on_host_(layout_.total()),
          losses_(static_cast<std::size_t>(shape.capacity)),
          ready_(event_flags_),
          parts_{{0, layout_.total()}} {
        for (int l = 0; l < top_; ++l) {
            const bool in_bytes = l == 0 && shape.format.number_inputs;
            activations_.emplace_back(in_bytes ? 0 : elements(layout_.size(l), shape.capacity));
            deltas_.emplace_back(elements(layout_.size(l + 1), shape.capacity));
        }
        losses_.fill_bytes(0, compute_.get());
    }
    ~CourseReplica() override { compute_.finish(); }

    std::string device_name() const override {
        return name_ + " (plain kernels, fp" + std::to_string(8 * sizeof(nn_real)) + ")";
    }
    SampleStore& samples() override { return samples_; }

    void forward(nn_real scale, Want want) override {
        settle();
        scale_ = scale;
        want_ = want;
        const GpuBytes& now = samples_.current();
        if (!format_.number_inputs)
            course_numbers(compute_.get(), elements(layout_.inputs(), now.n), shape().pixel_scale,
                           now.inputs, activations_[0].data());
        forward_layers(layout_, Layers{*this});
    }
    void backward(const std::function<void(int part)>& ready) override {
        settle();
        compute_backward();
        download(gradient_.data(), gradient_.size(), gradient_on_host_.data(), compute_);
        ready_.event.record(compute_.get());
        ready(0);
    }
    std::span<const Part> parts() const override { return parts_; }
    Lent lend(int) override {
        return {0, gradient_on_host_.first(gradient_.size()), Memory::host, &ready_};
    }
    void update(const Update& update, const Sum& sum) override {
        if (sum.count != gradient_.size() || sum.memory != Memory::host)
            throw std::logic_error("the plain kernels update by a sum of the whole gradient");
        settle();
        upload(sum.values, sum.count, gradient_.data(), compute_);
        // What was lent is written by the stream alone, in its order; other memory by the reducer.
        if (sum.values != gradient_on_host_.data()) compute_.wait();
        update_by_gradient(update);
    }
    void backward_and_update(const Update& update) override {
        settle();
        compute_backward();
        update_by_gradient(update);
    }

    double take_loss() override {
        settle();
        const double sum = total(losses_);
        losses_.fill_bytes(0, compute_.get());
        return sum;
    }

  private:
    /// Of layer l, size(l) x n.
    nn_real* activation(int l) const {
        return l == top_ ? yhat_.data() : activations_[static_cast<std::size_t>(l)].data();
    }
    nn_real* delta_of(int l) const { return deltas_[static_cast<std::size_t>(l) - 1].data(); }
    /// What goes into layer l.
    const nn_real* input(int l) const {
        return l == 1 && format_.number_inputs ? numbers(samples_.current().inputs)
                                               : activation(l - 1);
    }
    nn_real* weights_gradient(int l) const { return gradient_.data() + layout_.weight_offset(l); }
    nn_real* bias_gradient(int l) const { return gradient_.data() + layout_.bias_offset(l); }

    /// The primitives of layers.h.
    struct Layers {
        CourseReplica& r;

        void hidden(int l) const {
            r.multiply_by_weights(l);
            course_activate(r.compute_.get(), r.layout_.size(l), r.n(), r.bias(l), r.activation(l),
                            r.shape().activation);
        }
        void output() const {
            r.multiply_by_weights(r.top_);
            r.judge_outputs();
        }
        void delta(int l) const {
            const int size = r.layout_.size(l), above = r.layout_.size(l + 1);
            course_gemm(r.compute_.get(), Transposed::yes, Transposed::no, size, r.n(), above, 1,
                        r.weights(l + 1), r.delta_of(l + 1), 0, r.delta_of(l));
            course_delta(r.compute_.get(), elements(size, r.n()), r.activation(l), r.delta_of(l),
                         r.shape().activation);
        }
        void gradient(int l) const {
            const int size = r.layout_.size(l), below = r.layout_.size(l - 1);
            course_gemm(r.compute_.get(), Transposed::no, Transposed::yes, size, below, r.n(), 1,
                        r.delta_of(l), r.input(l), 0, r.weights_gradient(l));
            course_row_sums(r.compute_.get(), size, r.n(), r.delta_of(l), r.bias_gradient(l));
        }
    };

    int n() const { return samples_.current().n; }
    void multiply_by_weights(int l) {
        course_gemm(compute_.get(), Transposed::no, Transposed::no, layout_.size(l), n(),
                    layout_.size(l - 1), 1, weights(l), input(l), 0, activation(l));
    }
    void judge_outputs() {
        const std::uint8_t* const targets =
            want_ == Want::outputs ? nullptr : samples_.current().targets;
        const bool are_numbers = format_.number_targets;
        course_output(compute_.get(), {.objective = shape().objective,
                                       .outputs = layout_.classes(),
                                       .n = n(),
                                       .bias = bias(top_),
                                       .labels = are_numbers ? nullptr : targets,
                                       .targets = are_numbers ? numbers(targets) : nullptr,
                                       .scale = scale_,
                                       .yhat = activation(top_),
                                       .delta = want_ == Want::gradient ? delta_of(top_) : nullptr,
                                       .losses = losses_.data()});
    }
    void compute_backward() {
        backward_deltas(layout_, Layers{*this});
        backward_gradients(layout_, Layers{*this});
    }
    void update_by_gradient(const Update& update) {
        for (int l = 1; l <= top_; ++l) {
            UpdateNumbers numbers = update.numbers();
            course_update(compute_.get(), update.rule, numbers, layout_.weights(l),
                          weights_gradient(l), weights(l), layout_.total());
            numbers.reg = 0;
            course_update(compute_.get(), update.rule, numbers, elements(layout_.size(l), 1),
                          bias_gradient(l), bias(l), layout_.total());
        }
    }

    GpuSamples samples_;
    std::vector<DeviceArray<nn_real>> activations_;  ///< of layers 0 .. L - 1
    std::vector<DeviceArray<nn_real>> deltas_;       ///< of layers 1 .. L
    DeviceArray<nn_real> gradient_;
    PinnedArray<nn_real> gradient_on_host_;
    DeviceArray<double> losses_;
    EventReady ready_;
    std::vector<Part> parts_;
    nn_real scale_ = 1;  ///< of the last forward()
    Want want_ = Want::outputs;
};

}  // namespace

std::unique_ptr<Replica> make_course_replica(const ReplicaShape& shape,
                                             const CudaSettings& settings) {
    const int widest = std::max(shape.capacity, *std::ranges::max_element(shape.layout.sizes()));
    if (widest > course_gemm_most)
        throw InputError("a layer or a shard of " + std::to_string(widest) + " is more than the " +
                         std::to_string(course_gemm_most) +
                         " that the course's matrix product takes; leave --course out, or use "
                         "smaller ones (-n, -b)");
    return made_on_gpu<CourseReplica>(shape, settings);
}
