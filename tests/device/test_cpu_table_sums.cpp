// test_cpu_table_sums.cpp: slopes, sums and updates of the CPU, for every instruction set.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/cpu_table_fixture.h"
#include "tests/support/output_math.h"
#include "tests/support/step_math.h"

namespace {

TEST_P(CpuTable, SigmoidBackwardMultipliesByTheSlope) {
    check_sigmoid_backward<HostMemory>(f().hidden_by(Sigmoid{}).times_slope);
}

TEST_P(CpuTable, RowSumsAreRightForEveryShape) {
    check_row_sums<HostMemory>([this](int rows, int n, const nn_real* delta, nn_real* sums) {
        f().row_sums(rows, n, delta, rows, sums);
    });
}

TEST_P(CpuTable, RowSumsOfTheFirstRowsDoNotTouchTheOthers) {
    check_row_sums<HostMemory>([this](int rows, int n, const nn_real* delta, nn_real* sums) {
        const int ld = rows + 5;
        const Reals packed(delta, delta + elements(rows, n));
        const OnHost<nn_real> in("delta", with_rows_added(packed, rows, n, ld, nan_real));
        f().row_sums(rows, n, in.data(), ld, sums);
    });
}

TEST_P(CpuTable, UpdateFollowsTheGradientAndThePenalty) {
    check_step<HostMemory>(
        [this](std::size_t count, nn_real rate, nn_real reg, const nn_real* gradient, nn_real* p) {
            f().update({rate, 0}, reg, 0, count, 0, &gradient, 1, p);
        });
}

struct StepCase {
    Reals p;
    std::vector<Reals> gradients;
    nn_real rate, reg;

    StepCase(std::size_t count, int ranks, Rng& rng, bool whole)
        : p(whole ? small_integers(count, rng) : normal_values(count, rng)),
          rate(whole ? nn_real{2} : static_cast<nn_real>(0.03)),
          reg(whole ? nn_real{3} : static_cast<nn_real>(0.7)) {
        for (int r = 0; r < ranks; ++r)
            gradients.push_back(whole ? small_integers(count, rng) : normal_values(count, rng));
    }

    /// p after a step of the elements from one of `cuts` to the next.
    Reals stepped(const CpuFunctions& f, const std::vector<std::size_t>& cuts) const {
        std::vector<std::unique_ptr<OnHost<nn_real>>> arrays;
        std::vector<const nn_real*> pointers;
        for (const Reals& gradient : gradients) {
            arrays.push_back(std::make_unique<OnHost<nn_real>>("gradient", gradient));
            pointers.push_back(std::as_const(*arrays.back()).data());
        }
        OnHost<nn_real> after("p", p);
        for (std::size_t c = 0; c + 1 < cuts.size(); ++c)
            f.update({rate, 0}, reg, cuts[c], cuts[c + 1], 0, pointers.data(),
                     static_cast<int>(pointers.size()), after.output());
        return after.values();
    }
};

TEST_P(CpuTable, UpdateAddsUpTheGradientsOfUpToFiveRanksInAnyRange) {
    Rng rng(52);
    for (const bool whole : {false, true})
        for (const int ranks : {1, 2, 3, 4, 5})
            for (const auto& [count, begin, end] : {std::array<std::size_t, 3>{0, 0, 0},
                                                    {1, 0, 1},
                                                    {100, 0, 100},
                                                    {100, 17, 17},
                                                    {100, 99, 100},
                                                    {100, 1, 34},
                                                    {100, 16, 48},
                                                    {257, 3, 250}}) {
                SCOPED_TRACE(std::to_string(ranks) + " ranks, elements " + std::to_string(begin) +
                             " to " + std::to_string(end) + " of " + std::to_string(count) +
                             (whole ? ", whole numbers" : ""));
                const StepCase c(count, ranks, rng, whole);
                Expected expected;
                for (std::size_t i = 0; i < count; ++i) {
                    if (i < begin || i >= end) {
                        expected.add(c.p[i], 0);
                        continue;
                    }
                    std::vector<nn_real> gradients;
                    for (const Reals& gradient : c.gradients) gradients.push_back(gradient[i]);
                    add_step(expected, c.p[i], gradients, c.rate, c.reg, whole);
                }
                EXPECT_TRUE(within("p", c.stepped(f(), {begin, end}), expected));
            }
}

/// Threads and ranks divide the parameters as they like.
TEST_P(CpuTable, StepGivesTheSameBitsHoweverTheElementsAreDivided) {
    Rng rng(53);
    for (const int ranks : {1, 2, 5}) {
        const StepCase c(203, ranks, rng, false);
        const Reals at_once = c.stepped(f(), {0, 203});
        for (const std::size_t cut : {1, 15, 16, 17, 101, 202})
            EXPECT_TRUE(same_bits("p cut at " + std::to_string(cut), c.stepped(f(), {0, cut, 203}),
                                  at_once));
    }
}

TEST_P(CpuTable, SumOfSquaresIsRightForEveryCount) {
    check_sum_of_squares<HostMemory>(f().sum_of_squares);
}

}  // namespace
