// replica.cu: the trainer's steps on one CUDA device.
//
// The set lies on the device as bytes; all memory is allocated once, for the largest slice, and in
// a step the host waits only where it needs a value. Two streams: `compute_` has the kernels in
// their order, `copies_` what moves between host and device meanwhile.
//
// forward() and backward() only note what is to be done. So whoever comes next decides how: where
// gradient() follows, both and the way to the host are one CUDA graph; step() of one rank launches
// the kernels one by one, the host being ahead of the device; and whoever wants a value first
// (settle()) gets what is due done at once. epoch() is a graph of its own. All of these put the
// same kernels on the stream, so the bits are the same.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "device/gpu/owned.h"
#include "device/replica.h"
#include "gpu_func.h"

namespace {

// ------------------------------------------------------------------ copies and waits

// All of these go on while the host does, in the stream's order; but from or to memory that is not
// page-locked only when nothing is recorded.
template <class T>
void upload(const T* from, std::size_t count, DeviceArray<T>& to, const GpuStream& stream) {
    GPU_CHECK(
        cudaMemcpyAsync(to.data(), from, count * sizeof(T), cudaMemcpyHostToDevice, stream.get()));
}
template <class T>
void download(const T* from_device, std::size_t count, T* to, const GpuStream& stream) {
    GPU_CHECK(
        cudaMemcpyAsync(to, from_device, count * sizeof(T), cudaMemcpyDeviceToHost, stream.get()));
}
template <class T>
void copy(const T* from_device, std::size_t count, DeviceArray<T>& to, const GpuStream& stream) {
    GPU_CHECK(cudaMemcpyAsync(to.data(), from_device, count * sizeof(T), cudaMemcpyDeviceToDevice,
                              stream.get()));
}
/// What the stream gets from now on waits; the host does not.
void wait_for(const GpuStream& stream, const GpuEvent& event) {
    GPU_CHECK(cudaStreamWaitEvent(stream.get(), event.get(), 0));
}

/// Page-locked host memory, which the device reads and writes while the host goes on.
template <class T>
class PinnedArray {
  public:
    explicit PinnedArray(std::size_t size) {
        GPU_CHECK(cudaMallocHost(&data_, std::max<std::size_t>(size, 1) * sizeof(T)));
    }
    ~PinnedArray() { cudaFreeHost(data_); }
    PinnedArray(const PinnedArray&) = delete;
    PinnedArray& operator=(const PinnedArray&) = delete;

    T* data() const { return data_; }
    std::span<T> first(std::size_t count) const { return {data_, count}; }

  private:
    T* data_ = nullptr;
};

/// What a graph was recorded for. With another of these values another one is needed; the rate and
/// the parameters lie in device memory and may change.
struct GraphKey {
    enum class Of { epoch, gradient, step } of;
    const std::uint8_t* inputs;
    std::size_t count;  ///< of an epoch or a slice
    int batch;
    nn_real reg;
    auto operator<=>(const GraphKey&) const = default;
};

// ------------------------------------------------------------------ samples and layers

/// n samples on the device, in bytes (SampleFormat).
struct Samples {
    const std::uint8_t *inputs = nullptr, *targets = nullptr;
    int n = 0;
};

/// A training set that stays on the device, and once more in the order of the epoch.
struct KeptSet {
    DeviceArray<std::uint8_t> inputs, targets, ordered_inputs, ordered_targets;
    DeviceArray<std::uint32_t> order;
    bool in_file_order = true;  ///< the set itself is in the epoch's order
};

/// A slice's way from the host. There are two, used by turns.
struct Slot {
    PinnedArray<std::uint8_t> staged_inputs, staged_targets;
    DeviceArray<std::uint8_t> inputs, targets;
    GpuEvent uploaded, released;  ///< the staged bytes, and the device's, may be overwritten

    Slot(std::size_t input_bytes, std::size_t target_bytes, unsigned event_flags)
        : staged_inputs(input_bytes),
          staged_targets(target_bytes),
          inputs(input_bytes),
          targets(target_bytes),
          uploaded(event_flags),
          released(event_flags) {}
};

/// The memory of a hidden layer of `size` units: activations and delta, size x capacity; and
/// `splits` parts of [dW|db], `stride` elements each.
struct HiddenLayer {
    std::size_t stride;
    int splits;
    DeviceArray<nn_real> activations, delta, gradient;

