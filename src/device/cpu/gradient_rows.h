// gradient_rows.h: which rows of the gradient a rank computes, and where they lie when it lends it.
//
// A rank that has a replica alone computes all rows, in Layout's order. Of a shared replica, each
// rank has the rows of its own weights, packed in the same order; ranks with the same number on
// their nodes have the same rows. A gradient that is stored goes in parts: the first part has the
// last layers, whose rows are ready first. A part is one run of memory.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "base/range.h"
#include "device/cpu/split.h"
#include "device/lent.h"
#include "model/layout.h"

/// Rows of W^T have owners in units of so many.
struct RowUnit {
    int first, others;
    int of(int layer) const { return layer == 1 ? first : others; }
};

/// Where a layer's rows lie: number `skipped` of them is at `at`.
struct GradientPlace {
    std::size_t at, skipped;
};

/// Rows of one layer, and maybe its biases.
struct GradientPiece {
    int layer;
    Range inputs;
    bool biases;
};

class GradientRows {
  public:
    /// `lanes`: biases have owners in units of so many. A part has at least `part_bytes`, but for
    /// the last one, and not many more.
    GradientRows(const Layout& layout, const Workers& workers, int lanes, RowUnit unit,
                 std::size_t part_bytes);

    std::size_t total() const { return total_; }  ///< numbers of this rank
    std::span<const Part> parts() const { return parts_; }
    std::span<const GradientPiece> pieces(std::size_t part) const { return pieces_[part]; }

    GradientPlace weights(int l) const {
        return {of(l).weights_at, elements(of(l).outputs, of(l).inputs.first)};
    }
    GradientPlace biases(int l) const {
        return {of(l).biases_at, static_cast<std::size_t>(of(l).units.first)};
    }
    /// The place of the first weight of an input, and of a bias, which must be this rank's.
    std::size_t weight(int l, int input) const {
        return of(l).weights_at + elements(of(l).outputs, input - of(l).inputs.first);
    }
    /// Those of `inputs`, which must be this rank's, of which the part has a weight.
    Range inputs_in(const Part& part, int l, Range inputs) const;
    std::size_t bias(int l, int unit) const {
        return of(l).biases_at + static_cast<std::size_t>(unit - of(l).units.first);
    }

  private:
    /// What this rank has of a layer.
    struct Own {
        Range inputs, units;
        int outputs;
        std::size_t weights_at, biases_at;
    };
    const Own& of(int l) const { return own_[static_cast<std::size_t>(l)]; }
    void cut(std::size_t part_bytes);
    void add_piece(const GradientPiece& piece, std::size_t count, std::size_t part_bytes);

    std::vector<Own> own_;  ///< layer l at l; the first is empty
    std::size_t total_ = 0;
    std::vector<Part> parts_;
    std::vector<std::vector<GradientPiece>> pieces_;  ///< of each part
};
