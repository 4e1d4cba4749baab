// test_cpu_workspace.cpp: the pieces of the workers' shared memory lie on cache lines, do not
// overlap, and lie at the same places for every rank.
//
// Every piece is filled with a byte of its own, up to its last element, before any is looked at.
#include "device/cpu/workspace.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "device/cpu/buffer.h"

namespace {

constexpr std::size_t line = 64;

struct Piece {
    std::string name;
    void* at;
    std::size_t bytes;
};

/// All that the headers promise of a workspace for this shape.
std::vector<Piece> pieces_of(const Workspace& space, const ReplicaShape& shape, int samples) {
    std::vector<Piece> pieces;
    const auto add = [&](std::string name, auto* at, std::size_t count) {
        pieces.push_back({std::move(name), at, count * sizeof *at});
    };
    const auto n = static_cast<std::size_t>(samples);
    for (std::size_t l = 1; l < space.layers.size(); ++l) {
        const CpuLayer& layer = space.layers[l];
        const std::string of = " of layer " + std::to_string(l);
        add("w" + of, layer.w, static_cast<std::size_t>(layer.inputs) * layer.ld);
        add("bias" + of, layer.bias, layer.ld);
        add("a" + of, layer.a, n * layer.ld);
        add("delta" + of, layer.delta, n * layer.ld);
    }
    const Inputs& in = space.inputs;
    const int inputs = shape.layout.inputs();
    if (in.masked.values != nullptr) {
        const std::size_t masks = elements(ceil_div(inputs, mask_bits), in.masked.capacity);
        add("values", static_cast<std::uint8_t*>(in.masked.values),
            masks * mask_bits * (shape.format.number_inputs ? sizeof(nn_real) : 1));
        add("of_sample", in.masked.of_sample, masks);
        add("of_input", in.masked.of_input, elements(inputs, in.masked.capacity / mask_bits));
    }
    if (in.rows != nullptr) add("rows", in.rows, n * in.rows_ld);
    if (in.by_image != nullptr) {
        add("by_image", in.by_image, (n + bf16_tile) * in.image_ld);  // tiles read on
        add("by_pixel", in.by_pixel, static_cast<std::size_t>(whole_tiles(inputs)) * in.pixel_ld);
    }
    if (space.labels != nullptr) add("labels", space.labels, n);
    if (space.targets != nullptr)
        add("targets", space.targets, elements(shape.layout.classes(), samples));
    return pieces;
}

struct WorkspaceCase {
    ReplicaShape shape;
    FirstLayerKind kind;
    int capacity;
    std::string text() const {
        return sizes_text(shape.layout) + ", kind " + std::to_string(static_cast<int>(kind)) +
               ", " + std::to_string(capacity) + " samples" +
               (shape.format.number_inputs ? ", numbers in" : "") +
               (shape.format.number_targets ? ", numbers out" : "");
    }
};

std::vector<WorkspaceCase> workspace_cases() {
    std::vector<WorkspaceCase> cases;
    for (const std::vector<int>& sizes : {std::vector{784, 100, 10}, std::vector{1, 1},
                                          std::vector{65, 17, 33, 3}, std::vector{64, 1024, 16}})
        for (const int capacity : {1, 63, 64, 65, 200})
            for (const bool numbers : {false, true})
                for (const FirstLayerKind kind :
                     {FirstLayerKind::sparse, FirstLayerKind::dense, FirstLayerKind::tiles}) {
                    if (numbers && kind == FirstLayerKind::tiles)
                        continue;  // they take pixels alone
                    ReplicaShape shape{Layout(sizes), capacity, 1};
                    shape.format.number_inputs = shape.format.number_targets = numbers;
                    cases.push_back({shape, kind, capacity});
                }
    return cases;
}

TEST(CpuWorkspace, HasPiecesOnCacheLinesThatDoNotOverlap) {
    for (const WorkspaceCase& c : workspace_cases()) {
        SCOPED_TRACE(c.text());
        const std::size_t bytes = Workspace(c.shape, c.kind, c.capacity, nullptr).bytes;
        Buffer<std::byte> memory(bytes + line);
        std::memset(memory.data() + bytes, 0xa5, line);
        const Workspace space(c.shape, c.kind, c.capacity, memory.data());
        EXPECT_EQ(space.bytes, bytes) << "as counted without memory";
        const std::vector<Piece> pieces = pieces_of(space, c.shape, c.capacity);
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const Piece& piece = pieces[i];
            const auto at =
                static_cast<std::size_t>(static_cast<std::byte*>(piece.at) - memory.data());
            EXPECT_EQ(at % line, 0u) << piece.name;
            ASSERT_LE(at + piece.bytes, bytes) << piece.name;
            std::memset(piece.at, static_cast<int>(i) + 1, piece.bytes);
        }
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const auto* const first = static_cast<const std::uint8_t*>(pieces[i].at);
            for (std::size_t b = 0; b < pieces[i].bytes; ++b)
                ASSERT_EQ(+first[b], static_cast<int>(i) + 1)
                    << "byte " << b << " of " << pieces[i].name;
        }
        for (std::size_t b = 0; b < line; ++b)
            EXPECT_EQ(memory.data()[bytes + b], std::byte{0xa5}) << "byte " << b << " behind all";
    }
}

