// replica.cpp: the trainer's steps on the cores of one rank, or of all ranks of a node.
//
// All threads of these ranks are the workers of one copy of the parameters. A step has two kinds of
// work: activations and deltas by samples, gradients by weights (split.h). Each number is computed
// by one worker, so nothing is summed between workers, and their number changes no bit. Where one
// kind of work follows the other, all meet at a barrier:
//
//     inputs, forward, deltas: my samples | gradient and update: my weights |
//
// A gradient that must be summed over replicas is stored first (gradient_rows.h), part by part, and
// each rank lends the rows of its own weights. Of a gradient in leaves, backward_of() stores a part
// of the samples' sum.
#include "device/replica.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/timeline.h"
#include "device/cpu/gradient_rows.h"
#include "device/cpu/operands.h"
#include "device/cpu/samples.h"
#include "device/cpu/split.h"
#include "device/cpu/team.h"
#include "device/cpu/tiles.h"
#include "device/cpu/worker.h"
#include "device/cpu/workspace.h"
#include "device/layers.h"

namespace {

int ranks_of(const CpuSettings& settings) {
    return settings.shared == nullptr ? 1 : settings.shared->ranks;
}

class CpuReplica : public Replica, private LeafSums {
  public:
    CpuReplica(const ReplicaShape& shape, const CpuSettings& settings)
        : Replica(shape),
          kind_(settings.first_layer),
          in_leaves_(settings.in_leaves),
          layout_(shape.layout),
          top_(layout_.layers()),
          is_shared_(settings.shared != nullptr),
          workers_(is_shared_ ? Workers{settings.shared->first_worker, settings.threads,
                                        settings.shared->workers}
                              : Workers{0, settings.threads, settings.threads}),
          rows_(layout_, workers_, f_.lanes, row_unit(), settings.part_bytes),
          samples_(shape.format.input_bytes(layout_.inputs()),
                   shape.format.target_bytes(layout_.classes())),
          own_memory_(is_shared_ ? 0 : cpu_shared_bytes(shape, kind_, 1)),
          own_barrier_(settings.threads),
          barrier_(is_shared_ ? *settings.shared->barrier : own_barrier_),
          operands_(shape),
          space_(shape, kind_, shape.capacity * ranks_of(settings),
                 is_shared_ ? settings.shared->memory : own_memory_.data()),
          gradient_(kind_ == FirstLayerKind::tiles ? Buffer<nn_real>(rows_.total())
                                                   : Buffer<nn_real>()),
          team_(settings.threads) {
        for (int byte = 0; byte < 256; ++byte)
            value_of_pixel_[byte] = shape.pixel_scale * static_cast<nn_real>(byte);
        operands_.round(256, value_of_pixel_);
        if (!shape.format.number_inputs) space_.inputs.masked.value_of_pixel = value_of_pixel_;
        for (int t = 0; t < settings.threads; ++t)
            scratch_.push_back(
                std::make_unique<Worker>(settings, layout_, shape.capacity * ranks_of(settings)));
    }

    std::string device_name() const override {
        static constexpr const char* kinds[] = {", zeros left out, ", ", full inputs, ",
                                                ", bf16x3 tiles, "};
        return std::string("CPU (") + f_.name + kinds[static_cast<int>(kind_)] +
               std::to_string(team_.size()) + (team_.size() == 1 ? " thread)" : " threads)");
    }

    SampleStore& samples() override { return samples_; }

