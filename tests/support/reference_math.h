// reference_math.h: what the arithmetic of a device has to give, and how far rounding may take it.
//
// One set of inputs, references and checks for the kernels (test_kernels.cpp) and for the CPU's
// functions (test_cpu_func.cpp, test_cpu_gemm.cpp, test_cpu_bf16x3.cpp). References are computed in
// Wide. Every bound is derived, not tuned: u is the rounding unit; + - * / give a factor of 1 +- u;
// exp and log are within 2 units in the last place (CUDA's promise, and device/cpu/table.cpp's for
// exp), 4 u; `slack` covers the products of such factors; `tiny` is the smallest normal number,
// below which a result may be inexact or flushed to 0.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/random.h"
#include "base/range.h"
#include "base/real.h"
#include "model/objective.h"
#include "train/judge.h"

using Wide = std::conditional_t<std::is_same_v<nn_real, float>, double, long double>;
using Reals = std::vector<nn_real>;
using Bytes = std::vector<std::uint8_t>;

inline constexpr Wide u = std::numeric_limits<nn_real>::epsilon() / 2;
inline constexpr Wide u_double = std::numeric_limits<double>::epsilon() / 2;
inline constexpr Wide function_error = 4 * u;
inline constexpr Wide tiny = std::numeric_limits<nn_real>::min();
inline constexpr Wide slack = static_cast<Wide>(1.01);
inline constexpr nn_real nan_real = std::numeric_limits<nn_real>::quiet_NaN();

/// The index of element (i, j) of a column-major matrix.
inline std::size_t at(int i, int j, int rows) {
    return elements(j, rows) + static_cast<std::size_t>(i);
}

// ---- Inputs ------------------------------------------------------------------------------------

inline Reals normal_values(std::size_t count, Rng& rng, double deviation = 1) {
    Reals x(count);
    for (auto& v : x) v = static_cast<nn_real>(deviation * rng.normal());
    return x;
}

/// Whole numbers from -limit to limit. Sums of their products are exact, in any order.
inline Reals small_integers(std::size_t count, Rng& rng, int limit = 4) {
    Reals x(count);
    for (auto& v : x)
        v = static_cast<nn_real>(
            static_cast<int>(rng.below(2 * static_cast<std::uint64_t>(limit) + 1)) - limit);
    return x;
}

inline Bytes random_bytes(std::size_t count, Rng& rng, int below = 256) {
    Bytes x(count);
    for (auto& v : x) v = static_cast<std::uint8_t>(rng.below(static_cast<std::uint64_t>(below)));
    return x;
}

// ---- Comparisons -------------------------------------------------------------------------------

/// What should be there, and how far off each element may be.
struct Expected {
    int rows = 1;  ///< elements are named (i % rows, i / rows)
    std::vector<Wide> values, bounds;

    void add(Wide value, Wide bound) {
        values.push_back(value);
        bounds.push_back(bound);
    }
};

/// "delta(3,7)"
inline std::string element_name(const std::string& tensor, std::size_t i, int rows) {
    const auto r = static_cast<std::size_t>(std::max(rows, 1));
    return tensor + "(" + std::to_string(i % r) + "," + std::to_string(i / r) + ")";
}

/// Whether every element is within its bound; a NaN never is.
inline testing::AssertionResult within(const std::string& tensor, const Reals& got,
                                       const Expected& expected) {
    if (got.size() != expected.values.size())
        return testing::AssertionFailure()
               << tensor << " has " << got.size() << " elements, not " << expected.values.size();
    std::size_t wrong = 0;
    std::ostringstream first;
    first.precision(17);
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::abs(static_cast<Wide>(got[i]) - expected.values[i]) <= expected.bounds[i])
            continue;
        if (wrong++ == 0)
            first << element_name(tensor, i, expected.rows) << " = " << got[i] << ", expected "
                  << expected.values[i] << " +- " << expected.bounds[i];
    }
    if (wrong == 0) return testing::AssertionSuccess();
    return testing::AssertionFailure()
           << first.str() << "; " << wrong << " of " << got.size() << " elements are wrong";
}

/// Whether two results agree in every bit; NaNs have to be the same NaNs.
template <class T>
testing::AssertionResult same_bits(const std::string& tensor, const std::vector<T>& got,
                                   const std::vector<T>& expected) {
    if (got.size() != expected.size())
        return testing::AssertionFailure()
               << tensor << " has " << got.size() << " elements, not " << expected.size();
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (std::memcmp(&got[i], &expected[i], sizeof(T)) == 0) continue;
        std::ostringstream text;
        text.precision(17);
        text << tensor << "[" << i << "] = " << +got[i] << ", expected the bits of "
             << +expected[i];
        return testing::AssertionFailure() << text.str();
    }
    return testing::AssertionSuccess();
}

