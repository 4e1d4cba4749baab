// flags.h: the flags of a training, one row each. Command line, help and resume read the same rows.
//
// A new flag is a row here and a field of TrainOptions. Its row has to say what a resumed run does
// about it, so that nobody forgets.
#pragma once
#include <vector>

#include "app/cli/command_line.h"
#include "app/cli/options.h"
#include "base/json.h"

/// What a run that resumes another one's checkpoint does about a flag.
enum class OnResume {
    same,      ///< must find the same value
    content,   ///< need not look: it decides the samples or the first parameters, whose checksums
               ///< are compared
    rounding,  ///< may differ; the banner says so, because the last bits will differ too
    free       ///< may differ: the parameters do not depend on it
};

/// What sets a flag's value in its place, so that the flag cannot be given beside it.
enum FixedBy : unsigned { by_nothing = 0, by_grade = 1, by_course = 2 };

struct TrainFlag : Flag {
    OnResume on_resume;
    unsigned fixed_by = by_nothing;

    std::string long_name() const;  ///< "--batch"
    std::string key() const;        ///< in a checkpoint's settings: "batch"
};

/// All flags of a training, bound to `options`, which must outlive them.
std::vector<TrainFlag> train_flags(TrainOptions& options);

/// Those of the rows whose `on_resume` is this one, as a JSON object: values by key.
Json flag_values(const TrainOptions& options, OnResume on_resume);

// ---- rows that other commands have too

Flag data_flag(std::string& place);
Flag json_flag(bool& place);
/// Device, threads, GEMM and instruction set.
std::vector<Flag> device_flags(DeviceRequest& device);
Flag allreduce_flag(DeviceRequest& device);
/// `logged`: what --csv writes a line for.
std::vector<Flag> output_flags(OutputFiles& files, const std::string& logged);
/// Refuses two flags that name the same file.
void check_output_files(const CommandLine& line, const OutputFiles& files);
