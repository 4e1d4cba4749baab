// replica.cpp: the trainer's steps on the cores of one rank.
//
// Activations and deltas are split among the threads by samples, the gradient by its columns. So no
// two threads write the same element, and nothing is summed between threads. All memory of a step
// is allocated once, for the largest shard. A smaller shard lies at the front of the buffers:
// matrices are column-major, so its n columns are a buffer's first n columns.
#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "base/range.h"
#include "device/cpu/buffer.h"
#include "device/cpu/dense.h"
#include "device/cpu/samples.h"
#include "device/cpu/table.h"
#include "device/cpu/team.h"
#include "device/cpu/tiles.h"
#include "device/layers.h"
#include "device/replica.h"

namespace {

/// The shard's pixels in bf16, twice: with an image in each row, and with an image in each column.
/// Both are whole tiles. Each row or column takes an odd number of cache lines, so that they do not
/// all want the same place in the cache.
struct Bf16Pixels {
    std::size_t image_ld, pixel_ld;
    Buffer<Bf16> by_image, by_pixel;

    Bf16Pixels(int pixels, int capacity)
        : image_ld(odd_tiles(pixels)),
          pixel_ld(odd_tiles(capacity)),
          by_image(image_ld * static_cast<std::size_t>(whole_tiles(capacity))),
          by_pixel(pixel_ld * static_cast<std::size_t>(whole_tiles(pixels))) {}

  private:
    static std::size_t odd_tiles(int n) {
        return static_cast<std::size_t>((whole_tiles(n) / bf16_tile) | 1) * bf16_tile;
    }
};

/// The memory of one thread.
struct Worker {
    alignas(64) double loss = 0;  ///< on a cache line that no other thread writes
    Buffer<nn_real> sums;
    Buffer<std::uint32_t> parts;

    Worker(bool bf16x3, int most_columns)
        : sums(bf16x3 ? bf16x3_sums(most_columns) : 0), parts(bf16x3 ? bf16x3_parts : 0) {}
    Bf16Scratch scratch() { return {sums.data(), parts.data()}; }
};

class CpuReplica : public Replica {
  public:
    CpuReplica(const ReplicaShape& shape, const CpuSettings& settings)
        : Replica(shape),
          layout_(shape.layout),
          samples_(shape.format.input_bytes(layout_.inputs()),
                   shape.format.target_bytes(layout_.classes())),
          top_(layout_.layers()),
          part_{0, layout_.total()},
          pixel_scale_(shape.pixel_scale),
          team_(settings.threads),
          own_parameters_(settings.parameters == nullptr ? layout_.total() : 0),
          own_gradient_(settings.gradient == nullptr ? layout_.total() : 0),
          parameters_(settings.parameters == nullptr ? own_parameters_.data()
                                                     : settings.parameters),
          gradient_(settings.gradient == nullptr ? own_gradient_.data() : settings.gradient),
          padded_(padded_classes(layout_.classes())),
          w_padded_(elements(padded_, layout_.size(top_ - 1))),
          w_transposed_(elements(padded_, layout_.size(top_ - 1))),
          bias_padded_(static_cast<std::size_t>(padded_)),
          labels_(shape.format.number_targets ? 0 : static_cast<std::size_t>(shape.capacity)),
          targets_(shape.format.number_targets ? elements(layout_.classes(), shape.capacity) : 0) {
        // bf16x3 takes pixels. The output layer takes real numbers, so a network without hidden
        // layers cannot use it.
        if (settings.bf16x3 && top_ > 1 && !shape.format.number_inputs && bf16x3_available())
            bf16_.emplace(layout_.inputs(), shape.capacity);
        for (int t = 0; t < settings.threads; ++t)
            workers_.push_back(std::make_unique<Worker>(
                bf16_.has_value(), std::max(layout_.inputs(), shape.capacity)));
        for (int l = 0; l <= top_; ++l) {
            const int rows = l == top_ ? padded_ : layout_.size(l);
            activations_.emplace_back(l == 0 && bf16_ ? 0 : elements(rows, shape.capacity));
            deltas_.emplace_back(l == 0 ? 0 : elements(rows, shape.capacity));
        }
    }

    std::string device_name() const override {
        return std::string("CPU (") + f_.name + ", gemm " + (bf16_ ? "bf16x3" : "fp" + bits()) +
               ", " + std::to_string(team_.size()) + (team_.size() == 1 ? " thread)" : " threads)");
    }

