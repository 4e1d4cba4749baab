// cpu_layer.h: the memory of one layer, and its inputs, for the tests of the CPU's products.
//
// All that a function has no right to read is a signalling NaN: rows beyond their whole vectors,
// rows before the first and after the last. Tests look at every element that a call may not write.
#pragma once
#include <functional>
#include <utility>

#include "device/cpu/buffer.h"
#include "tests/support/cpu_table_fixture.h"
#include "tests/support/output_math.h"

/// Rows of numbers, `ld` apart, that begin on cache lines, between two more rows.
class Rows {
  public:
    Rows(std::string name, int rows, std::size_t ld)
        : name_(std::move(name)),
          ld_(ld),
          size_(ld * static_cast<std::size_t>(rows + 2 * guard_rows)),
          memory_(size_) {
        std::fill_n(memory_.data(), size_, std::numeric_limits<nn_real>::signaling_NaN());
    }
    nn_real* data() { return memory_.data() + guard_rows * ld_; }
    nn_real* row(int i) {  // -1: a guard
        return memory_.data() + static_cast<std::size_t>(i + guard_rows) * ld_;
    }
    int columns() const { return static_cast<int>(ld_); }
    nn_real& at(int i, int column) { return row(i)[column]; }

    /// Puts values (rows x columns, row by row) into the first rows.
    void put(const Reals& values, int columns) {
        for (std::size_t i = 0; i < values.size(); ++i)
            at(static_cast<int>(i) / columns, static_cast<int>(i) % columns) = values[i];
    }
    /// Puts `value` into columns of the first rows.
    void pad(int rows, int from, int to, nn_real value) {
        for (int i = 0; i < rows; ++i) std::fill(row(i) + from, row(i) + to, value);
    }
    /// The elements of these rows and columns, row by row.
    Reals get(Range rows, Range columns) {
        Reals values;
        for (int i = rows.first; i < rows.first + rows.count; ++i)
            values.insert(values.end(), row(i) + columns.first,
                          row(i) + columns.first + columns.count);
        return values;
    }

    /// What is here now has to stay, until the next call.
    void keep() { kept_.assign(memory_.data(), memory_.data() + size_); }
    /// Has every element stayed but those of these rows and columns?
    testing::AssertionResult has_kept_all_but(Range rows, Range columns) {
        const int ld = static_cast<int>(ld_), end = columns.first + columns.count;
        const int last = static_cast<int>(size_ / ld_) - guard_rows;
        for (int r = -guard_rows; r < last; ++r) {
            const bool open = r >= rows.first && r < rows.first + rows.count;
            const int changed = open ? std::max(first_changed(r, 0, std::min(columns.first, ld)),
                                                first_changed(r, std::min(end, ld), ld))
                                     : first_changed(r, 0, ld);
            if (changed < 0) continue;
            return testing::AssertionFailure()
                   << name_ << "[row " << r << "][" << changed << "] was " << kept(r)[changed]
                   << " and became " << row(r)[changed] << "; only rows " << rows.first << " + "
                   << rows.count << ", columns " << columns.first << " + " << columns.count
                   << " may change";
        }
        return testing::AssertionSuccess();
    }
    testing::AssertionResult has_kept_all() { return has_kept_all_but({0, 0}, {0, 0}); }

  private:
    const nn_real* kept(int r) const {
        return kept_.data() + static_cast<std::size_t>(r + guard_rows) * ld_;
    }
    /// The first column from `from` to `to` of row r that has other bits now; -1 if there is none.
    int first_changed(int r, int from, int to) {
        const auto differ = [&](int first, int count) {
            return std::memcmp(row(r) + first, kept(r) + first,
                               static_cast<std::size_t>(count) * sizeof(nn_real)) != 0;
        };
        if (!differ(from, to - from)) return -1;
        while (!differ(from, 1)) ++from;
        return from;
    }
#ifdef __SANITIZE_ADDRESS__
    static constexpr int guard_rows = 0;  // the sanitizer guards every byte
#else
    static constexpr int guard_rows = 1;
#endif
    std::string name_;
    std::size_t ld_, size_;
    Buffer<nn_real> memory_;
    Reals kept_;
};

/// Elements of a row of `count` numbers: whole cache lines, and `more` of them.
inline std::size_t line_elements(int count, int more = 0) {
    constexpr int in_line = 64 / static_cast<int>(sizeof(nn_real));
    return static_cast<std::size_t>((ceil_div(count, in_line) + more) * in_line);
}

/// How random numbers are drawn: small_integers or normal_values.
enum class Draw { normal, whole };
inline Reals drawn(Draw draw, std::size_t count, Rng& rng) {
    return draw == Draw::whole ? small_integers(count, rng) : normal_values(count, rng);
}

/// A layer with random weights, biases and deltas; activations are not set. Padding is 0.
struct TestLayer {
    int inputs, outputs, samples, lanes;
    std::size_t ld;
    Rows w, bias, a, delta;