    HiddenLayer(int size, int below, int capacity, int most)
        : stride((elements(size, below + 1) + 3) / 4 * 4),  // each part begins at 16 bytes
          splits(most),
          activations(elements(size, capacity)),
          delta(elements(size, capacity)),
          gradient(stride * static_cast<std::size_t>(most)) {}
};

/// How a slice of some size goes through the network.
struct Plans {
    struct OfLayer {
        GemmPlan forward, gradient, delta_below;
    };
    std::vector<OfLayer> hidden;  ///< of layers 1 .. L - 1
    std::vector<Parts> runs;      ///< where the gradients of layers 1 .. L lie

    const OfLayer& of(int l) const { return hidden[static_cast<std::size_t>(l) - 1]; }
};

/// Columns of [dW1|db1].
struct Columns {
    int first, count;
};

/// dW1, of `inputs` columns, in about four parts: each has to be large enough to keep a device
/// busy, and MPI with it. Tiles begin at multiples of 32.
std::vector<Columns> parts_of_columns(int inputs) {
    const int columns = inputs + 1, width = (columns + 127) / 128 * 32;
    std::vector<Columns> parts;
    for (int first = 0; first < columns; first += width)
        parts.push_back({first, std::min(width, columns - first)});
    return parts;
}

bool counts_up_from_0(std::span<const std::uint32_t> order) {
    for (std::size_t i = 0; i < order.size(); ++i)
        if (order[i] != i) return false;
    return true;
}

cudaDeviceProp properties_of(int device) {
    cudaDeviceProp properties;
    GPU_CHECK(cudaGetDeviceProperties(&properties, device));
    return properties;
}

// ------------------------------------------------------------------ the replica

/// A graph's memory and its recording grow with its steps. An epoch of more steps has small ones:
/// there each goes by itself.
constexpr std::size_t most_steps_in_graph = 8192;

class CudaReplica : public Replica {
  public:
    CudaReplica(const ReplicaShape& shape, const CudaSettings& settings)
        : Replica(shape),
          chip_(gpu_chip(settings.device)),
          name_(properties_of(settings.device).name),
          gpu_{compute_.get(), chip_},
          event_flags_(cudaEventDisableTiming |
                       (settings.shares_device ? cudaEventBlockingSync : 0u)),
          done_(event_flags_),
          layout_(shape.layout),
          format_(shape.format),
          input_bytes_(format_.input_bytes(layout_.inputs())),
          target_bytes_(format_.target_bytes(layout_.classes())),
          top_(layout_.layers()),
          pixel_scale_(shape.pixel_scale),
          settings_(settings),
          // bf16x3 takes pixels. The head does not work by it: without a hidden layer there is
          // nothing to do so.
          first_by_(settings.bf16x3 && top_ > 1 && !format_.number_inputs && gpu_has_bf16x3(chip_)
                        ? GemmBy::bf16x3
                        : GemmBy::fma),
          most_head_parts_(most_parts_of_head(shape.capacity)),
          slots_{make_slot(shape.capacity), make_slot(shape.capacity)},
          slice_inputs_(settings.several_ranks ? all_inputs(shape.capacity) : 0),
          slice_targets_(settings.several_ranks ? all_targets(shape.capacity) : 0),
          parameters_(layout_.total()),
          rate_(1),
          yhat_(elements(layout_.classes(), shape.capacity)),
          head_gradient_(head_stride() * static_cast<std::size_t>(most_head_parts_)),
          loss_(static_cast<std::size_t>(most_head_parts_)),
          squares_(elements(gpu_square_slots, top_)),
          gradient_(layout_.total()),
          gradient_for_mpi_(settings.mpi_takes_device_memory ? 0 : layout_.total()) {
        plan_gradient_parts();
        for (int l = 1; l < top_; ++l)
            hidden_.emplace_back(layout_.size(l), layout_.size(l - 1), shape.capacity,
                                 gradient_plan(l, shape.capacity).splits);
        for (int l = 1; l <= top_; ++l)
            lent_runs_.push_back(run_of(l, gradient_.data() + layout_.weight_offset(l), 0, 1));
        loss_.fill_bytes(0, compute_.get());
    }

