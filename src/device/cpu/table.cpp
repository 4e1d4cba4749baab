// table.cpp: the CPU's arithmetic around the GEMMs, for one instruction set.
//
// The Makefile compiles this file once for each instruction set, with CPU_ISA its name. The code
// uses vectors of 64 bytes, a type of the compiler, which become one, two or four registers. It
// must not use a shared inline function (of std::, for example): the linker could keep the copy
// that was compiled for AVX-512 for the whole program. The Makefile checks this.
#include "device/cpu/table.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/range.h"

namespace {

constexpr int lanes = 64 / static_cast<int>(sizeof(nn_real));
using Vector [[gnu::vector_size(64)]] = nn_real;
using AnywhereVector [[gnu::vector_size(64), gnu::aligned(sizeof(nn_real)), gnu::may_alias]] =
    nn_real;
constexpr bool is_double = sizeof(nn_real) == 8;

Vector load(const nn_real* p) { return *reinterpret_cast<const AnywhereVector*>(p); }
void store(nn_real* p, Vector v) { *reinterpret_cast<AnywhereVector*>(p) = v; }
Vector all(nn_real value) { return value - Vector{}; }
/// Loads the first `count` elements of a vector, and zeros.
Vector load_some(const nn_real* p, int count) {
    Vector v{};
    std::memcpy(&v, p, static_cast<std::size_t>(count) * sizeof(nn_real));
    return v;
}
void store_some(nn_real* p, Vector v, int count) {
    std::memcpy(p, &v, static_cast<std::size_t>(count) * sizeof(nn_real));
}

// ---- exp and activations

constexpr nn_real inverse_factorial(int n) {
    double product = 1;
    for (int k = 2; k <= n; ++k) product *= k;
    return static_cast<nn_real>(1 / product);
}

/// Below this, exp is no normal number, and 0 is taken instead: with denormal numbers, processors
/// take a hundred times as long.
constexpr auto lowest = static_cast<nn_real>(is_double ? -708.396418532264 : -87.33654);

/// exp(x), within 2 units in the last place; a large number if exp(x) is too large. NaN stays NaN.
///
/// With n = round(x / ln 2) and r = x - n ln 2, exp(x) = 2^n exp(r), |r| < 0.35. Adding `magic`
/// leaves n in the low bits of the sum. ln 2 is subtracted in two parts; the first is so short that
/// n times it is exact. exp(r) is its Taylor series, whose first omitted term is below u.
Vector exp_of(const Vector exponent) {
    constexpr auto highest = static_cast<nn_real>(is_double ? 709.4 : 88.3);
    constexpr auto magic = static_cast<nn_real>(is_double ? 0x1.8p52 : 0x1.8p23);
    constexpr auto ln2_first = static_cast<nn_real>(is_double ? 0x1.62e42p-1 : 0x1.63p-1);
    constexpr auto ln2_rest =
        static_cast<nn_real>(is_double ? 0x1.fdf473de6af28p-22 : -0x1.bd0106p-13);
    constexpr int terms = is_double ? 13 : 7;
    constexpr int mantissa = is_double ? 52 : 23, bias = is_double ? 1023 : 127;

    Vector x = exponent < lowest ? all(lowest) : exponent;
    x = x > highest ? all(highest) : x;
    const Vector shifted = x * static_cast<nn_real>(1.4426950408889634) + magic;
    const Vector n = shifted - magic;
    const Vector r = (x - n * ln2_first) - n * ln2_rest;
    Vector series = all(inverse_factorial(terms));
    for (int k = terms - 1; k >= 0; --k) series = series * r + inverse_factorial(k);
    using Bits = decltype(x < all(0));
    const Bits power =
        (reinterpret_cast<Bits>(n + magic) - reinterpret_cast<Bits>(all(magic)) + bias) << mantissa;
    return exponent < lowest ? Vector{} : series * reinterpret_cast<Vector>(power);
}

/// exp_of(), for activations: infinite where 1 / exp(x) is no normal number, so that 0 comes of it.
struct ExpOrInfinity {
    Vector operator()(Vector x) const {
        return x > -lowest ? all(std::numeric_limits<nn_real>::infinity()) : exp_of(x);
    }
};
template <class A>
Vector value_of(Vector z) {
    return A::value(z, ExpOrInfinity{});
}

void pixels_to_real(std::size_t count, nn_real scale, const std::uint8_t* bytes, nn_real* x) {
    for (std::size_t i = 0; i < count; ++i) x[i] = scale * static_cast<nn_real>(bytes[i]);
}

template <class A>
void activate(int rows, int n, const nn_real* bias, nn_real* z) {
    if (rows < lanes) {
        const Vector b = load_some(bias, rows);
        for (int j = 0; j < n; ++j, z += rows)
            store_some(z, value_of<A>(load_some(z, rows) + b), rows);
        return;
    }
    // The last vector of a column overlaps the one before it. So it is loaded before that one is
    // written; both compute the same values.
    const int last = rows - lanes;
    const Vector last_bias = load(bias + last);
    for (int j = 0; j < n; ++j, z += rows) {
        const Vector end = value_of<A>(load(z + last) + last_bias);
        for (int i = 0; i < last; i += lanes)
            store(z + i, value_of<A>(load(z + i) + load(bias + i)));
        store(z + last, end);
    }
}

template <class A>
void times_slope(std::size_t count, const nn_real* a, nn_real* delta) {
    for (std::size_t i = 0; i < count; ++i) delta[i] *= A::slope(a[i]);
}

// ---- sums and the update

void row_sums(int rows, int n, const nn_real* delta, int ld, nn_real* sums) {
    for (int i = 0; i < rows; ++i) sums[i] = 0;
    for (int j = 0; j < n; ++j, delta += ld)
        for (int i = 0; i < rows; ++i) sums[i] += delta[i];
}

template <class R>
void update_by(const R& rule, nn_real rate, nn_real reg, std::size_t begin, std::size_t end,
               std::size_t before, const nn_real* const* addends, int count, nn_real* p) {
    constexpr auto l = static_cast<std::size_t>(lanes);
    const nn_real* const first = addends[0];
    std::size_t i = begin;
    for (; i + l <= end; i += l) {
        Vector sum = load(first + (i - before));
        for (int r = 1; r < count; ++r) sum += load(addends[r] + (i - before));
        const Vector w = load(p + i);
        store(p + i, rule(w, sum + reg * w, rate));
    }
    for (; i < end; ++i) {
        nn_real sum = first[i - before];
        for (int r = 1; r < count; ++r) sum += addends[r][i - before];
        p[i] = rule(p[i], sum + reg * p[i], rate);
    }
}
/// The rule in `update` is number I of the list, or a later one.
template <std::size_t I = 0>
void update_parameters(const Update& update, nn_real reg, std::size_t begin, std::size_t end,
                       std::size_t first, const nn_real* const* addends, int count, nn_real* p) {
    if constexpr (I + 1 < std::variant_size_v<Rule>)
        if (update.rule.index() != I)
            return update_parameters<I + 1>(update, reg, begin, end, first, addends, count, p);
    update_by(*std::get_if<I>(&update.rule), update.rate, reg, begin, end, first, addends, count,
              p);
}

double sum_of_squares(std::size_t count, const nn_real* values) {
    // Eight partial sums, so that additions do not wait for one another.
    double partial[8] = {};
    for (std::size_t i = 0; i < count; ++i)
        partial[i % 8] += static_cast<double>(values[i]) * static_cast<double>(values[i]);
    double sum = 0;
    for (double p : partial) sum += p;
    return sum;
}

// ---- the output layer

constexpr int vectors = class_padding / lanes;  ///< of class_padding rows: 1 in float, 2 in double
constexpr int block = 8;  ///< columns that share each load of the narrow matrix

void pad_output_layer(int classes, int inputs, const nn_real* w, const nn_real* bias,
                      nn_real* w_padded, nn_real* w_transposed, nn_real* bias_padded) {
    const int padded = padded_classes(classes);
    for (int i = 0; i < inputs; ++i)
        for (int c = 0; c < padded; ++c)
            w_padded[elements(padded, i) + static_cast<std::size_t>(c)] =
                c < classes ? w[elements(classes, i) + static_cast<std::size_t>(c)] : 0;
    for (int c = 0; c < classes; ++c)
        for (int i = 0; i < inputs; ++i)
            w_transposed[elements(inputs, c) + static_cast<std::size_t>(i)] =
                w[elements(classes, i) + static_cast<std::size_t>(c)];
    for (int c = 0; c < padded; ++c)
        bias_padded[c] = c < classes ? bias[c] : std::numeric_limits<nn_real>::lowest();
}

/// `columns` <= block columns of class_padding rows, c[j] = start + sum over k of a_k b(k, j),
/// where a_k is a + k lda and b(k, j) is b[k bk + j bj].
template <int columns>
void narrow_product(const nn_real* start, const nn_real* a, std::size_t lda, int depth,
                    const nn_real* b, std::size_t bk, std::size_t bj, nn_real (*c)[class_padding]) {
    Vector sum[columns][vectors];
    for (int j = 0; j < columns; ++j)
        for (int v = 0; v < vectors; ++v)
            sum[j][v] = start == nullptr ? Vector{} : load(start + v * lanes);
    for (int k = 0; k < depth; ++k, a += lda, b += bk)
        for (int v = 0; v < vectors; ++v) {
            const Vector narrow = load(a + v * lanes);
            for (int j = 0; j < columns; ++j)
                sum[j][v] += narrow * b[static_cast<std::size_t>(j) * bj];
        }
    for (int j = 0; j < columns; ++j)
        for (int v = 0; v < vectors; ++v) store(c[j] + v * lanes, sum[j][v]);
}

void output_logits(int padded, int inputs, int n, const nn_real* w_padded,
                   const nn_real* bias_padded, const nn_real* a, nn_real* z) {
    const auto ld = static_cast<std::size_t>(padded), below = static_cast<std::size_t>(inputs);
    nn_real c[block][class_padding];
    for (int row = 0; row < padded; row += class_padding)
        for (int j = 0; j < n;) {
            const bool whole = j + block <= n;
            const int columns = whole ? block : 1;
            (whole ? narrow_product<block> : narrow_product<1>)(bias_padded + row, w_padded + row,
                                                                ld, inputs, a + elements(inputs, j),
                                                                1, below, c);
            for (int i = 0; i < columns; ++i, ++j)
                std::memcpy(z + elements(padded, j) + row, c[i], sizeof c[i]);
        }
}

/// v with every element moved by `by` places, cyclically.
template <int by, int... i>
Vector turned(Vector v, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(v, v, ((i + by) % lanes)...);
}
/// Puts op over all elements of v into every element, by folding halves together.
template <int by = lanes / 2, class Op>
Vector fold(Vector v, Op op) {
    v = op(v, turned<by>(v, std::make_integer_sequence<int, lanes>()));
    if constexpr (by > 1)
        return fold<by / 2>(v, op);
    else
        return v;
}

/// Puts the largest of a column's logits into every element.
Vector largest_of(int padded, const nn_real* z) {
    Vector largest = load(z);
    const auto larger = [](Vector a, Vector b) { return a < b ? b : a; };
    for (int i = lanes; i < padded; i += lanes) largest = larger(largest, load(z + i));
    return fold(largest, larger);
}
/// z becomes exp(z - largest). Returns the sum of these in every element.
Vector exponentials(int padded, Vector largest, nn_real* z) {
    Vector sum{};
    for (int i = 0; i < padded; i += lanes) {
        const Vector e = exp_of(load(z + i) - largest);
        store(z + i, e);
        sum += e;
    }
    return fold(sum, [](Vector a, Vector b) { return a + b; });
}

/// One column of softmax_cross_entropy. Returns sum of exp(z - largest), and z_c - largest.
struct ColumnLoss {
    nn_real sum, shifted;
};
ColumnLoss softmax_column(int classes, int label, nn_real scale, nn_real* z, nn_real* delta) {
    const int padded = padded_classes(classes);
    const Vector largest = largest_of(padded, z);
    const nn_real shifted = z[label] - largest[0];
    const Vector sum = exponentials(padded, largest, z);
    for (int i = 0; i < padded; i += lanes) {
        const Vector yhat = load(z + i) / sum;
        store(z + i, yhat);
        store(delta + i, yhat * scale);
    }
    delta[label] = (z[label] - 1) * scale;
    return {sum[0], shifted};
}

double softmax_cross_entropy(int classes, int n, const std::uint8_t* labels, nn_real scale,
                             nn_real* z, nn_real* delta) {
    const int padded = padded_classes(classes);
    // -log yhat_c = log(sum) - shifted. The logarithm of a product of sums takes the time of one
    // logarithm. Each sum is from 1 to the number of classes, so the product of 16 is far from
    // overflow.
    constexpr int together = 16;
    double loss = 0, product = 1;
    for (int j = 0; j < n; ++j) {
        const ColumnLoss column = softmax_column(classes, labels[j], scale, z + elements(padded, j),
                                                 delta + elements(padded, j));
        loss -= static_cast<double>(column.shifted);
        product *= static_cast<double>(column.sum);
        if (j % together == together - 1 || j == n - 1) {
            loss += std::log(product);
            product = 1;
        }
    }
    return loss;
}

/// The target of one column of output_loss: numbers, or a label.
struct Target {
    const nn_real* numbers;
    int label;
    nn_real at(int c) const {
        return numbers != nullptr ? numbers[c] : static_cast<nn_real>(c == label ? 1 : 0);
    }
};

/// z becomes softmax(z). Returns sum_c y_c (-log yhat_c), in double, by log sum exp(z - largest).
double softmax_and_loss(int classes, const Target& y, nn_real* z) {
    const int padded = padded_classes(classes);
    const Vector largest = largest_of(padded, z);
    double sum_of_y = 0, loss = 0;
    for (int c = 0; c < classes; ++c) {
        const double wanted = static_cast<double>(y.at(c));
        sum_of_y += wanted;
        loss -= wanted * (static_cast<double>(z[c]) - static_cast<double>(largest[0]));
    }
    const Vector sum = exponentials(padded, largest, z);
    for (int i = 0; i < padded; i += lanes) store(z + i, load(z + i) / sum);
    return loss + sum_of_y * std::log(static_cast<double>(sum[0]));
}

/// z becomes sigmoid(z). Returns -sum_c (y_c log yhat_c + (1 - y_c) log(1 - yhat_c)), in double.
/// -log yhat_c and -log(1 - yhat_c) are log(1 + exp(-|z|)), one of them plus |z|.
double sigmoid_and_loss(int classes, const Target& y, nn_real* z) {
    double loss = 0;
    for (int c = 0; c < classes; ++c) {
        const double wanted = static_cast<double>(y.at(c)), logit = static_cast<double>(z[c]);
        const double size = logit < 0 ? -logit : logit;
        const double least = std::log1p(std::exp(-size));
        loss += wanted * (logit < 0 ? least + size : least) +
                (1 - wanted) * (logit > 0 ? least + size : least);
    }
    for (int i = 0; i < padded_classes(classes); i += lanes)
        store(z + i, value_of<Sigmoid>(load(z + i)));
    return loss;
}

/// delta = scale dloss/dz of a column. Returns the sum of (yhat - y)^2.
double column_delta(const Objective& objective, int classes, const Target& y, nn_real scale,
                    const nn_real* yhat, nn_real* delta) {
    const bool softmax = objective.output == OutputLayer::softmax;
    const bool mse = objective.loss == LossFunction::mse;
    const nn_real share = (mse ? 2 : 1) * scale / static_cast<nn_real>(classes);
    nn_real sum_of_y = 0, mean_error = 0;  // mean_error: weighted by yhat
    double squares = 0;
    for (int c = 0; c < classes; ++c) {
        const nn_real wanted = y.at(c), error = yhat[c] - wanted;
        sum_of_y += wanted;
        mean_error += error * yhat[c];
        squares += static_cast<double>(error) * static_cast<double>(error);
    }
    for (int c = 0; c < classes; ++c) {
        const nn_real wanted = y.at(c), error = yhat[c] - wanted;
        if (mse)
            delta[c] = share * (yhat[c] * (softmax ? error - mean_error : error * (1 - yhat[c])));
        else
            delta[c] = softmax ? (sum_of_y * yhat[c] - wanted) * scale : error * share;
    }
    return squares;
}

double output_loss(Objective objective, int classes, int n, const std::uint8_t* labels,
                   const nn_real* targets, nn_real scale, nn_real* z, nn_real* delta) {
    const int padded = padded_classes(classes);
    const bool softmax = objective.output == OutputLayer::softmax;
    double loss = 0;
    for (int j = 0; j < n; ++j, z += padded, delta += padded) {
        const Target y{targets != nullptr ? targets + elements(classes, j) : nullptr,
                       targets != nullptr ? 0 : labels[j]};
        const double entropy = (softmax ? softmax_and_loss : sigmoid_and_loss)(classes, y, z);
        for (int c = classes; c < padded; ++c) z[c] = delta[c] = 0;
        const double squares = column_delta(objective, classes, y, scale, z, delta);
        if (objective.loss == LossFunction::mse)
            loss += squares / classes;
        else
            loss += softmax ? entropy : entropy / classes;
    }
    return loss;
}

/// `count` <= lanes rows of `columns` columns of output_delta.
template <class A, int columns, bool whole>
void output_delta_rows(int count, int classes, int inputs, const nn_real* w_transposed,
                       const nn_real* delta, const nn_real* a, nn_real* below) {
    const auto get = [&](const nn_real* p) { return whole ? load(p) : load_some(p, count); };
    const auto ld = static_cast<std::size_t>(padded_classes(classes));
    Vector sum[columns] = {};
    for (int c = 0; c < classes; ++c) {
        const Vector w = get(w_transposed + elements(inputs, c));
        for (int j = 0; j < columns; ++j)
            sum[j] += w * delta[static_cast<std::size_t>(j) * ld + static_cast<std::size_t>(c)];
    }
    for (int j = 0; j < columns; ++j) {
        const Vector result = sum[j] * A::slope(get(a + elements(inputs, j)));
        if (whole)
            store(below + elements(inputs, j), result);
        else
            store_some(below + elements(inputs, j), result, count);
    }
}

template <class A, int columns>
void output_delta_columns(int classes, int inputs, const nn_real* w_transposed,
                          const nn_real* delta, const nn_real* a, nn_real* below) {
    if (inputs < lanes)
        return output_delta_rows<A, columns, false>(inputs, classes, inputs, w_transposed, delta, a,
                                                    below);
    for (int i = 0; i < inputs; i += lanes) {
        const int at = inputs - i < lanes ? inputs - lanes : i;  // the last may overlap
        output_delta_rows<A, columns, true>(lanes, classes, inputs, w_transposed + at, delta,
                                            a + at, below + at);
    }
}

template <class A>
void output_delta(int classes, int inputs, int n, const nn_real* w_transposed, const nn_real* delta,
                  const nn_real* a, nn_real* below) {
    const int padded = padded_classes(classes);
    for (int j = 0; j < n;) {
        const bool whole = j + block <= n;
        (whole ? output_delta_columns<A, block>
               : output_delta_columns<A, 1>)(classes, inputs, w_transposed,
                                             delta + elements(padded, j), a + elements(inputs, j),
                                             below + elements(inputs, j));
        j += whole ? block : 1;
    }
}

void output_gradient(int classes, int inputs, int first, int count, int n, const nn_real* delta,
                     const nn_real* a, nn_real* dw) {
    const int padded = padded_classes(classes);
    const auto ld = static_cast<std::size_t>(padded), below = static_cast<std::size_t>(inputs);
    nn_real c[block][class_padding];
    for (int row = 0; row < padded; row += class_padding) {
        const int rows = classes - row < class_padding ? classes - row : class_padding;
        for (int i = first; i < first + count;) {
            const bool whole = i + block <= first + count;
            const int columns = whole ? block : 1;
            (whole ? narrow_product<block> : narrow_product<1>)(nullptr, delta + row, ld, n, a + i,
                                                                below, 1, c);
            for (int j = 0; j < columns; ++j, ++i)
                std::memcpy(dw + elements(classes, i) + row, c[j],
                            static_cast<std::size_t>(rows) * sizeof(nn_real));
        }
    }
}

/// The table of a set of instructions, for every activation of the list.
template <class... A>
constexpr CpuFunctions table_of(const char* name, std::variant<A...>*) {
    return {name,
            {{activate<A>, times_slope<A>, output_delta<A>}...},
            pixels_to_real,
            row_sums,
            update_parameters<>,
            sum_of_squares,
            pad_output_layer,
            output_logits,
            softmax_cross_entropy,
            output_loss,
            output_gradient};
}

}  // namespace

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define TEXT_(a) #a
#define TEXT(a) TEXT_(a)
extern const CpuFunctions JOIN(cpu_functions_, CPU_ISA);
constexpr CpuFunctions JOIN(cpu_functions_, CPU_ISA) = table_of(TEXT(CPU_ISA),
                                                                static_cast<Activation*>(nullptr));