    TestLayer(const CpuFunctions& f, int from, int to, int n, Rng& rng, int more_lines = 0,
              Draw draw = Draw::normal)
        : inputs(from),
          outputs(to),
          samples(n),
          lanes(f.lanes),
          ld(line_elements(to, more_lines)),
          w("w", from, ld),
          bias("bias", 1, ld),
          a("a", n, ld),
          delta("delta", n, ld) {
        w.put(drawn(draw, elements(inputs, outputs), rng), outputs);
        bias.put(drawn(draw, elements(1, outputs), rng), outputs);
        delta.put(drawn(draw, elements(samples, outputs), rng), outputs);
        w.pad(inputs, outputs, padded(), 0);
        bias.pad(1, outputs, padded(), 0);
        delta.pad(samples, outputs, padded(), 0);
        keep();
    }
    CpuLayer layer() {
        return {inputs, outputs, ld, w.data(), bias.data(), a.data(), delta.data(), 0};
    }
    int padded() const { return ceil_div(outputs, lanes) * lanes; }
    Range vectors() const { return {0, ceil_div(outputs, lanes)}; }
    /// The columns of these vectors, and those of them that are no padding.
    Range columns_of(Range some) const { return {some.first * lanes, some.count * lanes}; }
    Range units_of(Range some) const {
        const int first = std::min(some.first * lanes, outputs);
        return {first, std::min((some.first + some.count) * lanes, outputs) - first};
    }
    void keep() {
        for (Rows* rows : {&w, &bias, &a, &delta}) rows->keep();
    }
    /// Has all stayed but these rows and columns of `written`?
    void expect_kept_but(const Rows* written, Range rows, Range columns) {
        for (Rows* some : {&w, &bias, &a, &delta})
            EXPECT_TRUE(some == written ? some->has_kept_all_but(rows, columns)
                                        : some->has_kept_all());
    }
};

/// A worker's memory, of exactly the promised size.
struct TestScratch {
    Rows panel, waiting;
    explicit TestScratch(int rows)
        : panel("panel", 1, cpu_panel), waiting("waiting", 1, cpu_waiting(std::max(rows, 1))) {
        panel.keep();
        waiting.keep();
    }
    CpuScratch scratch() { return {panel.data(), waiting.data()}; }
    ~TestScratch() {
        EXPECT_TRUE(panel.has_kept_all_but({0, 1}, {0, panel.columns()}));
        EXPECT_TRUE(waiting.has_kept_all_but({0, 1}, {0, waiting.columns()}));
    }
    TestScratch(const TestScratch&) = delete;
    TestScratch& operator=(const TestScratch&) = delete;
};

/// What a gradient may be used for.
struct TestUse {
    const char* name;
    bool stored;
    nn_real rate, reg;

    CpuGradientUse to(nn_real* store) const { return {{rate, reg, {}}, stored ? store : nullptr}; }
};
inline constexpr TestUse every_use[] = {
    {"stored", true, 0, 0},
    {"updating, reg 0", false, nn_real{0.03f}, 0},
    {"updating, reg 0.7", false, nn_real{0.03f}, nn_real{0.7f}}};

// ---- The expected sums -------------------------------------------------------------------------

/// Sums of products and of their sizes, each of `terms` products that are not 0.
struct WideSums {
    std::vector<Wide> sum, size;
    int terms = 0;
    explicit WideSums(int count)
        : sum(static_cast<std::size_t>(count)), size(static_cast<std::size_t>(count)) {}
    void start(std::size_t c, Wide value) {
        sum[c] = value;
        size[c] = std::abs(value);
    }
    /// Adds factor times each of the row's elements.
    void add(nn_real factor, const nn_real* row) {
        if (factor != 0) ++terms;
        for (std::size_t c = 0; c < sum.size(); ++c) {
            const Wide term = static_cast<Wide>(factor) * row[c];
            sum[c] += term;
            size[c] += std::abs(term);
        }
    }
    /// The bound after that many roundings of every term. A sum of nothing is exact.
    Wide bound(std::size_t c, int roundings) const {
        if (terms == 0) return 0;
        return slack * static_cast<Wide>(roundings) * u * size[c] + tiny;
    }
};

/// x is samples x inputs. z of one sample: from the bias on, `terms` products and additions.
inline WideSums wide_forward(TestLayer& layer, const Reals& x, int sample, Range units) {
    WideSums z(units.count);
    for (int c = 0; c < units.count; ++c)
        z.start(static_cast<std::size_t>(c), layer.bias.at(0, units.first + c));
    for (int i = 0; i < layer.inputs; ++i)
        z.add(x[at(i, sample, layer.inputs)], layer.w.row(i) + units.first);
    return z;
}

/// The gradient of the weights of one input, from n samples.
inline WideSums wide_gradient(TestLayer& layer, const Reals& x, int n, int input, Range units) {
    WideSums g(units.count);
    for (int j = 0; j < n; ++j)
        g.add(x[at(input, j, layer.inputs)], layer.delta.row(j) + units.first);
    return g;
}

