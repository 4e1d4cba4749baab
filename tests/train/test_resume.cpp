// test_resume.cpp: what a resumed run must find again, and what it only says.
#include <gtest/gtest.h>

#include "app/cli/flags.h"
#include "base/error.h"
#include "train/resume.h"

namespace {

constexpr const char* samples_checksum = "checksum of the samples";

RunSettings settings() {
    return {Json::object({{"batch", 24}, {"learning-rate", 1.2}, {samples_checksum, 17}}),
            Json::object({{"gemm", "fp32"}, {"ranks", 2}})};
}

TEST(RunSettings, OfTheSameRunPass) {
    EXPECT_NO_THROW(check_same_settings(settings(), settings().text(), "file"));
    EXPECT_EQ(rounding_differences(settings(), settings().text()), "");
}

TEST(RunSettings, AnotherValueIsNamedWithBoth) {
    RunSettings ours = settings();
    ours.same = Json::object({{"batch", 24}, {"learning-rate", 0.6}});
    try {
        check_same_settings(ours, settings().text(), "file");
        ADD_FAILURE() << "accepted";
    } catch (const InputError& error) {
        EXPECT_EQ(error.what(),
                  std::string("--resume: file is of another run: its learning-rate was 1.2, not "
                              "0.6; give the flags of that run, or name another folder"));
    }
}

TEST(RunSettings, WhatIsMissingOrNoJsonIsOfAnotherRun) {
    for (const char* text : {"{}", "", "[1]", "{\"batch\":24}"})
        EXPECT_THROW(check_same_settings(settings(), text, "file"), InputError) << text;
}

/// No checksum is taken for "unknown".
TEST(RunSettings, SamplesWithTheChecksumZeroAreOthersToo) {
    RunSettings zero = settings();
    zero.same = Json::object({{"batch", 24}, {"learning-rate", 1.2}, {samples_checksum, 0}});
    EXPECT_THROW(check_same_settings(settings(), zero.text(), "file"), InputError);
    EXPECT_THROW(check_same_settings(zero, settings().text(), "file"), InputError);
}

TEST(RunSettings, AnOlderVersionsRunWithoutActivationIsOfSigmoids) {
    RunSettings ours = settings();
    ours.same.add("activation", "sigmoid");
    EXPECT_NO_THROW(check_same_settings(ours, settings().text(), "file"));
    RunSettings other = settings();
    other.same.add("activation", "tanh");
    EXPECT_THROW(check_same_settings(other, settings().text(), "file"), InputError);
    EXPECT_THROW(check_same_settings(other, ours.text(), "file"), InputError);
}

TEST(RunSettings, AnOlderVersionsRunHadPlainDescentAndNoSchedule) {
    RunSettings ours = settings();
    const Json flags = flag_values(TrainOptions{}, OnResume::same);
    for (const char* later :
         {"schedule", "decay-every", "warmup", "optimizer", "momentum", "beta1", "beta2", "epsilon",
          "accumulate", "sync", "outer-momentum", "outer-rate"}) {
        ASSERT_NE(flags.find(later), nullptr) << later;
        ours.same.add(later, flags[later]);
    }
    EXPECT_NO_THROW(check_same_settings(ours, settings().text(), "file"));
    RunSettings other = settings();
    other.same.add("optimizer", "adam");
    EXPECT_THROW(check_same_settings(other, settings().text(), "file"), InputError);
}

TEST(RunSettings, WhatOnlyChangesRoundingIsTold) {
    RunSettings ours = settings();
    ours.rounding = Json::object({{"gemm", "bf16x3"}, {"isa", "avx2"}, {"ranks", 3}});
    EXPECT_NO_THROW(check_same_settings(ours, settings().text(), "file"));
    EXPECT_EQ(rounding_differences(ours, settings().text()),
              "gemm fp32, now bf16x3; ranks 2, now 3");
    EXPECT_EQ(rounding_differences(ours, "{}"), "") << "an older checkpoint does not say";
}

TEST(RunSettings, EverySampleAndTargetIsInTheChecksum) {
    SampleSet set;
    set.rows = set.cols = 1;
    set.classes = 2;
    set.pixels = {1, 2};
    set.labels = {0, 1};
    const unsigned long whole = checksum_of(set);
    SampleSet other = set;
    other.pixels[1] = 3;
    EXPECT_NE(checksum_of(other), whole);
    other = set;
    other.labels[0] = 1;
    EXPECT_NE(checksum_of(other), whole);
    other = set;
    std::swap(other.pixels[0], other.pixels[1]);
    EXPECT_NE(checksum_of(other), whole) << "the same samples in another order";
    EXPECT_EQ(checksum_of(set), whole);
}

}  // namespace
