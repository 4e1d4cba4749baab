// resume.h: checks that a checkpoint belongs to this run, and names the settings that differ.
#pragma once
#include <string>

#include "base/json.h"
#include "input/sample_set.h"
#include "model/parameters.h"

/// The settings that decide the parameters at the end of a run: JSON objects, values by name. The
/// number of epochs is one of them only where the schedule goes by it.
struct RunSettings {
    Json same;      ///< must be the same in a resumed run
    Json rounding;  ///< may differ: they only change rounding

    /// Both in one JSON object, for a checkpoint.
    std::string text() const;
};

/// CRC-32 of the samples, and of the parameters.
unsigned long checksum_of(const SampleSet& samples);
unsigned long checksum_of(const Parameters<nn_real>& parameters);

/// `theirs`: the settings in the checkpoint `file`. Throws InputError with the first setting of
/// `ours.same` that was different in its run.
void check_same_settings(const RunSettings& ours, const std::string& theirs,
                         const std::string& file);

/// The settings of `ours.rounding` that were different in the checkpoint's run: "gemm bf16x3, now
/// fp32; ranks 3, now 2". Empty if all are equal, or if the checkpoint does not have them.
std::string rounding_differences(const RunSettings& ours, const std::string& theirs);
