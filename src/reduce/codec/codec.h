// codec.h: the ways to make a gradient smaller before it is sent. The list is here.
//
// A codec is one file beside this one and one entry of Codec: its name, and three functions.
//     bytes(n)                   the size of the code of n values; it depends on n alone
//     encode(values, code)       writes bytes(n) bytes
//     add(code, factor, into)    into[i] += factor * the value that stands for values[i]
// A code loses something. The reducer keeps what is lost, and adds it to the next gradient
// (compressed.cpp). NaN and infinity must not be lost, because the trainer looks for them.
#pragma once
#include <optional>
#include <string>
#include <variant>

#include "reduce/codec/bf16.h"
#include "reduce/codec/int8.h"
#include "reduce/codec/sign.h"
#include "reduce/codec/topk.h"

/// The first one: nothing is made smaller.
using Codec = std::variant<std::monostate, Bf16Codec, Int8Codec, TopKCodec, SignCodec>;

inline bool compresses(const Codec& codec) { return codec.index() != 0; }

/// What codec_of() takes.
inline constexpr const char* codec_names = "none|bf16|int8|topk:F|sign";

/// "none", "int8", "topk:0.01"
std::string text_of(const Codec& codec);
/// The codec of that text. Nothing if there is none, or if F is not in (0, 1].
std::optional<Codec> codec_of(const std::string& text);
