// table_facts.h: what a network must know of the table that it was trained on, to take another one.
//
// It is kept in the model file's metadata as "columns", so that predict and evaluate need no flag
// for the columns, the scale and the classes.
#pragma once
#include <string>
#include <vector>

#include "input/input_scale.h"
#include "input/sample_set.h"
#include "input/table_columns.h"
#include "model/model_file.h"

struct TableFacts {
    TableColumns columns;  ///< count 0: not known
    InputScale scale = {};
    double rms = 0;           ///< root of the mean square of the training's inputs, after the scale
    bool has_classes = true;  ///< the targets are classes, not numbers

    std::vector<std::string> target_names() const;  ///< from the heading; without: column 5
};

/// As JSON for ModelFacts::columns: {"count":785,"names":[...],"targets":[1],"scale":"minmax",
/// "from":[...],"by":[...],"rms":0.3,"classes":true}; targets count from 1. Names of more than 4
/// MiB in all are left out. "{}" if the columns are not known.
std::string to_json(const TableFacts& facts);

/// The facts of a model; count 0 if the file does not say them. Throws InputError, which begins
/// with `file`, if they do not fit the network.
TableFacts table_facts_of(const Model& model, const std::string& file);

/// True if the file says that its network was trained on images, or on a table. Another program's
/// file says neither.
bool is_for_images(const ModelFacts& facts);
bool is_for_tables(const ModelFacts& facts);

/// Throws InputError, which begins with `file`, if the model was trained on images.
void check_takes_tables(const Model& model, const std::string& file);

/// A table that a network is to read.
struct WantedTable {
    std::string file;
    bool with_targets = true;
    std::string target = {};  ///< as behind --target; empty: where the training had it
};

/// Reads a table with the model's columns and classes, and without the scale. Adds the reader's
/// notes. Throws InputError.
SampleSet read_raw_table_for(const Model& model, const TableFacts& facts, const WantedTable& wanted,
                             std::vector<std::string>& notes);

/// Reads a table as the model in `model_file` takes it: its columns, its scale, its classes. A note
/// is added if the table is not like that of the training. Throws InputError.
SampleSet read_table_for(const Model& model, const std::string& model_file,
                         const WantedTable& wanted, std::vector<std::string>& notes);
