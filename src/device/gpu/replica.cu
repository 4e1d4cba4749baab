// replica.cu: the trainer's steps on one CUDA device, by the fast kernels.
//
// All memory is allocated once, for the largest shard, and in a step the host waits only where it
// needs a value. Two streams: `compute_` has the kernels in their order, `copies_` what moves
// between host and device meanwhile.
//
// forward() only notes what is to be done, so that whoever comes next decides how: where backward()
// follows and the gradient goes to a reducer, both and the way there are one CUDA graph; a lone
// replica launches kernel by kernel, the host being ahead of the device; and whoever wants a value
// or other samples first (settle()) gets what is due done at once. run() is a graph of its own. All
// of these put the same kernels on the stream, so the bits are the same.
#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "device/gpu/gradient_parts.h"
#include "device/gpu/graph.h"
#include "device/gpu/hidden_layer.h"
#include "device/gpu/joint.h"
#include "device/gpu/persistent.h"
#include "device/gpu/product_ways.h"
#include "device/gpu/replica_base.h"
#include "device/gpu/samples.h"
#include "device/gpu/small_operands.h"
#include "device/layers.h"

namespace {

/// What a graph was recorded for. The numbers of the update and the parameters lie in device memory
/// and may change.
struct GraphKey {
    enum class Of { steps, gradient, update } of;
    GpuBytes samples = {};
    std::size_t count = 0;  ///< of all steps
    int batch = 0;
    nn_real scale = 0;
    Rule rule = {};
    auto operator<=>(const GraphKey&) const = default;
};

/// How a shard of some size goes through the network.
struct Plans {
    struct OfLayer {
        GemmPlan forward, gradient, delta;
    };
    std::vector<OfLayer> hidden;  ///< of layers 1 .. L - 1
    GemmPlan descent;             ///< of layer 1, if there is a hidden one
    std::vector<Parts> runs;      ///< where the gradients of layers 1 .. L lie

    const OfLayer& of(int l) const { return hidden[static_cast<std::size_t>(l) - 1]; }
};

/// A graph's memory and its recording grow with its steps. A longer epoch launches the same graph
/// again and again.
constexpr std::size_t most_steps_in_graph = 64;

class CudaReplica : public GpuReplica {
  public:
    CudaReplica(const ReplicaShape& shape, const CudaSettings& settings)
        : GpuReplica(shape, settings),
          lends_(settings.several_ranks),
          why_not_persistent_(settings.persistent_batch > 0
                                  ? PersistentKernel::why_not(shape, settings, chip_)
                                  : ""),
          parts_(layout_, settings, event_flags_),
          ways_(shape, settings, chip_, parts_.columns()[0].count),
          operands_(shape),
          samples_(shape, gpu_, compute_, copies_, event_flags_, [this] { settle(); }),
          numbers_(1),
          head_gradient_(head_stride() * static_cast<std::size_t>(ways_.most_head_parts())),
          loss_(static_cast<std::size_t>(std::max(ways_.most_head_parts(), persistent_loss_slots))),
          joint_(ways_.most_joint(), compute_.get()),
          digits_(ways_.most_digits()) {
        for (int l = 1; l < top_; ++l)
            hidden_.emplace_back(layout_.size(l), layout_.size(l - 1), shape.capacity,
                                 gradient_parts(ways_.by(l), ways_.gradient(l, shape.capacity)));
        loss_.fill_bytes(0, compute_.get());
        if (settings.persistent_batch > 0 && why_not_persistent_.empty())
            persistent_.emplace(shape, settings.persistent_batch, gpu_);
    }
    /// A graph and page-locked memory must outlive the work that uses them.
    ~CudaReplica() override {
        compute_.finish();
        copies_.finish();
    }

    std::string device_name() const override {
        const std::string products = persistent_ ? "persistent" : ways_.name_of_first();
        const std::string& why = why_not_persistent_;
        return name_ + " (gemm " + products + (why.empty() ? "" : ", not persistent: " + why) + ")";
    }
    SampleStore& samples() override { return samples_; }

