// test_kernels_int8.cpp: what products in whole numbers promise: each bit, in every plan and order.
//
// The reference shares no line with the kernels: it rounds a row to whole numbers in double, adds
// their products in 64 bits, and rounds where device/gpu/digits.cu and gemm_int8.cu say.
#include <cmath>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "tests/support/gradient_inputs.h"

namespace {

constexpr bool is_float = sizeof(nn_real) == sizeof(float);

class Int8 : public Kernels {
  protected:
    void SetUp() override {
        if (!is_float) GTEST_SKIP() << "a build in double";
        Kernels::SetUp();
    }
};

/// Every tile with so many splits, on every kind of GPU.
void for_every_plan(const std::vector<int>& splits,
                    const std::function<void(const GemmPlan&, const std::string&)>& run) {
    on_every_gpu({80, 90}, [&](const std::string& on) {
        for (const auto& [tile, name] : tiles)
            for (const int s : splits)
                run({tile, s}, std::string(name) + " / " + std::to_string(s) + ", " + on);
    });
}

Reals gradient_by(const GemmPlan& plan, const GradientInputs& in, nn_real each = scale) {
    return run_parts(GemmBy::int8, plan, in, in.k + 1, 0, each);
}

/// The scale of row i: 2^(e - 29), where the largest |delta| is from 2^e on; at least 2^-126.
double scale_of_row(const GradientInputs& in, int i) {
    double largest = 0;
    for (int j = 0; j < in.n; ++j)
        largest = std::max(largest, std::abs(static_cast<double>(in.delta[at(i, j, in.m)])));
    return std::ldexp(1.0, largest == 0 ? -126 : std::max(std::ilogb(largest) - 29, -126));
}

/// [dW|db], with the only two roundings that there are, and the one of the pixels' scale.
Reals reference(const GradientInputs& in, nn_real each) {
    Reals out(elements(in.m, in.k + 1));
    for (int i = 0; i < in.m; ++i) {
        const double s = scale_of_row(in, i);
        for (int p = 0; p <= in.k; ++p) {
            std::int64_t sum = 0;
            for (int j = 0; j < in.n; ++j)
                sum += std::llrint(static_cast<double>(in.delta[at(i, j, in.m)]) / s) *
                       (p < in.k ? in.pixels[at(p, j, in.k)] : 1);
            const auto rounded = static_cast<nn_real>(static_cast<nn_real>(sum) * s);
            out[at(i, p, in.m)] = p < in.k ? each * rounded : rounded;
        }
    }
    return out;
}

/// Rows of every kind: numbers of one size; exponents far apart; zeros; below what a float holds
/// in full; at the largest that it holds; a power of two beside what is just below.
GradientInputs rows_of_every_kind(int n, int k, Rng& rng) {
    GradientInputs in = random_gradient(38, n, k, true, rng);
    for (int j = 0; j < n; ++j) {
        const auto row = [&](int i) -> nn_real& { return in.delta[at(i, j, in.m)]; };
        row(3) = std::ldexp(row(3), static_cast<int>(rng.below(40)) - 40);
        row(7) = 0;
        row(11) = std::ldexp(row(11), -140);
        row(12) = std::ldexp(row(12), -126 + 30);
        row(13) = std::ldexp(row(13), -126 + 15);
        row(17) = j % 2 == 0 ? std::numeric_limits<nn_real>::max() : -row(17);
        row(19) = j % 3 == 0 ? 1 : std::nextafter(nn_real{1}, nn_real{0});
        row(23) = j % 3 == 0 ? -2 : std::nextafter(nn_real{-2}, nn_real{0});
        row(29) = j % 2 == 0 ? std::numeric_limits<nn_real>::denorm_min() : 0;
    }
    return in;
}

TEST_F(Int8, RoundsRowsToWholeNumbersAndTheirSumsOnceInEveryPlan) {
    Rng rng(41);
    for (const auto& [n, k] : {std::pair{1, 1}, std::pair{50, 41}, std::pair{133, 36}}) {
        const GradientInputs in = rows_of_every_kind(n, k, rng);
        const nn_real each = nn_real{1} / 255;
        const Reals expected = reference(in, each);
        for_every_plan({1, 2, 5, 16}, [&](const GemmPlan& plan, const std::string& what) {
            SCOPED_TRACE(in.text() + ", " + what);
            EXPECT_TRUE(same_bits("[dW|db]", gradient_by(plan, in, each), expected));
        });
    }
}

/// The same sums forward, for pixels with neighbours along the sum, through an activation that
/// leaves them as they are or makes them 0.
TEST_F(Int8, RoundsALayerToTheSameBitsInEveryPlan) {
    Rng rng(46);
    for (const auto& [depth, images] : {std::pair{1, 1}, std::pair{50, 41}, std::pair{148, 36}}) {
        const GradientInputs in = rows_of_every_kind(depth, images, rng);
        const nn_real each = nn_real{1} / 255;
        Reals expected;
        Bytes pixels(elements(depth, images));
        for (int p = 0; p < images; ++p)
            for (int j = 0; j < depth; ++j) pixels[at(j, p, depth)] = in.pixels[at(p, j, images)];
        for (const nn_real sum : reference(in, each)) expected.push_back(sum > 0 ? sum : 0);
        expected.resize(elements(in.m, images));
        const OnDevice<nn_real> w("W", in.delta), bias("b", Reals(elements(in.m, 1)));
        const OnDevice<std::uint8_t> x("pixels", pixels);
        for_every_plan({1, 2, 5, 16}, [&](const GemmPlan& plan, const std::string& what) {
            SCOPED_TRACE(in.text() + ", forward, " + what);
            OnDevice<nn_real> out("A_out", poison<nn_real>(expected.size()));
            JointOnDevice joint(GemmBy::int8, plan, in.m, images);
            DigitsOnDevice digits(GemmBy::int8, in.m, images, depth);
            gpu_layer(gpu, GemmBy::int8, in.m, images, depth, w.data(), input_of(x.data(), each),
                      bias.data(), out.output(), plan, Relu{}, joint.get(), digits.get());
            EXPECT_TRUE(same_bits("A_out", out.values(), expected));
        });
    }
}

/// The plain product of the same numbers, as far as whole numbers of 30 bits a row are them.
TEST_F(Int8, IsExactOnWholeNumbers) {
    Rng rng(42);
    const WholeGradient whole = whole_gradient(rng);
    for_every_plan({1, 3}, [&](const GemmPlan& plan, const std::string& what) {
        EXPECT_TRUE(within(what + ": [dW|db]", gradient_by(plan, whole.in, 1), whole.expected));
    });
}

TEST_F(Int8, GivesTheSameBitsInEveryOrderAndPlan) {
    Rng rng(43);
    const GradientInputs in = random_gradient(70, 141, 67, true, rng);
    Reals first;
    for_every_plan({1, 3, 16}, [&](const GemmPlan& plan, const std::string& what) {
        in_every_order([&](const std::string& order) {
            const Reals got = gradient_by(plan, in);
            if (first.empty()) first = got;
            EXPECT_TRUE(same_bits("[dW|db], " + what + ", " + order, got, first));
        });
    });
}

/// A zero pixel hides no number that is none.
TEST_F(Int8, MakesARowWithNoFiniteNumberNaNAndNoOtherRow) {
    constexpr nn_real infinity = std::numeric_limits<nn_real>::infinity();
    for (const nn_real bad : {nan_real, -nan_real, infinity, -infinity}) {
        Rng rng(44);
        GradientInputs in = random_gradient(37, 50, 41, true, rng);
        in.delta[at(35, 48, in.m)] = bad;
        for (int p = 0; p < in.k; ++p) in.pixels[at(p, 48, in.k)] = 0;
        for_every_plan({1, 2}, [&](const GemmPlan& plan, const std::string& what) {
            const Reals got = gradient_by(plan, in);
            for (int p = 0; p <= in.k; ++p)
                for (int i = 0; i < in.m; ++i) {
                    const nn_real value = got[at(i, p, in.m)];
                    EXPECT_TRUE(i == 35 ? std::isnan(value) : std::isfinite(value))
                        << bad << ", " << what << ", dW(" << i << ',' << p << ") = " << value;
                }
        });
    }
}

/// Three digits of every number are -128 and every pixel is 255: no sum can be longer.
TEST_F(Int8, HoldsItsLongestSumAndRefusesALongerOneLarge) {
    constexpr int n = int8_most_depth;
    GradientInputs in{1, n, 1, Reals(n, -0x808080), {}, Bytes(n, 255)};
    in.delta[0] = 1 << 29;
    const Reals expected = reference(in, 1);
    on_every_gpu({80}, [&](const std::string& on) {
        SCOPED_TRACE(on);
        EXPECT_TRUE(same_bits("[dW|db]", gradient_by({GemmTile::small, 1}, in, 1), expected));
    });
    EXPECT_THROW(gpu_gradient(gpu, GemmBy::int8, 1, n + 1, 1, nullptr, input_of(nullptr, 1), 0, 2,
                              nullptr, 0, {GemmTile::small, 1}),
                 std::logic_error);
}

/// Of the sums, relative to sum |delta||x|: rms and largest.
std::pair<double, double> errors_of(const GradientInputs& in, const Reals& got) {
    double squares = 0, largest = 0;
    for (int i = 0; i < in.m; ++i)
        for (int p = 0; p < in.k; ++p) {
            double sum = 0, size = 0;
            for (int j = 0; j < in.n; ++j) {
                const double term = static_cast<double>(in.delta[at(i, j, in.m)]) *
                                    static_cast<double>(scale) * in.pixels[at(p, j, in.k)];
                sum += term;
                size += std::abs(term);
            }
            const double error = std::abs(static_cast<double>(got[at(i, p, in.m)]) - sum) / size;
            squares += error * error;
            largest = std::max(largest, error);
        }
    return {std::sqrt(squares / static_cast<double>(elements(in.m, in.k))), largest};
}

/// Where the exponents of a row are far apart, it may have more: docs/choices.md.
TEST_F(Int8, HasAtMostTheErrorOfFloatOnNumbersOfOneSize) {
    for (const bool positive : {false, true})
        for (const int n : {24, 800}) {
            Rng rng(45);
            GradientInputs in = random_gradient(40, n, 36, true, rng);
            if (positive)
                for (nn_real& d : in.delta) d = std::abs(d);
            on_every_gpu({80}, [&](const std::string& on) {
                SCOPED_TRACE((positive ? "positive, " : "normal, ") + std::to_string(n) +
                             " samples, " + on);
                const GemmPlan plan{GemmTile::medium, 1};
                const auto [float_rms, float_largest] =
                    errors_of(in, run_parts(GemmBy::fma, plan, in, in.k + 1, 0));
                const auto [rms, largest] = errors_of(in, gradient_by(plan, in));
                EXPECT_GT(rms, 0);
                EXPECT_LE(rms, float_rms);
                EXPECT_LE(largest, float_largest);
            });
        }
}

}  // namespace
