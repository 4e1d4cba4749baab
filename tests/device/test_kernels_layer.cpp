// test_kernels_layer.cpp: a layer's products on the GPU: forward, its gradient, the delta below.
//
// Each by every tile, by float and by bf16x3, on every kind of GPU. Outputs start as NaN between
// guards, and every tolerance is the judge's, or derived here or in tests/support.
#include <algorithm>
#include <array>
#include <cmath>

#include "tests/support/gradient_inputs.h"
#include "tests/support/output_math.h"

namespace {

// ---- A layer -----------------------------------------------------------------------------------

struct LayerInputs {
    int m, n, k;
    Reals w, bias, activations;
    Bytes pixels;
    Activation f = {};

    std::string text() const {
        return std::to_string(m) + " x " + std::to_string(n) + ", k = " + std::to_string(k) + ", " +
               name_of(f);
    }
};

/// Activations or pixels: the other is empty.
LayerInputs random_layer(int m, int n, int k, bool of_pixels, Rng& rng) {
    LayerInputs in{
        m, n, k, normal_values(elements(m, k), rng), normal_values(elements(m, 1), rng, 3), {}, {}};
    if (of_pixels)
        in.pixels = random_bytes(elements(k, n), rng);
    else
        in.activations = normal_values(elements(k, n), rng);
    return in;
}

Reals run_layer(GemmBy by, GemmPlan plan, const LayerInputs& in, std::size_t shift = 0) {
    const OnDevice<nn_real> w("W", in.w, shift), bias("b", in.bias, shift);
    const OnDevice<nn_real> activations("A_in", in.activations, shift);
    const OnDevice<std::uint8_t> pixels("pixels", in.pixels, shift);
    OnDevice<nn_real> out("A_out", poison<nn_real>(elements(in.m, in.n)), shift);
    JointOnDevice joint(by, plan, in.m, in.n);
    DigitsOnDevice digits(by, in.m, in.n, in.k);
    const bool of_pixels = in.activations.empty();
    gpu_layer(gpu, by, in.m, in.n, in.k, w.data(),
              of_pixels ? input_of(pixels.data(), scale) : input_of(activations.data()),
              bias.data(), out.output(), plan, in.f, joint.get(), digits.get());
    return out.values();
}

/// z = sum of k products + b: k roundings of products, and k of additions that share k + 1 terms.
/// By bf16x3 there are fewer: a rounding for 16 k, and a truncation, which is worth two.
Expected layer_expected(const LayerInputs& in) {
    const Reals x = in.activations.empty() ? worth_of(in.pixels) : in.activations;
    Expected expected{in.m, {}, {}};
    for (int j = 0; j < in.n; ++j)
        for (int i = 0; i < in.m; ++i) {
            const Wide bias = in.bias[static_cast<std::size_t>(i)];
            Wide z = bias, size = std::abs(bias);
            for (int p = 0; p < in.k; ++p) {
                const Wide term = static_cast<Wide>(in.w[at(i, p, in.m)]) * x[at(p, j, in.k)];
                z += term;
                size += std::abs(term);
            }
            add_activated(expected, in.f, z, slack * static_cast<Wide>(in.k + 2) * u * size);
        }
    return expected;
}

constexpr std::array layer_sizes{
    std::array{1, 1, 1},     std::array{33, 17, 37},  std::array{64, 12, 36},
    std::array{65, 129, 20}, std::array{10, 31, 100}, std::array{132, 36, 148},
    std::array{7, 5, 0},     std::array{0, 5, 3},     std::array{5, 0, 3}};

/// Activations take turns, so that each has a size of its own with every tile.
Activation activation_of_turn(std::size_t turn) {
    constexpr auto& all = Names<Activation>::all;
    return all[turn % std::size(all)].value;
}

TEST_F(Kernels, LayerOfActivationsAddsTheBiasAndTakesTheActivation) {
    Rng rng(11);
    std::size_t turn = 0;
    for (const auto& [m, n, k] : layer_sizes) {
        LayerInputs in = random_layer(m, n, k, false, rng);
        in.f = activation_of_turn(turn++);
        const Expected expected = layer_expected(in);
        for (const auto& [tile, name] : tiles)
            on_every_gpu(every_kind, [&, tile = tile, name = name](const std::string& on) {
                for (const int splits : {1, 3}) {
                    SCOPED_TRACE(in.text() + ", " + name + " / " + std::to_string(splits) + ", " +
                                 on);
                    EXPECT_TRUE(
                        within("A_out", run_layer(GemmBy::fma, {tile, splits}, in), expected));
                }
            });
    }
}

TEST_F(Kernels, LayerOfPixelsIsRightInEveryWayFromAnyAddress) {
    Rng rng(12);
    std::size_t turn = 1;
    for (const auto& [m, n, k] : layer_sizes) {
        LayerInputs in = random_layer(m, n, k, true, rng);
        in.f = activation_of_turn(turn++);
        const Expected expected = layer_expected(in);
        in_every_way([&](GemmBy by, GemmTile tile, const std::string& what) {
            for (const int splits : {1, 2, 5}) {
                SCOPED_TRACE(in.text() + ", " + what + " / " + std::to_string(splits));
                const Reals out = run_layer(by, {tile, splits}, in);
                EXPECT_TRUE(within("A_out", out, expected));
                EXPECT_TRUE(
                    same_bits("A_out, moved by 1", run_layer(by, {tile, splits}, in, 1), out));
            }
        });
    }
}

TEST_F(Kernels, LayerReachesExactlyItsLimits) {
    const Reals z{1000, -1000, 0, 1000, -1000, 1000, -1000, 0, 1000, -1000};
    for_every_activation([&](const Activation& f) {
        const LayerInputs in{5, 2, 1, {0, 0, 0, 2, -2}, {1000, -1000, 0, 0, 0}, {500, 500}, {}, f};
        Reals limits;
        for (const nn_real value : z) limits.push_back(static_cast<nn_real>(limit_of(f, value)));
        for (const auto& [tile, name] : tiles)
            EXPECT_EQ(run_layer(GemmBy::fma, {tile, 1}, in), limits) << name;
    });
}

TEST_F(Kernels, LayerKeepsNaNWithEveryActivation) {
    for_every_activation([&](const Activation& f) {
        for (const bool of_pixels : {false, true}) {
            Rng rng(14);
            LayerInputs in = random_layer(6, 5, 20, of_pixels, rng);
            in.f = f;
            in.w[at(4, 7, in.m)] = nan_real;
            in_every_way([&](GemmBy by, GemmTile tile, const std::string& what) {
                if (!of_pixels && by != GemmBy::fma) return;
                const Reals out = run_layer(by, {tile, 2}, in);
                for (int j = 0; j < in.n; ++j)
                    for (int i = 0; i < in.m; ++i)
                        EXPECT_EQ(std::isnan(out[at(i, j, in.m)]), i == 4) << what << ", " << i;
            });
        }
    });
}

TEST_F(Kernels, LayerIsRightAtTheSizesOfTrainingLarge) {
    Rng rng(13);
    const LayerInputs in = random_layer(100, 200, 784, true, rng);
    const Expected expected = layer_expected(in);
    in_every_way([&](GemmBy by, GemmTile tile, const std::string& what) {
        SCOPED_TRACE(what);
        EXPECT_TRUE(within("A_out", run_layer(by, {tile, 4}, in), expected));
    });
}

// ---- A gradient --------------------------------------------------------------------------------

/// The sum of the parts, in Wide and rounded once; what lies between them has to be as it was.
Reals sum_of_parts(const GradientInputs& in, int splits, std::size_t gap, const Reals& parts) {
    const std::size_t size = elements(in.m, in.k + 1);
    std::vector<Wide> sums(size);
    for (std::size_t s = 0; s < static_cast<std::size_t>(splits); ++s) {
        for (std::size_t i = 0; i < size; ++i) sums[i] += parts[s * (size + gap) + i];
        const auto end = parts.begin() + static_cast<std::ptrdiff_t>(s * (size + gap) + size);
        EXPECT_TRUE(same_bits("what lies behind part " + std::to_string(s),
                              Reals(end, end + static_cast<std::ptrdiff_t>(gap)),
                              poison<nn_real>(gap)));
    }
    return Reals(sums.begin(), sums.end());
}

Reals run_gradient(GemmBy by, GemmPlan plan, const GradientInputs& in) {
    return sum_of_parts(in, gradient_parts(by, plan), 3, run_parts(by, plan, in, in.k + 1, 3));
}

constexpr std::array gradient_sizes{std::array{1, 1, 1},     std::array{33, 37, 17},
                                    std::array{64, 36, 12},  std::array{65, 20, 129},
                                    std::array{10, 100, 31}, std::array{132, 148, 36},
                                    std::array{5, 0, 3}};

TEST_F(Kernels, GradientOfPixelsIsRightInEveryWayAndNumberOfParts) {
    Rng rng(21);
    for (const auto& [m, n, k] : gradient_sizes) {
        const GradientInputs in = random_gradient(m, n, k, true, rng);
        SCOPED_TRACE(in.text());
        in_every_way([&](GemmBy by, GemmTile tile, const std::string& what) {
            for (const int splits : {1, 2, most_splits}) {
                SCOPED_TRACE(what + ", " + std::to_string(splits) + " parts");
                EXPECT_TRUE(judged(in.as_gemm(), in.gemm_inputs(scale),
                                   run_gradient(by, {tile, splits}, in)));
            }
        });
    }
}

TEST_F(Kernels, GradientOfActivationsIsRightWithEveryTileAndNumberOfParts) {
    Rng rng(22);
    for (const auto& [m, n, k] : gradient_sizes) {
        const GradientInputs in = random_gradient(m, n, k, false, rng);
        SCOPED_TRACE(in.text());
        for (const auto& [tile, name] : tiles)
            on_every_gpu(every_kind, [&, tile = tile, name = name](const std::string& on) {
                for (const int splits : {1, 3}) {
                    SCOPED_TRACE(name + (", " + on + ", ") + std::to_string(splits) + " parts");
                    EXPECT_TRUE(judged(in.as_gemm(), in.gemm_inputs(scale),
                                       run_gradient(GemmBy::fma, {tile, splits}, in)));
                }
            });
    }
}

TEST_F(Kernels, GradientInChunksOfColumnsHasTheBitsOfTheWhole) {
    Rng rng(23);
    for (const bool of_pixels : {true, false})
        for (const auto& [m, n, depth] : {std::array{35, 40, 149}, std::array{36, 40, 148}}) {
            const int k = depth;
            const GradientInputs in = random_gradient(m, n, k, of_pixels, rng);
            in_every_way([&](GemmBy by, GemmTile tile, const std::string& what) {
                if (!of_pixels && by != GemmBy::fma) return;
                const Reals whole = run_parts(by, {tile, 2}, in, k + 1, 3);
                for (const int chunk : {44, 51}) {
                    SCOPED_TRACE(in.text() + " in chunks of " + std::to_string(chunk) + ", " +
                                 what);
                    EXPECT_TRUE(
                        same_bits("[dW|db]", run_parts(by, {tile, 2}, in, chunk, 3), whole));
                }
            });
        }
}

TEST_F(Kernels, GradientAndLayerGiveTheSameBitsInEveryOrder) {
    Rng rng(24);
    const GradientInputs gradient = random_gradient(70, 141, 67, true, rng);
    const LayerInputs layer = random_layer(70, 67, 141, true, rng);
    in_every_way([&](GemmBy by, GemmTile tile, const std::string& what) {
        Reals first_gradient, first_layer;
        in_every_order([&](const std::string& order) {
            SCOPED_TRACE(what + ", " + order);
            const Reals dw = run_gradient(by, {tile, 2}, gradient);
            const Reals out = run_layer(by, {tile, 3}, layer);
            if (first_layer.empty()) {
                first_gradient = dw;
                first_layer = out;
            }
            EXPECT_TRUE(same_bits("[dW|db]", dw, first_gradient));
            EXPECT_TRUE(same_bits("A_out", out, first_layer));
        });
    });
}

// ---- bf16x3 beside float -----------------------------------------------------------------------

struct Errors {
    double rms = 0, largest = 0;
};

/// Of the sums, relative to sum |delta||x|.
Errors errors_of(const GradientInputs& in, const Reals& got, nn_real each) {
    Errors errors;
    for (int i = 0; i < in.m; ++i)
        for (int p = 0; p < in.k; ++p) {
            double sum = 0, size = 0;
            for (int j = 0; j < in.n; ++j) {
                const double term = static_cast<double>(in.delta[at(i, j, in.m)]) *
                                    static_cast<double>(each) * in.pixels[at(p, j, in.k)];
                sum += term;
                size += std::abs(term);
            }
            const double error = std::abs(static_cast<double>(got[at(i, p, in.m)]) - sum) / size;
            errors.rms += error * error;
            errors.largest = std::max(errors.largest, error);
        }
    errors.rms = std::sqrt(errors.rms / static_cast<double>(elements(in.m, in.k)));
    return errors;
}

/// Numbers of one sign, where truncation adds up, and of both; with exponents far apart.
TEST_F(Kernels, Bf16x3HasAtMostTwiceTheErrorOfFloat) {
    if (!in_float) GTEST_SKIP() << "a build in double";
    constexpr nn_real each = nn_real{1} / 255;
    for (const char* kind : {"normal", "positive", "wide"})
        for (const int n : {24, 800}) {
            Rng rng(31);
            GradientInputs in = random_gradient(40, n, 36, true, rng);
            for (nn_real& d : in.delta) {
                if (kind == std::string("positive")) d = std::abs(d);
                if (kind == std::string("wide"))
                    d = std::ldexp(d, static_cast<int>(rng.below(40)) - 40);
            }
            on_every_gpu({80}, [&](const std::string& on) {
                for (const auto& [tile, name] : tiles) {
                    const Errors floats = errors_of(
                        in, run_parts(GemmBy::fma, {tile, 1}, in, in.k + 1, 0, each), each);
                    const Errors parts = errors_of(
                        in, run_parts(GemmBy::bf16x3, {tile, 1}, in, in.k + 1, 0, each), each);
                    SCOPED_TRACE(std::string(kind) + ", " + std::to_string(n) + " samples, " +
                                 name + ", " + on);
                    EXPECT_GT(floats.rms, 0);
                    EXPECT_LE(parts.rms, 2 * floats.rms);
                    EXPECT_LE(parts.largest, 2 * floats.largest);
                }
            });
        }
}

TEST_F(Kernels, Bf16x3IsExactOnWholeNumbers) {
    if (!in_float) GTEST_SKIP() << "a build in double";
    Rng rng(32);
    const WholeGradient whole = whole_gradient(rng);
    on_every_gpu({80}, [&](const std::string&) {
        for (const auto& [tile, name] : tiles)
            EXPECT_TRUE(within(std::string(name) + ": [dW|db]",
                               run_parts(GemmBy::bf16x3, {tile, 1}, whole.in, 42, 0, 1),
                               whole.expected));
    });
}

// ---- The layer below ---------------------------------------------------------------------------

/// The sum over m terms, then the roundings of the slope and its product.
TEST_F(Kernels, DeltaBelowIsTheProductWithTheSlope) {
    Rng rng(41);
    std::size_t turn = 0;
    for (const auto& [m, n, k] :
         {std::array{1, 1, 1}, std::array{10, 31, 100}, std::array{36, 20, 68},
          std::array{131, 17, 33}, std::array{0, 5, 3}, std::array{5, 0, 3}}) {
        const Reals w = normal_values(elements(m, k), rng),
                    delta = normal_values(elements(m, n), rng);
        const Activation f = activation_of_turn(turn++);
        const Reals a = values_of(f, elements(k, n), rng);
        Expected expected{k, {}, {}};
        for (int j = 0; j < n; ++j)
            for (int i = 0; i < k; ++i) {
                Wide sum = 0, size = 0;
                for (int p = 0; p < m; ++p) {
                    const Wide term = static_cast<Wide>(w[at(p, i, m)]) * delta[at(p, j, m)];
                    sum += term;
                    size += std::abs(term);
                }
                add_delta(expected, f, a[at(i, j, k)], sum, size, m + 1);
            }
        for (const auto& [tile, name] : tiles)
            on_every_gpu(every_kind, [&, tile = tile, name = name, m = m, n = n,
                                      k = k](const std::string& on) {
                SCOPED_TRACE(std::to_string(m) + " x " + std::to_string(k) + ", " +
                             std::to_string(n) + " samples, " + name_of(f) + ", " + name + ", " +
                             on);
                const OnDevice<nn_real> w_in("W", w), delta_in("delta", delta), a_in("a", a);
                OnDevice<nn_real> out("delta_below", poison<nn_real>(elements(k, n)));
                for (const int splits : {1, 2}) {
                    JointOnDevice joint(GemmBy::fma, {tile, splits}, k, n);
                    gpu_delta_below(gpu, m, n, k, w_in.data(), delta_in.data(), a_in.data(),
                                    out.output(), {tile, splits}, f, joint.get());
                    EXPECT_TRUE(within("delta_below", out.values(), expected));
                }
            });
    }
}

}  // namespace