    void forward(nn_real scale, Want want) override {
        shard_ = is_shared_ ? samples_.shard() : Shard(samples_.shard().count);
        if (in_leaves_ && want != Want::outputs)
            losses_.resize(losses_.size() + static_cast<std::size_t>(shard_.count));
        team_.run([&](int t) { forward_on(t, scale, want); });
        settled_ = has_deltas_ = false;
    }
    void backward(const std::function<void(int)>& ready) override {
        backward_of({0, shard_.batch}, ready);
    }
    LeafSums* leaf_sums() override { return in_leaves_ ? this : nullptr; }
    void backward_of(Range samples, const std::function<void(int)>& ready) override {
        added_ = samples;
        if (gradient_.data() == nullptr) gradient_ = Buffer<nn_real>(rows_.total());
        use_ = {{}, gradient_.data(), 0};
        const auto last = rows_.parts().size() - 1;
        for (std::size_t p = 0; p <= last; ++p) {
            team_.run([&](int t) {
                if (p == 0 && !has_deltas_) compute_deltas(t);
                for (const GradientPiece& piece : rows_.pieces(p)) compute_piece(piece, t);
                if (p == last) meet(t);
            });
            has_deltas_ = true;
            ready(static_cast<int>(p));
        }
        settled_ = true;
    }
    std::span<const Part> parts() const override { return rows_.parts(); }
    Lent lend(int part) override {
        const Part& p = parts()[static_cast<std::size_t>(part)];
        return {p.first, {gradient_.data() + p.first, p.count}};
    }
    void update(const Update& update, const Sum& sum) override {
        const bool is_last = sum.first == parts().back().first;
        team_.run([&](int t) {
            update_on(t, update, sum);
            if (is_last && is_shared_) meet(t);  // all may read all parameters from here on
        });
    }
    void backward_and_update(const Update& update) override {
        if (moments_of(update.rule) == 0 && !operands_.are_small()) {
            use_ = {update, nullptr, 0};
            return compute_gradients();
        }
        backward([](int) {});  // each worker its own rows, which it then updates
        for (const Part& part : parts())
            this->update(update, {part.first, part.count, gradient_.data() + part.first});
    }

    double take_loss() override {
        double sum = 0;
        for (const auto& worker : scratch_) sum += std::exchange(worker->loss, 0.0);
        for (const double loss : take_losses()) sum += loss;
        return sum;
    }
    std::vector<double> take_losses() override { return std::exchange(losses_, {}); }
    double weights_squared() override {
        double sum = 0;
        for (int l = 1; l <= top_; ++l)
            for (int i = 0; i < layer(l).inputs; ++i)
                sum += f_.sum_of_squares(static_cast<std::size_t>(layer(l).outputs),
                                         layer(l).weights(i));
        return sum;
    }
    void outputs(std::span<nn_real> yhat) override {
        int j = shard_.first;
        for (auto to = yhat.begin(); to != yhat.end(); ++j)
            to = std::copy_n(layer(top_).activations(j), layout_.classes(), to);
    }
    void read(std::span<nn_real> parameters) override { read_rows(0, parameters); }
    void read_moment(int moment, std::span<nn_real> values) override {
        read_rows(moment + 1, values);
    }
    void write(std::span<const nn_real> parameters) override {
        wait_for_ranks();  // another one may still be at its forward()
        if (workers_.first == 0) {
            write_rows(0, parameters);
            for (int l = 1; l <= top_; ++l) operands_.take_all_weights(layer(l));
            const CpuLayer& top = layer(top_);
            for (std::size_t i = static_cast<std::size_t>(top.outputs); i < top.ld; ++i)
                top.bias[i] = no_logit;
        }
        wait_for_ranks();
    }
    void write_moment(int moment, std::span<const nn_real> values) override {
        wait_for_ranks();
        if (workers_.first == 0) write_rows(moment + 1, values);
        wait_for_ranks();
    }

  private:
    /// The primitives of the walk (device/layers.h), as thread t runs them.
    struct OnThread {
        CpuReplica& replica;
        int t;

        void hidden(int l) {
            const Traced traced(t, "forward", l);
            replica.activate(l, t);
        }
        void output() {
            const Traced traced(t, "forward", replica.top_);
            replica.activate(replica.top_, t);
        }
        void delta(int l) {
            const Traced traced(t, "delta", l);
            replica.compute_delta(l, t);
        }
        void gradient(int l) {
            const Traced traced(t, "gradient", l);
            replica.compute_gradient(l, t);
        }
    };

