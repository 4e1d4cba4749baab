// table_values.h: what a field of a table says: a number or a name; and what a table's first row
// is.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/real.h"

/// The number that the whole field is, without spaces at its ends and rounded once to nn_real: as
/// std::from_chars reads it in every language, with a + allowed before it. Infinity if it is too
/// large. Nothing for any other text.
std::optional<nn_real> number_in(std::string_view field);

/// A name without spaces at its ends; bytes that are not UTF-8 are replaced, as in a model file.
std::string name_in(std::string_view field);

/// The first row: certainly a heading, certainly a sample, or to be decided by the rows below.
enum class FirstRow { heading, sample, open };

/// By the first two rows; `second` is empty if there is none. A row without a number is a heading.
/// A row whose numbers count up by one from column to column, three of them at least, is one if it
/// has a name over a number of the second row; otherwise it is open. A row that is followed by
/// another one that counts up is a sample.
FirstRow kind_of_first_row(std::span<const std::string> first, std::span<const std::string> second);
