// csv_rows.h: the text of a table becomes rows of fields.
//
// libcsv reads quotes and separators (RFC 4180, and spaces around fields). This file feeds it line
// by line, so that every row has the number of its line, comments are left out, and what is no text
// of a table is told in words. Only csv_rows.cpp includes the library.
#pragma once
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

/// A row: the number of its first line, from 1, and its fields without their quotes. The fields are
/// valid until the next row.
struct CsvRow {
    std::size_t line;
    std::span<const std::string_view> fields;
};

/// The text without spaces and tabs at its ends.
std::string_view trimmed(std::string_view text);

/// The separator of a table: tab, semicolon, bar or comma. It is the first of these that the first
/// two rows have equally often, outside quotes; else the one that the first row has most often.
char separator_of(std::string_view text);

/// Calls take(row) for every row. Lines end in LF, CR LF or CR. Empty lines, and lines that begin
/// with # where a row could begin, are left out; so is a byte order mark. Throws InputError, with
/// `name` and a line, if the text is UTF-16, gzip, zip or a web page, or if its quotes are wrong.
void for_each_row(std::string_view text, const std::string& name,
                  const std::function<void(const CsvRow&)>& take);

/// A field as it stands in a table with commas: in quotes where it needs them.
std::string csv_field(const std::string& text);