    const CpuLayer& layer(int l) const { return space_.layers[static_cast<std::size_t>(l)]; }
    Worker& worker(int t) { return *scratch_[static_cast<std::size_t>(t)]; }
    /// All vectors of a layer's units.
    Range units(int l) const { return {0, ceil_div(layout_.size(l), f_.lanes)}; }
    Range my_samples(int t) const { return samples_of({shard_.first, shard_.count}, t, workers_); }
    CpuActivate activation_of(int l) const { return l == top_ ? nullptr : hidden_.activate; }

    void read_rows(int array, std::span<nn_real> values) {
        space_.for_each_row(layout_, array, [&](std::size_t at, nn_real* row, int count) {
            std::copy_n(row, count, values.begin() + static_cast<std::ptrdiff_t>(at));
        });
    }
    void write_rows(int array, std::span<const nn_real> values) {
        space_.for_each_row(layout_, array, [&](std::size_t at, nn_real* row, int count) {
            std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(at), count, row);
        });
    }

    /// All workers meet.
    void meet(int t) {
        const Traced traced(t, "wait");
        barrier_.wait();
    }
    void wait_for_ranks() {
        if (is_shared_) team_.run([&](int) { barrier_.wait(); });
    }

    // ---- forward

    void forward_on(int t, nn_real scale, Want want) {
        if (!settled_) meet(t);  // others may still need the last mini-batch
        const Range mine = my_samples(t);
        take_inputs(mine);
        if (want != Want::outputs) take_targets(mine);
        forward_layers(layout_, OnThread{*this, t});
        if (in_leaves_)
            each_loss(mine, scale, want);
        else if (const double loss = output_loss(mine, scale); want != Want::outputs)
            worker(t).loss += loss;
        round_row_of_each(layer(top_).delta, top_, mine);
    }
    /// The losses of my samples one by one, at the end of losses_.
    void each_loss(Range mine, nn_real scale, Want want) {
        const auto begin = losses_.end() - (want == Want::outputs ? 0 : shard_.count);
        for (int j = mine.first; j < mine.first + mine.count; ++j) {
            const double loss = output_loss({j, 1}, scale);
            if (want != Want::outputs) begin[j - shard_.first] = loss;
        }
    }
    const std::uint8_t* input(int j) const { return samples_.input(j - shard_.first); }

    /// Copies the targets of the samples `mine` to the place where the output layer reads them.
    /// Where only outputs are wanted, it reads old values, and nobody uses the losses.
    void take_targets(Range mine) {
        const std::size_t bytes = shape().format.target_bytes(layout_.classes());
        for (int j = mine.first; j < mine.first + mine.count; ++j) {
            const std::uint8_t* const from = samples_.target(j - shard_.first);
            if (space_.labels != nullptr)
                space_.labels[j] = *from;
            else
                std::memcpy(space_.targets + elements(layout_.classes(), j), from, bytes);
        }
    }
    void take_inputs(Range mine) {
        const auto d = static_cast<std::size_t>(layout_.inputs());
        const std::size_t bytes = shape().format.input_bytes(layout_.inputs());
        const int end = mine.first + mine.count;
        for (int j = mine.first; j < end; ++j) {
            // Samples lie anywhere in memory, so each is prefetched some samples ahead.
            constexpr int ahead = 4;
            if (j + ahead < end) prefetch(input(j + ahead), bytes);
            if (kind_ == FirstLayerKind::sparse)
                take_masked(j);
            else if (kind_ == FirstLayerKind::tiles)
                pixels_to_bf16(d, input(j), image(j));
            else if (shape().format.number_inputs)
                std::memcpy(input_row(j), input(j), bytes);
            else
                f_.pixels_to_real(d, shape().pixel_scale, input(j), input_row(j));
            if (kind_ == FirstLayerKind::dense) operands_.round(d, input_row(j));
        }
    }
    void take_masked(int j) {
        f_.take_masked(space_.inputs.masked, j, input(j));
        if (shape().format.number_inputs) operands_.round_masked(space_.inputs.masked, j);
    }
    /// Rounds the activations or deltas of layer l, of these samples, for the products.
    void round_row_of_each(nn_real* rows, int l, Range samples) const {
        operands_.round_rows(rows, layer(l).ld, samples, units(l).count * f_.lanes);
    }
    static void prefetch(const std::uint8_t* bytes, std::size_t count) {
        for (std::size_t i = 0; i < count; i += 64) __builtin_prefetch(bytes + i);
    }
    nn_real* input_row(int j) const {
        return space_.inputs.rows + static_cast<std::size_t>(j) * space_.inputs.rows_ld;
    }
    Bf16* image(int j) const {
        return space_.inputs.by_image + static_cast<std::size_t>(j) * space_.inputs.image_ld;
    }

