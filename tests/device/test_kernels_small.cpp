// test_kernels_small.cpp: what the GPU rounds to bf16 and fp16 is what the formats' definition
// gives: at all exponents, around what stays and around the middles, as an array and in the head.
#include <cmath>
#include <limits>

#include "tests/support/kernel_fixture.h"

namespace {

class SmallKernels : public Kernels {
  protected:
    void SetUp() override {
        Kernels::SetUp();
        if (sizeof(nn_real) == sizeof(double)) GTEST_SKIP() << "the build in double has no type";
    }
};

constexpr Precision both[] = {Precision::bf16, Precision::fp16};

nn_real of_bits(std::uint32_t bits) {
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return static_cast<nn_real>(value);
}

/// Of each exponent and both signs: the digits that stay, even and odd, those just below, at and
/// above the middle of two, of either type, and the largest.
Reals around_every_rounding() {
    Reals values;
    for (std::uint32_t top = 0; top < 512; ++top)
        for (const std::uint32_t place : {13u, 14u, 16u, 20u}) {
            const std::uint32_t half = 1u << (place - 1);
            for (const std::uint32_t kept :
                 {0u, 1u << place, 5u << 20, 0x7fffffu >> place << place})
                for (const std::uint32_t rest : {0u, 1u, half - 1, half, half + 1})
                    values.push_back(of_bits(top << 23 | (kept + rest)));
        }
    return values;
}

nn_real nearest_of(Precision precision, nn_real x) {
    return static_cast<nn_real>(nearest(precision, x));
}

void expect_rounded(Precision precision, const Reals& got, const Reals& whole) {
    ASSERT_EQ(got.size(), whole.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        const nn_real expected = nearest_of(precision, whole[i]);
        ASSERT_TRUE(std::isnan(expected) ? std::isnan(got[i]) : got[i] == expected)
            << name_of(precision) << " of " << std::hexfloat << whole[i] << " is " << got[i]
            << ", expected " << expected;
        ASSERT_EQ(std::signbit(got[i]), std::signbit(whole[i])) << std::hexfloat << whole[i];
    }
}

TEST_F(SmallKernels, RoundToTheNearestNumberAndOfTwoToTheEvenOne) {
    const Reals whole = around_every_rounding();
    for (const Precision precision : both) {
        const OnDevice<nn_real> from("from", whole);
        OnDevice<nn_real> to("to", poison<nn_real>(whole.size()));
        gpu_round(gpu, precision, whole.size(), from.data(), to.output());
        expect_rounded(precision, to.values(), whole);
    }
}

TEST_F(SmallKernels, RoundWhereItLies) {
    const Reals whole = around_every_rounding();
    OnDevice<nn_real> values("values", whole);
    gpu_round(gpu, Precision::bf16, whole.size(), values.data(), values.output());
    expect_rounded(Precision::bf16, values.values(), whole);
}

TEST_F(SmallKernels, RoundInputsThatArePixelsOrNumbers) {
    constexpr nn_real scale = nn_real{1} / 255;
    Bytes pixels;
    Reals whole;
    for (int byte = 0; byte < 256; ++byte) {
        pixels.push_back(static_cast<std::uint8_t>(byte));
        whole.push_back(scale * static_cast<nn_real>(byte));
    }
    const OnDevice<std::uint8_t> bytes("pixels", pixels);
    const OnDevice<nn_real> numbers("numbers", whole);
    for (const Precision precision : both)
        for (const Input& input : {input_of(bytes.data(), scale), input_of(numbers.data())}) {
            OnDevice<nn_real> to("to", poison<nn_real>(whole.size()));
            gpu_round_input(gpu, precision, whole.size(), input, to.output());
            expect_rounded(precision, to.values(), whole);
        }
}

}  // namespace
