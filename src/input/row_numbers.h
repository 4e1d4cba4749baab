// row_numbers.h: columns of a table that only count its rows, as pandas writes them.
//
// Such a number says nothing about another row. Where the rows are sorted by class, a network
// learns the class from it, and is right by it on held-out rows, but on no other table.
#pragma once
#include <cstddef>
#include <vector>

#include "input/sample_set.h"

/// The inputs, from 0, that go up by exactly 1 from each row to the next, if there are ten rows or
/// more. The table's rows must be in the order of the file.
std::vector<std::size_t> row_numbers_in(const SampleSet& table);
