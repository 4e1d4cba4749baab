// cpu_replica.cpp: the trainer's steps on one CPU core.
//
// What a step needs is allocated once, for the largest slice. Slices lie at the front of the
// buffers: matrices are column-major, so n columns of a buffer for more are simply its first n
// columns.
#include <algorithm>
#include <utility>
#include <vector>

#include "cpu_func.h"
#include "replica.h"

extern const CpuFunctions cpu_functions_baseline;
#ifdef CPU_HAS_X86_ISAS
extern const CpuFunctions cpu_functions_avx2, cpu_functions_avx512;
#endif

const CpuFunctions& cpu_functions() {
#ifdef CPU_HAS_X86_ISAS
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
        return cpu_functions_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return cpu_functions_avx2;
#endif
    return cpu_functions_baseline;
}

namespace {

class CpuReplica : public Replica {
  public:
    explicit CpuReplica(const ReplicaShape& shape)
        : layout_(shape.layout),
          pixel_scale_(shape.pixel_scale),
          parameters_(layout_),
          gradient_(layout_),
          labels_(static_cast<std::size_t>(shape.capacity)) {
        const auto capacity = static_cast<std::size_t>(shape.capacity);
        staged_pixels_.reserve(static_cast<std::size_t>(layout_.inputs()) * capacity);
        for (int l = 0; l <= layout_.layers(); ++l) {
            activations_.emplace_back(static_cast<std::size_t>(layout_.size(l)) * capacity);
            deltas_.emplace_back(l == 0 ? 0 : static_cast<std::size_t>(layout_.size(l)) * capacity);
        }
    }

    std::string device_name() const override { return std::string("CPU (") + f_.name + ")"; }

    void set_parameters(std::span<const nn_real> values) override {
        std::ranges::copy(values, parameters_.values.begin());
    }
    void get_parameters(std::span<nn_real> values) override {
        std::ranges::copy(parameters_.values, values.begin());
    }

    bool keep(std::span<const std::uint8_t> pixels, std::span<const std::uint8_t> labels) override {
        kept_pixels_.assign(pixels.begin(), pixels.end());
        kept_labels_.assign(labels.begin(), labels.end());
        return true;
    }
    void set_order(std::span<const std::uint32_t> order) override {
        order_.assign(order.begin(), order.end());
    }

    void pick(std::size_t first, int n) override {
        n_ = n;
        const std::size_t d = static_cast<std::size_t>(layout_.inputs());
        for (std::size_t j = 0; j < static_cast<std::size_t>(n); ++j) {
            const std::size_t sample = order_[first + j];
            f_.pixels_to_real(d, pixel_scale_, &kept_pixels_[sample * d], &activations_[0][j * d]);
            labels_[j] = kept_labels_[sample];
        }
    }
    Staging stage(int n) override {
        n_ = n;
        const auto count = static_cast<std::size_t>(n);
        staged_pixels_.resize(count * static_cast<std::size_t>(layout_.inputs()));
        return {staged_pixels_, std::span(labels_).first(count)};
    }
    void load() override {
        f_.pixels_to_real(staged_pixels_.size(), pixel_scale_, staged_pixels_.data(),
                          activation(0));
    }

    void forward(int batch) override {
        const int top = layout_.layers();
        for (int l = 1; l <= top; ++l) {
            f_.gemm(Transpose::no, Transpose::no, layout_.size(l), n_, layout_.size(l - 1), 1,
                    parameters_.weights(l).data(), activation(l - 1), 0, activation(l));
            if (l < top)
                f_.bias_sigmoid(layout_.size(l), n_, parameters_.bias(l).data(), activation(l));
        }
        loss_ += f_.softmax_cross_entropy(layout_.classes(), n_, parameters_.bias(top).data(),
                                          labels_.data(), nn_real{1} / static_cast<nn_real>(batch),
                                          activation(top), delta(top));
    }

    void backward() override {
        for (int l = layout_.layers(); l >= 1; --l) {
            f_.gemm(Transpose::no, Transpose::yes, layout_.size(l), layout_.size(l - 1), n_, 1,
                    delta(l), activation(l - 1), 0, gradient_.weights(l).data());
            f_.row_sums(layout_.size(l), n_, delta(l), gradient_.bias(l).data());
            if (l == 1) break;
            f_.gemm(Transpose::yes, Transpose::no, layout_.size(l - 1), n_, layout_.size(l), 1,
                    parameters_.weights(l).data(), delta(l), 0, delta(l - 1));
            f_.sigmoid_backward(
                static_cast<std::size_t>(layout_.size(l - 1)) * static_cast<std::size_t>(n_),
                activation(l - 1), delta(l - 1));
        }
    }

    nn_real* gradient() override { return gradient_.values.data(); }

    void step(nn_real rate, nn_real reg) override {
        for (int l = 1; l <= layout_.layers(); ++l) {
            f_.step(layout_.weights(l), rate, reg, gradient_.weights(l).data(),
                    parameters_.weights(l).data());
            f_.step(static_cast<std::size_t>(layout_.size(l)), rate, 0, gradient_.bias(l).data(),
                    parameters_.bias(l).data());
        }
    }

    double take_loss() override { return std::exchange(loss_, 0.0); }
    double weights_squared() override {
        double sum = 0;
        for (int l = 1; l <= layout_.layers(); ++l)
            sum += f_.sum_of_squares(layout_.weights(l), parameters_.weights(l).data());
        return sum;
    }
    void get_probabilities(std::span<nn_real> yhat) override {
        std::copy_n(activations_.back().begin(), yhat.size(), yhat.begin());
    }
    void get_predictions(std::span<std::uint8_t> classes) override {
        const nn_real* column = activations_.back().data();
        for (std::uint8_t& seen : classes) {
            seen = static_cast<std::uint8_t>(std::max_element(column, column + layout_.classes()) -
                                             column);
            column += layout_.classes();
        }
    }

  private:
    nn_real* activation(int l) { return activations_[static_cast<std::size_t>(l)].data(); }
    nn_real* delta(int l) { return deltas_[static_cast<std::size_t>(l)].data(); }

    const CpuFunctions& f_ = cpu_functions();
    Layout layout_;
    nn_real pixel_scale_;
    Parameters<nn_real> parameters_, gradient_;
    std::vector<std::vector<nn_real>> activations_;  ///< a_0 .. a_L, each H_l x capacity
    std::vector<std::vector<nn_real>> deltas_;       ///< of layers 1 .. L, the same shapes
    std::vector<std::uint8_t> staged_pixels_, labels_, kept_pixels_, kept_labels_;
    std::vector<std::uint32_t> order_;
    int n_ = 0;  ///< samples of the current slice
    double loss_ = 0;
};

}  // namespace

std::unique_ptr<Replica> make_cpu_replica(const ReplicaShape& shape) {
    return std::make_unique<CpuReplica>(shape);
}
