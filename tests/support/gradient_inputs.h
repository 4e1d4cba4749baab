// gradient_inputs.h: the inputs of a layer's gradient, and the memory in which products join their
// parts, for the tests of these kernels.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "tests/support/gemm_math.h"
#include "tests/support/kernel_ways.h"

/// Pixels are worth pixel / 256, which is exact in any type.
inline constexpr nn_real scale = nn_real{1} / 256;

inline Reals worth_of(const Bytes& pixels, nn_real each = scale) {
    Reals x;
    for (const std::uint8_t pixel : pixels) x.push_back(each * static_cast<nn_real>(pixel));
    return x;
}

/// Where blocks join their parts. It fails the test if a ticket is not 0 again at the end.
class JointOnDevice {
  public:
    JointOnDevice(GemmBy by, const GemmPlan& plan, int m, int n)
        : size_(joint_size(by, plan, m, n)),
          parts_("parts", poison<nn_real>(size_.parts)),
          tickets_("tickets", std::vector<unsigned>(size_.tickets)) {}
    /// The tickets are an input in that they end as they began.
    Joint get() { return {parts_.output(), const_cast<unsigned*>(tickets_.data())}; }

  private:
    JointSize size_;
    OnDevice<nn_real> parts_;
    OnDevice<unsigned> tickets_;
};

/// Where a product by int8 keeps its operands.
class DigitsOnDevice {
  public:
    DigitsOnDevice(GemmBy by, int m, int n, int k)
        : size_(digits_size(by, m, n, k)),
          words_("words", poison<std::uint32_t>(size_.words)),
          scales_("scales", poison<float>(size_.scales)) {}
    Digits get() { return {words_.output(), scales_.output()}; }

  private:
    DigitsSize size_;
    OnDevice<std::uint32_t> words_;
    OnDevice<float> scales_;
};

struct GradientInputs {
    int m, n, k;
    Reals delta, activations;
    Bytes pixels;

    std::string text() const {
        return "[dW|db] " + std::to_string(m) + " x " + std::to_string(k + 1) + " of " +
               std::to_string(n) + " samples";
    }
    /// The same as a product for the judge: B is [A_in; 1], (k + 1) x n.
    GemmCase as_gemm() const { return {false, true, m, k + 1, n, 1, 0}; }
    GemmInputs gemm_inputs(nn_real each) const {
        const Reals x = activations.empty() ? worth_of(pixels, each) : activations;
        GemmInputs in{delta, {}, Reals(elements(m, k + 1))};
        for (int j = 0; j < n; ++j) {
            for (int i = 0; i < k; ++i) in.b.push_back(x[at(i, j, k)]);
            in.b.push_back(1);
        }
        return in;
    }
};

inline GradientInputs random_gradient(int m, int n, int k, bool of_pixels, Rng& rng) {
    GradientInputs in{m, n, k, normal_values(elements(m, n), rng), {}, {}};
    if (of_pixels)
        in.pixels = random_bytes(elements(k, n), rng);
    else
        in.activations = normal_values(elements(k, n), rng);
    return in;
}

/// All parts of [dW|db], one behind the other, `gap` elements apart, in chunks of so many columns.
inline Reals run_parts(GemmBy by, GemmPlan plan, const GradientInputs& in, int chunk,
                       std::size_t gap, nn_real each = scale) {
    const OnDevice<nn_real> delta("delta", in.delta), activations("A_in", in.activations);
    const OnDevice<std::uint8_t> pixels("pixels", in.pixels);
    const std::size_t size = elements(in.m, in.k + 1), stride = size + gap;
    const auto parts = static_cast<std::size_t>(gradient_parts(by, plan));
    OnDevice<nn_real> out("parts", poison<nn_real>(parts * stride));
    const bool joins = by == GemmBy::int8;
    JointOnDevice joint(by, joins ? plan : GemmPlan{plan.tile, 1}, in.m, chunk);
    DigitsOnDevice digits(by, in.m, chunk, in.n);
    for (int first = 0; first <= in.k; first += chunk)
        gpu_gradient(
            gpu, by, in.m, in.n, in.k, delta.data(),
            in.activations.empty() ? input_of(pixels.data(), each) : input_of(activations.data()),
            first, std::min(chunk, in.k + 1 - first), out.output(), stride, plan, joint.get(),
            digits.get());
    return out.values();
}

/// [dW|db] of whole numbers, 37 x 42 of 50 samples, and what it is without any rounding.
struct WholeGradient {
    GradientInputs in;
    Expected expected;
};
inline WholeGradient whole_gradient(Rng& rng) {
    constexpr int m = 37, n = 50, k = 41;
    WholeGradient made{random_gradient(m, n, k, true, rng), {m, {}, {}}};
    made.in.delta = small_integers(elements(m, n), rng, 300);
    const GemmInputs exact = made.in.gemm_inputs(1);
    for (int p = 0; p <= k; ++p)
        for (int i = 0; i < m; ++i) {
            Wide sum = 0;
            for (int j = 0; j < n; ++j)
                sum += static_cast<Wide>(exact.a[at(i, j, m)]) * exact.b[at(p, j, k + 1)];
            made.expected.add(sum, 0);
        }
    return made;
}
