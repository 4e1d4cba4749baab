// table_reader.h: a CSV file of numbers becomes a SampleSet.
//
// A row is a sample: its inputs, then its targets. Separators are commas, with or without spaces; a
// first line without any number is a heading; empty lines and lines that begin with # are skipped.
// Lines end as on Unix or on Windows.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "input/sample_set.h"

/// Reads `file`, whose last `target_columns` columns are targets. If `as_classes`, the only target
/// column holds class numbers 0, 1, ... (at most 255), which become labels. A sample has at most
/// 2^20 inputs. Throws InputError: one line with the file, the line's number, what was expected,
/// what was found and what to do.
SampleSet read_table(const std::filesystem::path& file, int target_columns, bool as_classes);

/// The same from memory; `name` is for messages.
SampleSet parse_table(std::string_view text, const std::string& name, int target_columns,
                      bool as_classes);