    std::string device_name() const override {
        return name_ + " (gemm " +
               (first_by_ == GemmBy::bf16x3 ? "bf16x3"
                                            : "fp" + std::to_string(8 * sizeof(nn_real))) +
               ")";
    }

    void set_parameters(std::span<const nn_real> values) override {
        settle();
        upload(values.data(), values.size(), parameters_, compute_);
        wait();
    }
    void get_parameters(std::span<nn_real> values) override {
        settle();
        download(parameters_.data(), values.size(), values.data(), compute_);
        wait();
    }

    bool keep(std::span<const std::uint8_t> inputs,
              std::span<const std::uint8_t> targets) override {
        settle();
        graphs_.clear();  // those of epochs lead to the old set
        kept_.reset();
        // Ranks may share this device, so only the allocation itself tells who gets its memory.
        auto all_inputs = DeviceArray<std::uint8_t>::if_it_fits(inputs.size());
        auto all_targets = DeviceArray<std::uint8_t>::if_it_fits(targets.size());
        auto ordered_inputs = DeviceArray<std::uint8_t>::if_it_fits(inputs.size());
        auto ordered_targets = DeviceArray<std::uint8_t>::if_it_fits(targets.size());
        auto order = DeviceArray<std::uint32_t>::if_it_fits(targets.size() / target_bytes_);
        if (!all_inputs || !all_targets || !ordered_inputs || !ordered_targets || !order)
            return false;
        kept_.emplace(KeptSet{std::move(*all_inputs), std::move(*all_targets),
                              std::move(*ordered_inputs), std::move(*ordered_targets),
                              std::move(*order)});
        upload(inputs.data(), inputs.size(), kept_->inputs, compute_);
        upload(targets.data(), targets.size(), kept_->targets, compute_);
        wait();
        return true;
    }
    void set_order(std::span<const std::uint32_t> order) override {
        settle();
        kept_->in_file_order = counts_up_from_0(order);
        if (kept_->in_file_order) return;
        upload(order.data(), order.size(), kept_->order, compute_);
        gpu_gather(gpu_, input_bytes_, target_bytes_, static_cast<int>(order.size()),
                   kept_->order.data(), kept_->inputs.data(), kept_->targets.data(),
                   kept_->ordered_inputs.data(), kept_->ordered_targets.data());
    }

    void pick(std::size_t first, int n) override {
        settle();
        leave_slot();
        slice_ = kept_samples(first, n);
        picked_ = true;
    }
    Staging stage(int n) override {
        Slot& slot = slots_[turn_];
        staged_ = n;
        slot.uploaded.wait();
        return {slot.staged_inputs.first(all_inputs(n)), slot.staged_targets.first(all_targets(n))};
    }
    void load() override {
        settle();
        leave_slot();
        slot_ = &slots_[turn_];
        turn_ = 1 - turn_;
        wait_for(copies_, slot_->released);
        upload(slot_->staged_inputs.data(), all_inputs(staged_), slot_->inputs, copies_);
        upload(slot_->staged_targets.data(), all_targets(staged_), slot_->targets, copies_);
        slot_->uploaded.record(copies_.get());
        wait_for(compute_, slot_->uploaded);
        slice_ = {slot_->inputs.data(), slot_->targets.data(), staged_};
        picked_ = false;
    }

    void forward(int batch) override {
        settle();
        batch_ = batch;
        forward_is_due_ = true;
    }
    void backward() override {
        backward_is_due_ = true;
        lent_ = false;
    }

    int gradient_parts() const override { return static_cast<int>(ready_.size()); }
    GradientPart gradient(int part) override {
        if (part == 0) give_gradient();
        const auto p = static_cast<std::size_t>(part);
        ready_[p].wait();
        nn_real* const all =
            settings_.mpi_takes_device_memory ? gradient_.data() : gradient_for_mpi_.data();
        return {parts_[p].first, {all + parts_[p].first, parts_[p].count}};
    }

