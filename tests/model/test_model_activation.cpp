// test_model_activation.cpp: a model file keeps the activation of its network.
#include <gtest/gtest.h>

#include "model/initial.h"
#include "model/model_file.h"
#include "tests/support/file_fixture.h"

namespace {

Bytes file_with(const Activation& activation) {
    Model model{initial_parameters<nn_real>(Layout({3, 2, 1}), 1, 0), {}};
    model.facts.activation = activation;
    return format_model(model);
}

/// The file with the same bytes but for some text in its header, which keeps its length.
Bytes with_text_alone(Bytes file, const std::string& from, const std::string& to) {
    const auto at = std::search(file.begin(), file.end(), from.begin(), from.end());
    EXPECT_NE(at, file.end()) << "no " << from;
    EXPECT_EQ(from.size(), to.size());
    std::copy(to.begin(), to.end(), at);
    return file;
}

/// The same without a checksum, which is of the old text.
Bytes with_text(Bytes file, const std::string& from, const std::string& to) {
    return with_text_alone(with_text_alone(std::move(file), "\"checksum\"", "\"Checksum\""), from,
                           to);
}

TEST(ModelActivation, ComesBack) {
    for (const auto& [activation, name] : Names<Activation>::all)
        EXPECT_EQ(parse_model(file_with(activation), "model").facts.activation, activation) << name;
}

TEST(ModelActivation, IsSigmoidWhereTheFileNamesNone) {
    const Bytes file = with_text(file_with(Tanh{}), "\"activation\"", "\"otherwords\"");
    EXPECT_EQ(parse_model(file, "model").facts.activation, Activation(Sigmoid{}));
}

TEST(ModelActivation, OfAnUnknownNameIsRefused) {
    const Bytes file = with_text(file_with(Tanh{}), "\"tanh\"", "\"Tanh\"");
    expect_refusal([&] { parse_model(file, "model"); }, {"model", "\"activation\"", "\"Tanh\""});
}

}  // namespace
