// replica.cpp: the trainer's steps on the cores of one rank.
//
// Activations and deltas are split among the threads by samples, the gradient by its columns, so
// that no two threads write the same element and nothing is summed between them. What a step needs
// is allocated once, for the largest slice; slices lie at the front of the buffers: matrices are
// column-major, so n columns of a buffer for more are simply its first n columns.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "device/cpu/dense.h"
#include "device/cpu/table.h"
#include "device/cpu/team.h"
#include "device/cpu/tiles.h"
#include "device/replica.h"

namespace {

/// Zeros that begin on a cache line. A large buffer gets large pages, if the system has them: with
/// small ones, walking through images in random order costs more for finding pages than for pixels.
template <class T>
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(std::size_t count) {
        constexpr std::size_t line = 64, large_page = std::size_t{1} << 21;
        const std::size_t unit = count * sizeof(T) < large_page ? line : large_page;
        const std::size_t bytes =
            std::max((count * sizeof(T) + unit - 1) / unit, std::size_t{1}) * unit;
        memory_.reset(static_cast<T*>(std::aligned_alloc(unit, bytes)));
        if (!memory_) throw std::bad_alloc();
        if (unit == large_page) madvise(memory_.get(), bytes, MADV_HUGEPAGE);
        std::fill_n(memory_.get(), count, T{});
    }
    T* data() { return memory_.get(); }

  private:
    struct Free {
        void operator()(T* memory) const { std::free(memory); }
    };
    std::unique_ptr<T, Free> memory_;
};

/// The mini-batch's pixels in bf16: an image to a row, and an image to a column. Both are whole
/// tiles; an odd number of cache lines in each keeps different ones out of each other's place in
/// the cache.
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

/// What one thread has for itself.
struct Worker {
    alignas(64) double loss = 0;  ///< a line away from what other threads write
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
          input_bytes_(shape.format.input_bytes(layout_.inputs())),
          target_bytes_(shape.format.target_bytes(layout_.classes())),
          top_(layout_.layers()),
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
        // It takes pixels. The output layer works on real numbers, so a network without hidden
        // layers needs them.
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

    void set_parameters(std::span<const nn_real> values) override {
        std::ranges::copy(values, parameters_);
    }
    void get_parameters(std::span<nn_real> values) override {
        std::copy_n(parameters_, values.size(), values.begin());
    }

    bool keep(std::span<const std::uint8_t> inputs,
              std::span<const std::uint8_t> targets) override {
        kept_inputs_ = Buffer<std::uint8_t>(inputs.size());
        std::ranges::copy(inputs, kept_inputs_.data());
        kept_targets_.assign(targets.begin(), targets.end());
        return true;
    }
    void set_order(std::span<const std::uint32_t> order) override {
        order_.assign(order.begin(), order.end());
    }

    void pick(std::size_t first, int n) override {
        const auto sample_of = [&, first](int j) {
            return std::size_t{order_[first + static_cast<std::size_t>(j)]};
        };
        for (int j = 0; j < n; ++j)
            take_target(j, kept_targets_.data() + sample_of(j) * target_bytes_);
        take_inputs(n, [&](int j) { return kept_inputs_.data() + sample_of(j) * input_bytes_; });
    }
    Staging stage(int n) override {
        staged_ = n;
        staged_inputs_.resize(static_cast<std::size_t>(n) * input_bytes_);
        staged_targets_.resize(static_cast<std::size_t>(n) * target_bytes_);
        return {staged_inputs_, staged_targets_};
    }
    void load() override {
        for (int j = 0; j < staged_; ++j)
            take_target(j, staged_targets_.data() + static_cast<std::size_t>(j) * target_bytes_);
        take_inputs(staged_, [&](int j) {
            return staged_inputs_.data() + static_cast<std::size_t>(j) * input_bytes_;
        });
    }

    void forward(int batch) override {
        f_.pad_output_layer(layout_.classes(), layout_.size(top_ - 1), weights(top_), bias(top_),
                            w_padded_.data(), w_transposed_.data(), bias_padded_.data());
        const nn_real scale = nn_real{1} / static_cast<nn_real>(batch);
        team_.run([&](int t) { forward(t, samples_of(t), scale); });
    }
    void backward() override {
        team_.run([&](int t) { deltas(samples_of(t)); });
        team_.run([&](int t) {
            first_gradient(t);
            for (int l = 2; l < top_; ++l) hidden_gradient(l, t);
            output_gradient(t);
        });
    }

