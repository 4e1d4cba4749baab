// test_cpu_table.cpp: what the CPU's functions promise in device/cpu/table.h, for every instruction
// set.
//
// The program takes the widest set that the processor runs; the tests take each one that it runs,
// so that the narrow ones are not first tried on somebody's older machine. The checks and their
// bounds are those that the kernels are held to (tests/support).
#include "device/cpu/table.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/cpu_table_fixture.h"
#include "tests/support/output_math.h"

namespace {

TEST(CpuFunctionsChosen, AreTheWidestThatThisProcessorRuns) {
    EXPECT_STREQ(cpu_functions().name, runnable_tables().back()->name);
}

// ---- Pixels and sigmoid ------------------------------------------------------------------------

TEST_P(CpuTable, PixelsAreScaledWithOneRounding) {
    for (const std::size_t count : {0, 1, 7, 256, 785}) {
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

TEST_P(CpuTable, BiasSigmoidIsRightForEveryShape) {
    Rng rng(3);
    for (const int rows : {0, 1, 3, 8, 16, 31, 33, 100})
        for (const int n : {0, 1, 5})
            for (const double deviation : {1.0, 20.0, 300.0}) {
                SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(n) +
                             " columns, deviation " + std::to_string(deviation));
                const Reals b = normal_values(elements(rows, 1), rng, 3);
                const Reals before = normal_values(elements(rows, n), rng, deviation);
                Expected expected{rows, {}, {}};
                for (std::size_t i = 0; i < before.size(); ++i) {
                    const Wide sum = static_cast<Wide>(before[i]) + b[i % b.size()];
                    add_sigmoid(expected, sum, u * std::abs(sum));
                }
                const OnHost<nn_real> bias("bias", b);
                OnHost<nn_real> z("z", before);
                f().hidden_by(Sigmoid{}).activate(rows, n, bias.data(), z.output());
                EXPECT_TRUE(within("z", z.values(), expected));
            }
}

/// exp is kept below infinity, so 0 comes out as at most the smallest normal number.
TEST_P(CpuTable, BiasSigmoidSaturatesToZeroAndOne) {
    for (const int rows : {2, 64}) {
        Reals thousands(elements(rows, 1));
        for (std::size_t i = 0; i < thousands.size(); ++i)
            thousands[i] = i % 2 == 0 ? nn_real{1000} : nn_real{-1000};
        Expected expected;
        for (const nn_real v : thousands) expected.add(v > 0 ? 1 : 0, v > 0 ? 0 : tiny);
        const OnHost<nn_real> bias("bias", Reals(thousands.size()));
        OnHost<nn_real> z("z", thousands);
        f().hidden_by(Sigmoid{}).activate(rows, 1, bias.data(), z.output());
        const Reals after = z.values();
        EXPECT_TRUE(within("z", after, expected));
        for (const nn_real v : after) EXPECT_GE(v, 0);
    }
}

/// Through the whole range of exp and beyond both its ends.
TEST_P(CpuTable, BiasSigmoidIsRightOnAFineGridAndKeepsNaN) {
    const int rows = 20001;
    Reals grid;
    for (int i = 0; i < rows; ++i) grid.push_back(static_cast<nn_real>(0.08 * (i - 10000)));
    Expected expected;
    for (const nn_real x : grid) add_sigmoid(expected, x, 0);
    const OnHost<nn_real> bias("bias", Reals(grid.size()));
    OnHost<nn_real> z("z", grid);
    f().hidden_by(Sigmoid{}).activate(rows, 1, bias.data(), z.output());
    EXPECT_TRUE(within("z", z.values(), expected));

    const OnHost<nn_real> zeros("bias", Reals(35));
    for (std::size_t bad = 0; bad < 35; ++bad) {
        Reals one(35);
        one[bad] = nan_real;
        OnHost<nn_real> with_nan("z", one);
        f().hidden_by(Sigmoid{}).activate(35, 1, zeros.data(), with_nan.output());
        const Reals after = with_nan.values();
        for (std::size_t i = 0; i < after.size(); ++i)
            EXPECT_EQ(std::isnan(after[i]), i == bad) << "z[" << i << "], NaN in z[" << bad << "]";
    }
}

// ---- The output layer --------------------------------------------------------------------------

/// Around one and two times class_padding.
constexpr int class_counts[] = {1, 2, 10, 15, 16, 17, 31, 32, 33, 48, 50};
/// Around the eight columns that share a load.
constexpr int column_counts[] = {0, 1, 7, 8, 9, 19};

/// The first `rows` rows.
Reals first_rows(const Reals& x, int padded, int n, int rows) {
    Reals y(elements(rows, n));
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < rows; ++i) y[at(i, j, rows)] = x[at(i, j, padded)];
    return y;
}

/// The output layer's parameters, as pad_output_layer() hands them on.
struct OutputLayer {
    int classes, inputs, padded;
    Reals w, bias, w_padded, w_transposed, bias_padded;

