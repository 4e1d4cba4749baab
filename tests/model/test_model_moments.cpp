// test_model_moments.cpp: a checkpoint's file keeps the moments of its optimizer.
#include <gtest/gtest.h>

#include "model/initial.h"
#include "model/model_file.h"
#include "tests/support/file_fixture.h"

namespace {

Model with_moments() {
    Model model{initial_parameters<nn_real>(Layout({3, 2, 1}), 1, 0), {}};
    model.facts.version = "1";
    for (const int seed : {2, 3})
        model.moments.push_back(
            {"m" + std::to_string(seed),
             initial_parameters<nn_real>(Layout({3, 2, 1}), static_cast<std::uint64_t>(seed), 0)});
    return model;
}

TEST(ModelMoments, ComeBackByNameAndValue) {
    const Model model = with_moments(), read = parse_model(format_model(model), "model");
    ASSERT_EQ(read.moments.size(), 2u);
    EXPECT_EQ(read.parameters.values, model.parameters.values);
    for (std::size_t m = 0; m < 2; ++m) {
        EXPECT_EQ(read.moments[m].name, model.moments[m].name);
        EXPECT_EQ(read.moments[m].values.values, model.moments[m].values.values);
    }
}

TEST(ModelMoments, AByteOfOneThatWasChangedIsFound) {
    Bytes file = format_model(with_moments());
    file.back() ^= 1;
    expect_refusal([&] { parse_model(file, "model"); }, {"model", "checksum"});
}

TEST(ModelMoments, ThatAreNoNumbersAreNotWritten) {
    Model model = with_moments();
    model.moments[1].values.values[4] = std::numeric_limits<nn_real>::infinity();
    EXPECT_THROW(format_model(model), Diverged);
}

TEST(ModelMoments, ThatTheMetadataNamesMustBeThere) {
    Bytes file = format_model(with_moments());
    for (std::string name; const char* tensor : {"m3.W1", "m3.b1", "m3.W2", "m3.b2"}) {
        name = tensor;
        const auto at = std::search(file.begin(), file.end(), name.begin(), name.end());
        ASSERT_NE(at, file.end());
        *at = 'n';
    }
    expect_refusal([&] { parse_model(file, "model"); }, {"model", "n3.W1"});
}

}  // namespace