    SampleStore& samples() override { return samples_; }

    void forward(nn_real scale, Want want) override {
        n_ = samples_.count();
        f_.pad_output_layer(layout_.classes(), layout_.size(top_ - 1), weights(top_), bias(top_),
                            w_padded_.data(), w_transposed_.data(), bias_padded_.data());
        team_.run([&](int t) {
            const Range mine = samples_of(t);
            take_inputs(mine);
            take_targets(mine);
            forward_layers(layout_, OnThread{*this, t});
            const double loss = output_loss(mine, scale);
            if (want != Want::outputs) worker(t).loss += loss;
        });
    }
    void backward(const std::function<void(int)>& ready) override {
        compute_gradient();
        ready(0);
    }
    std::span<const Part> parts() const override { return {&part_, 1}; }
    Lent lend(int) override { return {0, {gradient_, layout_.total()}}; }
    void update(const Update& update, const Sum& sum) override {
        team_.run([&](int t) {
            const auto at = [&](int part) {
                return sum.first + sum.count * static_cast<std::size_t>(part) /
                                       static_cast<std::size_t>(team_.size());
            };
            update_between(at(t), at(t + 1), update, sum);
        });
    }
    void backward_and_update(const Update& now) override {
        compute_gradient();
        const nn_real* const mine = gradient_;
        update(now, {0, layout_.total(), {&mine, 1}});
    }

    double take_loss() override {
        double sum = 0;
        for (const auto& worker : workers_) sum += std::exchange(worker->loss, 0.0);
        return sum;
    }
    double weights_squared() override {
        double sum = 0;
        for (int l = 1; l <= top_; ++l) sum += f_.sum_of_squares(layout_.weights(l), weights(l));
        return sum;
    }
    void outputs(std::span<nn_real> yhat) override {
        const nn_real* column = activation(top_);
        for (auto to = yhat.begin(); to != yhat.end(); column += padded_)
            to = std::copy_n(column, layout_.classes(), to);
    }
    void read(std::span<nn_real> parameters) override {
        std::copy_n(parameters_, parameters.size(), parameters.begin());
    }
    void write(std::span<const nn_real> parameters) override {
        std::ranges::copy(parameters, parameters_);
    }

  private:
    /// The primitives of the walk (device/layers.h), as thread t runs them.
    struct OnThread {
        CpuReplica& replica;
        int t;

        void hidden(int l) { replica.activate(l, t); }
        void output() { replica.output_logits(t); }
        void delta(int l) { replica.compute_delta(l, t); }
        void gradient(int l) { replica.compute_gradient(l, t); }
    };

    static std::string bits() { return std::to_string(8 * sizeof(nn_real)); }

    nn_real* weights(int l) { return parameters_ + layout_.weight_offset(l); }
    nn_real* bias(int l) { return parameters_ + layout_.bias_offset(l); }
    nn_real* weights_gradient(int l) { return gradient_ + layout_.weight_offset(l); }
    nn_real* bias_gradient(int l) { return gradient_ + layout_.bias_offset(l); }
    /// The activations of layer l, from column j on.
    nn_real* activation(int l, int j = 0) {
        const int rows = l == top_ ? padded_ : layout_.size(l);
        return activations_[static_cast<std::size_t>(l)].data() + elements(rows, j);
    }
    nn_real* delta(int l, int j = 0) {
        const int rows = l == top_ ? padded_ : layout_.size(l);
        return deltas_[static_cast<std::size_t>(l)].data() + elements(rows, j);
    }
    Worker& worker(int t) { return *workers_[static_cast<std::size_t>(t)]; }
    /// Thread t's current samples, in half tiles of columns.
    Range samples_of(int t) const { return part_of(n_, t, team_.size(), bf16_tile / 2); }
    Range part_for(int t, int count, int unit) const {
        return part_of(count, t, team_.size(), unit);
    }