    void step(nn_real rate, nn_real reg) override {
        set_rate(rate);
        settle();
        if (!lent_) return gpu_step(gpu_, plans().runs, rate_.data(), reg, parameters_.data());
        launch_recorded({GraphKey::Of::step, nullptr, 0, 0, reg}, [&] {
            if (!settings_.mpi_takes_device_memory)
                upload(gradient_for_mpi_.data(), gradient_.size(), gradient_, compute_);
            gpu_step(gpu_, lent_runs_, rate_.data(), reg, parameters_.data());
        });
    }

    bool epoch(std::size_t count, int batch, nn_real rate, nn_real reg) override {
        const auto step = static_cast<std::size_t>(batch);
        if ((count + step - 1) / step > most_steps_in_graph) return false;
        settle();
        leave_slot();
        set_rate(rate);
        launch_recorded({GraphKey::Of::epoch, kept_samples(0, 0).inputs, count, batch, reg}, [&] {
            for (std::size_t first = 0; first < count; first += step) {
                slice_ = kept_samples(first, static_cast<int>(std::min(step, count - first)));
                batch_ = slice_.n;
                compute_forward();
                compute_backward(false);
                gpu_step(gpu_, plans().runs, rate_.data(), reg, parameters_.data());
            }
        });
        slice_ = {};
        return true;
    }

    double take_loss() override {
        settle();
        const double sum = total(loss_);
        loss_.fill_bytes(0, compute_.get());
        return sum;
    }
    double weights_squared() override {
        settle();
        for (int l = 1; l <= top_; ++l)
            gpu_sum_of_squares(gpu_, layout_.weights(l), weights(l),
                               squares_.data() + elements(l - 1, gpu_square_slots));
        return total(squares_);
    }
    void get_probabilities(std::span<nn_real> yhat) override {
        settle();
        download(yhat_.data(), yhat.size(), yhat.data(), compute_);
        wait();
    }

  private:
    /// A part of the flat gradient that gradient() gives.
    struct Range {
        std::size_t first, count;
    };

    // ---- where things lie

    /// Bytes of n samples.
    std::size_t all_inputs(int n) const { return static_cast<std::size_t>(n) * input_bytes_; }
    std::size_t all_targets(int n) const { return static_cast<std::size_t>(n) * target_bytes_; }
    Slot make_slot(int capacity) const {
        return {all_inputs(capacity), all_targets(capacity), event_flags_};
    }
    HiddenLayer& hidden(int l) { return hidden_[static_cast<std::size_t>(l) - 1]; }
    nn_real* weights(int l) { return parameters_.data() + layout_.weight_offset(l); }
    nn_real* bias(int l) { return parameters_.data() + layout_.bias_offset(l); }
    /// What goes into layer l.
    Input input(int l) {
        if (l > 1) return input_of(hidden(l - 1).activations.data());
        return format_.number_inputs ? input_of(numbers(slice_.inputs))
                                     : input_of(slice_.inputs, pixel_scale_);
    }
    /// Device memory is aligned for numbers, and every sample is a whole count of them.
    static const nn_real* numbers(const std::uint8_t* bytes) {
        return reinterpret_cast<const nn_real*>(bytes);
    }
    Samples kept_samples(std::size_t first, int n) const {
        const bool as_filed = kept_->in_file_order;
        return {(as_filed ? kept_->inputs : kept_->ordered_inputs).data() + first * input_bytes_,
                (as_filed ? kept_->targets : kept_->ordered_targets).data() + first * target_bytes_,
                n};
    }
    std::size_t head_stride() const {
        return elements(layout_.classes(), layout_.size(top_ - 1) + 1);
    }
    /// Of any slice: the number of parts does not always grow with the slice.
    int most_parts_of_head(int capacity) const {
        int most = 0;
        for (int n = 0; n <= capacity; ++n)
            most = std::max(most, gpu_head_parts(chip_, layout_.classes(), n));
        return most;
    }

