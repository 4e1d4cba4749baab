// flags.h: the flags of a training, one row each. Command line, help and resume read the same rows.
//
// A new flag is a row in flags.cpp and a field of TrainOptions. Its row must say what a resumed run
// does about it, so that nobody forgets.
#pragma once
#include <vector>

#include "app/cli/command_line.h"
#include "app/cli/options.h"
#include "base/json.h"

/// What a resumed run does about a flag of the checkpoint's run.
enum class OnResume {
    same,      ///< must have the same value
    content,   ///< no check: the flag decides the samples or the first parameters, whose checksums
               ///< are compared
    rounding,  ///< may differ; the banner says so, because the last bits will differ too
    free       ///< may differ: the parameters do not depend on it
};

/// Another flag that sets this one's value, so that the two cannot be given together.
enum FixedBy : unsigned { by_nothing = 0, by_grade = 1, by_course = 2 };

struct TrainFlag : Flag {
    OnResume on_resume;
    unsigned fixed_by = by_nothing;

    std::string key() const;  ///< in a checkpoint's settings: "batch"
};

/// All flags of a training, bound to `options`, which must outlive them.
std::vector<TrainFlag> train_flags(TrainOptions& options);

/// The values of all flags with this `on_resume`, as a JSON object by key.
Json flag_values(const TrainOptions& options, OnResume on_resume);

// ---- rows that other commands have too

Flag data_flag(std::string& place);
/// `verb`: "evaluate on".
std::vector<Flag> table_flags(std::string& place, std::string& target, const std::string& verb);
Flag json_flag(bool& place);
/// Device, threads, GEMM and instruction set.
std::vector<Flag> device_flags(DeviceRequest& device);
Flag allreduce_flag(DeviceRequest& device);
/// `logged`: what --csv writes a line for.
std::vector<Flag> output_flags(OutputFiles& files, const std::string& logged);
/// Refuses two flags that name the same file.
void check_output_files(const CommandLine& line, const OutputFiles& files);
