// table_columns.h: which columns of a table are inputs and which are targets.
//
// A training says it by --target. Its network keeps it, and takes later tables by the names of
// their columns, or, where there are no names, by their places.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// The columns of a table. Places count from 0.
struct TableColumns {
    std::size_t count = 0;                  ///< 0: not known
    std::vector<std::string> names = {};    ///< of all columns, each another; empty: no names
    std::vector<std::size_t> targets = {};  ///< in the order of the outputs

    std::vector<std::size_t> inputs() const;  ///< the other places, rising
    /// For messages: column 3 "width"; without names: column 3.
    std::string described(std::size_t place) const;
};

/// The places that `wish`, the text behind --target, names: column names of the heading, numbers
/// from 1, numbers from -1 backwards from the end, and ranges of numbers (-3..-1), separated by
/// commas. A number is always a place. An empty wish is the last column. Throws InputError, which
/// begins with `table`, if a column is not there or is named twice, or if no column is left as an
/// input.
std::vector<std::size_t> target_places(const std::string& wish, const TableColumns& columns,
                                       const std::string& table);

/// True if `field` is one of the wish's names, and not a number.
bool is_wished_by_name(const std::string& wish, std::string_view field);

/// Where a network finds its columns in another table.
struct FoundColumns {
    std::vector<std::size_t> inputs, targets;
};
/// `trained` are the columns that a network with `inputs` inputs was trained on, and `here` those
/// of the table. If both have names, a column is found by its name; other columns are left out.
/// Otherwise the table must have the columns of the training, or its inputs alone. If `trained` is
/// not known, the table must have the inputs, and behind them the targets: one, or `outputs`.
/// Without `with_targets`, no target need be there. Throws InputError, which begins with `table`.
FoundColumns find_columns(const TableColumns& trained, std::size_t inputs, std::size_t outputs,
                          const TableColumns& here, bool with_targets, const std::string& table);
/// The same where the table's targets are known: one, or `outputs`. They are no inputs. The inputs
/// are found by their names, or, without names, are all other columns.
FoundColumns find_columns(const TableColumns& trained, std::size_t inputs, std::size_t outputs,
                          const TableColumns& here, const std::vector<std::size_t>& targets,
                          const std::string& table);