    /// The compute stream has all the work on the slice in slot_; another one may follow there.
    void leave_slot() {
        if (slot_ != nullptr) slot_->released.record(compute_.get());
        slot_ = nullptr;
    }

    // ---- plans

    GemmBy by(int l) const { return l == 1 ? first_by_ : GemmBy::fma; }
    GemmPlan gradient_plan(int l, int n) const {
        const int columns = l == 1 ? columns_[0].count : layout_.size(l - 1) + 1;
        return plan_gemm(chip_, by(l), layout_.size(l), columns, n, true);
    }
    /// For the current slice.
    const Plans& plans() {
        const auto known = plans_.find(slice_.n);
        return known != plans_.end() ? known->second
                                     : plans_.emplace(slice_.n, make_plans(slice_.n)).first->second;
    }
    Plans make_plans(int n) {
        Plans made;
        for (int l = 1; l < top_; ++l) {
            const int size = layout_.size(l), below = layout_.size(l - 1);
            GemmPlan gradient = gradient_plan(l, n);
            gradient.splits = std::min(gradient.splits, hidden(l).splits);
            made.hidden.push_back({plan_gemm(chip_, by(l), size, n, below, false), gradient,
                                   plan_gemm(chip_, GemmBy::fma, below, n, size, false)});
            made.runs.push_back(
                run_of(l, hidden(l).gradient.data(), hidden(l).stride, gradient.splits));
        }
        made.runs.push_back(run_of(top_, head_gradient_.data(), head_stride(),
                                   gpu_head_parts(chip_, layout_.classes(), n)));
        return made;
    }
    Parts run_of(int l, const nn_real* gradient, std::size_t stride, int parts) const {
        return {layout_.weight_offset(l),
                layout_.weights(l) + elements(layout_.size(l), 1),
                layout_.weights(l),
                gradient,
                stride,
                parts};
    }

    /// Columns of [dW1|db1], and what gradient() gives: all of it; or first the layers above,
    /// which are ready first, and then layer 1 by columns.
    void plan_gradient_parts() {
        const auto size = static_cast<std::size_t>(layout_.size(1));
        const std::size_t above = layout_.bias_offset(1) + size;
        if (top_ > 1 && settings_.several_ranks &&
            layout_.weights(1) * sizeof(nn_real) >= settings_.parts_from) {
            columns_ = parts_of_columns(layout_.inputs());
            parts_.push_back({above, layout_.total() - above});
            for (const Columns& c : columns_)
                parts_.push_back({size * static_cast<std::size_t>(c.first),
                                  size * static_cast<std::size_t>(c.count)});
        } else {
            columns_ = {{0, layout_.inputs() + 1}};
            parts_.push_back({0, layout_.total()});
        }
        for (std::size_t p = 0; p < parts_.size(); ++p) {
            added_.emplace_back(event_flags_);
            ready_.emplace_back(event_flags_);
        }
    }

    // ---- the work of a step

    /// Puts on the stream what is due.
    void settle() {
        if (std::exchange(forward_is_due_, false)) compute_forward();
        if (std::exchange(backward_is_due_, false)) compute_backward(false);
    }

    void compute_forward() {
        const Plans& p = plans();
        for (int l = 1; l < top_; ++l)
            gpu_layer(gpu_, by(l), layout_.size(l), slice_.n, layout_.size(l - 1), weights(l),
                      input(l), bias(l), hidden(l).activations.data(), p.of(l).forward);
        gpu_head(gpu_, {.objective = shape().objective,
                        .classes = layout_.classes(),
                        .n = slice_.n,
                        .k = layout_.size(top_ - 1),
                        .w = weights(top_),
                        .bias = bias(top_),
                        .a = input(top_),
                        .labels = format_.number_targets ? nullptr : slice_.targets,
                        .targets = format_.number_targets ? numbers(slice_.targets) : nullptr,
                        .scale = nn_real{1} / static_cast<nn_real>(batch_),
                        .yhat = yhat_.data(),
                        .delta_below = top_ > 1 ? hidden(top_ - 1).delta.data() : nullptr,
                        .gradient = head_gradient_.data(),
                        .loss = loss_.data()});
    }

