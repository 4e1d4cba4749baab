// test_cpu_elementwise.cpp: what is done to numbers one by one, for every instruction set: pixels,
// activations, slopes, gradients of biases, updates and squares.
//
// The program takes the widest set that the processor runs; the tests take each one that it runs,
// so that the narrow ones are not first tried on somebody's older machine. The checks and their
// bounds are those that the kernels are held to (tests/support).
#include <gtest/gtest.h>

#include <memory>

#include "tests/support/activation_math.h"
#include "tests/support/cpu_layer.h"
#include "tests/support/page_end.h"
#include "tests/support/step_math.h"

namespace {

TEST(CpuFunctionsChosen, AreTheWidestThatThisProcessorRuns) {
    EXPECT_STREQ(cpu_functions().name, runnable_tables().back()->name);
}

class CpuElementwise : public CpuTable {
  protected:
    /// Of whole vectors; a bias only if there are any.
    Reals activated(const Activation& by, const Reals& before, const Reals& b) const {
        const OnHost<nn_real> bias("bias", b);
        OnHost<nn_real> z("z", before);
        f().hidden_by(by).activate(b.empty() ? nullptr : bias.data(),
                                   static_cast<int>(before.size()), z.output());
        return z.values();
    }
};

TEST_P(CpuElementwise, NumbersOfTheTableMakeSense) {
    EXPECT_GT(f().lanes, 0);
    EXPECT_EQ(64 % (f().lanes * static_cast<int>(sizeof(nn_real))), 0)
        << "a cache line has whole ones";
    EXPECT_GT(f().sparse_pays_below, 0.0);
    EXPECT_LE(f().sparse_pays_below, 1.0);
}

// ---- Pixels and activations --------------------------------------------------------------------

TEST_P(CpuElementwise, PixelsAreScaledWithOneRounding) {
    for (const std::size_t count : {0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 256, 785}) {
        SCOPED_TRACE(std::to_string(count) + " pixels");
        Bytes pixels(count);
        for (std::size_t i = 0; i < count; ++i) pixels[i] = static_cast<std::uint8_t>(i % 256);
        const nn_real scale = nn_real{1} / 255;
        Reals expected;
        for (const std::uint8_t pixel : pixels)
            expected.push_back(static_cast<nn_real>(static_cast<Wide>(scale) * pixel));
        const OnHost<std::uint8_t> bytes("bytes", pixels);
        OnHost<nn_real> x("x", poison<nn_real>(count));
        f().pixels_to_real(count, scale, bytes.data(), x.output());
        EXPECT_TRUE(same_bits("x", x.values(), expected));
    }
}

TEST_P(CpuElementwise, ActivationsAreRightForAnyVectorsWithAndWithoutBias) {
    Rng rng(3);
    for_every_activation([&](const Activation& by) {
        for (const int vectors : {0, 1, 2, 3, 7, 13, 14, 33})
            for (const bool biased : {false, true})
                for (const double deviation : {0.01, 1.0, 20.0, 300.0}) {
                    SCOPED_TRACE(std::to_string(vectors) + " vectors, deviation " +
                                 std::to_string(deviation) + (biased ? ", biased" : ""));
                    const std::size_t count = elements(vectors, f().lanes);
                    const Reals b = biased ? normal_values(count, rng, 3) : Reals{};
                    const Reals before = normal_values(count, rng, deviation);
                    Expected expected;
                    for (std::size_t i = 0; i < count; ++i) {
                        const Wide sum = static_cast<Wide>(before[i]) + (biased ? b[i] : 0);
                        add_activated(expected, by, sum, biased ? u * std::abs(sum) : 0);
                    }
                    EXPECT_TRUE(within("z", activated(by, before, b), expected));
                }
    });
}

/// exp is kept below infinity, so a sigmoid's 0 comes out as at most the smallest normal number.
TEST_P(CpuElementwise, ActivationsReachTheirLimits) {
    for_every_activation([&](const Activation& by) {
        for (const bool biased : {false, true}) {
            Reals thousands(64);
            for (std::size_t i = 0; i < thousands.size(); ++i)
                thousands[i] = i % 2 == 0 ? nn_real{1000} : nn_real{-1000};
            const Reals after = activated(by, thousands, biased ? Reals(64) : Reals{});
            for (std::size_t i = 0; i < after.size(); ++i) {
                const auto limit = static_cast<double>(limit_of(by, thousands[i]));
                EXPECT_LE(std::abs(after[i] - limit), limit == 0 ? tiny : 0) << thousands[i];
                EXPECT_LE(after[i] * limit, limit * limit) << "beyond the limit";
            }
        }
    });
}

/// Through the whole range of exp and beyond both its ends, and closer around 0.
TEST_P(CpuElementwise, ActivationsAreRightOnAFineGrid) {
    for (const double step : {0.08, 2e-4, 1e-9}) {
        Reals grid;
        for (int i = 0; i < 20032; ++i) grid.push_back(static_cast<nn_real>(step * (i - 10016)));
        for_every_activation([&](const Activation& by) {
            Expected expected;
            for (const nn_real x : grid) add_activated(expected, by, x, 0);
            EXPECT_TRUE(within("z", activated(by, grid, Reals(grid.size())), expected));
            EXPECT_TRUE(within("z", activated(by, grid, {}), expected));
        });
    }
}

TEST_P(CpuElementwise, ActivationsKeepNaNInItsPlace) {
    for_every_activation([&](const Activation& by) {
        for (const bool in_bias : {false, true})
            for (std::size_t bad = 0; bad < 48; ++bad) {
                Reals z(48), bias(48);
                (in_bias ? bias : z)[bad] = nan_real;
                const Reals after = activated(by, z, bias);
                for (std::size_t i = 0; i < after.size(); ++i)
                    EXPECT_EQ(std::isnan(after[i]), i == bad)
                        << "z[" << i << "], NaN in " << (in_bias ? "bias[" : "z[") << bad << "]";
            }
    });
}

/// Otherwise a product that leaves out zeros could give another bit than one that does not.
TEST_P(CpuElementwise, ReluOfMinusZeroIsZero) {
    const Reals after = activated(Relu{}, Reals(elements(1, f().lanes), nn_real{-0.0}), {});
    EXPECT_TRUE(same_bits("z", after, Reals(after.size())));
}

/// The last vector is filled up with numbers that are not looked at.
TEST_P(CpuElementwise, BackwardMultipliesByTheSlope) {
    check_activation_backward<HostMemory>(
        [this](const Activation& by, std::size_t count, const nn_real* a, nn_real* delta) {
            const int whole = whole_vectors(static_cast<int>(count));
            const auto all = static_cast<std::size_t>(whole);
            Reals a_values(all, static_cast<nn_real>(0.5)), delta_values(all, nn_real{1});
            std::copy_n(a, count, a_values.begin());
            std::copy_n(delta, count, delta_values.begin());
            const OnHost<nn_real> a_in("a", a_values);
            OnHost<nn_real> in_place("delta", delta_values);
            f().hidden_by(by).times_slope(whole, a_in.data(), in_place.output());
            std::copy_n(in_place.values().begin(), count, delta);
        });
}

// ---- Gradients of biases -----------------------------------------------------------------------

/// Rows are longer than they need be, with NaN behind the last whole vector.
TEST_P(CpuElementwise, BiasGradientIsTheSumOfTheDeltas) {
    check_row_sums<HostMemory>([this](int rows, int n, const nn_real* delta, nn_real* sums) {
        Rng rng(41);
        TestLayer layer(f(), 1, rows, n, rng, 2);
        layer.delta.put({delta, delta + elements(rows, n)}, rows);
        layer.keep();
        f().bias_gradient(layer.layer(), n, layer.vectors(), {{}, sums});
        layer.expect_kept_but(nullptr, {0, 0}, {0, 0});
    });
}

/// No penalty is added, and other vectors than those that were asked for stay.
TEST_P(CpuElementwise, BiasGradientUpdatesWithoutPenaltyTheVectorsOfItsRange) {
    Rng rng(42);
    for (const int units : unit_counts)
        for (const int n : {0, 1, 9, 64})
            for (const bool inner : {false, true})
                for (const TestUse& use : every_use) {
                    TestLayer layer(f(), 1, units, n, rng, 1);
                    const Range vectors = whole_and_inner(layer.vectors().count)[inner ? 1 : 0];
                    SCOPED_TRACE(std::to_string(units) + " units, " + std::to_string(n) +
                                 " samples, vectors " + text_of(vectors) + ", " + use.name);
                    const Range mine = layer.units_of(vectors);
                    Reals expected_stored = poison<nn_real>(elements(units, 1));
                    Expected expected;
                    for (int c = mine.first; c < mine.first + mine.count; ++c) {
                        nn_real sum = 0;  // in this order
                        for (int j = 0; j < n; ++j) sum += layer.delta.at(j, c);
                        expected_stored[at(c, 0, units)] = sum;
                        add_step(expected, layer.bias.at(0, c), {sum}, use.rate, 0, n == 0);
                    }
                    OnHost<nn_real> stored("gradient", poison<nn_real>(elements(units, 1)));
                    f().bias_gradient(layer.layer(), n, vectors, use.to(stored.output()));
                    if (use.stored) {
                        EXPECT_TRUE(same_bits("gradient", stored.values(), expected_stored));
                        layer.expect_kept_but(nullptr, {0, 0}, {0, 0});
                        continue;
                    }
                    EXPECT_TRUE(within("bias", layer.bias.get({0, 1}, mine), expected));
                    layer.expect_kept_but(&layer.bias, {0, 1}, mine);  // padding is 0 and stays so
                }
}

// ---- Updates -----------------------------------------------------------------------------------

TEST_P(CpuElementwise, UpdateFollowsTheGradientAndThePenalty) {
    check_step<HostMemory>(
        [this](std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient, nn_real* p) {
            f().update({rate, reg, {}}, count, gradient, p, 0);
        });
}

struct StepCase {
    Reals p, gradient;
    nn_real rate, reg;