    /// a_l = f(W_l a_(l-1) + b_l); of the output layer, only z.
    void activate(int l, int t) {
        const Range mine = my_samples(t);
        if (l == 1)
            activate_first(mine, t);
        else
            f_.dense_forward(operands_.of(layer(l)), layer(l - 1).a, layer(l - 1).ld, mine,
                             units(l), activation_of(l), worker(t).scratch());
        if (l < top_) round_row_of_each(layer(l).a, l, mine);
    }
    void activate_first(Range samples, int t) {
        const Inputs& in = space_.inputs;
        if (kind_ == FirstLayerKind::sparse)
            f_.sparse_forward(operands_.of(layer(1)), in.masked, samples, units(1),
                              activation_of(1));
        else if (kind_ == FirstLayerKind::dense)
            f_.dense_forward(operands_.of(layer(1)), in.rows, in.rows_ld, samples, units(1),
                             activation_of(1), worker(t).scratch());
        else
            tiles_forward(samples, t);
    }
    void tiles_forward(Range samples, int t) {
        const CpuLayer& first = layer(1);
        gemm_bf16x3(first.outputs, samples.count, first.inputs, shape().pixel_scale, first.w,
                    static_cast<int>(first.ld), image(samples.first), space_.inputs.image_ld,
                    first.activations(samples.first), static_cast<int>(first.ld),
                    worker(t).tile_scratch());
        for (int j = samples.first; j < samples.first + samples.count; ++j)
            hidden_.activate(first.bias, units(1).count * f_.lanes, first.activations(j));
    }
    /// Computes yhat and the output's delta; returns the sum of the losses.
    double output_loss(Range mine, nn_real scale) {
        if (space_.labels != nullptr && shape().objective == Objective{})
            return f_.softmax_cross_entropy(layer(top_), mine, space_.labels, scale);
        return f_.output_loss(shape().objective, layer(top_), mine, space_.labels, space_.targets,
                              scale);
    }

    // ---- backward

    /// The deltas of my samples; then all workers have theirs.
    void compute_deltas(int t) {
        backward_deltas(layout_, OnThread{*this, t});
        meet(t);
    }
    /// All deltas, then all gradients with their updates.
    void compute_gradients() {
        added_ = {0, shard_.batch};
        team_.run([&](int t) {
            compute_deltas(t);
            backward_gradients(layout_, OnThread{*this, t});
            meet(t);
        });
        settled_ = true;
    }
    /// Workers own rows in units of so many: of the first layer, and of the layers above it.
    RowUnit row_unit() const { return {kind_ == FirstLayerKind::tiles ? bf16_tile : 1, 8}; }
    /// The inputs of layer l whose weights are thread t's, and the vectors of units whose biases
    /// are.
    Range my_inputs(int l, int t) const {
        return weights_of(layer(l).inputs, t, workers_, row_unit().of(l));
    }
    Range my_biases(int l, int t) const { return weights_of(units(l).count, t, workers_); }

