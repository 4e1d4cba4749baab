// test_cpu_dense.cpp: the products of full matrices are right, and touch nothing else.
//
// They are compared with plain sums, within the rounding of a chain. Depths lie around a panel of
// 256, columns around every size of a tile, units around every vector and block of vectors. With
// few columns a panel is read where it lies, with many it is packed first: both are in every test.
#include <gtest/gtest.h>

#include "tests/support/cpu_layer.h"
#include "tests/support/output_math.h"

namespace {

/// Full rows of inputs, with NaN behind them.
struct TestBelow {
    Reals x;  ///< samples x inputs
    Rows rows;
    std::size_t ld;

    TestBelow(int inputs, int samples, Rng& rng, Draw draw = Draw::normal)
        : x(drawn(draw, elements(samples, inputs), rng)),
          rows("below", samples, line_elements(inputs, 1)),
          ld(line_elements(inputs, 1)) {
        rows.put(x, inputs);
        rows.keep();
    }
    ~TestBelow() { EXPECT_TRUE(rows.has_kept_all()); }
    TestBelow(const TestBelow&) = delete;
    TestBelow& operator=(const TestBelow&) = delete;
};

struct DenseCase {
    int depth, columns, units;
    std::string text() const {
        return "depth " + std::to_string(depth) + ", " + std::to_string(columns) + " columns, " +
               std::to_string(units) + " units";
    }
};

class CpuDense : public CpuTable {
  protected:
    /// Every depth with every number of columns, for one to four vectors; then all units.
    std::vector<DenseCase> cases() const {
        std::vector<DenseCase> all;
        int some = 0;
        for (const int depth : {0, 1, 10, 255, 256, 257, 513})
            for (const int columns :
                 {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 24, 25, 33, 34, 49})
                for (int vectors = 1; vectors <= 4; ++vectors, ++some)
                    if (depth == 10 || some % (depth == 257 ? 2 : 5) == 0)
                        all.push_back({depth, columns, vectors * f().lanes - some % 2});
        for (const int units : unit_counts)
            for (const auto& [depth, columns] : {std::pair{10, 3}, std::pair{65, 20}})
                all.push_back({depth, columns, units});
        return all;
    }

    void check_forward(const DenseCase& c, Rng& rng, Draw draw = Draw::normal) {
        const bool exact = draw == Draw::whole;
        TestBelow below(c.depth, c.columns, rng, draw);
        for (const bool activated : {false, true}) {
            if (activated && exact) continue;
            TestLayer layer(f(), c.depth, c.units, c.columns, rng, activated ? 2 : 0, draw);
            const std::vector<Range> samples = whole_and_inner(c.columns),
                                     vectors = whole_and_inner(layer.vectors().count);
            for (std::size_t part = 0; part < 2; ++part) {
                SCOPED_TRACE(c.text() + ", samples " + text_of(samples[part]) + ", vectors " +
                             text_of(vectors[part]) + (activated ? ", activated" : ""));
                forward_part(layer, below, samples[part], vectors[part], activated, exact);
            }
        }
    }
    void forward_part(TestLayer& layer, TestBelow& below, Range samples, Range vectors,
                      bool activated, bool exact) {
        TestScratch scratch(samples.count);
        check_forward_part(layer, below.x, samples, vectors, activated, exact, [&] {
            f().dense_forward(layer.layer(), below.rows.data(), below.ld, samples, vectors,
                              activated ? f().hidden_by(Sigmoid{}).activate : nullptr,
                              scratch.scratch());
        });
    }

