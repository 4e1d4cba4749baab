// resume.h: whether a checkpoint is of this run, and what is different about the run that made it.
#pragma once
#include <string>

#include "base/json.h"
#include "input/sample_set.h"
#include "model/parameters.h"

/// What decides the parameters that a run ends with, beside the number of epochs: JSON objects,
/// values by name.
struct RunSettings {
    Json same;      ///< a resumed run must find these again
    Json rounding;  ///< these may differ: they change the last bits alone

    /// Both in one JSON object, for a checkpoint.
    std::string text() const;
};

/// CRC-32 of the samples, and of the parameters.
unsigned long checksum_of(const SampleSet& samples);
unsigned long checksum_of(const Parameters<nn_real>& parameters);
/// The name of the first in RunSettings::same.
inline constexpr const char* samples_checksum = "checksum of the samples";

/// `theirs`: the settings in the checkpoint `file`. Throws InputError naming the first setting of
/// `ours.same` that its run had otherwise.
void check_same_settings(const RunSettings& ours, const std::string& theirs,
                         const std::string& file);

/// What only changes rounding and was otherwise there: "gemm bf16x3, now fp32; ranks 3, now 2".
/// Empty where nothing was, or where the checkpoint does not say.
std::string rounding_differences(const RunSettings& ours, const std::string& theirs);
