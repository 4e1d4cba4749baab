// test_cpu_small.cpp: rounding to bf16 and fp16 is right for every number of the small type, for
// what lies between two of them, and at the ends of the range; by every instruction set.
#include <cmath>
#include <limits>

#include "model/precision.h"
#include "tests/support/cpu_table_fixture.h"

namespace {

class Small : public CpuTable {
  protected:
    void SetUp() override {
        if (sizeof(nn_real) == sizeof(double)) GTEST_SKIP() << "the build in double has none";
    }
    nn_real rounded(Precision precision, double x) const {
        const auto value = static_cast<nn_real>(x);
        nn_real result = 0;
        f().round_to(precision, 1, &value, &result);
        return result;
    }
    /// The number of these 16 bits, from the formats' definition.
    static double number(Precision precision, std::uint32_t bits) {
        const SmallFormat format = format_of(precision);
        const int stored = format.digits - 1;
        const int exponent = static_cast<int>((bits & 0x7fff) >> stored);
        const double part = bits & ((1u << stored) - 1);
        if (exponent == format.most - format.least + 2)
            return part == 0 ? std::numeric_limits<double>::infinity() : std::nan("");
        const double digits = exponent == 0 ? part : part + std::ldexp(1.0, stored);
        return std::ldexp(digits, format.least - stored + std::max(exponent, 1) - 1);
    }
};
INSTANTIATE_TEST_SUITE_P(By, Small, testing::ValuesIn(runnable_tables()), name_of_table);

constexpr Precision both[] = {Precision::bf16, Precision::fp16};

TEST_P(Small, numbers_stay_and_what_is_between_two_goes_to_the_nearer_or_to_the_even_one) {
    for (const Precision precision : both)
        for (std::uint32_t bits = 0; bits < 0x8000; ++bits)
            for (const double sign : {1.0, -1.0}) {
                const double x = sign * number(precision, bits);
                const nn_real same = rounded(precision, x);
                if (std::isnan(x)) {
                    EXPECT_TRUE(std::isnan(same)) << name_of(precision) << " " << bits;
                    continue;
                }
                ASSERT_EQ(same, x) << name_of(precision) << " " << bits;
                ASSERT_EQ(std::signbit(same), sign < 0);
                const double next = sign * number(precision, bits + 1);
                if (!std::isfinite(next)) continue;
                const double half = (x + next) / 2;
                const auto middle = static_cast<nn_real>(half);
                if (middle != half) continue;  // of bf16's least numbers, float has no middle
                const auto far =
                    static_cast<nn_real>(sign * std::numeric_limits<double>::infinity());
                ASSERT_EQ(rounded(precision, half), bits % 2 == 0 ? x : next) << bits;
                ASSERT_EQ(rounded(precision, std::nextafter(middle, nn_real{0})), x) << bits;
                ASSERT_EQ(rounded(precision, std::nextafter(middle, far)), next) << bits;
                ASSERT_EQ(nearest(precision, half), bits % 2 == 0 ? x : next) << bits;
            }
}

TEST_P(Small, too_large_becomes_infinite_from_half_a_last_place_beyond_the_largest) {
    const double infinity = std::numeric_limits<double>::infinity();
    EXPECT_EQ(rounded(Precision::fp16, 65519.996), 65504);
    EXPECT_EQ(rounded(Precision::fp16, 65520), infinity);
    EXPECT_EQ(rounded(Precision::fp16, -1e30), -infinity);
    EXPECT_EQ(nearest(Precision::fp16, 65519.996), 65504);
    EXPECT_EQ(nearest(Precision::fp16, -65520), -infinity);
    EXPECT_EQ(rounded(Precision::bf16, 0x1.fefffep127), 0x1.fep127);
    EXPECT_EQ(rounded(Precision::bf16, 0x1.ffp127), infinity);
    EXPECT_EQ(nearest(Precision::bf16, -0x1.ffp127), -infinity);
}

}  // namespace
