// test_codec.cpp: a code has the promised size, and stands for the values of its definition.
#include <gtest/gtest.h>

#include <limits>

#include "base/random.h"
#include "reduce/codec/codec.h"
#include "tests/support/codec_model.h"

namespace {

constexpr const char* codecs[] = {"bf16", "int8", "sign", "topk:0.01", "topk:0.3", "topk:1"};

std::size_t bytes_of(const Codec& codec, std::size_t count) {
    return std::visit(
        [&](const auto& c) -> std::size_t {
            using C = std::decay_t<decltype(c)>;
            if constexpr (std::is_same_v<C, std::monostate>)
                return count * sizeof(nn_real);
            else
                return c.bytes(count);
        },
        codec);
}

/// What the code of `values` stands for. Guard bytes behind the code must stay as they were.
std::vector<nn_real> decoded(const std::string& name, const std::vector<nn_real>& values) {
    std::vector<nn_real> result(values.size());
    std::visit(
        [&](const auto& c) {
            using C = std::decay_t<decltype(c)>;
            if constexpr (!std::is_same_v<C, std::monostate>) {
                const std::size_t bytes = c.bytes(values.size());
                std::vector<std::uint8_t> code(bytes + 4, 0xa5);
                c.encode(values, std::span(code).first(bytes));
                for (std::size_t i = bytes; i < code.size(); ++i)
                    EXPECT_EQ(code[i], 0xa5) << name << " wrote behind its code";
                c.add(std::span(code).first(bytes), 1, result);
            }
        },
        codec_of(name).value());
    return result;
}

std::vector<nn_real> random_values(std::size_t count) {
    Rng rng(3);
    std::vector<nn_real> values(count);
    for (nn_real& value : values) value = static_cast<nn_real>(rng.normal());
    return values;
}

TEST(Codecs, StandForTheValuesOfTheirDefinition) {
    for (const std::string codec : codecs)
        for (const std::size_t count : {0u, 1u, 7u, 8u, 255u, 256u, 257u, 1023u, 1025u, 3000u}) {
            const std::vector<nn_real> values = random_values(count);
            EXPECT_EQ(decoded(codec, values), decoded_by_model(codec, values))
                << codec << " of " << count << " values";
        }
}

TEST(Codecs, TakeZerosAndTiesAsDefined) {
    std::vector<nn_real> values(2000);
    for (const std::string codec : codecs)
        EXPECT_EQ(decoded(codec, values), values) << codec << " of zeros";
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? nn_real{-2} : 2;
    for (const std::string codec : codecs)
        EXPECT_EQ(decoded(codec, values), decoded_by_model(codec, values)) << codec << " of ties";
}

TEST(Codecs, AddTheValuesTimesAFactor) {
    const std::vector<nn_real> values = random_values(300);
    const Int8Codec codec;
    std::vector<std::uint8_t> code(codec.bytes(values.size()));
    codec.encode(values, code);
    std::vector<nn_real> rest = values;
    codec.add(code, -1, rest);
    const std::vector<nn_real> sent = decoded("int8", values);
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(rest[i], values[i] - sent[i]);
}

/// The trainer finds a diverging run by what is not finite, so no code may hide it.
TEST(Codecs, KeepWhatIsNotFinite) {
    for (const std::string codec : codecs)
        for (const nn_real wrong : {std::numeric_limits<nn_real>::quiet_NaN(),
                                    -std::numeric_limits<nn_real>::infinity()}) {
            std::vector<nn_real> values = random_values(3000);
            values[1500] = wrong;
            EXPECT_FALSE(std::isfinite(decoded(codec, values)[1500])) << codec << " of " << wrong;
        }
}

/// The numbers of parameters of the default network and of a large one.
TEST(Codecs, CutTheBytesAsPromised) {
    const struct {
        const char* codec;
        double times;  ///< of floats
    } promises[] = {{"bf16", 2}, {"int8", 3.9}, {"topk:0.01", 40}, {"sign", 31}};
    for (const auto& promise : promises)
        for (const std::size_t count : {159010u, 1863690u}) {
            const double whole = static_cast<double>(count) * sizeof(nn_real);
            EXPECT_GE(whole / static_cast<double>(bytes_of(codec_of(promise.codec).value(), count)),
                      promise.times)
                << promise.codec << " of " << count << " values";
        }
}

TEST(Codecs, HaveATextThatIsReadAgain) {
    for (const std::string text : {"none", "bf16", "int8", "sign", "topk:0.01", "topk:1"}) {
        const std::optional<Codec> codec = codec_of(text);
        ASSERT_TRUE(codec.has_value()) << text;
        EXPECT_EQ(text_of(*codec), text);
        EXPECT_EQ(compresses(*codec), text != "none");
    }
    for (const char* wrong : {"", "int4", "topk", "topk:", "topk:0", "topk:1.01", "topk:-1",
                              "topk:nan", "topk:0.1x", "INT8", "int8:0.5"})
        EXPECT_FALSE(codec_of(wrong).has_value()) << wrong;
}

}  // namespace
