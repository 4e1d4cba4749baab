// digit_page.h: --html: one page in which a digit is drawn and a network says which it is.
//
// The page is one file with the network in it: it loads nothing, and forbids itself to. It prepares
// what is drawn as predict does, and refuses what predict refuses: drawings that stand apart, and
// two digits that touch. Its sources are in the folder digit beside this file.
#pragma once
#include <cstddef>
#include <string>

#include "model/model_file.h"

/// A page of more bytes would be slow to mail and to open.
inline constexpr std::size_t most_page_bytes = 1'500'000;

struct DigitPage {
    std::string html;
    /// The parameters are rounded to half precision, because the page would be too large in single.
    bool is_half = false;
};

/// The page. `name` is the model's, for messages. Throws InputError if check_digit_page() does, or
/// if a parameter is too large for the numbers of the page.
DigitPage digit_page(const Model& model, const std::string& name);

/// Throws InputError if there can be no page: the network has one output alone, it takes pictures
/// as they are, or the page would be too large.
void check_digit_page(const Layout& layout, const ModelFacts& facts, const std::string& name);

/// What a person must know of a page in half precision.
inline constexpr const char* note_half =
    "the page holds the network in half precision, to stay below 1.5 MB: its probabilities may "
    "differ a little from predict's";