    void forward(nn_real scale, Want want) override {
        settle();
        scale_ = scale;
        want_ = want;
        forward_is_due_ = true;
    }
    void backward(const std::function<void(int part)>& ready) override {
        here();
        const bool whole_step = std::exchange(forward_is_due_, false);
        const auto work = [&] {
            if (whole_step) compute_forward();
            compute_backward(true);
        };
        // In parts, W1 is large, and a step so long that its launches are hidden.
        if (lends_ && parts_.is_one() && whole_step && samples_.hold_still()) {
            graphs_.launch(
                compute_.get(),
                {.of = GraphKey::Of::gradient, .samples = samples_.current(), .scale = scale_},
                "forward and backward", work);
        } else {
            work();
        }
        parts_.sent(compute_);
        for (int p = 0; p < static_cast<int>(parts().size()); ++p) ready(p);
    }
    std::span<const Part> parts() const override { return parts_.parts(); }
    Lent lend(int part) override { return parts_.lend(part); }

    void update(const Update& update, const Sum& sum) override {
        here();
        set_numbers(update.numbers());
        const auto work = [&] {
            update_by(runs_of(sum, parts_.bring_back(sum, compute_)), update);
        };
        if (!parts_.in_lent_memory(sum)) return work();
        graphs_.launch(compute_.get(), {.of = GraphKey::Of::update, .rule = update.rule},
                       "the update", work);
    }
    void backward_and_update(const Update& update) override {
        if (takes_persistent(update, samples_.current().n)) return step_persistent(update);
        settle();
        set_numbers(update.numbers());
        compute_backward_and_update(update);
    }

    bool run(const Steps& steps) override {
        if (takes_persistent(steps.update, steps.batch)) return run_persistent(steps);
        here();
        const std::size_t window =
            std::min(steps.count, most_steps_in_graph * static_cast<std::size_t>(steps.batch));
        const bool several = window < steps.count;
        if (several && !samples_.make_window(window)) return false;
        set_numbers(steps.update.numbers());
        samples_.set_current(samples_.in_order(0, 0));
        want_ = Want::gradient;
        for (std::size_t first = 0; first < steps.count; first += window) {
            const std::size_t count = std::min(window, steps.count - first);
            // A recorded kernel reads its samples where it was recorded to.
            const GpuBytes samples =
                several ? samples_.to_window(first, count) : samples_.in_order(0, 0);
            graphs_.launch(compute_.get(),
                           {.of = GraphKey::Of::steps,
                            .samples = samples,
                            .count = count,
                            .batch = steps.batch,
                            .rule = steps.update.rule},
                           "steps of an epoch: --print-every 1 goes step by step",
                           [&] { do_steps(samples, count, steps); });
        }
        samples_.set_current({});
        return true;
    }

    double take_loss() override {
        settle();
        const double sum = total(loss_);
        loss_.fill_bytes(0, compute_.get());
        if (persistent_) persistent_->check();
        return sum;
    }
    void read(std::span<nn_real> parameters) override {
        GpuReplica::read(parameters);
        if (persistent_) persistent_->check();
    }

  private:
    // ---- steps by the persistent kernel

    bool takes_persistent(const Update& update, int batch) const {
        return persistent_ && batch <= persistent_->batch() &&
               std::holds_alternative<Sgd>(update.rule);
    }
    /// A whole step. Where somebody asked for a value of its forward pass, that has been done, by
    /// other kernels, and its losses have been counted.
    void step_persistent(const Update& update) {
        here();
        const bool counts = std::exchange(forward_is_due_, false);
        const GpuBytes& samples = samples_.current();
        launch_persistent(samples, static_cast<std::size_t>(samples.n), samples.n, scale_, update,
                          counts);
    }
    bool run_persistent(const Steps& steps) {
        here();
        const auto batch = static_cast<std::size_t>(steps.batch);
        const std::size_t last = steps.count - (steps.count - 1) / batch * batch;
        const GpuBytes samples = samples_.in_order(0, 0);
        samples_.set_current({});
        launch_persistent(samples, steps.count, steps.batch,
                          nn_real{1} / static_cast<nn_real>(last), steps.update, true);
        return true;
    }
    /// scale: of the last step; that of the others is 1 / batch.
    void launch_persistent(const GpuBytes& samples, std::size_t count, int batch, nn_real scale,
                           const Update& update, bool counts_losses) {
        persistent_->run({.pixels = samples.inputs,
                          .labels = samples.targets,
                          .count = count,
                          .batch = std::max(batch, 1),
                          .scale = nn_real{1} / static_cast<nn_real>(std::max(batch, 1)),
                          .last = scale,
                          .numbers = update.numbers(),
                          .p = parameters_.data(),
                          .yhat = yhat_.data(),
                          .loss = loss_.data(),
                          .counts_losses = counts_losses});
    }