    /// delta = (W_above^T delta_above) slope(a): `depth` products and additions, and three
    /// roundings of the slope and its product. Whole numbers are tried without a slope.
    void check_delta(const DenseCase& c, Rng& rng, Draw draw = Draw::normal) {
        const bool exact = draw == Draw::whole;
        TestLayer layer(f(), 1, c.units, c.columns, rng, 1),
            above(f(), c.units, c.depth, c.columns, rng, 2, draw);
        layer.a.pad(c.columns, 0, layer.padded(), static_cast<nn_real>(0.5));
        for (int j = 0; j < c.columns; ++j)
            for (int i = 0; i < c.units; ++i)
                layer.a.at(j, i) = static_cast<nn_real>(rng.uniform());
        for (const Range samples : whole_and_inner(c.columns)) {
            SCOPED_TRACE(c.text() + ", samples " + text_of(samples));
            Expected expected{c.units, {}, {}};
            for (int j = samples.first; j < samples.first + samples.count; ++j)
                for (int i = 0; i < c.units; ++i) {
                    Wide sum = 0, size = 0;
                    for (int k = 0; k < c.depth; ++k) {
                        const Wide term =
                            static_cast<Wide>(above.w.at(i, k)) * above.delta.at(j, k);
                        sum += term;
                        size += std::abs(term);
                    }
                    const Wide a = layer.a.at(j, i), slope = exact ? 1 : a * (1 - a);
                    const Wide rounding = static_cast<Wide>(c.depth + 3) * u * size * slope;
                    expected.add(sum * slope, exact ? 0 : slack * rounding + tiny);
                }
            layer.delta.pad(c.columns, 0, static_cast<int>(layer.ld),
                            std::numeric_limits<nn_real>::signaling_NaN());
            layer.keep();
            TestScratch scratch(samples.count);
            f().dense_delta(
                layer.layer(), above.layer(), samples,
                exact ? [](int, const nn_real*, nn_real*) {} : f().hidden_by(Sigmoid{}).times_slope,
                scratch.scratch());
            EXPECT_TRUE(within("delta", layer.delta.get(samples, {0, c.units}), expected));
            for (const nn_real v : layer.delta.get(samples, {c.units, layer.padded() - c.units}))
                EXPECT_EQ(v, 0) << "the padding of delta";
            layer.expect_kept_but(&layer.delta, samples, {0, layer.padded()});
            above.expect_kept_but(nullptr, {0, 0}, {0, 0});
        }
    }

