// test_gradient_rows.cpp: whoever works, each number of the gradient belongs to one rank and is in
// one of its parts.
#include "device/cpu/gradient_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

namespace {

constexpr std::size_t one_part = std::numeric_limits<std::size_t>::max();

struct Split {
    int ranks, threads;
};
constexpr Split splits[] = {{1, 1}, {1, 3}, {2, 1}, {3, 2}, {5, 1}, {64, 1}};

std::vector<Layout> layouts() {
    return {Layout({1, 1}), Layout({784, 200, 10}), Layout({12, 7, 3}), Layout({130, 65, 9, 2})};
}

GradientRows rows_of(const Layout& layout, const Split& split, int rank, std::size_t bytes) {
    const Workers workers{rank * split.threads, split.threads, split.ranks * split.threads};
    return {layout, workers, 16, {1, 8}, bytes};
}

TEST(GradientRows, OfARankThatIsAloneLieInLayoutsOrder) {
    for (const Layout& layout : layouts()) {
        const GradientRows rows = rows_of(layout, {1, 3}, 0, one_part);
        EXPECT_EQ(rows.total(), layout.total());
        for (int l = 1; l <= layout.layers(); ++l) {
            EXPECT_EQ(rows.weight(l, 0), layout.weight_offset(l));
            EXPECT_EQ(rows.bias(l, 0), layout.bias_offset(l));
            EXPECT_EQ(rows.weights(l).skipped + rows.biases(l).skipped, 0u);
        }
    }
}

TEST(GradientRows, OfAllRanksAreTheGradientOnce) {
    for (const Layout& layout : layouts())
        for (const Split& split : splits) {
            std::size_t total = 0;
            for (int rank = 0; rank < split.ranks; ++rank)
                total += rows_of(layout, split, rank, one_part).total();
            EXPECT_EQ(total, layout.total()) << split.ranks << " ranks";
        }
}

/// Numbers of the pieces of a part.
std::size_t count_of(const Layout& layout, const GradientRows& rows, std::size_t part) {
    std::size_t count = 0;
    for (const GradientPiece& piece : rows.pieces(part)) {
        count += elements(layout.size(piece.layer), piece.inputs.count);
        if (!piece.biases) continue;
        // A rank's biases come behind its weights, and before those of the next layer.
        const std::size_t end =
            piece.layer == layout.layers() ? rows.total() : rows.weights(piece.layer + 1).at;
        count += end - rows.biases(piece.layer).at;
    }
    return count;
}

TEST(GradientRows, PartsCoverThemOnceFromTheLastLayerOnAndHaveTheirPiecesNumbers) {
    for (const Layout& layout : layouts())
        for (const Split& split : splits)
            for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{1000},
                                            std::size_t{1} << 16, one_part})
                for (int rank = 0; rank < split.ranks; ++rank) {
                    SCOPED_TRACE(std::to_string(layout.total()) + " parameters, rank " +
                                 std::to_string(rank) + " of " + std::to_string(split.ranks) +
                                 ", parts of " + std::to_string(bytes));
                    const GradientRows rows = rows_of(layout, split, rank, bytes);
                    std::size_t end = rows.total();
                    for (std::size_t p = 0; p < rows.parts().size(); ++p) {
                        const Part& part = rows.parts()[p];
                        EXPECT_EQ(part.first + part.count, end);
                        end = part.first;
                        EXPECT_EQ(count_of(layout, rows, p), part.count) << "part " << p;
                    }
                    EXPECT_EQ(end, 0u);
                    if (bytes == one_part) {
                        EXPECT_EQ(rows.parts().size(), 1u);
                    }
                }
}

TEST(GradientRows, PartsAreCutWhereALayerIsLarge) {
    const Layout layout({784, 512, 512, 10});
    constexpr std::size_t bytes = (std::size_t{1} << 16) * sizeof(nn_real);
    const GradientRows rows = rows_of(layout, {1, 1}, 0, bytes);
    const auto parts = rows.parts();
    ASSERT_GT(parts.size(), 9u);
    EXPECT_LT(parts.size(), 13u);
    // The first part has the last layer, and some of the one below, whose rows fill it.
    EXPECT_EQ(rows.pieces(0)[0].layer, 3);
    EXPECT_EQ(rows.pieces(0)[1].layer, 2);
    for (std::size_t p = 0; p + 1 < parts.size(); ++p)
        EXPECT_GE(parts[p].count * sizeof(nn_real), bytes);
}

TEST(GradientRows, FindTheInputsOfWhichAPartHasAWeight) {
    const Layout layout({130, 65, 9, 2});
    const GradientRows rows = rows_of(layout, {2, 2}, 1, one_part);
    const Range mine{70, 50};
    for (int l = 1; l <= 2; ++l) {
        const Range inputs = l == 1 ? mine : Range{40, 20};
        const auto outputs = static_cast<std::size_t>(layout.size(l));
        for (std::size_t first = 0; first < rows.total(); first += 13)
            for (const std::size_t count : {std::size_t{1}, outputs, std::size_t{700}}) {
                int found = 0, lowest = inputs.first + inputs.count;
                for (int i = inputs.first; i < inputs.first + inputs.count; ++i) {
                    const std::size_t row = rows.weight(l, i);
                    if (row >= first + count || row + outputs <= first) continue;
                    ++found;
                    lowest = std::min(lowest, i);
                }
                const Range in_part = rows.inputs_in({first, count}, l, inputs);
                EXPECT_EQ(in_part.count, found) << "from " << first << ", " << count;
                if (found > 0) {
                    EXPECT_EQ(in_part.first, lowest);
                }
            }
    }
}

}  // namespace