    StepCase(std::size_t count, Rng& rng, bool whole)
        : p(whole ? small_integers(count, rng) : normal_values(count, rng)),
          gradient(whole ? small_integers(count, rng) : normal_values(count, rng)),
          rate(whole ? nn_real{2} : static_cast<nn_real>(0.03)),
          reg(whole ? nn_real{3} : static_cast<nn_real>(0.7)) {}

    /// p after a step of the elements from one of `cuts` to the next.
    Reals stepped(const CpuFunctions& f, const std::vector<std::size_t>& cuts) const {
        const OnHost<nn_real> from("gradient", gradient);
        OnHost<nn_real> after("p", p);
        for (std::size_t c = 0; c + 1 < cuts.size(); ++c)
            f.update({rate, reg, {}}, cuts[c + 1] - cuts[c], from.data() + cuts[c],
                     after.output() + cuts[c], 0);
        return after.values();
    }
    void check(const CpuFunctions& f, std::size_t begin, std::size_t end, bool whole) const {
        SCOPED_TRACE("elements " + std::to_string(begin) + " to " + std::to_string(end) + " of " +
                     std::to_string(p.size()) + (whole ? ", whole numbers" : ""));
        Expected expected;
        for (std::size_t i = 0; i < p.size(); ++i) {
            if (i < begin || i >= end)
                expected.add(p[i], 0);
            else
                add_step(expected, p[i], {gradient[i]}, rate, reg, whole);
        }
        EXPECT_TRUE(within("p", stepped(f, {begin, end}), expected));
    }
};

TEST_P(CpuElementwise, UpdateIsRightInAnyRange) {
    Rng rng(52);
    for (const bool whole : {false, true})
        for (const auto& [count, begin, end] : {std::array<std::size_t, 3>{0, 0, 0},
                                                {1, 0, 1},
                                                {100, 0, 100},
                                                {100, 17, 17},
                                                {100, 99, 100},
                                                {100, 1, 34},
                                                {100, 16, 48},
                                                {257, 3, 250}})
            StepCase(count, rng, whole).check(f(), begin, end, whole);
}

/// Every number of elements in the last vector, behind none, one and two whole ones.
TEST_P(CpuElementwise, UpdateIsRightForEveryTail) {
    Rng rng(54);
    for (std::size_t count = 0; count <= elements(3, f().lanes); ++count)
        StepCase(count + 5, rng, false).check(f(), 3, 3 + count, false);
}

/// Threads and ranks divide the parameters as they like.
TEST_P(CpuElementwise, StepGivesTheSameBitsHoweverTheElementsAreDivided) {
    Rng rng(53);
    const StepCase c(203, rng, false);
    const Reals at_once = c.stepped(f(), {0, 203});
    for (const std::size_t cut : {1, 15, 16, 17, 101, 202})
        EXPECT_TRUE(
            same_bits("p cut at " + std::to_string(cut), c.stepped(f(), {0, cut, 203}), at_once));
}

/// At counts that leave every tail. All numbers are about 1, and each of the few roundings is at
/// most u of a number below 4.
TEST_P(CpuElementwise, UpdateByEveryRuleIsThatOfTheReferenceWithItsMoments) {
    Rng rng(57);
    constexpr std::size_t away = 200;
    for (const auto& [rule, name] : Names<Rule>::all)
        for (std::size_t count = 0; count <= elements(3, f().lanes); ++count) {
            SCOPED_TRACE(std::string(name) + ", " + std::to_string(count) + " elements");
            const auto kept = static_cast<std::size_t>(moments_of(rule));
            Reals p = normal_values(away * (1 + kept), rng), g = normal_values(count, rng);
            for (std::size_t i = 2 * away; i < p.size(); ++i) p[i] *= p[i];  // a mean of squares
            const Update update =
                update_of(static_cast<nn_real>(0.03), static_cast<nn_real>(0.7), rule, 3);
            const OnHost<nn_real> gradient("gradient", g);
            OnHost<nn_real> after("p and moments", p);
            f().update(update, count, gradient.data(), after.output(), away);
            Expected expected;
            std::vector<std::array<double, 3>> right(away);
            for (std::size_t i = 0; i < count; ++i) {
                double moments[2] = {};
                for (std::size_t m = 0; m < kept; ++m) moments[m] = p[i + (m + 1) * away];
                const double sum = is_decoupled(rule) ? g[i] : g[i] + 0.7 * p[i];
                right[i][0] = std::visit(
                    [&](const auto& r) {
                        return r.reference(p[i], sum, moments, update.reference_numbers());
                    },
                    rule);
                right[i][1] = moments[0];
                right[i][2] = moments[1];
            }
            for (std::size_t i = 0; i < p.size(); ++i) {
                const std::size_t at = i % away;
                const double old = static_cast<double>(p[i]);
                if (at >= count)
                    expected.add(p[i], 0);
                else
                    expected.add(right[at][i / away], 32 * u * (1 + std::abs(old)));
            }
            EXPECT_TRUE(within("p and moments", after.values(), expected));
        }
}

TEST_P(CpuElementwise, SumOfSquaresIsRightForEveryCount) {
    check_sum_of_squares<HostMemory>(f().sum_of_squares);
}

/// The last of a set's parameters or pixels may end a page.
TEST_P(CpuElementwise, NothingIsReadOrWrittenBehindTheLastElement) {
    Rng rng(55);
    for (std::size_t count = 0; count <= elements(3, f().lanes); ++count) {
        SCOPED_TRACE(std::to_string(count) + " elements");
        const Reals p = normal_values(count, rng), g = normal_values(count, rng);
        const AtPageEnd<nn_real> gradient(g), after(p);
        f().update({1, 0, {}}, count, gradient.data(), after.data(), 0);
        Expected expected;
        for (std::size_t i = 0; i < count; ++i) add_step(expected, p[i], {g[i]}, 1, 0, false);
        EXPECT_TRUE(within("p", after.values(), expected));
        EXPECT_GE(f().sum_of_squares(count, gradient.data()), 0);
        const AtPageEnd<std::uint8_t> pixels(Bytes(count, 3));
        f().pixels_to_real(count, nn_real{2}, pixels.data(), after.data());
        EXPECT_TRUE(same_bits("x", after.values(), Reals(count, nn_real{6})));
    }
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuElementwise, testing::ValuesIn(runnable_tables()),
                         name_of_table);

}  // namespace
