// check_targets.h: targets from which nothing can be learned are refused, or told in a note.
#pragma once
#include <string>
#include <vector>

#include "input/sample_set.h"
#include "input/table_columns.h"
#include "model/objective.h"

/// Throws InputError, which begins with `table`, if a target of `set` is one that no output can
/// reach: outputs lie between 0 and 1, and those of a softmax have the sum 1.
void check_reachable(const SampleSet& set, const Objective& objective, const std::string& table);

/// Throws InputError, which begins with `table`, if all training samples have the same target: the
/// same class, the same numbers for a softmax, or the same number for one of several sigmoids.
void check_varied(const SampleSet& train, const Objective& objective, const TableColumns& columns,
                  const std::string& table);

/// Notes about classes that no training sample has; one note if there is one class only.
std::vector<std::string> notes_on_classes(const SampleSet& train, const Objective& objective);