// ---- Guarded arrays ----------------------------------------------------------------------------

/// `count` NaNs (for integers: the largest value), to see what is left unwritten.
template <class T>
std::vector<T> poison(std::size_t count) {
    std::vector<T> x(count);
    if (count > 0) std::memset(x.data(), 0xff, count * sizeof(T));
    return x;
}

/// An array in Memory (host or device) between guard words. It fails the test when a guard changed,
/// or when the array changed though nobody asked for output(). `shift` moves its start by so many
/// elements off 16 bytes. The guards of reals are signalling NaNs: what reads one becomes NaN, and
/// what computes on one in place makes it a quiet NaN, which has other bits.
template <class T, class Memory>
class Guarded {
  public:
    Guarded(std::string name, std::vector<T> values, std::size_t shift = 0)
        : name_(std::move(name)), start_(guard_elements + shift), given_(std::move(values)) {
        std::vector<T> all(start_ + given_.size() + guard_elements, guard());
        std::copy(given_.begin(), given_.end(), all.begin() + static_cast<std::ptrdiff_t>(start_));
        size_ = all.size();
        memory_ = static_cast<T*>(Memory::allocate(size_ * sizeof(T)));
        Memory::upload(memory_, all.data(), size_ * sizeof(T));
    }
    ~Guarded() {
        const std::vector<T> after = values();
        if (!written_) {
            EXPECT_TRUE(same_bits(name_ + " (an input)", after, given_));
        }
        Memory::release(memory_);
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    const T* data() const { return memory_ + start_; }
    T* output() {
        written_ = true;
        return memory_ + start_;
    }

    /// The array as it stands, after a look at the guards.
    std::vector<T> values() const {
        std::vector<T> all(size_);
        Memory::download(all.data(), memory_, size_ * sizeof(T));
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(start_);
        const auto end = begin + static_cast<std::ptrdiff_t>(given_.size());
        expect_guards(std::vector<T>(all.begin(), begin), "before");
        expect_guards(std::vector<T>(end, all.end()), "after");
        return std::vector<T>(begin, end);
    }

  private:
    static constexpr T guard() {
        if constexpr (std::is_floating_point_v<T>)
            return std::numeric_limits<T>::signaling_NaN();
        else
            return static_cast<T>(0xa5a5a5a5u);
    }
#ifdef __SANITIZE_ADDRESS__
    static constexpr std::size_t guard_elements = 0;  // the sanitizer guards every single byte
#else
    static constexpr std::size_t guard_elements = 16;
#endif

    void expect_guards(const std::vector<T>& guards, const char* side) const {
        const std::vector<T> whole(guards.size(), guard());
        EXPECT_TRUE(same_bits("the guard " + std::string(side) + " " + name_, guards, whole));
    }

    std::string name_;
    std::size_t start_, size_ = 0;
    std::vector<T> given_;
    T* memory_ = nullptr;
    bool written_ = false;
};

// ---- GEMM --------------------------------------------------------------------------------------

struct GemmCase {
    bool a_transposed, b_transposed;
    int m, n, k;
    nn_real alpha, beta;

