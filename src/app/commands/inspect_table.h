// inspect_table.h: what a table holds, column by column.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"

/// {"rows":150,"columns":[{"column":1,"name":...,"numbers":150,"min":...,"mean":...,"max":...,
/// "texts":0,"different":0,"empty":0}, ...],"separator":",","heading":true}. "rows" are without the
/// heading; "name" is only there with one; min, mean and max are null without numbers; "different"
/// counts texts, up to 256. Throws InputError if the text is no table.
Json found_in_table(const std::filesystem::path& file);

/// The same for people, at most 20 columns.
std::string table_text(const Json& table);
