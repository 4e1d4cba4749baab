// table_reader.h: a CSV file becomes a SampleSet.
//
// A row is a sample. Its inputs are numbers. Its targets are numbers, or one class: a number from 0
// on, or a name. csv_rows.h says how the text is divided into rows and fields.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "input/sample_set.h"
#include "input/table_columns.h"

/// How a table is to be read for a training.
struct TableWish {
    std::string target = {};  ///< as behind --target (table_columns.h); empty: the last column
    /// A single target column with numbers has class numbers 0, 1, ... 255; otherwise it has one
    /// number for each sample. If its first sample has a name there, it
    /// has names of classes.
    bool class_numbers = true;
};

/// How a table is to be read for a network.
struct TableOfNetwork {
    TableColumns columns;
    std::vector<std::string> class_names;  ///< empty: numbers
    std::size_t inputs, outputs;
    bool with_targets;
    std::string target = {};  ///< as behind --target; empty: where the training had it
};

struct Table {
    SampleSet set;
    TableColumns columns;                 ///< of this file
    std::vector<std::string> notes = {};  ///< what was taken for more than it says
};

/// Reads a table. The first row is a heading if it holds no number; if it has a wished target, or
/// all of a network's inputs, as names; or if it counts up by one (0, 1, 2, ...) and the rows below
/// do not look like it, which gives a note. A sample has at most 2^20 inputs, and there are at most
/// 256 classes. Names of classes are sorted. If the heading has a name twice, the columns have no
/// names. Throws InputError: one line with the file, the line's number, what was expected, what was
/// found and what to do.
Table read_table(const std::filesystem::path& file, const TableWish& wish);
Table read_table(const std::filesystem::path& file, const TableOfNetwork& network);

/// The same from memory; `name` is for messages.
Table parse_table(std::string_view text, const std::string& name, const TableWish& wish);
Table parse_table(std::string_view text, const std::string& name, const TableOfNetwork& network);

/// True if the file's name ends as tables' names do: .csv, .tsv, .tab, .txt.
bool is_named_as_table(const std::filesystem::path& file);
