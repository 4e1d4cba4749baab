// markup.h: escapes text so that it cannot become markup.
//
// Names of files and data come from the user and go into pictures and pages that a browser shows;
// none of them may become an element or a script there.
#pragma once
#include <string>
#include <string_view>

/// `text` as character data, or as the value of an attribute in quotes. Control characters, which
/// XML forbids, become U+FFFD.
std::string escaped(std::string_view text);