    // ---- where things lie

    HiddenLayer& hidden(int l) { return hidden_[static_cast<std::size_t>(l) - 1]; }
    /// What goes into layer l.
    Input input(int l) {
        return l > 1 ? input_of(hidden(l - 1).activations.data())
                     : operands_.inputs(whole_inputs());
    }
    /// The network's, as they came.
    Input whole_inputs() {
        const std::uint8_t* const inputs = samples_.current().inputs;
        return format_.number_inputs ? input_of(numbers(inputs))
                                     : input_of(inputs, shape().pixel_scale);
    }
    /// The weights of layer l, as products see them.
    const nn_real* factors(int l) const {
        return operands_.parameters(parameters_.data()) + layout_.weight_offset(l);
    }
    /// Rounds activations or deltas of hidden layer l to the small type, if there is one.
    void round(int l, const DeviceArray<nn_real>& values) {
        operands_.round(gpu_, elements(layout_.size(l), samples_.current().n), values.data());
    }
    std::size_t head_stride() const {
        return elements(layout_.classes(), layout_.size(top_ - 1) + 1);
    }

    // ---- plans

    /// For the current shard.
    const Plans& plans() {
        const int n = samples_.current().n;
        const auto known = plans_.find(n);
        return known != plans_.end() ? known->second
                                     : plans_.emplace(n, make_plans(n)).first->second;
    }
    Plans make_plans(int n) {
        Plans made;
        for (int l = 1; l < top_; ++l) {
            const int size = layout_.size(l);
            const GemmBy by = ways_.by(l);
            GemmPlan gradient = ways_.gradient(l, n);
            if (by == GemmBy::int8)
                gradient = joint_.fitting(by, gradient, size, ways_.gradient_columns(l));
            else
                gradient.splits = std::min(gradient.splits, hidden(l).splits);
            made.hidden.push_back({joint_.fitting(by, ways_.forward(l, n), size, n), gradient,
                                   joint_.fitting(GemmBy::fma, ways_.delta(l, n), size, n)});
            made.runs.push_back(run_of(l, hidden(l).gradient.data(), hidden(l).stride,
                                       gradient_parts(by, gradient)));
        }
        made.runs.push_back(
            run_of(top_, head_gradient_.data(), head_stride(), ways_.head_parts(n)));
        if (top_ > 1)
            made.descent = joint_.fitting(ways_.by(1), ways_.descent(n), layout_.size(1),
                                          layout_.inputs() + 1);
        return made;
    }
    /// Layer l's parameters, whose gradient lies in parts.
    Parts run_of(int l, const nn_real* gradient, std::size_t stride, int parts) const {
        return {layout_.weight_offset(l),
                layout_.weights(l) + elements(layout_.size(l), 1),
                layout_.weights(l),
                gradient,
                stride,
                parts};
    }
    /// What of a run lies in [first, last), which may be nothing, but for where its gradient lies.
    static Parts cut(Parts run, std::size_t first, std::size_t last) {
        const std::size_t end = run.first + run.count, weights_end = run.first + run.penalised;
        run.first = std::clamp(first, run.first, end);
        run.count = std::clamp(last, run.first, end) - run.first;
        run.penalised = std::clamp(weights_end, run.first, run.first + run.count) - run.first;
        return run;
    }
    /// A sum's elements, layer by layer. gradient: where the first of them lies on the device.
    std::vector<Parts> runs_of(const Sum& sum, const nn_real* gradient) const {
        std::vector<Parts> runs;
        for (int l = 1; l <= top_; ++l) {
            Parts run = cut(run_of(l, nullptr, 0, 1), sum.first, sum.first + sum.count);
            if (run.count == 0) continue;
            run.gradient = gradient + (run.first - sum.first);
            runs.push_back(run);
        }
        return runs;
    }

