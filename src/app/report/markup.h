// markup.h: escapes text so that it cannot become markup, and bytes so that they are text.
//
// Names of files and data come from the user and go into pictures and pages that a browser shows;
// none of them may become an element or a script there.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// `text` as character data, or as the value of an attribute in quotes. Control characters, which
/// XML forbids, become U+FFFD.
std::string escaped(std::string_view text);

/// Bytes as text, four characters for three bytes (RFC 4648), for a page that holds its own data.
std::string base64(std::span<const std::uint8_t> bytes);