    /// Copies the targets of the samples `mine` to the place where the output layer reads them. If
    /// samples have no targets, the output layer reads old values, and nobody uses the result.
    void take_targets(Range mine) {
        if (shape().format.without_targets) return;
        const std::size_t bytes = shape().format.target_bytes(layout_.classes());
        for (int j = mine.first; j < mine.first + mine.count; ++j)
            if (targets_.empty())
                labels_[static_cast<std::size_t>(j)] = *samples_.target(j);
            else
                std::memcpy(&targets_[elements(layout_.classes(), j)], samples_.target(j), bytes);
    }
    /// Copies the inputs of the samples `mine` to the place where the first layer reads them.
    void take_inputs(Range mine) {
        const auto d = static_cast<std::size_t>(layout_.inputs());
        const std::size_t bytes = shape().format.input_bytes(layout_.inputs());
        const int end = mine.first + mine.count;
        for (int j = mine.first; j < end; ++j) {
            // Samples lie anywhere in memory, so each is prefetched some samples ahead.
            constexpr int ahead = 6;
            if (j + ahead < end) prefetch(samples_.input(j + ahead), bytes);
            if (shape().format.number_inputs)
                std::memcpy(activation(0, j), samples_.input(j), bytes);
            else if (bf16_)
                pixels_to_bf16(d, samples_.input(j), image(j));
            else
                f_.pixels_to_real(d, pixel_scale_, samples_.input(j), activation(0, j));
        }
    }
    static void prefetch(const std::uint8_t* bytes, std::size_t count) {
        for (std::size_t i = 0; i < count; i += 64) __builtin_prefetch(bytes + i);
    }
    Bf16* image(int j) {
        return bf16_->by_image.data() + static_cast<std::size_t>(j) * bf16_->image_ld;
    }

    /// a_l = f(W_l a_(l-1) + b_l) for thread t's samples.
    void activate(int l, int t) {
        const auto [first, n] = samples_of(t);
        const int rows = layout_.size(l), depth = layout_.size(l - 1);
        if (l == 1 && bf16_)
            gemm_bf16x3(rows, n, depth, pixel_scale_, weights(1), rows, image(first),
                        bf16_->image_ld, activation(1, first), rows, worker(t).scratch());
        else
            cpu_gemm(Transpose::no, Transpose::no, rows, n, depth, 1, weights(l), rows,
                     activation(l - 1, first), depth, 0, activation(l, first), rows);
        hidden_.activate(rows, n, bias(l), activation(l, first));
    }
    /// z_L = W_L a_(L-1) + b_L.
    void output_logits(int t) {
        const auto [first, n] = samples_of(t);
        f_.output_logits(padded_, layout_.size(top_ - 1), n, w_padded_.data(), bias_padded_.data(),
                         activation(top_ - 1, first), activation(top_, first));
    }
    /// Computes yhat and the output's delta; returns the sum of the losses.
    double output_loss(Range mine, nn_real scale) {
        const auto [first, n] = mine;
        nn_real *const z = activation(top_, first), *const d = delta(top_, first);
        const int classes = layout_.classes();
        const std::uint8_t* const labels = targets_.empty() ? labels_.data() + first : nullptr;
        if (labels != nullptr && shape().objective == Objective{})
            return f_.softmax_cross_entropy(classes, n, labels, scale, z, d);
        const nn_real* const targets =
            targets_.empty() ? nullptr : targets_.data() + elements(classes, first);
        return f_.output_loss(shape().objective, classes, n, labels, targets, scale, z, d);
    }

    /// delta_l = (W_(l+1)^T delta_(l+1)) * slope(a_l).
    void compute_delta(int l, int t) {
        const auto [first, n] = samples_of(t);
        if (l == top_ - 1)
            return hidden_.output_delta(layout_.classes(), layout_.size(l), n, w_transposed_.data(),
                                        delta(top_, first), activation(l, first), delta(l, first));
        const int rows = layout_.size(l), above = layout_.size(l + 1);
        cpu_gemm(Transpose::yes, Transpose::no, rows, n, above, 1, weights(l + 1), above,
                 delta(l + 1, first), above, 0, delta(l, first), rows);
        hidden_.times_slope(elements(rows, n), activation(l, first), delta(l, first));
    }

