// parameters.h: the sizes of a network, and where each weight and bias lies in one flat array.
//
// All parameters, and likewise the gradient, are one contiguous array [W1|b1|W2|b2|...], so that
// one MPI_Allreduce sums the whole gradient. W_l is H_l x H_(l-1), column-major; b_l has H_l
// elements. Layers are counted from 1, as in the formulas; layer 0 is the input.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/names.h"
#include "base/random.h"

class Layout {
  public:
    Layout() = default;
    /// sizes: inputs, every hidden layer, classes. At least two, each at least 1.
    explicit Layout(std::vector<int> sizes) : sizes_(std::move(sizes)), offsets_{0} {
        for (int l = 1; l <= layers(); ++l)
            offsets_.push_back(offsets_.back() + weights(l) + static_cast<std::size_t>(size(l)));
    }

    int layers() const { return static_cast<int>(sizes_.size()) - 1; }  ///< weight matrices
    int size(int l) const { return sizes_[static_cast<std::size_t>(l)]; }
    int inputs() const { return sizes_.front(); }
    int classes() const { return sizes_.back(); }
    const std::vector<int>& sizes() const { return sizes_; }

    std::size_t weights(int l) const {  ///< elements of W_l
        return static_cast<std::size_t>(size(l)) * static_cast<std::size_t>(size(l - 1));
    }
    std::size_t weight_offset(int l) const { return offsets_[static_cast<std::size_t>(l) - 1]; }
    std::size_t bias_offset(int l) const { return weight_offset(l) + weights(l); }
    std::size_t total() const { return offsets_.back(); }  ///< elements of the flat array

    bool operator==(const Layout&) const = default;

  private:
    std::vector<int> sizes_;
    std::vector<std::size_t> offsets_;
};

/// "784-200-10"
inline std::string sizes_text(const Layout& layout) {
    std::string text;
    for (const int size : layout.sizes()) text += (text.empty() ? "" : "-") + std::to_string(size);
    return text;
}

/// A flat array of parameters (or of their gradient) with its layout.
template <class Real>
struct Parameters {
    Layout layout;
    std::vector<Real> values;

    explicit Parameters(Layout shape) : layout(std::move(shape)), values(layout.total()) {}

    std::span<Real> weights(int l) {
        return {values.data() + layout.weight_offset(l), layout.weights(l)};
    }
    std::span<const Real> weights(int l) const {
        return {values.data() + layout.weight_offset(l), layout.weights(l)};
    }
    std::span<Real> bias(int l) {
        return {values.data() + layout.bias_offset(l), static_cast<std::size_t>(layout.size(l))};
    }
    std::span<const Real> bias(int l) const {
        return {values.data() + layout.bias_offset(l), static_cast<std::size_t>(layout.size(l))};
    }
};

/// How the first weights are drawn.
enum class Init {
    normal,   ///< weights N(0, deviation^2), biases 0
    uniform,  ///< weights and biases from [0, 1), as NumPy's legacy generator draws them
    xavier    ///< weights U(-a, a), a = sqrt(6 / (inputs + outputs of the layer)), biases 0
};
template <>
struct Names<Init> {
    static constexpr Named<Init> all[] = {
        {Init::normal, "normal"}, {Init::uniform, "uniform"}, {Init::xavier, "xavier"}};
};

/// The first parameters. deviation: of Init::normal; with 0 each layer takes 1 / sqrt(its inputs),
/// which keeps the sums entering the sigmoids at unit size. All is drawn in double and rounded to
/// Real, so float and double start from the same point.
///
/// NumPy draws a weight matrix as (inputs x outputs), row by row, and then its biases: element
/// (i, o) is our W(o, i), so that is the order of the flat array itself.
template <class Real>
Parameters<Real> initial_parameters(const Layout& layout, std::uint64_t seed, double deviation,
                                    Init init = Init::normal) {
    Parameters<Real> p(layout);
    if (init == Init::uniform) {
        NumpyRng numpy(seed);
        for (auto& value : p.values) value = static_cast<Real>(numpy.uniform());
        return p;
    }
    Rng rng(seed);
    for (int l = 1; l <= layout.layers(); ++l) {
        const double inputs = layout.size(l - 1), outputs = layout.size(l);
        const double s = deviation > 0 ? deviation : 1.0 / std::sqrt(inputs);
        const double a = std::sqrt(6.0 / (inputs + outputs));
        for (auto& w : p.weights(l))
            w = static_cast<Real>(init == Init::xavier ? a * (2.0 * rng.uniform() - 1.0)
                                                       : s * rng.normal());
    }
    return p;
}