    std::string text() const {
        std::ostringstream out;
        out << "C (" << m << " x " << n << ") = " << alpha << (a_transposed ? " A^T" : " A")
            << (b_transposed ? " B^T" : " B") << " + " << beta << " C, k = " << k;
        return out.str();
    }
};

struct GemmInputs {
    Reals a, b, c;
};

inline GemmInputs random_gemm(const GemmCase& g, Rng& rng) {
    return {normal_values(elements(g.m, g.k), rng), normal_values(elements(g.k, g.n), rng),
            normal_values(elements(g.m, g.n), rng)};
}

/// All four transpose pairs of the sizes given, with (alpha, beta) going through every pair of
/// {0, 1, other}, so that each size meets four and each pair many sizes.
inline std::vector<GemmCase> gemm_cases(const std::vector<std::array<int, 3>>& sizes) {
    static constexpr nn_real alphas[] = {1, static_cast<nn_real>(-1.7), 0};
    static constexpr nn_real betas[] = {0, static_cast<nn_real>(0.3), 1};
    std::vector<GemmCase> cases;
    for (const auto& [m, n, k] : sizes)
        for (const bool ta : {false, true})
            for (const bool tb : {false, true}) {
                const std::size_t pair = cases.size() % 9;
                cases.push_back({ta, tb, m, n, k, alphas[pair / 3], betas[pair % 3]});
            }
    return cases;
}

/// Sizes around the edges of tiles and vectors.
inline constexpr int edges[] = {1, 2, 15, 16, 17, 31, 33, 63, 65, 127, 129};

/// Each of them as m, n and k, with odd partners.
inline std::vector<std::array<int, 3>> edge_sizes() {
    std::vector<std::array<int, 3>> sizes{{37, 41, 53}, {37, 53, 41}, {41, 37, 43}};
    for (const int s : edges)
        for (const auto& size :
             {std::array{s, 19, 35}, std::array{35, s, 19}, std::array{19, 35, s}})
            sizes.push_back(size);
    return sizes;
}

/// Each of them as all three.
inline std::vector<std::array<int, 3>> cube_sizes() {
    std::vector<std::array<int, 3>> sizes;
    for (const int s : edges) sizes.push_back({s, s, s});
    return sizes;
}

/// Sizes whose every line is a whole number of 16-byte packs.
inline std::vector<std::array<int, 3>> pack_sizes() {
    return {{4, 4, 4},    {8, 12, 20},   {64, 64, 32},  {36, 68, 20},
            {12, 132, 4}, {132, 12, 36}, {128, 128, 8}, {132, 136, 12}};
}

/// Runs gemm(case, a, b, c) on guarded arrays; with beta 0, C starts as NaN.
template <class Memory, class Gemm>
Reals run_gemm(const GemmCase& g, const GemmInputs& in, Gemm&& gemm, std::size_t shift = 0) {
    const Guarded<nn_real, Memory> a("A", in.a, shift), b("B", in.b, shift);
    Guarded<nn_real, Memory> c("C", g.beta == 0 ? poison<nn_real>(in.c.size()) : in.c, shift);
    gemm(g, a.data(), b.data(), c.output());
    return c.values();
}

inline Reals transpose(const Reals& x, int rows, int cols) {
    Reals y(x.size());
    for (int j = 0; j < cols; ++j)
        for (int i = 0; i < rows; ++i) y[at(j, i, cols)] = x[at(i, j, rows)];
    return y;
}

/// Whether c is right but for rounding. The judge is given A by rows and B by columns, which it
/// reads many times faster.
inline testing::AssertionResult judged(const GemmCase& g, const GemmInputs& in, const Reals& c) {
    const Reals a = g.a_transposed ? in.a : transpose(in.a, g.m, g.k);
    const Reals b = g.b_transposed ? transpose(in.b, g.n, g.k) : in.b;
    const GemmVerdict verdict = judge_gemm(true, false, g.m, g.n, g.k, g.alpha, a.data(), b.data(),
                                           g.beta, in.c.data(), c.data());
    if (verdict.right()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << verdict.text() << " in " << g.text();
}

/// Sums of products of small whole numbers are exact.
template <class Memory, class Gemm>
void check_gemm_on_integers(Gemm&& gemm) {
    Rng rng(12);
    for (GemmCase g : gemm_cases({{37, 41, 53}, {33, 65, 129}, {64, 68, 36}, {1, 129, 2}})) {
        SCOPED_TRACE(g.text());
        g.alpha = std::round(2 * g.alpha);
        g.beta = std::round(10 * g.beta);
        const GemmInputs in{small_integers(elements(g.m, g.k), rng),
                            small_integers(elements(g.k, g.n), rng),
                            small_integers(elements(g.m, g.n), rng)};
        Expected expected{g.m, {}, {}};
        for (int j = 0; j < g.n; ++j)
            for (int i = 0; i < g.m; ++i) {
                Wide sum = 0;
                for (int p = 0; p < g.k; ++p)
                    sum += static_cast<Wide>(in.a[g.a_transposed ? at(p, i, g.k) : at(i, p, g.m)]) *
                           in.b[g.b_transposed ? at(j, p, g.n) : at(p, j, g.k)];
                expected.add(g.alpha * sum + g.beta * in.c[at(i, j, g.m)], 0);
            }
        EXPECT_TRUE(within("C", run_gemm<Memory>(g, in, gemm), expected));
    }
}

/// A NaN or an infinity in A makes its row of C not finite, one in B its column, one in C its
/// element; all the rest stays finite.
template <class Memory, class Gemm>
void check_gemm_keeps(char where, nn_real bad, const GemmCase& g, Gemm&& gemm) {
    SCOPED_TRACE(g.text() + ", " + std::to_string(bad) + " in " + where);
    Rng rng(13);
    GemmInputs in = random_gemm(g, rng);
    const int row = g.m - 1, col = g.n / 2, p = g.k - 1;
    if (where == 'A') in.a[g.a_transposed ? at(p, row, g.k) : at(row, p, g.m)] = bad;
    if (where == 'B') in.b[g.b_transposed ? at(col, p, g.n) : at(p, col, g.k)] = bad;
    if (where == 'C') in.c[at(row, col, g.m)] = bad;
    const Reals c = run_gemm<Memory>(g, in, gemm);
    for (int j = 0; j < g.n; ++j)
        for (int i = 0; i < g.m; ++i) {
            const bool reached = (where == 'B' || i == row) && (where == 'A' || j == col);
            EXPECT_EQ(std::isfinite(c[at(i, j, g.m)]), !reached)
                << "C(" << i << "," << j << ") = " << c[at(i, j, g.m)];
        }
}

template <class Memory, class Gemm>
void check_gemm_keeps_nan(Gemm&& gemm) {
    for (const bool ta : {false, true})
        for (const bool tb : {false, true})
            for (const auto& [m, n, k] : {std::array{35, 36, 21}, std::array{36, 40, 24}})
                for (const nn_real bad : {nan_real, std::numeric_limits<nn_real>::infinity()})
                    for (const char where : {'A', 'B', 'C'}) {
                        const nn_real beta = where == 'C' ? 1 : 0;
                        check_gemm_keeps<Memory>(where, bad, {ta, tb, m, n, k, 1, beta}, gemm);
                    }
}

/// A sum of no products is 0: C = beta C, and with beta 0 zeros, whatever stood there. A C of no
/// elements is left alone.
template <class Memory, class Gemm>
void check_gemm_of_nothing(Gemm&& gemm) {
    Rng rng(14);
    for (const GemmCase& g : gemm_cases({{19, 35, 0},
                                         {64, 64, 0},
                                         {0, 7, 5},
                                         {7, 0, 5},
                                         {0, 0, 0},
                                         {0, 0, 3},
                                         {0, 4, 0},
                                         {4, 0, 0}})) {
        SCOPED_TRACE(g.text());
        const GemmInputs in = random_gemm(g, rng);
        Expected expected{g.m, {}, {}};
        for (const nn_real old : in.c) expected.add(static_cast<nn_real>(g.beta * old), 0);
        EXPECT_TRUE(within("C", run_gemm<Memory>(g, in, gemm), expected));
    }
}

// ---- Sigmoid -----------------------------------------------------------------------------------

/// sigmoid(z) where z is known up to z_error. With e = exp(-z): the error of e weighs e/(1 + e) < 1
/// in 1 + e, the sum and the division round once each: 4 u + 2 u. z_error is multiplied by the
/// slope, s (1 - s) at z, which changes by at most a factor exp(z_error) on the way, and is 1/4 at
/// most.
inline void add_sigmoid(Expected& expected, Wide z, Wide z_error) {
    const Wide s = 1 / (1 + std::exp(-z)), other = 1 / (1 + std::exp(z));
    const Wide slope = std::min<Wide>(0.25, s * other * std::exp(z_error));
    expected.add(s, slack * (slope * z_error + (function_error + 2 * u) * s) + tiny);
}

/// delta *= a (1 - a): three roundings.
template <class Memory, class Function>
void check_sigmoid_backward(Function&& sigmoid_backward) {
    Rng rng(21);
    for (const std::size_t count : {0, 1, 31, 255, 256, 257, 1000}) {
        SCOPED_TRACE(std::to_string(count) + " elements");
        Reals a_values(count), delta_values = normal_values(count, rng);
        for (auto& v : a_values) v = static_cast<nn_real>(rng.uniform());
        const nn_real extremes[] = {0, 1, std::nextafter(nn_real{1}, nn_real{0}),
                                    std::numeric_limits<nn_real>::min()};
        for (std::size_t i = 0; i < std::min<std::size_t>(count / 2, 4); ++i)
            a_values[i] = extremes[i];
        Expected expected;
        for (std::size_t i = 0; i < count; ++i) {
            const Wide a = a_values[i], product = delta_values[i] * a * (1 - a);
            expected.add(product, product == 0 ? 0 : slack * 3 * u * std::abs(product) + tiny);
        }
        const Guarded<nn_real, Memory> a("a", a_values);
        Guarded<nn_real, Memory> delta("delta", delta_values);
        sigmoid_backward(count, a.data(), delta.output());
        EXPECT_TRUE(within("delta", delta.values(), expected));
    }
}

// ---- The output layer and the loss -------------------------------------------------------------

/// Labels, or, where there are any, numbers: classes x n.
struct Targets {
    Bytes labels;
    Reals numbers;

    bool are_numbers() const { return !numbers.empty(); }
    Wide at(int i, int j, int classes) const {
        if (are_numbers()) return numbers[::at(i, j, classes)];
        return i == labels[::at(j, 0, 1)] ? 1 : 0;
    }
    std::vector<Wide> column(int j, int classes) const {
        std::vector<Wide> y;
        for (int i = 0; i < classes; ++i) y.push_back(at(i, j, classes));
        return y;
    }
};

inline Targets random_targets(bool numbers, int classes, int n, Rng& rng) {
    Targets targets{random_bytes(elements(n, 1), rng, std::min(classes, 256)), {}};
    if (numbers) targets.numbers = normal_values(elements(classes, n), rng);
    for (std::size_t i = 0; i < targets.numbers.size(); i += 3)  // and what most tables hold
        targets.numbers[i] = static_cast<nn_real>(i % 2);
    return targets;
}

inline constexpr Objective every_objective[] = {{OutputLayer::softmax, LossFunction::cross_entropy},
                                                {OutputLayer::softmax, LossFunction::mse},
                                                {OutputLayer::sigmoid, LossFunction::cross_entropy},
                                                {OutputLayer::sigmoid, LossFunction::mse}};
inline std::string text_of(const Objective& objective) {
    return std::string(name_of(objective.output)) + " " + name_of(objective.loss);
}

struct OutputCase {
    std::string name;
    Objective objective;
    int classes, n;
    Reals z;
    Targets targets;

    std::string text() const {
        return name + ", " + text_of(objective) + (targets.are_numbers() ? " of numbers, " : ", ") +
               std::to_string(classes) + " classes, " + std::to_string(n) + " columns";
    }
};

/// Every kind of logits in every size given.
inline std::vector<OutputCase> output_cases(const Objective& objective, bool numbers,
                                            const std::vector<std::pair<int, int>>& sizes) {
    Rng rng(31);
    std::vector<OutputCase> cases;
    for (const auto& [classes, n] : sizes) {
        const std::size_t count = elements(classes, n), rows = elements(classes, 1);
        Reals thousands(count), ahead = normal_values(count, rng);
        for (auto& v : thousands) v = rng.below(2) == 0 ? nn_real{1000} : nn_real{-1000};
        for (std::size_t i = 0; i < count; i += rows) ahead[i + rng.below(rows)] += 60;
        const std::pair<const char*, Reals> kinds[] = {
            {"normal logits", normal_values(count, rng, 3)},
            {"logits of +-1000", thousands},
            {"equal logits", Reals(count, static_cast<nn_real>(-7.3))},
            {"one class far ahead", ahead}};
        for (const auto& [name, z] : kinds)
            cases.push_back(
                {name, objective, classes, n, z, random_targets(numbers, classes, n, rng)});
    }
    return cases;
}

/// Few columns of many numbers of classes.
inline std::vector<std::pair<int, int>> output_sizes() {
    std::vector<std::pair<int, int>> sizes;
    for (const int classes : {1, 2, 10, 15, 16, 17, 31, 32, 33, 100, 256})
        for (const int n : {0, 1, 3, 4, 5}) sizes.emplace_back(classes, n);
    return sizes;
}

/// What the logits make of yhat and of the loss. Deltas are judged by the yhat that came out.
struct OutputExpected {
    Expected yhat;
    Wide loss = 0, loss_bound = 0;
};

/// One column, whose logits z are known up to z_error. Softmax does not change when all logits grow
/// alike, so errors e_i of the logits change yhat_i by the factor exp(e_i) / sum_j yhat_j exp(e_j),
/// and -log yhat_i by the logarithm of its inverse. The rest is rounding. Let d_i = z_i - max z,
/// which the logits' errors move by 2 max e_j at most. Its own error is u |d_i| from the
/// subtraction. exp(d_i) has that absolute error as a relative one, and its own; the sum S has its
/// terms' weighted mean and `classes` roundings. The quotient rounds once. log S has the relative
/// error of S as an absolute one, and its own. The loss, sum y_i (-log yhat_i), has a product and
/// additions for each class, exact where y is 1 once and 0 elsewhere.
inline void add_softmax_column(OutputExpected& expected, const std::vector<Wide>& z,
                               const std::vector<Wide>& z_error, const std::vector<Wide>& y,
                               bool mse) {
    const std::size_t rows = z.size();
    const Wide largest = *std::max_element(z.begin(), z.end());
    const Wide moved = 2 * *std::max_element(z_error.begin(), z_error.end());
    std::vector<Wide> d_error(rows);
    Wide sum = 0, sum_error = 0, least = 0, most = 0;
    for (std::size_t i = 0; i < rows; ++i) {
        const Wide e = std::exp(z[i] - largest);
        d_error[i] = u * (largest - z[i] + moved);
        sum += e;
        sum_error += e * (d_error[i] + function_error) * std::exp(moved) + tiny;
        least += e * std::exp(-z_error[i]);
        most += e * std::exp(z_error[i]);
    }
    least /= sum;
    most /= sum;
    const Wide sum_relative = sum_error / sum + static_cast<Wide>(rows) * u;
    const bool one_alone =
        std::all_of(y.begin(), y.end(), [](Wide v) { return v == 0 || v == 1; }) &&
        std::count(y.begin(), y.end(), Wide{1}) == 1;
    for (std::size_t i = 0; i < rows; ++i) {
        const Wide yhat = std::exp(z[i] - largest) / sum;
        const Wide highest = yhat * std::exp(z_error[i]) / least;
        const Wide lowest = yhat * std::exp(-z_error[i]) / most;
        const Wide rounding = d_error[i] + function_error + sum_relative + u;
        expected.yhat.add(
            yhat, slack * (std::max(highest - yhat, yhat - lowest) + highest * rounding) + tiny);
        if (mse) continue;
        const Wide loss = std::log(sum) + largest - z[i];
        const Wide loss_moved = z_error[i] + std::max(std::log(most), -std::log(least));
        const Wide additions = one_alone ? 0 : static_cast<Wide>(rows + 1);
        expected.loss += y[i] * loss;
        expected.loss_bound += slack * std::abs(y[i]) *
                               (loss_moved + sum_relative + function_error * std::log(sum) +
                                d_error[i] + (1 + additions) * u * (std::abs(loss) + loss_moved));
    }
}

/// The same by sigmoids. With s = log(1 + exp(-|z|)), -log yhat and -log(1 - yhat) are s and s +
/// |z| in one order or the other. e = exp(-|z|) has an error of function_error, which weighs e / (1
/// + e) < s in the logarithm, which has its own; then |z| is added. y and 1 - y take three
/// roundings to enter their sum, each class one more, and the division by their number.
inline void add_sigmoid_column(OutputExpected& expected, const std::vector<Wide>& z,
                               const std::vector<Wide>& z_error, const std::vector<Wide>& y,
                               bool mse) {
    const Wide rows = static_cast<Wide>(z.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
        add_sigmoid(expected.yhat, z[i], z_error[i]);
        if (mse) continue;
        const Wide s = std::log1p(std::exp(-std::abs(z[i])));
        const Wide if_1 = s + std::max<Wide>(-z[i], 0), if_0 = s + std::max<Wide>(z[i], 0);
        const Wide size = std::abs(y[i]) * if_1 + std::abs(1 - y[i]) * if_0;
        expected.loss += (y[i] * if_1 + (1 - y[i]) * if_0) / rows;
        expected.loss_bound += slack *
                               ((std::abs(y[i]) + 1) * (z_error[i] + 4 * tiny) +
                                (2 * function_error + (5 + rows) * u) * size) /
                               rows;
    }
}

/// (1/k) sum (yhat - y)^2, the last k of expected.yhat. The difference has yhat's error and one
/// rounding, the square one more, each class an addition, and the division one.
inline void add_mse(OutputExpected& expected, const std::vector<Wide>& y) {
    const Wide rows = static_cast<Wide>(y.size());
    const std::size_t first = expected.yhat.values.size() - y.size();
    for (std::size_t i = 0; i < y.size(); ++i) {
        const Wide d = std::abs(expected.yhat.values[first + i] - y[i]);
        const Wide off = expected.yhat.bounds[first + i] * (1 + u) + u * d;
        expected.loss += d * d / rows;
        expected.loss_bound +=
            slack * (2 * d * off + off * off + (rows + 2) * u * (d + off) * (d + off)) / rows +
            tiny;
    }
}

inline void add_output_column(OutputExpected& expected, const Objective& objective,
                              const std::vector<Wide>& z, const std::vector<Wide>& z_error,
                              const std::vector<Wide>& y) {
    const bool mse = objective.loss == LossFunction::mse;
    if (objective.output == OutputLayer::softmax)
        add_softmax_column(expected, z, z_error, y, mse);
    else
        add_sigmoid_column(expected, z, z_error, y, mse);
    if (mse) add_mse(expected, y);
}

/// scale dloss/dz of one column, from the yhat that came out. With labels, softmax and
/// cross-entropy: (yhat - y) scale, two roundings. Otherwise scale / k takes one more, a sum over k
/// classes one for each of its terms, products and differences one each.
inline void add_delta_column(Expected& expected, const Objective& objective,
                             const std::vector<Wide>& yhat, const Targets& targets,
                             const std::vector<Wide>& y, nn_real scale) {
    const bool softmax = objective.output == OutputLayer::softmax;
    const Wide rows = static_cast<Wide>(y.size());
    Wide sum_of_y = 0, size_of_y = 0, mean = 0, size_of_mean = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
        sum_of_y += y[i];
        size_of_y += std::abs(y[i]);
        mean += (yhat[i] - y[i]) * yhat[i];
        size_of_mean += std::abs(yhat[i] - y[i]) * yhat[i];
    }
    for (std::size_t i = 0; i < y.size(); ++i) {
        const Wide p = yhat[i], e = p - y[i];
        if (objective.loss == LossFunction::mse) {
            const Wide share = 2 * static_cast<Wide>(scale) / rows * p;
            const Wide slope = softmax ? e - mean : e * (1 - p);
            const Wide error =
                softmax ? std::abs(e) + (rows + 2) * size_of_mean + 4 * (std::abs(e) + size_of_mean)
                        : 6 * std::abs(slope);
            expected.add(share * slope, slack * share * error * u + 8 * tiny);
        } else if (!softmax) {
            const Wide delta = e * static_cast<Wide>(scale) / rows;
            expected.add(delta, slack * 3 * u * std::abs(delta) + tiny);
        } else if (!targets.are_numbers()) {
            expected.add(e * scale, slack * 2 * u * std::abs(e) * scale + tiny);
        } else {
            const Wide delta = sum_of_y * p - y[i];
            const Wide error = (rows + 1) * size_of_y * p + 2 * std::abs(delta);
            expected.add(delta * scale,
                         slack * (error + rows * size_of_y * p * u) * u * scale + 2 * tiny);
        }
    }
}

/// Of all columns.
inline Expected deltas_from(const Objective& objective, int classes, int n, const Reals& yhat,
                            const Targets& targets, nn_real scale) {
    Expected expected{classes, {}, {}};
    for (int j = 0; j < n; ++j) {
        const auto first = yhat.begin() + static_cast<std::ptrdiff_t>(elements(classes, j));
        add_delta_column(expected, objective, {first, first + classes}, targets,
                         targets.column(j, classes), scale);
    }
    return expected;
}

inline OutputExpected output_expected(const OutputCase& c) {
    OutputExpected expected;
    expected.yhat.rows = c.classes;
    for (int j = 0; j < c.n; ++j) {
        const auto first = c.z.begin() + static_cast<std::ptrdiff_t>(elements(c.classes, j));
        add_output_column(expected, c.objective, {first, first + c.classes},
                          std::vector<Wide>(elements(c.classes, 1)),
                          c.targets.column(j, c.classes));
    }
    expected.loss_bound += slack * static_cast<Wide>(c.n) * u_double * std::abs(expected.loss);
    return expected;
}

struct OutputResult {
    Reals yhat, delta;
    double loss;
};

/// Runs output(case, labels, targets, scale, z, delta), which returns the loss; what is not there
/// of labels and targets is null.
template <class Memory, class Output>
OutputResult run_output(const OutputCase& c, nn_real scale, Output&& output) {
    const bool numbers = c.targets.are_numbers();
    const Guarded<std::uint8_t, Memory> labels("labels", numbers ? Bytes{} : c.targets.labels);
    const Guarded<nn_real, Memory> targets("targets", c.targets.numbers);
    Guarded<nn_real, Memory> z("z", c.z), delta("delta", poison<nn_real>(c.z.size()));
    const double loss =
        output(c, numbers ? nullptr : labels.data(), numbers ? targets.data() : nullptr, scale,
               z.output(), delta.output());
    return {z.values(), delta.values(), loss};
}

template <class Memory, class Output>
void check_output(const std::vector<OutputCase>& cases, Output&& output) {
    for (const OutputCase& c : cases) {
        SCOPED_TRACE(c.text());
        const nn_real scale = nn_real{1} / static_cast<nn_real>(c.n + 37);
        const OutputExpected expected = output_expected(c);
        const OutputResult result = run_output<Memory>(c, scale, output);
        EXPECT_TRUE(within("yhat", result.yhat, expected.yhat));
        EXPECT_TRUE(
            within("delta", result.delta,
                   deltas_from(c.objective, c.classes, c.n, result.yhat, c.targets, scale)));
        EXPECT_TRUE(std::abs(result.loss - expected.loss) <= expected.loss_bound)
            << "the loss is " << result.loss << ", expected " << expected.loss << " +- "
            << expected.loss_bound;
    }
}

// ---- Sums and steps ----------------------------------------------------------------------------

/// sums_i = sum_j delta_ij: n - 1 additions, in whatever order; whole numbers exactly.
template <class Memory, class Function>
void check_row_sums(Function&& row_sums) {
    Rng rng(41);
    for (const bool whole : {false, true})
        for (const int rows : {0, 1, 31, 32, 33, 100})
            for (const int n : {0, 1, 7, 8, 9, 800}) {
                SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(n) + " columns" +
                             (whole ? ", whole numbers" : ""));
                const std::size_t count = elements(rows, n);
                const Reals x = whole ? small_integers(count, rng) : normal_values(count, rng);
                Expected expected{rows, {}, {}};
                for (int i = 0; i < rows; ++i) {
                    Wide sum = 0, size = 0;
                    for (int j = 0; j < n; ++j) {
                        const Wide term = x[at(i, j, rows)];
                        sum += term;
                        size += std::abs(term);
                    }
                    const Wide additions = static_cast<Wide>(std::max(n - 1, 0));
                    expected.add(sum, whole ? 0 : slack * additions * u * size);
                }
                const Guarded<nn_real, Memory> delta("delta", x);
                Guarded<nn_real, Memory> sums("sums", poison<nn_real>(elements(rows, 1)));
                row_sums(rows, n, delta.data(), sums.output());
                EXPECT_TRUE(within("sums", sums.values(), expected));
            }
}