    /// The head's part of it is there since forward. With `gives`, each part of the gradient is
    /// added up and sent to the host as soon as it is there.
    void compute_backward(bool gives) {
        const Plans& p = plans();
        for (int l = top_ - 1; l > 1; --l) {
            compute_gradient(l, {0, layout_.size(l - 1) + 1});
            gpu_delta_below(gpu_, layout_.size(l), slice_.n, layout_.size(l - 1), weights(l),
                            hidden(l).delta.data(), hidden(l - 1).activations.data(),
                            hidden(l - 1).delta.data(), p.of(l).delta_below);
        }
        const bool in_parts = parts_.size() > 1;
        if (gives && in_parts) give_part(0, std::span(p.runs).subspan(1));
        for (std::size_t c = 0; top_ > 1 && c < columns_.size(); ++c) {
            compute_gradient(1, columns_[c]);
            if (!gives || !in_parts) continue;
            const Parts run = of_columns(p.runs[0], columns_[c]);
            give_part(1 + c, {&run, 1});
        }
        if (gives && !in_parts) give_part(0, p.runs);
    }
    void compute_gradient(int l, Columns columns) {
        gpu_gradient(gpu_, by(l), layout_.size(l), slice_.n, layout_.size(l - 1),
                     hidden(l).delta.data(), input(l), columns.first, columns.count,
                     hidden(l).gradient.data(), hidden(l).stride, plans().of(l).gradient);
    }
    /// Layer 1's run, cut down to some of its columns.
    Parts of_columns(Parts run, Columns columns) const {
        const std::size_t before = elements(layout_.size(1), columns.first);
        run.first += before;
        run.count = elements(layout_.size(1), columns.count);
        run.penalised = std::min(run.count, run.penalised - before);
        run.gradient += before;
        return run;
    }

    /// Adds up the runs of a part and sends it to the host: the only part in the kernels' stream,
    /// for it is recorded with them; several in the other one, while the kernels go on.
    void give_part(std::size_t part, std::span<const Parts> runs) {
        gpu_add_parts(gpu_, runs, gradient_.data());
        const GpuStream& way = parts_.size() == 1 ? compute_ : copies_;
        if (&way == &copies_) {
            added_[part].record(compute_.get());
            wait_for(copies_, added_[part]);
        }
        const auto [first, count] = parts_[part];
        if (!settings_.mpi_takes_device_memory)
            download(gradient_.data() + first, count, gradient_for_mpi_.data() + first, way);
        if (&way == &copies_) ready_[part].record(copies_.get());
    }

    /// All parts of the gradient on their way to MPI.
    void give_gradient() {
        const bool whole_step = std::exchange(forward_is_due_, false);
        backward_is_due_ = false;
        lent_ = true;
        // In parts, W1 is large, and a step so long that its launches are hidden.
        const bool records = settings_.several_ranks && parts_.size() == 1 && whole_step;
        if (records) {
            hold_still();
            launch_recorded({GraphKey::Of::gradient, slice_.inputs,
                             static_cast<std::size_t>(slice_.n), batch_, 0},
                            [&] {
                                compute_forward();
                                compute_backward(true);
                            });
        } else {
            if (whole_step) compute_forward();
            compute_backward(true);
        }
        if (parts_.size() == 1) ready_[0].record(compute_.get());
    }
    /// A recorded kernel reads the same addresses each time. So a slice that was picked, each time
    /// from elsewhere, is copied; other slices come by two slots, for which there are two graphs.
    void hold_still() {
        if (!std::exchange(picked_, false)) return;
        copy(slice_.inputs, all_inputs(slice_.n), slice_inputs_, compute_);
        copy(slice_.targets, all_targets(slice_.n), slice_targets_, compute_);
        slice_ = {slice_inputs_.data(), slice_targets_.data(), slice_.n};
    }
    template <class Work>
    void launch_recorded(const GraphKey& key, const Work& work) {
        auto graph = graphs_.find(key);
        if (graph == graphs_.end()) graph = graphs_.try_emplace(key, compute_.get(), work).first;
        graph->second.launch(compute_.get());
    }

