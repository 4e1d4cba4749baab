// test_cpu_masks.cpp: a mini-batch's masks have a bit for every input that is not zero, and for no
// other, seen from the samples and from the inputs.
//
// They are compared with plain loops over the inputs, bit by bit, for every instruction set.
#include <gtest/gtest.h>

#include "tests/support/cpu_layer.h"
#include "tests/support/masked_inputs.h"
#include "tests/support/page_end.h"

namespace {

class CpuMasks : public CpuTable {};

constexpr int counts_around_masks[] = {1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 784};

/// Bits of the inputs, or of the samples, 64 g and following, of which there are `count`.
template <class IsSet>
std::uint64_t mask_of(int g, int count, IsSet&& is_set) {
    std::uint64_t mask = 0;
    for (int k = 0; k < mask_bits && g * mask_bits + k < count; ++k)
        if (is_set(g * mask_bits + k)) mask |= std::uint64_t{1} << k;
    return mask;
}

/// Samples that were taken have these masks, and the others none yet.
void expect_masks_of_samples(MaskedInputs& masked, const TestInputs& in, Range taken) {
    const std::uint64_t untouched = ~std::uint64_t{0};
    std::vector<std::uint64_t> expected;
    for (int g = 0; g < masked.groups(); ++g)
        for (int j = 0; j < masked.capacity(); ++j)
            expected.push_back(
                j < taken.first || j >= taken.first + taken.count
                    ? untouched
                    : mask_of(g, in.c.inputs, [&](int i) { return in.is_set(i, j); }));
    EXPECT_TRUE(same_bits("of_sample", masked.of_sample(), expected));
}

/// Samples that were taken have their values, then zeros up to whole groups.
void expect_values(const MaskedInputs& masked, const TestInputs& in, Range taken) {
    const std::size_t size = in.c.bytes ? 1 : sizeof(nn_real);
    Bytes expected = poison<std::uint8_t>(masked.values().size());
    for (int g = 0; g < masked.groups(); ++g)
        for (int j = taken.first; j < taken.first + taken.count; ++j)
            for (int k = 0; k < mask_bits; ++k)
                for (std::size_t b = 0; b < size; ++b) {
                    const int i = g * mask_bits + k;
                    expected[(elements(g * masked.capacity() + j, mask_bits) +
                              static_cast<std::size_t>(k)) *
                                 size +
                             b] = i < in.c.inputs ? in.bytes[at(i, j, in.c.inputs) * size + b]
                                                  : std::uint8_t{0};
                }
    EXPECT_TRUE(same_bits("values", masked.values(), expected));
}

/// Inputs that were turned have these masks, and the others none yet.
void expect_masks_of_inputs(const MaskedInputs& masked, const TestInputs& in, Range turned) {
    const int words = ceil_div(in.c.n, mask_bits);
    std::vector<std::uint64_t> expected = poison<std::uint64_t>(masked.of_input().size());
    for (int s = 0; s < words; ++s)
        for (int i = turned.first; i < turned.first + turned.count; ++i)
            expected[at(i, s, in.c.inputs)] =
                mask_of(s, in.c.n, [&](int j) { return in.is_set(i, j); });
    EXPECT_TRUE(same_bits("of_input", masked.of_input(), expected));
}

void check_masks(const CpuFunctions& f, const InputCase& c, Rng& rng) {
    const TestInputs in(c, rng);
    for (const Range samples : whole_and_inner(c.n)) {
        SCOPED_TRACE(c.text() + ", samples " + text_of(samples));
        MaskedInputs masked(f, in);
        masked.take(samples);
        expect_masks_of_samples(masked, in, samples);
        expect_values(masked, in, samples);
    }
    for (const Range inputs : whole_and_inner(c.inputs)) {
        SCOPED_TRACE(c.text() + ", turned inputs " + text_of(inputs));
        MaskedInputs masked(f, in);
        masked.take({0, c.n});
        masked.turn(inputs);
        expect_masks_of_inputs(masked, in, inputs);
    }
}

TEST_P(CpuMasks, AreRightForEveryNumberOfInputsAndDensity) {
    Rng rng(1);
    for (const int inputs : counts_around_masks)
        for (const double density : densities)
            for (const bool bytes : {true, false})
                check_masks(f(), {inputs, 5, bytes, density}, rng);
}

TEST_P(CpuMasks, AreRightForEveryNumberOfSamplesAndDensity) {
    Rng rng(2);
    for (const int n : {0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200})
        for (const double density : densities)
            for (const bool bytes : {true, false}) check_masks(f(), {70, n, bytes, density}, rng);
}

/// Parts of the inputs that lie within one mask, end with it, begin with it and go across.
TEST_P(CpuMasks, AreTurnedForAnyRangeOfInputs) {
    Rng rng(3);
    const TestInputs in({200, 129, true, 0.5}, rng);
    for (const int first : {0, 1, 63, 64, 65, 128, 191, 199})
        for (const int end : {first, first + 1, 63, 64, 65, 127, 129, 192, 200}) {
            if (end < first || end > 200) continue;
            SCOPED_TRACE("inputs " + text_of({first, end - first}));
            MaskedInputs masked(f(), in);
            masked.take({0, 129});
            masked.turn({first, end - first});
            expect_masks_of_inputs(masked, in, {first, end - first});
        }
}

/// Threads may take samples and turn inputs in any parts.
TEST_P(CpuMasks, AreTheSameHoweverTheWorkIsDivided) {
    Rng rng(4);
    const TestInputs in({130, 131, false, 0.19}, rng);
    MaskedInputs masked(f(), in);
    for (int t = 6; t >= 0; --t) masked.take(part_of(131, t, 7));
    for (int t = 4; t >= 0; --t) masked.turn(part_of(130, t, 5));
    expect_masks_of_samples(masked, in, {0, 131});
    expect_values(masked, in, {0, 131});
    expect_masks_of_inputs(masked, in, {0, 130});
}

/// The last sample of a set may end a page.
TEST_P(CpuMasks, AreTakenWithoutAReadBehindTheSample) {
    Rng rng(7);
    for (const int inputs : counts_around_masks)
        for (const bool bytes : {true, false}) {
            SCOPED_TRACE(std::to_string(inputs) + (bytes ? " bytes" : " numbers"));
            const TestInputs in({inputs, 1, bytes, 0.5}, rng);
            const AtPageEnd<std::uint8_t> sample(in.bytes);
            MaskedInputs masked(f(), in);
            f().take_masked(masked.masked(), 0, sample.data());
            expect_masks_of_samples(masked, in, {0, 1});
        }
}

TEST_P(CpuMasks, SeeEveryPixelThatIsNotZeroAtEveryPlace) {
    Rng rng(5);
    TestInputs in({128, 1, true, 0}, rng);
    for (int place = 0; place < 128; ++place)
        for (const int pixel : {1, 2, 64, 127, 128, 129, 254, 255}) {
            in.bytes.assign(128, 0);
            in.bytes[static_cast<std::size_t>(place)] = static_cast<std::uint8_t>(pixel);
            MaskedInputs masked(f(), in);
            masked.take({0, 1});
            const std::uint64_t bit = std::uint64_t{1} << (place % mask_bits);
            const std::vector<std::uint64_t> of_sample = masked.of_sample();
            EXPECT_EQ(of_sample[0], place < mask_bits ? bit : 0) << pixel << " at " << place;
            EXPECT_EQ(of_sample[mask_bits], place < mask_bits ? 0 : bit)
                << pixel << " at " << place;
        }
}

/// NaN is no zero, and the smallest denormal number is none; -0 is one.
TEST_P(CpuMasks, SeeEveryNumberThatIsNotZero) {
    Rng rng(6);
    const nn_real numbers[] = {nan_real,
                               -std::numeric_limits<nn_real>::infinity(),
                               std::numeric_limits<nn_real>::denorm_min(),
                               -std::numeric_limits<nn_real>::denorm_min(),
                               std::numeric_limits<nn_real>::max(),
                               nn_real{-0.0f}};
    TestInputs in({65, 1, false, 0}, rng);
    for (const int place : {0, 1, 31, 32, 63})
        for (const nn_real number : numbers) {
            in.bytes.assign(65 * sizeof(nn_real), 0);
            std::memcpy(in.bytes.data() + elements(place, sizeof(nn_real)), &number, sizeof number);
            MaskedInputs masked(f(), in);
            masked.take({0, 1});
            EXPECT_EQ(masked.of_sample()[0], number == 0 ? 0 : std::uint64_t{1} << place)
                << number << " at " << place;
        }
}

INSTANTIATE_TEST_SUITE_P(EachThatRuns, CpuMasks, testing::ValuesIn(runnable_tables()),
                         name_of_table);

}  // namespace