    GradientPart gradient(int) override { return {0, {gradient_, layout_.total()}}; }

    void step(nn_real rate, nn_real reg) override {
        const nn_real* const mine = gradient_;
        step_part(rate, reg, {&mine, 1}, 0, layout_.total());
    }
    void step_part(nn_real rate, nn_real reg, std::span<const nn_real* const> gradients,
                   std::size_t first, std::size_t count) override {
        team_.run([&](int t) {
            const auto at = [&](int part) {
                return first + count * static_cast<std::size_t>(part) /
                                   static_cast<std::size_t>(team_.size());
            };
            step_between(at(t), at(t + 1), rate, reg, gradients);
        });
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
    void get_probabilities(std::span<nn_real> yhat) override {
        const nn_real* column = activation(top_);
        for (auto to = yhat.begin(); to != yhat.end(); column += padded_)
            to = std::copy_n(column, layout_.classes(), to);
    }

  private:
    static std::string bits() { return std::to_string(8 * sizeof(nn_real)); }

    nn_real* weights(int l) { return parameters_ + layout_.weight_offset(l); }
    nn_real* bias(int l) { return parameters_ + layout_.bias_offset(l); }
    nn_real* weights_gradient(int l) { return gradient_ + layout_.weight_offset(l); }
    nn_real* bias_gradient(int l) { return gradient_ + layout_.bias_offset(l); }
    /// From column j on.
    nn_real* activation(int l, int j = 0) {
        const int rows = l == top_ ? padded_ : layout_.size(l);
        return activations_[static_cast<std::size_t>(l)].data() + elements(rows, j);
    }
    nn_real* delta(int l, int j = 0) {
        const int rows = l == top_ ? padded_ : layout_.size(l);
        return deltas_[static_cast<std::size_t>(l)].data() + elements(rows, j);
    }
    Worker& worker(int t) { return *workers_[static_cast<std::size_t>(t)]; }
    /// Thread t's samples of the slice, in half tiles of columns.
    Range samples_of(int t) const { return part_of(n_, t, team_.size(), bf16_tile / 2); }
    Range part_for(int t, int count, int unit) const {
        return part_of(count, t, team_.size(), unit);
    }

    /// Sample j's target to where the output layer reads.
    void take_target(int j, const std::uint8_t* bytes) {
        if (targets_.empty())
            labels_[static_cast<std::size_t>(j)] = *bytes;
        else
            std::memcpy(&targets_[elements(layout_.classes(), j)], bytes, target_bytes_);
    }
    /// The slice's inputs, bytes_of(j) being where sample j's are, to where the first layer reads.
    template <class BytesOf>
    void take_inputs(int n, BytesOf bytes_of) {
        n_ = n;
        const auto d = static_cast<std::size_t>(layout_.inputs());
        team_.run([&](int t) {
            const Range mine = samples_of(t);
            const int end = mine.first + mine.count;
            for (int j = mine.first; j < end; ++j) {
                // Samples lie anywhere in memory: this one was asked for some samples ago.
                constexpr int ahead = 6;
                if (j + ahead < end) prefetch(bytes_of(j + ahead), input_bytes_);
                const std::uint8_t* bytes = bytes_of(j);
                if (shape().format.number_inputs)
                    std::memcpy(activation(0, j), bytes, input_bytes_);
                else if (bf16_)
                    pixels_to_bf16(d, bytes, image(j));
                else
                    f_.pixels_to_real(d, pixel_scale_, bytes, activation(0, j));
            }
        });
    }
    static void prefetch(const std::uint8_t* bytes, std::size_t count) {
        for (std::size_t i = 0; i < count; i += 64) __builtin_prefetch(bytes + i);
    }
    Bf16* image(int j) {
        return bf16_->by_image.data() + static_cast<std::size_t>(j) * bf16_->image_ld;
    }

    void forward(int t, Range mine, nn_real scale) {
        const auto [first, n] = mine;
        for (int l = 1; l < top_; ++l) {
            const int rows = layout_.size(l), depth = layout_.size(l - 1);
            if (l == 1 && bf16_)
                gemm_bf16x3(rows, n, depth, pixel_scale_, weights(1), rows, image(first),
                            bf16_->image_ld, activation(1, first), rows, worker(t).scratch());
            else
                cpu_gemm(Transpose::no, Transpose::no, rows, n, depth, 1, weights(l), rows,
                         activation(l - 1, first), depth, 0, activation(l, first), rows);
            f_.bias_sigmoid(rows, n, bias(l), activation(l, first));
        }
        f_.output_logits(padded_, layout_.size(top_ - 1), n, w_padded_.data(), bias_padded_.data(),
                         activation(top_ - 1, first), activation(top_, first));
        worker(t).loss += output_loss(first, n, scale);
    }
    /// yhat and the output's delta of the columns [first, first + n); returns their loss.
    double output_loss(int first, int n, nn_real scale) {
        nn_real *const z = activation(top_, first), *const d = delta(top_, first);
        const int classes = layout_.classes();
        const std::uint8_t* const labels = targets_.empty() ? labels_.data() + first : nullptr;
        if (labels != nullptr && shape().objective == Objective{})
            return f_.softmax_cross_entropy(classes, n, labels, scale, z, d);
        const nn_real* const targets =
            targets_.empty() ? nullptr : targets_.data() + elements(classes, first);
        return f_.output_loss(shape().objective, classes, n, labels, targets, scale, z, d);
    }

    /// Of the hidden layers; the output's are there from forward().
    void deltas(Range mine) {
        const auto [first, n] = mine;
        if (top_ > 1)
            f_.output_delta(layout_.classes(), layout_.size(top_ - 1), n, w_transposed_.data(),
                            delta(top_, first), activation(top_ - 1, first),
                            delta(top_ - 1, first));
        for (int l = top_ - 2; l >= 1; --l) {
            const int rows = layout_.size(l), above = layout_.size(l + 1);
            cpu_gemm(Transpose::yes, Transpose::no, rows, n, above, 1, weights(l + 1), above,
                     delta(l + 1, first), above, 0, delta(l, first), rows);
            f_.sigmoid_backward(elements(rows, n), activation(l, first), delta(l, first));
        }
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
    void first_gradient(int t) {
        if (top_ == 1) return;  // the output layer's alone
        if (!bf16_) return hidden_gradient(1, t);
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

    /// step_part for the parameters [begin, end), on one thread.
    void step_between(std::size_t begin, std::size_t end, nn_real rate, nn_real reg,
                      std::span<const nn_real* const> gradients) {
        const auto step = [&](std::size_t from, std::size_t to, nn_real penalty) {
            from = std::max(from, begin), to = std::min(to, end);
            if (from < to)
                f_.step(from, to, rate, penalty, gradients.data(),
                        static_cast<int>(gradients.size()), parameters_);
        };
        for (int l = 1; l <= top_; ++l) {
            const std::size_t w = layout_.weight_offset(l), b = layout_.bias_offset(l);
            step(w, b, reg);
            step(b, b + static_cast<std::size_t>(layout_.size(l)), 0);
        }
    }

    const CpuFunctions& f_ = cpu_functions();
    Layout layout_;
    std::size_t input_bytes_, target_bytes_;  ///< of one sample
    int top_;                                 ///< number of the output layer
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
    // Targets of the current slice: labels, or numbers, classes x capacity; the other one is empty.
    std::vector<std::uint8_t> labels_;
    std::vector<nn_real> targets_;
    std::vector<std::uint8_t> staged_inputs_, staged_targets_, kept_targets_;
    Buffer<std::uint8_t> kept_inputs_;
    std::vector<std::uint32_t> order_;
    int staged_ = 0;  ///< samples of the slice that stage() lent buffers for
    int n_ = 0;       ///< samples of the current slice
};

}  // namespace

std::unique_ptr<Replica> make_cpu_replica(const ReplicaShape& shape, const CpuSettings& settings) {
    return std::make_unique<CpuReplica>(shape, settings);
}
