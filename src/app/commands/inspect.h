// inspect.h: ./main inspect: shows the contents of a model file, a folder of data or a folder of
// checkpoints.
//
// The findings are collected as JSON. --json prints that JSON; the text for people is made from it.
#pragma once
#include <string>

#include "app/cli/options.h"
#include "base/json.h"
#include "comm/comm.h"
#include "input/sample_set.h"
#include "model/model_file.h"

/// Shows each of options.files. Collective; rank 0 reads and prints. A file that cannot be read
/// gets a line on standard error, and the others are still shown. Returns the exit code, which is
/// exit_bad_input if a file could not be read.
int inspect(const Comm& comm, const InspectOptions& options);

/// `model` is of a file, so that it has the tensors' types.
Json found_in_model(const Model& model);
/// `name` "training" or "test"; the two files that `set` was read from.
Json found_in_set(const SampleSet& set, const std::string& name, const std::string& images,
                  const std::string& labels);

/// Texts for people; each ends with a newline.
std::string model_text(const Json& model);
std::string set_text(const Json& set);
/// A folder's list. Each entry has "file", "valid" and either "epoch" and "step", or "why" it is
/// not valid.
std::string checkpoints_text(const Json& checkpoints);