    void check_gradients(const DenseCase& c, Rng& rng, Draw draw = Draw::normal) {
        const bool exact = draw == Draw::whole;
        TestBelow below(c.columns, c.depth, rng, draw);
        for (TestUse use : every_use) {
            if (exact) use.rate = 2;
            if (exact && use.reg != 0) use.reg = 3;
            TestLayer layer(f(), c.columns, c.units, c.depth, rng, use.stored ? 0 : 2, draw);
            const std::vector<Range> inputs = whole_and_inner(c.columns),
                                     vectors = whole_and_inner(layer.vectors().count);
            for (std::size_t part = 0; part < 2; ++part) {
                SCOPED_TRACE(c.text() + ", inputs " + text_of(inputs[part]) + ", vectors " +
                             text_of(vectors[part]) + ", " + use.name);
                TestScratch scratch(inputs[part].count);
                check_gradient(layer, below.x, c.depth, inputs[part], vectors[part], use, exact,
                               [&](const CpuGradientUse& to, Range some, Range some_vectors) {
                                   f().dense_gradient(layer.layer(), below.rows.data(), below.ld,
                                                      c.depth, some, some_vectors, to,
                                                      scratch.scratch());
                               });
            }
        }
    }
};

TEST_P(CpuDense, ForwardIsRightForEveryShape) {
    Rng rng(1);
    for (const DenseCase& c : cases()) check_forward(c, rng);
}

TEST_P(CpuDense, DeltaIsRightForEveryShape) {
    Rng rng(2);
    for (const DenseCase& c : cases()) check_delta(c, rng);
}

TEST_P(CpuDense, GradientIsRightForEveryShape) {
    Rng rng(3);
    for (const DenseCase& c : cases()) check_gradients(c, rng);
}

TEST_P(CpuDense, ProductsAreExactOnSmallIntegers) {
    Rng rng(4);
    for (const DenseCase& c :
         {DenseCase{300, 25, 65}, DenseCase{129, 2, 100}, DenseCase{513, 8, 48}}) {
        check_forward(c, rng, Draw::whole);
        check_delta(c, rng, Draw::whole);
        check_gradients(c, rng, Draw::whole);
    }
}

// ---- The output layer --------------------------------------------------------------------------

constexpr int class_counts[] = {1, 2, 10, 15, 16, 17, 31, 32, 33, 48, 50};

/// Its biases are padded with logits whose exponential is 0, and those stay to the bit, since the
/// weights there are 0.
TEST_P(CpuDense, LogitsAreRightForFewUnitsAndKeepTheirPadding) {
    Rng rng(5);
    for (const int classes : class_counts)
        for (const int inputs : {1, 9, 100})
            for (const int n : {0, 1, 7, 8, 9, 19}) {
                const DenseCase c{inputs, n, classes};
                SCOPED_TRACE(c.text());
                TestBelow below(inputs, n, rng);
                TestLayer layer(f(), inputs, classes, n, rng);
                layer.bias.pad(1, classes, layer.padded(), no_logit);
                forward_part(layer, below, {0, n}, layer.vectors(), false, false);
                const int rest = layer.padded() - classes;
                EXPECT_TRUE(same_bits("the padding of z", layer.a.get({0, n}, {classes, rest}),
                                      Reals(elements(n, rest), no_logit)));
            }
}

TEST_P(CpuDense, DeltaBelowFewUnitsIsRight) {
    Rng rng(6);
    for (const int classes : class_counts)
        for (const int inputs : {1, 7, 8, 9, 16, 31, 100})
            for (const int n : {0, 1, 7, 9, 19}) check_delta({classes, n, inputs}, rng);
}

TEST_P(CpuDense, GradientOfFewUnitsIsRightForAnyInputs) {
    Rng rng(7);
    for (const int classes : class_counts)
        for (const int inputs : {1, 9, 40})
            for (const int n : {0, 1, 8, 19}) check_gradients({n, inputs, classes}, rng);
}

// ---- NaN and infinity --------------------------------------------------------------------------

constexpr nn_real not_finite[] = {nan_real, std::numeric_limits<nn_real>::infinity(),
                                  -std::numeric_limits<nn_real>::infinity()};

/// Few columns, and many.
TEST_P(CpuDense, ForwardKeepsNaNAndInfinityInTheirSampleOrUnit) {
    Rng rng(8);
    const int inputs = 260, units = 35;
    for (const nn_real bad : not_finite)
        for (const int n : {3, 19})
            for (const char where : {'w', 'b', 'x'}) {
                TestBelow below(inputs, n, rng);
                TestLayer layer(f(), inputs, units, n, rng);
                TestScratch scratch(n);
                const int unit = n + 5, sample = n / 2, input = n == 3 ? 259 : 7;
                (where == 'w'   ? layer.w.at(input, unit)
                 : where == 'b' ? layer.bias.at(0, unit)
                                : below.rows.at(sample, input)) = bad;
                below.rows.keep();
                f().dense_forward(layer.layer(), below.rows.data(), below.ld, {0, n},
                                  layer.vectors(), nullptr, scratch.scratch());
                for (int j = 0; j < n; ++j)
                    for (int c = 0; c < units; ++c)
                        EXPECT_EQ(std::isfinite(layer.a.at(j, c)),
                                  where == 'x' ? j != sample : c != unit)
                            << "z of sample " << j << ", unit " << c << " = " << layer.a.at(j, c)
                            << "; " << bad << " in " << where;
            }
}

TEST_P(CpuDense, DeltaKeepsNaNAndInfinityInTheirSampleOrUnit) {
    Rng rng(9);
    const int depth = 260, units = 35;
    for (const nn_real bad : not_finite)
        for (const int n : {3, 19})
            for (const char where : {'w', 'd', 'a'}) {
                TestLayer layer(f(), 1, units, n, rng), above(f(), units, depth, n, rng);
                TestScratch scratch(n);
                layer.a.pad(n, 0, layer.padded(), static_cast<nn_real>(0.25));
                const int unit = n + 5, sample = n / 2, k = n == 3 ? 259 : 7;
                (where == 'w'   ? above.w.at(unit, k)
                 : where == 'a' ? layer.a.at(sample, unit)
                                : above.delta.at(sample, k)) = bad;
                f().dense_delta(layer.layer(), above.layer(), {0, n},
                                f().hidden_by(Sigmoid{}).times_slope, scratch.scratch());
                for (int j = 0; j < n; ++j)
                    for (int c = 0; c < units; ++c) {
                        const bool reached =
                            (where == 'w' || j == sample) && (where == 'd' || c == unit);
                        EXPECT_EQ(std::isfinite(layer.delta.at(j, c)), !reached)
                            << "delta of sample " << j << ", unit " << c << " = "
                            << layer.delta.at(j, c) << "; " << bad << " in " << where;
                    }
            }
}

TEST_P(CpuDense, GradientKeepsNaNAndInfinityInTheirInputOrUnit) {
    Rng rng(10);
    const int n = 260, units = 35;
    for (const nn_real bad : not_finite)
        for (const int inputs : {3, 19})
            for (const char where : {'d', 'x'}) {
                TestBelow below(inputs, n, rng);
                TestLayer layer(f(), inputs, units, n, rng);
                TestScratch scratch(inputs);
                const int unit = inputs + 5, input = inputs / 2, sample = inputs == 3 ? 259 : 7;
                (where == 'd' ? layer.delta.at(sample, unit) : below.rows.at(sample, input)) = bad;
                below.rows.keep();
                f().dense_gradient(layer.layer(), below.rows.data(), below.ld, n, {0, inputs},
                                   layer.vectors(), {{nn_real{1}, 0, {}}, nullptr},
                                   scratch.scratch());
                for (int i = 0; i < inputs; ++i)
                    for (int c = 0; c < units; ++c)
                        EXPECT_EQ(std::isfinite(layer.w.at(i, c)),
                                  where == 'x' ? i != input : c != unit)
                            << "w of input " << i << ", unit " << c << " = " << layer.w.at(i, c)
                            << "; " << bad << " in " << where;
            }
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuDense, testing::ValuesIn(runnable_tables()),
                         name_of_table);

}  // namespace
