// test_half.cpp: a number becomes the nearest of 16 bits, as IEEE 754 has it. Codes are from its
// definition: a sign, 5 bits of exponent, 10 of fraction.
#include "base/half.h"

#include <gtest/gtest.h>

namespace {

TEST(Half, WhatItHoldsStaysWhatItIs) {
    EXPECT_EQ(half_of(0), 0);
    EXPECT_EQ(half_of(-0.0), 0x8000);
    EXPECT_EQ(half_of(1), 0x3c00);
    EXPECT_EQ(half_of(-2), 0xc000);
    EXPECT_EQ(half_of(65504), 0x7bff) << "the largest";
    EXPECT_EQ(half_of(0x1p-14), 0x0400) << "the smallest with all its digits";
}

TEST(Half, OfTwoEquallyNearTheEvenOneIsTaken) {
    EXPECT_EQ(half_of(1 + 0x1p-11), 0x3c00);
    EXPECT_EQ(half_of(1 + 0x3p-11), 0x3c02);
    EXPECT_EQ(half_of(1 + 0x1p-11 + 0x1p-40), 0x3c01) << "a little more than the middle";
}

TEST(Half, SmallNumbersHaveFewerDigits) {
    EXPECT_EQ(half_of(0x1p-24), 1) << "the smallest";
    EXPECT_EQ(half_of(-0x3p-24), 0x8003);
    EXPECT_EQ(half_of(0x1p-25), 0) << "between 0 and the smallest, 0 is the even one";
    EXPECT_EQ(half_of(0x1.8p-25), 1);
    EXPECT_EQ(half_of(0x1p-14 - 0x1p-25), 0x0400) << "a carry makes it one with all digits";
    EXPECT_EQ(half_of(1e-300), 0);
}

TEST(Half, ACarryReachesTheNextPowerAndInfinity) {
    EXPECT_EQ(half_of(2 - 0x1p-12), 0x4000);
    EXPECT_EQ(half_of(65519.9), 0x7bff);
    EXPECT_EQ(half_of(65520), half_infinity);
    EXPECT_EQ(half_of(-1e300), 0x8000 | half_infinity);
}

}  // namespace
