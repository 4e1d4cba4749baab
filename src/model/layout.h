// layout.h: the sizes of a network, and the place of each weight and bias in one flat array.
//
// All parameters, and likewise the gradient, are one contiguous array [W1|b1|W2|b2|...], so that
// one MPI_Allreduce sums the whole gradient. W_l is H_l x H_(l-1), column-major; b_l has H_l
// elements. Layers are counted from 1, as in the formulas; layer 0 is the input.
#pragma once
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/range.h"

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
        return elements(size(l), size(l - 1));
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
