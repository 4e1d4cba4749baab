// test_kernels_gemm.cpp: the general product on the GPU, by every tile and on every kind of GPU.
//
// Outputs start as NaN between guards, and the tolerance is the judge's.
#include <array>

#include "tests/support/gemm_math.h"
#include "tests/support/kernel_ways.h"

namespace {

/// gpu_gemm with a tile, as the checks call it.
auto gemm_with(GemmTile tile) {
    return [tile](const GemmCase& g, const nn_real* a, const nn_real* b, nn_real* c) {
        const auto op = [](bool transposed) {
            return transposed ? Transposed::yes : Transposed::no;
        };
        gpu_gemm(gpu, op(g.a_transposed), op(g.b_transposed), g.m, g.n, g.k, g.alpha, a, b, g.beta,
                 c, {tile, 1});
    };
}

// ---- GEMM --------------------------------------------------------------------------------------

/// Judges the results of every tile on every GPU. How elements are copied, and from where, must not
/// change a bit; tensor cores may sum in another order.
void check_every_tile(const GemmCase& g, const GemmInputs& in, std::size_t most_shift) {
    SCOPED_TRACE(g.text());
    for (const auto& [tile, name] : tiles) {
        Reals first;
        on_every_gpu(every_kind, [&, tile = tile, name = name](const std::string& on) {
            for (std::size_t shift = 0; shift <= most_shift; ++shift) {
                SCOPED_TRACE(std::string(name) + ", " + on + ", moved by " + std::to_string(shift));
                const Reals c = run_gemm<DeviceMemory>(g, in, gemm_with(tile), shift);
                EXPECT_TRUE(judged(g, in, c));
                if (first.empty()) first = c;
                if (in_float || gpu.chip.capability != 90) {
                    EXPECT_TRUE(same_bits("C", c, first));
                }
            }
        });
    }
}

TEST_F(Kernels, GemmIsRightAroundEveryEdge) {
    Rng rng(1);
    for (const GemmCase& g : gemm_cases(edge_sizes())) check_every_tile(g, random_gemm(g, rng), 0);
}

TEST_F(Kernels, GemmIsRightOnCubesLarge) {
    Rng rng(8);
    for (const GemmCase& g : gemm_cases(cube_sizes())) check_every_tile(g, random_gemm(g, rng), 0);
}

TEST_F(Kernels, GemmGivesTheSameBitsFromAnyAddress) {
    Rng rng(2);
    for (const GemmCase& g : gemm_cases(pack_sizes())) check_every_tile(g, random_gemm(g, rng), 1);
}

TEST_F(Kernels, GemmTakesEveryPairOfScalars) {
    Rng rng(3);
    for (const nn_real alpha : {nn_real{0}, nn_real{1}, static_cast<nn_real>(-2.3)})
        for (const nn_real beta : {nn_real{0}, nn_real{1}, static_cast<nn_real>(0.7)})
            for (const bool ta : {false, true})
                for (const auto& [m, n, k] : {std::array{33, 17, 5}, std::array{36, 68, 8}}) {
                    const GemmCase g{ta, !ta, m, n, k, alpha, beta};
                    check_every_tile(g, random_gemm(g, rng), 0);
                }
}

TEST_F(Kernels, GemmIsExactOnSmallIntegers) {
    for (const auto& [tile, name] : tiles)
        on_every_gpu(every_kind, [tile = tile, name = name](const std::string& on) {
            SCOPED_TRACE(name + (", " + on));
            check_gemm_on_integers<DeviceMemory>(gemm_with(tile));
        });
}

TEST_F(Kernels, GemmKeepsEveryNaNAndInfinityInItsPlace) {
    for (const auto& [tile, name] : tiles)
        on_every_gpu({75, 90}, [tile = tile, name = name](const std::string& on) {
            SCOPED_TRACE(name + (", " + on));
            check_gemm_keeps_nan<DeviceMemory>(gemm_with(tile));
        });
}

TEST_F(Kernels, GemmOfNothingIsZeroOrNothing) {
    for (const auto& [tile, name] : tiles)
        on_every_gpu({75, 90}, [tile = tile, name = name](const std::string& on) {
            SCOPED_TRACE(name + (", " + on));
            check_gemm_of_nothing<DeviceMemory>(gemm_with(tile));
        });
}

TEST_F(Kernels, GemmGivesTheSameBitsInEveryOrder) {
    Rng rng(4);
    const GemmCase g{true, false, 70, 67, 141, static_cast<nn_real>(1.5), 1};
    const GemmInputs in = random_gemm(g, rng);
    for (const auto& [tile, name] : tiles)
        on_every_gpu(every_kind, [&, tile = tile, name = name](const std::string& on) {
            Reals first;
            in_every_order([&](const std::string& order) {
                SCOPED_TRACE(name + (", " + on + ", " + order));
                const Reals c = run_gemm<DeviceMemory>(g, in, gemm_with(tile));
                if (first.empty()) first = c;
                EXPECT_TRUE(same_bits("C", c, first));
            });
        });
}

TEST_F(Kernels, GemmIsRightAtTheCoursesLayersLarge) {
    Rng rng(6);
    for (const auto& [m, n, k] : {std::array{800, 10, 1000}, std::array{800, 1000, 784}}) {
        const GemmCase g{false, false, m, n, k, 2, 5};
        const GemmInputs in = random_gemm(g, rng);
        const auto planned = [](const GemmCase& c, const nn_real* a, const nn_real* b,
                                nn_real* out) {
            gpu_gemm(gpu, Transposed::no, Transposed::no, c.m, c.n, c.k, c.alpha, a, b, c.beta,
                     out);
        };
        SCOPED_TRACE(g.text());
        EXPECT_TRUE(judged(g, in, run_gemm<DeviceMemory>(g, in, planned)));
    }
}

}  // namespace
