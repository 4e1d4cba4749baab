// test_judge.cpp: the judge passes what rounding explains and nothing else.
//
// Everything that is called right in this project is called so by compare() or judge_gemm(). Here
// they have to fail: for one wrong element among many, for NaN and infinity, for an error a hair
// over the bound. And they have to name the element.
#include "train/judge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/gemm_math.h"

namespace {

constexpr nn_real infinite = std::numeric_limits<nn_real>::infinity();
constexpr double infinite_double = std::numeric_limits<double>::infinity();
constexpr double nan_double = std::numeric_limits<double>::quiet_NaN();

// ---- compare -----------------------------------------------------------------------------------

/// A 3-2-4 network whose elements are all 8, with a reference that agrees.
class Compare : public testing::Test {
  protected:
    Compare() {
        std::ranges::fill(values.values, nn_real{8});
        std::ranges::fill(reference.values, 8.0);
    }
    TensorDifference tensor(std::size_t index) const { return compare(values, reference)[index]; }

    Parameters<nn_real> values{Layout({3, 2, 4})};
    Parameters<double> reference{Layout({3, 2, 4})};
};

TEST_F(Compare, NamesEveryTensorInTheLayoutsOrder) {
    const std::vector<TensorDifference> all = compare(values, reference);
    ASSERT_EQ(all.size(), 4u);
    const TensorDifference expected[] = {{"W1", 2, 3}, {"b1", 2, 1}, {"W2", 4, 2}, {"b2", 4, 1}};
    for (std::size_t i = 0; i < all.size(); ++i) {
        EXPECT_EQ(all[i].name, expected[i].name);
        EXPECT_EQ(all[i].rows, expected[i].rows) << all[i].name;
        EXPECT_EQ(all[i].cols, expected[i].cols) << all[i].name;
        EXPECT_EQ(all[i].max_either, 0) << all[i].name;
        EXPECT_EQ(all[i].l2_relative, 0) << all[i].name;
        EXPECT_EQ(all[i].norm, 0) << all[i].name;
    }
}

TEST_F(Compare, FindsOneWrongElementAmongMany) {
    for (int l : {1, 2})
        for (std::size_t i = 0; i < values.weights(l).size(); ++i) {
            values.weights(l)[i] = 8.5;
            values.weights(l)[0] += static_cast<nn_real>(0.125);  // a lesser error elsewhere
            const auto index = static_cast<std::size_t>(2 * (l - 1));
            const TensorDifference d = tensor(index);
            EXPECT_EQ(d.worst, i) << d.name;
            EXPECT_EQ(d.reference, 8) << d.name;
            EXPECT_EQ(d.value, i == 0 ? 8.625 : 8.5) << d.name;
            EXPECT_EQ(d.max_either, (d.value - 8) / 8) << d.name << ": relative is less here";
            EXPECT_EQ(tensor(index + 1).max_either, 0) << "the error is not in the biases";
            values.weights(l)[i] = values.weights(l)[0] = 8;
        }
}

TEST_F(Compare, SeesABiasToo) {
    values.bias(2)[3] = 6;
    const TensorDifference d = tensor(3);
    EXPECT_EQ(d.name, "b2");
    EXPECT_EQ(d.worst, 3u);
    EXPECT_EQ(d.max_either, 0.25);
    EXPECT_EQ(d.norm, 2);
    EXPECT_EQ(d.l2_relative, 2 / 16.0);  // ||(8, 8, 8, 8)|| = 16
}

TEST_F(Compare, TakesTheSmallerOfAbsoluteAndRelative) {
    reference.bias(1)[0] = 0.25;
    values.bias(1)[0] = 0.5;
    EXPECT_EQ(tensor(1).max_either, 0.25) << "the relative difference is 1";
    reference.bias(1)[0] = -1024;
    values.bias(1)[0] = -1026;
    EXPECT_EQ(tensor(1).max_either, 2 / 1024.0) << "the absolute difference is 2";
    reference.bias(1)[0] = 8;
    values.bias(1)[0] = -8;
    EXPECT_EQ(tensor(1).max_either, 2) << "a wrong sign is a difference of twice the size";
}

TEST_F(Compare, OfAReferenceOfZeroTakesTheAbsoluteDifference) {
    for (double& r : reference.bias(1)) r = 0;
    for (nn_real& v : values.bias(1)) v = 0;
    values.bias(1)[1] = 0.5;
    TensorDifference d = tensor(1);
    EXPECT_EQ(d.max_either, 0.5);
    EXPECT_EQ(d.worst, 1u);
    EXPECT_EQ(d.norm, 0.5);
    EXPECT_EQ(d.l2_relative, 0.5) << "there is nothing to be relative to";
    values.bias(1)[1] = static_cast<nn_real>(-0.0);
    d = tensor(1);
    EXPECT_EQ(d.max_either, 0) << "the sign of a zero is no difference";
    EXPECT_EQ(d.norm, 0);
    EXPECT_EQ(d.l2_relative, 0);
}

TEST_F(Compare, NeverPassesNaNOrInfinity) {
    const std::pair<nn_real, double> bad[] = {{nan_real, 8},
                                              {infinite, 8},
                                              {-infinite, 8},
                                              {8, nan_double},
                                              {8, infinite_double},
                                              {nan_real, nan_double},
                                              {nan_real, 0},
                                              {infinite, 0},
                                              {infinite, infinite_double},
                                              {-infinite, infinite_double}};
    for (const auto& [value, expected] : bad)
        for (std::size_t i : {0, 3, 5}) {
            values.weights(1)[i] = value;
            reference.weights(1)[i] = expected;
            const TensorDifference d = tensor(0);
            const std::string what = std::to_string(value) + " for " + std::to_string(expected) +
                                     " in element " + std::to_string(i);
            EXPECT_EQ(d.max_either, infinite_double) << what;
            EXPECT_EQ(d.norm, infinite_double) << what;
            EXPECT_EQ(d.l2_relative, infinite_double) << what;
            EXPECT_EQ(d.worst, i) << what;
            EXPECT_EQ(tensor(1).max_either, 0) << what;
            values.weights(1)[i] = 8;
            reference.weights(1)[i] = 8;
        }
}

// ---- judge_gemm --------------------------------------------------------------------------------

nn_real next_up(nn_real x) { return std::nextafter(x, infinite); }
nn_real next_down(nn_real x) { return std::nextafter(x, -infinite); }

/// The verdict on c = alpha a b + beta c0, one element of k products.
GemmVerdict judge_dot(const Reals& a, const Reals& b, nn_real alpha, nn_real beta, nn_real c0,
                      nn_real c) {
    return judge_gemm(false, false, 1, 1, static_cast<int>(a.size()), alpha, a.data(), b.data(),
                      beta, &c0, &c);
}

/// Four products of 1: the sum is 4, its bound (4 + 4) u 4 = 32 u, which is a whole number of steps
/// between reals on both sides of 4.
TEST(JudgeGemm, PassesAnErrorOfTheBoundAndNotOneStepMore) {
    const Reals ones(4, 1);
    const nn_real bound = static_cast<nn_real>(32 * u);
    for (const nn_real c : {nn_real{4}, 4 + bound, 4 - bound}) {
        const GemmVerdict verdict = judge_dot(ones, ones, 1, 0, nan_real, c);
        EXPECT_TRUE(verdict.right()) << verdict.text();
        EXPECT_EQ(verdict.worst, c == 4 ? 0 : 1);
        EXPECT_EQ(verdict.reference, 4);
        EXPECT_EQ(verdict.bound, static_cast<double>(bound));
    }
    for (const nn_real c : {next_up(4 + bound), next_down(4 - bound)}) {
        const GemmVerdict verdict = judge_dot(ones, ones, 1, 0, nan_real, c);
        EXPECT_FALSE(verdict.right()) << verdict.text();
        EXPECT_LE(verdict.worst, 1.25) << "one step is 4 u below 4 and 8 u above";
    }
}

/// -2 (1 + 1) + 3 (-4) = -16 with bound (2 + 4) u (4 + 12) = 96 u.
TEST(JudgeGemm, CountsAlphaAndBetaInItsBound) {
    const Reals ones(2, 1);
    const nn_real bound = static_cast<nn_real>(96 * u);
    for (const nn_real c : {-16 - bound, -16 + bound})
        EXPECT_TRUE(judge_dot(ones, ones, -2, 3, -4, c).right());
    for (const nn_real c : {next_down(-16 - bound), next_up(-16 + bound)})
        EXPECT_FALSE(judge_dot(ones, ones, -2, 3, -4, c).right());
}

/// 1 - 1 = 0 with bound (2 + 4) u 2 = 12 u.
TEST(JudgeGemm, OfAReferenceOfZeroKnowsWhatWasCancelled) {
    const Reals a{1, 1}, b{1, -1};
    const nn_real bound = static_cast<nn_real>(12 * u);
    for (const nn_real c : {bound, -bound, static_cast<nn_real>(-0.0)})
        EXPECT_TRUE(judge_dot(a, b, 1, 0, 0, c).right()) << c;
    for (const nn_real c : {next_up(bound), next_down(-bound)})
        EXPECT_FALSE(judge_dot(a, b, 1, 0, 0, c).right()) << c;
}

TEST(JudgeGemm, WhereNothingCanRoundPassesZeroAlone) {
    const nn_real least = std::numeric_limits<nn_real>::denorm_min();
    const Reals zeros(3, 0);
    for (const nn_real zero : {nn_real{0}, static_cast<nn_real>(-0.0)}) {
        EXPECT_TRUE(judge_dot(zeros, zeros, 1, 0, 7, zero).right());
        EXPECT_TRUE(judge_dot({}, {}, 1, 0, 7, zero).right()) << "k = 0";
    }
    for (const nn_real wrong : {least, -least, nn_real{7}, nan_real, infinite}) {
        EXPECT_FALSE(judge_dot(zeros, zeros, 1, 0, 7, wrong).right()) << wrong;
        EXPECT_FALSE(judge_dot({}, {}, 1, 0, 7, wrong).right()) << wrong << ", k = 0";
    }
}

TEST(JudgeGemm, NeverPassesNaNOrInfinity) {
    const Reals ones(2, 1);
    for (const nn_real bad : {nan_real, infinite, -infinite}) {
        EXPECT_FALSE(judge_dot(ones, ones, 1, 0, 0, bad).right()) << bad << " as the result";
        const Reals input{1, bad};
        for (const nn_real c : {nn_real{2}, nan_real, infinite, -infinite}) {
            EXPECT_FALSE(judge_dot(input, ones, 1, 0, 0, c).right()) << bad << " in A, " << c;
            EXPECT_FALSE(judge_dot(ones, input, 1, 0, 0, c).right()) << bad << " in B, " << c;
            EXPECT_FALSE(judge_dot(ones, ones, 1, 1, bad, c).right()) << bad << " in C, " << c;
        }
    }
}

TEST(JudgeGemm, DoesNotReadTheOldCWhereBetaIsZero) {
    const Reals ones(2, 1);
    const nn_real c = 2;
    EXPECT_TRUE(judge_dot(ones, ones, 1, 0, nan_real, c).right());
    EXPECT_TRUE(
        judge_gemm(false, false, 1, 1, 2, 1, ones.data(), ones.data(), 0, nullptr, &c).right());
}

/// Products of small whole numbers, right in every element: first it passes, then each element in
/// turn is wrong, and is the one that is named.
TEST(JudgeGemm, FindsOneWrongElementWhereverItIs) {
    Rng rng(1);
    const int m = 5, n = 3, k = 4;
    for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
            const Reals a = small_integers(elements(m, k), rng),
                        b = small_integers(elements(k, n), rng);
            const Reals c0 = small_integers(elements(m, n), rng);
            Reals c = c0;
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < m; ++i)
                    for (int p = 0; p < k; ++p)
                        c[at(i, j, m)] += 2 * a[ta ? at(p, i, k) : at(i, p, m)] *
                                          b[tb ? at(j, p, n) : at(p, j, k)];
            const auto judge = [&] {
                return judge_gemm(ta, tb, m, n, k, 2, a.data(), b.data(), 1, c0.data(), c.data());
            };
            const GemmVerdict right = judge();
            EXPECT_EQ(right.worst, 0) << right.text();
            for (int j = 0; j < n; ++j)
                for (int i = 0; i < m; ++i) {
                    const nn_real correct = c[at(i, j, m)];
                    for (const nn_real wrong : {correct + 1, nan_real, infinite}) {
                        c[at(i, j, m)] = wrong;
                        const GemmVerdict verdict = judge();
                        EXPECT_FALSE(verdict.right()) << verdict.text();
                        EXPECT_EQ(verdict.row, i) << verdict.text();
                        EXPECT_EQ(verdict.col, j) << verdict.text();
                        EXPECT_EQ(verdict.reference, static_cast<double>(correct));
                        if (std::isfinite(wrong)) {
                            EXPECT_EQ(verdict.value, static_cast<double>(wrong));
                        }
                    }
                    c[at(i, j, m)] = correct;
                }
        }
}

TEST(JudgeGemm, SaysWhereAndHowFarOff) {
    GemmVerdict verdict;
    verdict.row = 3;
    verdict.col = 4;
    verdict.value = 1.5;
    verdict.reference = 1.25;
    verdict.bound = 0.125;
    EXPECT_EQ(verdict.text(), "C(3,4) = 1.5, expected 1.25 +- 0.125");
}

TEST(JudgeGemm, OfNoElementsIsRight) {
    EXPECT_TRUE(
        judge_gemm(false, false, 0, 3, 2, 1, nullptr, nullptr, 0, nullptr, nullptr).right());
}

}  // namespace