/// The gradients, or the weights that they updated: w - rate (g + reg w). A gradient's terms go
/// through two more roundings, reg w through three, and the result through one.
inline Expected expected_after(TestLayer& layer, const Reals& x, int n, Range inputs, Range units,
                               const TestUse& use, bool exact = false) {
    Expected expected{units.count, {}, {}};
    for (int i = inputs.first; i < inputs.first + inputs.count; ++i) {
        const WideSums g = wide_gradient(layer, x, n, i, units);
        for (std::size_t c = 0; c < g.sum.size(); ++c) {
            if (use.stored) {
                expected.add(g.sum[c], exact ? 0 : g.bound(c, g.terms));
                continue;
            }
            const Wide w = layer.w.at(i, units.first + static_cast<int>(c));
            const Wide decay = static_cast<Wide>(use.rate) * use.reg * w;
            const Wide after = w - (use.rate * g.sum[c] + decay);
            const Wide of_g = static_cast<Wide>(use.rate) * g.bound(c, g.terms + 3);
            const Wide bound = of_g + slack * u * (3 * std::abs(decay) + std::abs(after)) + tiny;
            expected.add(after, exact || (g.terms == 0 && use.reg == 0) ? 0 : bound);
        }
    }
    return expected;
}

/// Runs forward() of these samples and vectors, and checks every element, that the padding is
/// finite and that nothing else changed.
inline void check_forward_part(TestLayer& layer, const Reals& x, Range samples, Range vectors,
                               bool activated, bool exact, const std::function<void()>& forward) {
    const Range units = layer.units_of(vectors), columns = layer.columns_of(vectors);
    Expected expected{units.count, {}, {}};
    for (int j = samples.first; j < samples.first + samples.count; ++j) {
        const WideSums z = wide_forward(layer, x, j, units);
        for (std::size_t c = 0; c < z.sum.size(); ++c) {
            const Wide bound = exact ? 0 : z.bound(c, z.terms + 1);
            if (activated)
                add_value(expected, Sigmoid{}, z.sum[c], bound);
            else
                expected.add(z.sum[c], bound);
        }
    }
    layer.a.pad(layer.samples, 0, static_cast<int>(layer.ld),
                std::numeric_limits<nn_real>::signaling_NaN());
    layer.keep();
    forward();
    EXPECT_TRUE(within("z", layer.a.get(samples, units), expected));
    for (const nn_real v : layer.a.get(samples, columns))
        ASSERT_TRUE(std::isfinite(v)) << "with its padding";
    layer.expect_kept_but(&layer.a, samples, columns);
}

/// Runs gradient(use, inputs, vectors) on weights or on a stored gradient, and checks every element
/// of the range and that nothing else changed.
inline void check_gradient(
    TestLayer& layer, const Reals& x, int n, Range inputs, Range vectors, const TestUse& use,
    bool exact, const std::function<void(const CpuGradientUse&, Range, Range)>& gradient) {
    const Range units = layer.units_of(vectors);
    const Expected expected = expected_after(layer, x, n, inputs, units, use, exact);
    OnHost<nn_real> stored("gradient", poison<nn_real>(elements(layer.inputs, layer.outputs)));
    layer.keep();
    gradient(use.to(stored.output()), inputs, vectors);
    if (!use.stored) {
        layer.expect_kept_but(&layer.w, inputs, layer.columns_of(vectors));
        EXPECT_TRUE(within("w", layer.w.get(inputs, units), expected));
        const int rest = vectors.count == 0 ? 0 : layer.columns_of(vectors).count - units.count;
        for (const nn_real v : layer.w.get(inputs, {units.first + units.count, rest}))
            EXPECT_EQ(v, 0) << "the padding of a row of w";
        EXPECT_TRUE(same_bits("gradient", stored.values(),
                              poison<nn_real>(elements(layer.inputs, layer.outputs))));
        return;
    }
    layer.expect_kept_but(nullptr, {0, 0}, {0, 0});
    Reals all = stored.values(), part;
    for (int i = inputs.first; i < inputs.first + inputs.count; ++i)
        for (int c = units.first; c < units.first + units.count; ++c) {
            nn_real& element = all[at(c, i, layer.outputs)];
            part.push_back(element);
            std::memset(&element, 0xff, sizeof element);
        }
    EXPECT_TRUE(within("gradient", part, expected));
    EXPECT_TRUE(same_bits("gradient elsewhere", all, poison<nn_real>(all.size())));
}

/// The whole of [0, count) and a part that does not begin at 0, which may be empty.
inline std::vector<Range> whole_and_inner(int count) {
    return {{0, count}, {(count + 1) / 3, count / 2}};
}
inline std::string text_of(Range range) {
    return std::to_string(range.first) + " + " + std::to_string(range.count);
}
