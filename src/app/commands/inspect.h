// inspect.h: ./main inspect: what a model file, a folder of data or a folder of checkpoints holds.
//
// What is found is gathered as JSON, which --json prints as it stands; the text for people is made
// from that.
#pragma once
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "app/cli/options.h"
#include "comm/comm.h"
#include "input/sample_set.h"
#include "model/model_file.h"

/// Tells of each of options.files. Collective; rank 0 reads and prints. What cannot be read gets a
/// line on standard error, the rest is told all the same, and the exit code, which is returned, is
/// exit_bad_input.
int inspect(const Comm& comm, const Options& options);

using Finding = nlohmann::ordered_json;

/// `bytes`: the file that `model` was parsed from, for the tensors' types in it.
Finding found_in_model(const Model& model, std::span<const std::uint8_t> bytes);
/// `name` "training" or "test"; the two files that `set` was read from.
Finding found_in_set(const SampleSet& set, const std::string& name, const std::string& images,
                     const std::string& labels);

/// For people; each ends with a newline.
std::string model_text(const Finding& model);
std::string set_text(const Finding& set);
/// A folder's list; each has "file", "valid" and either "epoch" and "step", or "why" not.
std::string checkpoints_text(const Finding& checkpoints);