    /// Thread t updates what is its own, as far as it is in the sum.
    void update_on(int t, const Update& update, const Sum& sum) const {
        Update without_penalty = update;
        without_penalty.reg = 0;
        for (int l = 1; l <= top_; ++l) {
            update_rows(update, sum, l, my_inputs(l, t));
            const int first = my_biases(l, t).first * f_.lanes;
            const int end = std::min(first + my_biases(l, t).count * f_.lanes, layer(l).outputs);
            update_range(without_penalty, sum, rows_.bias(l, first), end - first,
                         layer(l).bias + first, layer(l).to_moment);
        }
    }
    /// delta_l = (W_(l+1)^T delta_(l+1)) * slope(a_l).
    void compute_delta(int l, int t) {
        f_.dense_delta(layer(l), operands_.of(layer(l + 1)), my_samples(t), hidden_.times_slope,
                       worker(t).scratch());
        round_row_of_each(layer(l).delta, l, my_samples(t));
    }
    /// dW_l = delta_l a_(l-1)^T, and db_l, as far as they are worker t's.
    void compute_gradient(int l, int t) {
        bias_gradient(l, my_biases(l, t));
        weight_gradient(l, my_inputs(l, t), t);
    }
    /// Thread t's share of a piece of this rank's rows.
    void compute_piece(const GradientPiece& piece, int t) {
        const Traced traced(t, "gradient", piece.layer);
        if (piece.biases) bias_gradient(piece.layer, my_biases(piece.layer, t));
        const int unit = row_unit().of(piece.layer);
        const Range mine = part_of(piece.inputs.count, t, workers_.here, unit);
        weight_gradient(piece.layer, {piece.inputs.first + mine.first, mine.count}, t);
    }
    /// Row 0 of what use_ stores is number `first` of this rank's gradient; `skipped` numbers of it
    /// come before those that this rank has.
    CpuGradientUse use_of(const GradientPlace& place) const {
        return {use_.update, use_.store == nullptr ? nullptr : use_.store + place.at,
                place.skipped};
    }
    /// A layer as the samples that are added see it.
    CpuLayer added(int l) const { return from_sample(added_.first, layer(l)); }
    CpuMasked added_inputs() const { return from_sample(added_.first, space_.inputs.masked); }
    void bias_gradient(int l, Range vectors) {
        if (in_leaves_)
            return f_.bias_gradient_in_leaves(added(l), added_.count, vectors,
                                              use_of(rows_.biases(l)));
        f_.bias_gradient(layer(l), shard_.batch, vectors, use_of(rows_.biases(l)));
    }
    void weight_gradient(int l, Range inputs, int t) {
        if (l == 1) return first_gradient(inputs, t);
        if (in_leaves_) return dense_in_leaves(l, added(l - 1).a, layer(l - 1).ld, inputs, t);
        f_.dense_gradient(layer(l), layer(l - 1).a, layer(l - 1).ld, shard_.batch, inputs, units(l),
                          use_of(rows_.weights(l)), worker(t).scratch());
    }
    void dense_in_leaves(int l, const nn_real* below, std::size_t ld, Range inputs, int t) {
        f_.dense_gradient_in_leaves(added(l), below, ld, added_.count, inputs, units(l),
                                    use_of(rows_.weights(l)), worker(t).scratch(),
                                    worker(t).leaf_scratch());
    }
    void first_in_leaves(Range inputs, int t) {
        if (kind_ == FirstLayerKind::dense)
            return dense_in_leaves(1, input_row(added_.first), space_.inputs.rows_ld, inputs, t);
        const CpuMasked in = added_inputs();
        f_.turn_masks(in, inputs, added_.count);
        f_.sparse_gradient_in_leaves(added(1), in, added_.count, inputs, units(1),
                                     use_of(rows_.weights(1)), worker(t).leaf_scratch());
    }
    void first_gradient(Range inputs, int t) {
        if (in_leaves_) return first_in_leaves(inputs, t);
        const Inputs& in = space_.inputs;
        const CpuGradientUse use = use_of(rows_.weights(1));
        if (kind_ == FirstLayerKind::tiles) return tiles_gradient(inputs, t);
        if (kind_ == FirstLayerKind::dense)
            return f_.dense_gradient(layer(1), in.rows, in.rows_ld, shard_.batch, inputs, units(1),
                                     use, worker(t).scratch());
        f_.turn_masks(in.masked, inputs, shard_.batch);
        f_.sparse_gradient(layer(1), in.masked, shard_.batch, inputs, units(1), use,
                           worker(t).waiting.data());
    }
    void tiles_gradient(Range columns, int t) {
        const CpuLayer& first = layer(1);
        const Inputs& in = space_.inputs;
        Bf16* const by_pixel = in.by_pixel + static_cast<std::size_t>(columns.first) * in.pixel_ld;
        transpose_bf16(whole_tiles(columns.count), whole_tiles(shard_.batch),
                       image(0) + columns.first, in.image_ld, by_pixel, in.pixel_ld);
        gemm_bf16x3(first.outputs, columns.count, shard_.batch, shape().pixel_scale, first.delta,
                    static_cast<int>(first.ld), by_pixel, in.pixel_ld,
                    gradient_.data() + rows_.weight(1, columns.first), first.outputs,
                    worker(t).tile_scratch());
        if (use_.store != nullptr) return;
        update_rows(use_.update, {0, rows_.total(), gradient_.data()}, 1, columns);
    }