    void set_rate(nn_real rate) {
        if (rate_on_device_ == rate) return;
        upload(&rate, 1, rate_, compute_);
        rate_on_device_ = rate;
    }

    // ---- the host's side

    /// For all that the kernels' stream has got.
    void wait() {
        done_.record(compute_.get());
        done_.wait();
    }
    /// The sum of an array's elements, first to last. Waits.
    double total(const DeviceArray<double>& values) {
        std::vector<double> on_host(values.size());
        download(values.data(), values.size(), on_host.data(), compute_);
        wait();
        double sum = 0;
        for (double value : on_host) sum += value;
        return sum;
    }

    GpuChip chip_;  ///< first: everything below lives on the device selected with it
    std::string name_;
    GpuStream compute_, copies_;
    Gpu gpu_;
    unsigned event_flags_;  ///< whether the host waits asleep
    GpuEvent done_;
    Layout layout_;
    SampleFormat format_;
    std::size_t input_bytes_, target_bytes_;  ///< of one sample
    int top_;                                 ///< number of the output layer
    nn_real pixel_scale_;
    CudaSettings settings_;
    GemmBy first_by_;
    int most_head_parts_;

    Slot slots_[2];
    DeviceArray<std::uint8_t> slice_inputs_, slice_targets_;  ///< for hold_still()
    DeviceArray<nn_real> parameters_, rate_;
    std::vector<HiddenLayer> hidden_;  ///< of layers 1 .. L - 1
    DeviceArray<nn_real> yhat_, head_gradient_;
    DeviceArray<double> loss_, squares_;
    DeviceArray<nn_real> gradient_;  ///< the flat one, where it is asked for
    PinnedArray<nn_real> gradient_for_mpi_;
    std::optional<KeptSet> kept_;

    std::vector<Columns> columns_;  ///< in which dW1 is computed
    std::vector<Range> parts_;
    std::vector<GpuEvent> added_, ready_;  ///< parts_[i] on the device, and where MPI takes it
    std::vector<Parts> lent_runs_;         ///< of layers 1 .. L in gradient_
    std::map<int, Plans> plans_;           ///< by the slice's size
    std::map<GraphKey, GpuGraph> graphs_;

    Samples slice_;         ///< the current one
    bool picked_ = false;   ///< it lies in the kept set
    Slot* slot_ = nullptr;  ///< or in this slot
    int turn_ = 0;          ///< the slot of the next slice from the host
    int staged_ = 0;        ///< samples of that slice
    int batch_ = 1;
    bool forward_is_due_ = false, backward_is_due_ = false;
    bool lent_ = false;  ///< MPI has the gradient; step() takes it back
    std::optional<nn_real> rate_on_device_;
};

}  // namespace

CudaDevices find_cuda_devices() {
    CudaDevices found;
    int version = 0;
    if (cudaRuntimeGetVersion(&version) == cudaSuccess)
        found.runtime_version =
            std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
    // On an error the count is left unwritten, so the status alone decides.
    int count = 0;
    const cudaError_t status = cudaGetDeviceCount(&count);
    if (status != cudaSuccess || count == 0) {
        found.why_none =
            status == cudaSuccess ? "CUDA counts 0 devices" : cudaGetErrorString(status);
        return found;
    }
    found.count = count;
    found.bf16x3 = true;
    for (int device = 0; device < count; ++device) {
        const cudaDeviceProp p = properties_of(device);
        found.bf16x3 =
            found.bf16x3 && gpu_has_bf16x3({p.multiProcessorCount, 10 * p.major + p.minor});
    }
    return found;
}

std::unique_ptr<Replica> make_cuda_replica(const ReplicaShape& shape,
                                           const CudaSettings& settings) {
    if (shape.layout.classes() > gpu_head_most_classes())
        throw InputError("the network has " + std::to_string(shape.layout.classes()) +
                         " outputs, more than the " + std::to_string(gpu_head_most_classes()) +
                         " that a GPU's block holds; use --device cpu");
    return std::make_unique<CudaReplica>(shape, settings);
}
