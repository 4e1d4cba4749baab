// step_math.h: the expected results of sums, updates and squares of parameters.
//
// The kernels and the CPU's functions share these cases and checks.
#pragma once
#include "tests/support/numbers.h"

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

/// p -= rate (sum of the gradients + reg p): reg p goes through three roundings (its product, the
/// sum, rate's product), a gradient through the last two of them and, of n, n - 1 additions, and
/// the result through one. Whole numbers are exact.
inline void add_step(Expected& expected, nn_real p, const std::vector<nn_real>& gradients,
                     nn_real rate, nn_real reg, bool exact) {
    Wide sum = 0, size = 0;
    for (const nn_real gradient : gradients) {
        sum += gradient;
        size += std::abs(static_cast<Wide>(gradient));
    }
    const Wide decay = static_cast<Wide>(rate) * reg * p;
    const Wide after = p - (rate * sum + decay);
    const Wide additions = static_cast<Wide>(gradients.size() + 1);
    const Wide rounding = u * (3 * std::abs(decay) + additions * rate * size + std::abs(after));
    expected.add(after, exact ? 0 : slack * rounding + tiny);
}

template <class Memory, class Function>
void check_step(Function&& step) {
    Rng rng(51);
    const auto check = [&](nn_real rate, nn_real reg, const Reals& gradient, const Reals& before,
                           bool exact) {
        SCOPED_TRACE(std::to_string(before.size()) + " elements, rate " + std::to_string(rate) +
                     ", reg " + std::to_string(reg));
        Expected expected;
        for (std::size_t i = 0; i < before.size(); ++i)
            add_step(expected, before[i], {gradient[i]}, rate, reg, exact);
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