/// p -= rate (gradient + reg p): reg p goes through three roundings (its product, the sum, rate's
/// product), the gradient through the last two of them, and the result through one.
template <class Memory, class Function>
void check_step(Function&& step) {
    Rng rng(51);
    const auto check = [&](nn_real rate, nn_real reg, const Reals& gradient, const Reals& before,
                           bool exact) {
        SCOPED_TRACE(std::to_string(before.size()) + " elements, rate " + std::to_string(rate) +
                     ", reg " + std::to_string(reg));
        Expected expected;
        for (std::size_t i = 0; i < before.size(); ++i) {
            const Wide decay = static_cast<Wide>(rate) * reg * before[i];
            const Wide slide = static_cast<Wide>(rate) * gradient[i];
            const Wide after = before[i] - (slide + decay);
            const Wide rounding = u * (3 * std::abs(decay) + 2 * std::abs(slide) + std::abs(after));
            expected.add(after, exact ? 0 : slack * rounding + tiny);
        }
        const Guarded<nn_real, Memory> g("gradient", gradient);
        Guarded<nn_real, Memory> p("p", before);
        step(before.size(), rate, reg, g.data(), p.output());
        EXPECT_TRUE(within("p", p.values(), expected));
    };
    for (const std::size_t count : {0, 1, 255, 256, 257, 1000}) {
        for (const double reg : {0.0, 1e-4, 3.7})  // 0: a bias, which no penalty pulls
            check(static_cast<nn_real>(0.03), static_cast<nn_real>(reg), normal_values(count, rng),
                  normal_values(count, rng), false);
        check(nn_real{2}, nn_real{3}, small_integers(count, rng), small_integers(count, rng), true);
    }
}

/// Squares and sums in double: count - 1 additions, and, of doubles, one rounding a square; whole
/// numbers exactly.
template <class Memory, class Function>
void check_sum_of_squares(Function&& sum_of_squares) {
    Rng rng(61);
    const auto check = [&](const Reals& x, bool exact) {
        SCOPED_TRACE(std::to_string(x.size()) + " elements" + (exact ? ", whole numbers" : ""));
        Wide expected = 0;
        for (const nn_real v : x) expected += static_cast<Wide>(v) * v;
        const Wide bound = exact ? 0 : slack * static_cast<Wide>(x.size()) * u_double * expected;
        const Guarded<nn_real, Memory> values("values", x);
        const double sum = sum_of_squares(x.size(), values.data());
        EXPECT_TRUE(std::abs(sum - expected) <= bound)
            << "the sum is " << sum << ", expected " << expected << " +- " << bound;
    };
    for (const std::size_t count : {0, 1, 255, 256, 257, 100000})
        check(normal_values(count, rng), false);
    check(small_integers(40000, rng), true);
}