    void compute_gradient() {
        team_.run([&](int t) { backward_deltas(layout_, OnThread{*this, t}); });
        team_.run([&](int t) { backward_gradients(layout_, OnThread{*this, t}); });
    }
    /// Thread t's columns of dW_l = delta_l a_(l-1)^T, and its rows of db_l.
    void compute_gradient(int l, int t) {
        if (l == top_)
            output_gradient(t);
        else if (l == 1 && bf16_)
            pixel_gradient(t);
        else
            hidden_gradient(l, t);
    }
    void output_gradient(int t) {
        const Range columns = part_for(t, layout_.size(top_ - 1), 8);
        f_.output_gradient(layout_.classes(), layout_.size(top_ - 1), columns.first, columns.count,
                           n_, delta(top_), activation(top_ - 1), weights_gradient(top_));
        const Range rows = part_for(t, layout_.classes(), 1);
        f_.row_sums(rows.count, n_, delta(top_) + rows.first, padded_,
                    bias_gradient(top_) + rows.first);
    }
    void hidden_gradient(int l, int t) {
        const int rows = layout_.size(l), below = layout_.size(l - 1);
        const Range columns = part_for(t, below, bf16_tile);
        cpu_gemm(Transpose::no, Transpose::yes, rows, columns.count, n_, 1, delta(l), rows,
                 activation(l - 1) + columns.first, below, 0,
                 weights_gradient(l) + elements(rows, columns.first), rows);
        sum_bias_gradient(l, t);
    }
    void pixel_gradient(int t) {
        const int rows = layout_.size(1);
        const Range columns = part_for(t, layout_.inputs(), bf16_tile);
        Bf16* const by_pixel =
            bf16_->by_pixel.data() + static_cast<std::size_t>(columns.first) * bf16_->pixel_ld;
        transpose_bf16(whole_tiles(columns.count), whole_tiles(n_), image(0) + columns.first,
                       bf16_->image_ld, by_pixel, bf16_->pixel_ld);
        gemm_bf16x3(rows, columns.count, n_, pixel_scale_, delta(1), rows, by_pixel,
                    bf16_->pixel_ld, weights_gradient(1) + elements(rows, columns.first), rows,
                    worker(t).scratch());
        sum_bias_gradient(1, t);
    }
    void sum_bias_gradient(int l, int t) {
        const Range rows = part_for(t, layout_.size(l), 16);
        f_.row_sums(rows.count, n_, delta(l) + rows.first, layout_.size(l),
                    bias_gradient(l) + rows.first);
    }

    /// update() of the parameters [begin, end), on one thread.
    void update_between(std::size_t begin, std::size_t end, const Update& update, const Sum& sum) {
        const auto run = [&](std::size_t from, std::size_t to, nn_real reg) {
            from = std::max(from, begin), to = std::min(to, end);
            if (from < to)
                f_.update(update, reg, from, to, sum.first, sum.addends.data(),
                          static_cast<int>(sum.addends.size()), parameters_);
        };
        for (int l = 1; l <= top_; ++l) {
            const std::size_t w = layout_.weight_offset(l), b = layout_.bias_offset(l);
            run(w, b, update.reg);
            run(b, b + static_cast<std::size_t>(layout_.size(l)), 0);
        }
    }

    const CpuFunctions& f_ = cpu_functions();
    const CpuHiddenFunctions& hidden_ = f_.hidden_by(shape().activation);
    Layout layout_;
    CpuSamples samples_;
    int top_;    ///< index of the output layer
    Part part_;  ///< the whole gradient is one part
    nn_real pixel_scale_;
    Team team_;
    Buffer<nn_real> own_parameters_, own_gradient_;
    nn_real *parameters_, *gradient_;
    int padded_;  ///< rows of the output layer's activations and deltas
    Buffer<nn_real> w_padded_, w_transposed_, bias_padded_;
    std::vector<Buffer<nn_real>> activations_;  ///< a_0 .. a_L, each H_l x capacity
    std::vector<Buffer<nn_real>> deltas_;       ///< of layers 1 .. L, the same shapes
    std::optional<Bf16Pixels> bf16_;            ///< instead of a_0
    std::vector<std::unique_ptr<Worker>> workers_;
    // Targets of the current samples: labels, or numbers (classes x capacity). The other vector is
    // empty.
    std::vector<std::uint8_t> labels_;
    std::vector<nn_real> targets_;
    int n_ = 0;  ///< number of samples of the last forward()
};

}  // namespace

std::unique_ptr<Replica> make_cpu_replica(const ReplicaShape& shape, const CpuSettings& settings) {
    return std::make_unique<CpuReplica>(shape, settings);
}