    // ---- the work of a step

    /// The primitives of layers.h. With `lends`, each part of the gradient is added up and sent as
    /// soon as it is there. With `descends`, layer 1's is not kept, and all parameters are updated.
    struct Layers {
        CudaReplica& r;
        bool lends = false, descends = false;

        void hidden(int l) const { r.compute_activations(l); }
        void output() const { r.compute_head(); }
        /// The head has made that of the last hidden layer.
        void delta(int l) const {
            if (l < r.top_ - 1) r.compute_delta(l);
        }
        /// The head has made the output layer's.
        void gradient(int l) const {
            if (l > 1 || r.top_ == 1) {
                if (l < r.top_) r.compute_gradient(l, {0, r.layout_.size(l - 1) + 1});
                if (lends && !r.parts_.is_one() && l == 2)
                    r.send(0, std::span(r.plans().runs).subspan(1));
            } else if (descends) {
                r.compute_descent();
            } else {
                r.compute_first_gradient(lends && !r.parts_.is_one());
            }
            if (lends && r.parts_.is_one() && l == 1) r.send(0, r.plans().runs);
        }
    };

    void settle() override {
        GpuReplica::settle();
        if (std::exchange(forward_is_due_, false)) compute_forward();
    }
    void compute_forward() {
        operands_.take(gpu_, parameters_.data(), whole_inputs(), samples_.current().n);
        forward_layers(layout_, Layers{*this});
    }
    void compute_backward(bool lends) {
        backward_deltas(layout_, Layers{*this, lends});
        backward_gradients(layout_, Layers{*this, lends});
    }

    /// Plain descent takes one kernel less: it needs no more of layer 1's gradient than a tile.
    void compute_backward_and_update(const Update& update) {
        const bool descends = top_ > 1 && std::holds_alternative<Sgd>(update.rule) &&
                              static_cast<std::size_t>(top_) - 1 <= most_other_runs;
        backward_deltas(layout_, Layers{*this});
        backward_gradients(layout_, Layers{*this, false, descends});
        if (!descends) update_by(plans().runs, update);
    }

