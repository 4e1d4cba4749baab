// gradient_rows.cpp: finds a rank's rows, and cuts them into parts.
#include "device/cpu/gradient_rows.h"

#include <algorithm>

namespace {

/// The range of all threads of this rank.
Range of_rank(int count, const Workers& workers, int unit) {
    const Range first = weights_of(count, 0, workers, unit);
    const Range last = weights_of(count, workers.here - 1, workers, unit);
    return {first.first, last.first + last.count - first.first};
}

constexpr int rows_in_group = 64;  // products take the first layer's rows in such groups

}  // namespace

GradientRows::GradientRows(const Layout& layout, const Workers& workers, int lanes, RowUnit unit,
                           std::size_t part_bytes) {
    own_.push_back({});
    for (int l = 1; l <= layout.layers(); ++l) {
        const int outputs = layout.size(l);
        const Range vectors = of_rank(ceil_div(outputs, lanes), workers, 1);
        Range units{std::min(vectors.first * lanes, outputs), 0};
        units.count = std::min((vectors.first + vectors.count) * lanes, outputs) - units.first;
        const Range inputs = of_rank(layout.size(l - 1), workers, unit.of(l));
        const std::size_t biases_at = total_ + elements(outputs, inputs.count);
        own_.push_back({inputs, units, outputs, total_, biases_at});
        total_ = biases_at + static_cast<std::size_t>(units.count);
    }
    cut(part_bytes);
}

/// From the last layer's end to the first layer's beginning, as backward computes them.
void GradientRows::cut(std::size_t part_bytes) {
    parts_.push_back({total_, 0});
    pieces_.emplace_back();
    for (int l = static_cast<int>(own_.size()) - 1; l >= 1; --l) {
        const Own& own = of(l);
        const std::size_t group_bytes = elements(own.outputs, rows_in_group) * sizeof(nn_real);
        const std::size_t groups_in_part = std::max<std::size_t>(1, part_bytes / group_bytes);
        const int rows =
            static_cast<int>(std::min(groups_in_part * rows_in_group,
                                      static_cast<std::size_t>(std::max(1, own.inputs.count))));
        const int pieces = std::max(1, ceil_div(own.inputs.count, rows));
        for (int p = pieces - 1; p >= 0; --p) {
            const int first = p * rows, count = std::min(rows, own.inputs.count - first);
            const bool biases = p == pieces - 1;
            add_piece({l, {own.inputs.first + first, count}, biases},
                      elements(own.outputs, count) +
                          static_cast<std::size_t>(biases ? own.units.count : 0),
                      part_bytes);
        }
    }
}

/// Adds the piece, which lies before all that were added, to the last part, or to a new one.
void GradientRows::add_piece(const GradientPiece& piece, std::size_t count,
                             std::size_t part_bytes) {
    if (parts_.back().count * sizeof(nn_real) >= part_bytes) {
        parts_.push_back({parts_.back().first, 0});
        pieces_.emplace_back();
    }
    parts_.back().first -= count;
    parts_.back().count += count;
    pieces_.back().push_back(piece);
}

Range GradientRows::inputs_in(const Part& part, int l, Range inputs) const {
    const auto outputs = static_cast<std::size_t>(of(l).outputs);
    const std::size_t begin = weight(l, inputs.first);
    const auto rows_up_to = [&](std::size_t at) {
        const std::size_t rows = at < begin ? 0 : (at - begin) / outputs;
        return static_cast<int>(std::min(rows, static_cast<std::size_t>(inputs.count)));
    };
    const int first = rows_up_to(part.first);
    const int end = rows_up_to(part.first + part.count + outputs - 1);
    return {inputs.first + first, std::max(0, end - first)};
}