    OutputLayer(const CpuFunctions& f, int rows, int cols, Rng& rng)
        : classes(rows),
          inputs(cols),
          padded(padded_classes(rows)),
          w(normal_values(elements(rows, cols), rng)),
          bias(normal_values(elements(rows, 1), rng, 3)) {
        const OnHost<nn_real> w_in("w", w), bias_in("bias", bias);
        OnHost<nn_real> by_rows("w_padded", poison<nn_real>(elements(padded, inputs)));
        OnHost<nn_real> by_columns("w_transposed", poison<nn_real>(w.size()));
        OnHost<nn_real> bias_out("bias_padded", poison<nn_real>(elements(padded, 1)));
        f.pad_output_layer(classes, inputs, w_in.data(), bias_in.data(), by_rows.output(),
                           by_columns.output(), bias_out.output());
        w_padded = by_rows.values();
        w_transposed = by_columns.values();
        bias_padded = bias_out.values();
    }
    std::string text() const {
        return std::to_string(classes) + " classes, " + std::to_string(inputs) + " inputs";
    }
};

TEST_P(CpuTable, OutputLayerIsPaddedToWholeVectors) {
    Rng rng(7);
    for (const int classes : class_counts)
        for (const int inputs : {1, 3, 40}) {
            const OutputLayer layer(f(), classes, inputs, rng);
            SCOPED_TRACE(layer.text());
            ASSERT_EQ(layer.padded % class_padding, 0);
            EXPECT_TRUE(
                same_bits("w_padded", layer.w_padded,
                          with_rows_added(layer.w, classes, inputs, layer.padded, nn_real{0})));
            EXPECT_TRUE(
                same_bits("w_transposed", layer.w_transposed, transpose(layer.w, classes, inputs)));
            EXPECT_TRUE(same_bits("bias_padded",
                                  first_rows(layer.bias_padded, layer.padded, 1, classes),
                                  layer.bias));
            for (int i = classes; i < layer.padded; ++i)
                EXPECT_LE(layer.bias_padded[at(i, 0, layer.padded)], nn_real{-1e29f})
                    << "row " << i;
        }
}

/// From the bias on, `inputs` products and additions share inputs + 1 terms. In the rows that pad
/// stays the bias, since the weights there are 0.
TEST_P(CpuTable, OutputLogitsAreRightForEveryShape) {
    Rng rng(8);
    for (const int classes : class_counts)
        for (const int inputs : {1, 9, 100})
            for (const int n : column_counts) {
                const OutputLayer layer(f(), classes, inputs, rng);
                SCOPED_TRACE(layer.text() + ", " + std::to_string(n) + " columns");
                const Reals a = normal_values(elements(inputs, n), rng);
                Expected expected{layer.padded, {}, {}};
                for (int j = 0; j < n; ++j)
                    for (int i = 0; i < layer.padded; ++i) {
                        Wide sum = layer.bias_padded[at(i, 0, layer.padded)], size = std::abs(sum);
                        for (int p = 0; p < inputs; ++p) {
                            const Wide term =
                                static_cast<Wide>(layer.w_padded[at(i, p, layer.padded)]) *
                                a[at(p, j, inputs)];
                            sum += term;
                            size += std::abs(term);
                        }
                        const Wide bound = slack * static_cast<Wide>(inputs + 1) * u * size;
                        expected.add(sum, i < classes ? bound : 0);
                    }
                const OnHost<nn_real> w("w_padded", layer.w_padded), a_in("a", a),
                    bias("bias_padded", layer.bias_padded);
                OnHost<nn_real> z("z", poison<nn_real>(elements(layer.padded, n)));
                f().output_logits(layer.padded, inputs, n, w.data(), bias.data(), a_in.data(),
                                  z.output());
                EXPECT_TRUE(within("z", z.values(), expected));
            }
}

TEST_P(CpuTable, OutputLogitsKeepNaNInItsColumn) {
    Rng rng(9);
    const OutputLayer layer(f(), 10, 20, rng);
    const int n = 11;
    for (int bad = 0; bad < n; ++bad) {
        Reals a = normal_values(elements(layer.inputs, n), rng);
        a[at(bad, bad, layer.inputs)] = nan_real;
        Reals z(elements(layer.padded, n));
        f().output_logits(layer.padded, layer.inputs, n, layer.w_padded.data(),
                          layer.bias_padded.data(), a.data(), z.data());
        for (int j = 0; j < n; ++j)
            for (int i = 0; i < layer.classes; ++i)
                EXPECT_EQ(std::isnan(z[at(i, j, layer.padded)]), j == bad)
                    << "z(" << i << "," << j << "), NaN in column " << bad;
    }
}

/// Runs output(labels, targets, scale, z, delta) on padded arrays. In the rows that pad, yhat and
/// delta have to be 0 to the bit: exp leaves tiny numbers there, over which processors take a
/// hundred times as long in all products that follow.
template <class Output>
double on_padded_rows(const OutputCase& c, nn_real* z, nn_real* delta, Output&& output) {
    const int padded = padded_classes(c.classes);
    OnHost<nn_real> z_padded("z", with_rows_added(c.z, c.classes, c.n, padded, nn_real{-1e30f}));
    OnHost<nn_real> delta_padded("delta", poison<nn_real>(elements(padded, c.n)));
    const double loss = output(z_padded.output(), delta_padded.output());
    const struct {
        const char* name;
        Reals padded;
        nn_real* unpadded;
    } results[] = {{"yhat", z_padded.values(), z}, {"delta", delta_padded.values(), delta}};
    for (const auto& result : results) {
        const Reals values = first_rows(result.padded, padded, c.n, c.classes);
        std::copy(values.begin(), values.end(), result.unpadded);
        EXPECT_TRUE(same_bits(std::string(result.name) + " with the rows that pad", result.padded,
                              with_rows_added(values, c.classes, c.n, padded, nn_real{0})));
    }
    return loss;
}

TEST_P(CpuTable, SoftmaxIsRightForEveryNumberOfClassesAndAnyLogits) {
    std::vector<std::pair<int, int>> sizes = output_sizes();
    sizes.emplace_back(10, 800);
    check_output<HostMemory>(output_cases({}, false, sizes), [this](const OutputCase& c,
                                                                    const std::uint8_t* labels,
                                                                    const nn_real*, nn_real scale,
                                                                    nn_real* z, nn_real* delta) {
        return on_padded_rows(c, z, delta, [&](nn_real* z_padded, nn_real* delta_padded) {
            return f().softmax_cross_entropy(c.classes, c.n, labels, scale, z_padded, delta_padded);
        });
    });
}

TEST_P(CpuTable, OutputLossIsRightForEveryObjectiveTargetAndNumberOfClasses) {
    std::vector<std::pair<int, int>> sizes;
    for (const int classes : {1, 2, 10, 11, 16, 17, 300})
        for (const int n : {0, 1, 5}) sizes.emplace_back(classes, n);
    for (const Objective& objective : every_objective)
        for (const bool numbers : {false, true})
            check_output<HostMemory>(
                output_cases(objective, numbers, sizes),
                [this](const OutputCase& c, const std::uint8_t* labels, const nn_real* targets,
                       nn_real scale, nn_real* z, nn_real* delta) {
                    return on_padded_rows(c, z, delta, [&](nn_real* z_padded, nn_real* d_padded) {
                        return f().output_loss(c.objective, c.classes, c.n, labels, targets, scale,
                                               z_padded, d_padded);
                    });
                });
}

TEST_P(CpuTable, OutputLossOfNaNIsNaN) {
    const int classes = 3, padded = padded_classes(classes);
    for (const Objective& objective : every_objective)
        for (const bool in_target : {false, true}) {
            Reals z(elements(padded, 1)), delta(z.size()), y(elements(classes, 1));
            (in_target ? y : z)[1] = nan_real;
            EXPECT_TRUE(std::isnan(f().output_loss(objective, classes, 1, nullptr, y.data(),
                                                   nn_real{1}, z.data(), delta.data())))
                << text_of(objective) << ", NaN in the " << (in_target ? "target" : "logits");
            EXPECT_TRUE(std::isnan(delta[1]));
            if (!in_target) {
                EXPECT_TRUE(std::isnan(z[1]));
            }
        }
}

TEST_P(CpuTable, SoftmaxOfNaNIsNaNInItsColumnAndInTheLoss) {
    const int classes = 10, padded = padded_classes(classes), n = 3;
    for (int bad = 0; bad < classes; ++bad) {
        Reals z = with_rows_added(Reals(elements(classes, n)), classes, n, padded, nn_real{-1e30f});
        Reals delta(z.size());
        z[at(bad, 1, padded)] = nan_real;
        const Bytes labels(elements(n, 1), 4);
        const double loss = f().softmax_cross_entropy(classes, n, labels.data(), nn_real{1},
                                                      z.data(), delta.data());
        EXPECT_TRUE(std::isnan(loss)) << "NaN in row " << bad;
        for (int j = 0; j < n; ++j)
            for (int i = 0; i < classes; ++i)
                EXPECT_EQ(std::isnan(z[at(i, j, padded)]), j == 1)
                    << "yhat(" << i << "," << j << "), NaN in row " << bad;
    }
}

/// `classes` products and additions, and three roundings of the slope and its product.
TEST_P(CpuTable, OutputDeltaIsRightForEveryShape) {
    Rng rng(10);
    for (const int classes : class_counts)
        for (const int inputs : {1, 7, 8, 9, 16, 31, 100})
            for (const int n : column_counts) {
                SCOPED_TRACE(std::to_string(classes) + " classes, " + std::to_string(inputs) +
                             " inputs, " + std::to_string(n) + " columns");
                const int padded = padded_classes(classes);
                const Reals w = normal_values(elements(inputs, classes), rng);
                const Reals d = normal_values(elements(classes, n), rng);
                Reals a(elements(inputs, n));
                for (auto& v : a) v = static_cast<nn_real>(rng.uniform());
                Expected expected{inputs, {}, {}};
                for (int j = 0; j < n; ++j)
                    for (int i = 0; i < inputs; ++i) {
                        Wide sum = 0, size = 0;
                        for (int c = 0; c < classes; ++c) {
                            const Wide term =
                                static_cast<Wide>(w[at(i, c, inputs)]) * d[at(c, j, classes)];
                            sum += term;
                            size += std::abs(term);
                        }
                        const Wide value = a[at(i, j, inputs)], slope = value * (1 - value);
                        expected.add(
                            sum * slope,
                            slack * static_cast<Wide>(classes + 3) * u * size * slope + tiny);
                    }
                const OnHost<nn_real> w_in("w_transposed", w), a_in("a", a),
                    delta("delta", with_rows_added(d, classes, n, padded, nn_real{0}));
                OnHost<nn_real> below("below", poison<nn_real>(elements(inputs, n)));
                f().hidden_by(Sigmoid{}).output_delta(classes, inputs, n, w_in.data(), delta.data(),
                                                      a_in.data(), below.output());
                EXPECT_TRUE(within("below", below.values(), expected));
            }
}

/// n products and additions for each element; columns that are not asked for stay as they were.
TEST_P(CpuTable, OutputGradientIsRightForEveryShapeAndAnyColumns) {
    Rng rng(11);
    for (const int classes : class_counts)
        for (const int inputs : {1, 9, 40})
            for (const int n : column_counts)
                for (const auto& [first, count] :
                     {std::pair{0, inputs}, std::pair{inputs / 3, inputs / 2}, std::pair{inputs, 0},
                      std::pair{inputs - 1, 1}}) {
                    SCOPED_TRACE(std::to_string(classes) + " classes, " + std::to_string(inputs) +
                                 " inputs, " + std::to_string(n) + " samples, " +
                                 std::to_string(count) + " columns from " + std::to_string(first));
                    const int padded = padded_classes(classes);
                    const Reals d = normal_values(elements(classes, n), rng);
                    const Reals a = normal_values(elements(inputs, n), rng);
                    const OnHost<nn_real> a_in("a", a),
                        delta("delta", with_rows_added(d, classes, n, padded, nn_real{0}));
                    OnHost<nn_real> dw("dw", poison<nn_real>(elements(classes, inputs)));
                    f().output_gradient(classes, inputs, first, count, n, delta.data(), a_in.data(),
                                        dw.output());
                    Reals got = dw.values(), untouched = poison<nn_real>(got.size());
                    Expected expected{classes, {}, {}};
                    for (int i = first; i < first + count; ++i)
                        for (int c = 0; c < classes; ++c) {
                            Wide sum = 0, size = 0;
                            for (int j = 0; j < n; ++j) {
                                const Wide term =
                                    static_cast<Wide>(d[at(c, j, classes)]) * a[at(i, j, inputs)];
                                sum += term;
                                size += std::abs(term);
                            }
                            expected.add(sum, slack * static_cast<Wide>(n) * u * size);
                        }
                    const auto begin =
                        got.begin() + static_cast<std::ptrdiff_t>(elements(classes, first));
                    const auto end = begin + static_cast<std::ptrdiff_t>(elements(classes, count));
                    EXPECT_TRUE(within("dw from the first column on", Reals(begin, end), expected));
                    std::fill(begin, end, untouched.front());
                    EXPECT_TRUE(same_bits("dw elsewhere", got, untouched));
                }
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuTable, testing::ValuesIn(runnable_tables()),
                         [](const auto& table) { return std::string(table.param->name); });

}  // namespace