    void compute_activations(int l) {
        gpu_layer(gpu_, ways_.by(l), layout_.size(l), samples_.current().n, layout_.size(l - 1),
                  factors(l), input(l), bias(l), hidden(l).activations.data(),
                  plans().of(l).forward, shape().activation, joint_.get(), digits_.get());
        round(l, hidden(l).activations);
    }
    void compute_head() {
        const GpuBytes& samples = samples_.current();
        const bool judged = want_ != Want::outputs, goes_back = want_ == Want::gradient;
        gpu_head(gpu_,
                 {.objective = shape().objective,
                  .classes = layout_.classes(),
                  .n = samples.n,
                  .k = layout_.size(top_ - 1),
                  .w = factors(top_),
                  .bias = bias(top_),
                  .a = input(top_),
                  .labels = judged && !format_.number_targets ? samples.targets : nullptr,
                  .targets = judged && format_.number_targets ? numbers(samples.targets) : nullptr,
                  .scale = scale_,
                  .yhat = yhat_.data(),
                  .delta_below = top_ > 1 ? hidden(top_ - 1).delta.data() : nullptr,
                  .gradient = goes_back ? head_gradient_.data() : nullptr,
                  .loss = loss_.data(),
                  .below = shape().activation,
                  .precision = operands_.precision()});
        if (goes_back && top_ > 1) round(top_ - 1, hidden(top_ - 1).delta);
    }
    void compute_delta(int l) {
        gpu_delta_below(gpu_, layout_.size(l + 1), samples_.current().n, layout_.size(l),
                        factors(l + 1), hidden(l + 1).delta.data(), hidden(l).activations.data(),
                        hidden(l).delta.data(), plans().of(l).delta, shape().activation,
                        joint_.get());
        round(l, hidden(l).delta);
    }
    void compute_gradient(int l, Range columns) {
        gpu_gradient(gpu_, ways_.by(l), layout_.size(l), samples_.current().n, layout_.size(l - 1),
                     hidden(l).delta.data(), input(l), columns.first, columns.count,
                     hidden(l).gradient.data(), hidden(l).stride, plans().of(l).gradient,
                     joint_.get(), digits_.get());
    }
    void compute_descent() {
        const Plans& plan = plans();
        gpu_gradient_and_descent(gpu_, ways_.by(1), layout_.size(1), samples_.current().n,
                                 layout_.inputs(), hidden(1).delta.data(), input(1),
                                 numbers_.data(), parameters_.data(), layout_.weight_offset(1),
                                 std::span(plan.runs).subspan(1), plan.descent, joint_.get(),
                                 digits_.get());
    }
    void compute_first_gradient(bool sends) {
        const Parts all = plans().runs[0];
        int part = 1;
        for (const Range& columns : parts_.columns()) {
            compute_gradient(1, columns);
            if (!sends) continue;
            const std::size_t first = elements(layout_.size(1), columns.first);
            Parts run = cut(all, first, first + elements(layout_.size(1), columns.count));
            run.gradient += first;
            send(part++, {&run, 1});
        }
    }
    void send(int part, std::span<const Parts> runs) {
        parts_.send(part, runs, gpu_, compute_, copies_);
    }

    /// The steps over `count` samples, which lie behind each other.
    void do_steps(const GpuBytes& samples, std::size_t count, const Steps& steps) {
        const auto batch = static_cast<std::size_t>(steps.batch);
        for (std::size_t first = 0; first < count; first += batch) {
            const auto n = static_cast<int>(std::min(batch, count - first));
            samples_.set_current(samples_.within(samples, first, n));
            scale_ = nn_real{1} / static_cast<nn_real>(n);
            compute_forward();
            compute_backward_and_update(steps.update);
        }
    }
    void update_by(std::span<const Parts> runs, const Update& update) {
        gpu_update(gpu_, runs, update.rule, numbers_.data(), parameters_.data(), layout_.total());
    }
    void set_numbers(const UpdateNumbers& numbers) {
        if (numbers_on_device_ == numbers) return;
        gpu_set_numbers(gpu_, numbers, numbers_.data());
        numbers_on_device_ = numbers;
    }

    GpuStream copies_;
    bool lends_;                      ///< every step's gradient
    std::string why_not_persistent_;  ///< if it was asked for and is not taken
    GradientParts parts_;
    ProductWays ways_;
    SmallOperands operands_;

    GpuSamples samples_;
    DeviceArray<UpdateNumbers> numbers_;
    std::vector<HiddenLayer> hidden_;  ///< of layers 1 .. L - 1
    DeviceArray<nn_real> head_gradient_;
    DeviceArray<double> loss_;
    JointMemory joint_;
    DigitsMemory digits_;
    std::map<int, Plans> plans_;  ///< by the shard's size
    GpuGraphs<GraphKey> graphs_;
    std::optional<PersistentKernel> persistent_;

    bool forward_is_due_ = false;
    nn_real scale_ = 1;  ///< of the last forward()
    Want want_ = Want::outputs;
    std::optional<UpdateNumbers> numbers_on_device_;
};

}  // namespace

std::unique_ptr<Replica> make_cuda_replica(const ReplicaShape& shape,
                                           const CudaSettings& settings) {
    if (shape.layout.classes() > gpu_head_most_classes())
        throw InputError("the network has " + std::to_string(shape.layout.classes()) +
                         " outputs, more than the " + std::to_string(gpu_head_most_classes()) +
                         " that a GPU's block holds; use --course or --device cpu");
    return made_on_gpu<CudaReplica>(shape, settings);
}
