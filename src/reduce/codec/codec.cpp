// codec.cpp: the codecs as a person types them.
#include "reduce/codec/codec.h"

#include <array>
#include <charconv>
#include <string_view>

namespace {

/// The shortest text that is read as the same number.
std::string shortest(double number) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
    return {text.data(), end};
}

}  // namespace

std::string text_of(const Codec& codec) {
    return std::visit(
        [](const auto& c) -> std::string {
            using C = std::decay_t<decltype(c)>;
            if constexpr (std::is_same_v<C, std::monostate>)
                return "none";
            else if constexpr (std::is_same_v<C, TopKCodec>)
                return std::string(C::name) + ":" + shortest(c.fraction);
            else
                return C::name;
        },
        codec);
}

std::optional<Codec> codec_of(const std::string& text) {
    for (const Codec& plain : {Codec(), Codec(Bf16Codec{}), Codec(Int8Codec{}), Codec(SignCodec{})})
        if (text == text_of(plain)) return plain;
    constexpr std::string_view begin = "topk:";
    if (!text.starts_with(begin)) return std::nullopt;
    TopKCodec codec;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + begin.size(), end, codec.fraction);
    if (error != std::errc{} || stop != end) return std::nullopt;
    if (!(codec.fraction > 0 && codec.fraction <= 1)) return std::nullopt;
    return codec;
}