    /// Updates rows of layer l's weights, as far as they are in the sum.
    void update_rows(const Update& update, const Sum& sum, int l, Range inputs) const {
        const Range in_sum = rows_.inputs_in({sum.first, sum.count}, l, inputs);
        for (int i = in_sum.first; i < in_sum.first + in_sum.count; ++i)
            if (update_range(update, sum, rows_.weight(l, i), layer(l).outputs, layer(l).weights(i),
                             layer(l).to_moment))
                operands_.take_weights(layer(l), layer(l).ld, layer(l).weights(i));
    }
    /// Updates the `count` parameters that begin at `p` and are number `first` of this rank's
    /// gradient, as far as they are in the sum. Returns true if any is.
    bool update_range(const Update& update, const Sum& sum, std::size_t first, int count,
                      nn_real* p, std::size_t to_moment) const {
        const std::size_t begin = std::max(first, sum.first);
        const std::size_t end =
            std::min(first + static_cast<std::size_t>(count), sum.first + sum.count);
        if (begin >= end) return false;
        f_.update(update, end - begin, sum.values + (begin - sum.first), p + (begin - first),
                  to_moment);
        return true;
    }

    const CpuFunctions& f_ = cpu_functions();
    const CpuHiddenFunctions& hidden_ = f_.hidden_by(shape().activation);
    FirstLayerKind kind_;
    bool in_leaves_;
    Layout layout_;
    int top_;  ///< index of the output layer
    bool is_shared_;
    Workers workers_;
    GradientRows rows_;
    CpuSamples samples_;
    Buffer<std::byte> own_memory_;
    Barrier own_barrier_, &barrier_;
    Operands operands_;
    Workspace space_;
    nn_real value_of_pixel_[256];
    Buffer<nn_real> gradient_;  ///< this rank's rows, packed; none until it is needed
    Team team_;
    std::vector<std::unique_ptr<Worker>> scratch_;
    Shard shard_;                 ///< of the last forward()
    CpuGradientUse use_ = {};     ///< of the gradient that is being computed
    Range added_ = {};            ///< the samples of that gradient
    std::vector<double> losses_;  ///< in leaves: of this rank's samples, one by one
    bool has_deltas_ = false;     ///< of the last forward()
    bool settled_ = true;         ///< no worker can still be at work on the last mini-batch
};

}  // namespace

std::unique_ptr<Replica> make_cpu_replica(const ReplicaShape& shape, const CpuSettings& settings) {
    return std::make_unique<CpuReplica>(shape, settings);
}