/// Ranks see the memory at different addresses.
TEST(CpuWorkspace, IsCutAlikeAtEveryAddress) {
    for (const WorkspaceCase& c : workspace_cases()) {
        SCOPED_TRACE(c.text());
        const std::size_t bytes = Workspace(c.shape, c.kind, c.capacity, nullptr).bytes;
        Buffer<std::byte> memory(bytes), other(bytes);
        const std::vector<Piece> here = pieces_of(
                                     Workspace(c.shape, c.kind, c.capacity, memory.data()), c.shape,
                                     c.capacity),
                                 there =
                                     pieces_of(Workspace(c.shape, c.kind, c.capacity, other.data()),
                                               c.shape, c.capacity);
        ASSERT_EQ(here.size(), there.size());
        for (std::size_t i = 0; i < here.size(); ++i) {
            EXPECT_EQ(static_cast<std::byte*>(here[i].at) - memory.data(),
                      static_cast<std::byte*>(there[i].at) - other.data())
                << here[i].name;
        }
    }
}

/// Rows have room for whole vectors of every set. An odd number of lines puts the rows of a group
/// at different places of a cache.
TEST(CpuWorkspace, HasRowsOfAnOddNumberOfCacheLines) {
    constexpr std::size_t in_line = line / sizeof(nn_real);
    const auto expect_odd = [](std::size_t ld, int count, const std::string& what) {
        EXPECT_EQ(ld % in_line, 0u) << what;
        EXPECT_EQ(ld / in_line % 2, 1u) << what;
        EXPECT_GE(ld, static_cast<std::size_t>(count)) << what;
        EXPECT_LT(ld, static_cast<std::size_t>(count) + 2 * in_line) << what;
    };
    for (const WorkspaceCase& c : workspace_cases()) {
        SCOPED_TRACE(c.text());
        const Workspace space(c.shape, c.kind, c.capacity, nullptr);
        ASSERT_EQ(space.layers.size(), c.shape.layout.sizes().size());
        for (int l = 1; l <= c.shape.layout.layers(); ++l) {
            const CpuLayer& layer = space.layers[static_cast<std::size_t>(l)];
            EXPECT_EQ(layer.inputs, c.shape.layout.size(l - 1));
            EXPECT_EQ(layer.outputs, c.shape.layout.size(l));
            expect_odd(layer.ld, layer.outputs, "layer " + std::to_string(l));
        }
        if (c.kind == FirstLayerKind::dense)
            expect_odd(space.inputs.rows_ld, c.shape.layout.inputs(), "inputs");
    }
}

TEST(CpuWorkspace, HasOnlyTheInputsAndTargetsOfItsKind) {
    for (const WorkspaceCase& c : workspace_cases()) {
        SCOPED_TRACE(c.text());
        Buffer<std::byte> memory(Workspace(c.shape, c.kind, c.capacity, nullptr).bytes);
        const Workspace space(c.shape, c.kind, c.capacity, memory.data());
        const Inputs& in = space.inputs;
        EXPECT_EQ(in.masked.values != nullptr, c.kind == FirstLayerKind::sparse);
        EXPECT_EQ(in.rows != nullptr, c.kind == FirstLayerKind::dense);
        EXPECT_EQ(in.by_image != nullptr, c.kind == FirstLayerKind::tiles);
        EXPECT_EQ(space.targets != nullptr, c.shape.format.number_targets);
        EXPECT_EQ(space.labels != nullptr, !c.shape.format.number_targets);
        if (c.kind != FirstLayerKind::sparse) continue;
        EXPECT_EQ(in.masked.inputs, c.shape.layout.inputs());
        EXPECT_EQ(in.masked.capacity, ceil_div(c.capacity, mask_bits) * mask_bits);
    }
}

}  // namespace
